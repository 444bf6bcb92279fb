/** Before joining: one's own picture, whether one is heard, which devices, and the button that joins. */

import { element, setAttribute, setText } from '../element.js';
import { icon } from '../icons.js';
import { texts } from '../texts.js';
import { pickerView } from './picker.js';
import { selfVideo } from './picture.js';
import { problemsOf } from './problems.js';
import { toggleView } from './toggle.js';

/**
 * @param {object} given
 * @param {import('../seat.js').Seat} given.seat
 * @param {import('../devices.js').Devices} given.devices
 * @param {() => void} given.join
 */
export function previewView({ seat, devices, join }) {
  const video = selfVideo();
  const cover = element('p', { class: 'cover', 'aria-live': 'polite' });
  const microphone = toggleView({ on: 'microphone', off: 'microphone-off', name: 'microphone', press: () => void devices.set('microphone', !devices.wants.microphone) });
  const camera = toggleView({ on: 'camera', off: 'camera-off', name: 'camera', press: () => void devices.set('camera', !devices.wants.camera) });
  const problems = element('div', { class: 'problems', role: 'status', 'data-test': 'problems' });
  const button = element('button', { class: 'button large', onclick: join, 'data-test': 'join' });
  const picker = pickerView(devices);
  const heading = element('h1', { tabindex: '-1' }, texts.preview.title(seat.name));

  const root = element(
    'main',
    { class: 'preview', 'data-test': 'page-preview' },
    element(
      'section',
      { class: 'mirror', 'aria-label': texts.you },
      video,
      cover,
      element('div', { class: 'mirror-controls' }, microphone.root, camera.root),
    ),
    element(
      'section',
      { class: 'card' },
      heading,
      element('p', { class: 'lead' }, texts.preview.lead(texts.roles[seat.role] ?? seat.role, seat.clinic)),
      problems,
      picker.root,
      element('p', { class: 'hint' }, seat.role === 'clinician' ? texts.preview.hint.clinician : texts.preview.hint.other),
      element('div', { class: 'join-row' }, button),
    ),
  );

  const render = () => {
    video.show(devices.tracks.camera);
    setText(cover, coverText(devices));
    setAttribute(cover, 'hidden', devices.tracks.camera !== null);
    microphone.render(devices.wants.microphone && !devices.problems.has('microphone'), texts.call.mute, texts.call.unmute);
    camera.render(devices.wants.camera && !devices.problems.has('camera'), texts.call.cameraOff, texts.call.cameraOn);
    setText(button, joinText(devices));
    renderProblems(problems, devices);
  };
  render();
  const off = devices.on('changed', render);
  return {
    root,
    focus: () => heading.focus(),
    close() {
      off();
      picker.close();
    },
  };
}

/** @param {import('../devices.js').Devices} devices */
function coverText(devices) {
  if (devices.asking) return texts.preview.asking;
  return devices.wants.camera ? texts.preview.noCamera : texts.preview.cameraOff;
}

/** @param {import('../devices.js').Devices} devices */
function joinText({ problems, asking }) {
  if (asking || problems.size === 0) return texts.preview.join;
  if (problems.size === 2) return texts.preview.joinWithout.both;
  return problems.has('camera') ? texts.preview.joinWithout.camera : texts.preview.joinWithout.microphone;
}

/**
 * @param {HTMLElement} list
 * @param {import('../devices.js').Devices} devices
 */
function renderProblems(list, devices) {
  const found = problemsOf(devices);
  const shown = JSON.stringify(found);
  if (shown === list.dataset.shown) return; // the same words are not said twice
  list.dataset.shown = shown;
  list.replaceChildren(
    ...found.map(({ what, reason, text }) =>
      element(
        'div',
        { class: 'problem', 'data-test': `problem-${what}`, 'data-reason': reason },
        icon(what === 'microphone' ? 'microphone-off' : 'camera-off'),
        element('p', {}, text),
        element('button', { type: 'button', class: 'button quiet small', onclick: () => void devices.open() }, texts.actions.retry),
      ),
    ),
  );
}
