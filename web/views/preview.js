/** Before joining: one's own picture, whether one is heard, which devices, and the button that joins. */

import { element, setAttribute, setText } from '../element.js';
import { icon } from '../icons.js';
import { choose, fill, LANGUAGES, language, texts } from '../language.js';
import { roleName } from '../words.js';
import { choiceView } from './choice.js';
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
  const heading = element('h1', { tabindex: '-1' }, seat.name ? fill(texts.visit.preview.title, { name: seat.name }) : texts.visit.preview.titleNameless);

  const root = element(
    'main',
    { class: 'preview', 'data-test': 'page-preview' },
    element(
      'section',
      { class: 'mirror', 'aria-label': texts.visit.you },
      video,
      cover,
      element('div', { class: 'mirror-controls' }, microphone.root, camera.root),
    ),
    element(
      'section',
      { class: 'card' },
      element('div', { class: 'preview-head' }, heading, choiceView(texts.header.language, LANGUAGES, language, speakIn, 'language')),
      element('p', { class: 'lead' }, fill(texts.visit.preview.lead, { role: roleName(seat.role).toLowerCase(), clinic: seat.clinic })),
      problems,
      picker.root,
      element('p', { class: 'hint' }, seat.role === 'clinician' ? texts.visit.preview.hint.clinician : texts.visit.preview.hint.other),
      element('div', { class: 'join-row' }, button),
    ),
  );

  const render = () => {
    video.show(devices.tracks.camera);
    setText(cover, coverText(devices));
    setAttribute(cover, 'hidden', devices.tracks.camera !== null);
    microphone.render(devices.wants.microphone && !devices.problems.has('microphone'), texts.visit.call.mute, texts.visit.call.unmute);
    camera.render(devices.wants.camera && !devices.problems.has('camera'), texts.visit.call.cameraOff, texts.visit.call.cameraOn);
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

/** In another language from the beginning: nothing was done here yet. @param {string} code */
function speakIn(code) {
  choose(code);
  location.reload();
}

/** @param {import('../devices.js').Devices} devices */
function coverText(devices) {
  if (devices.asking) return texts.visit.preview.asking;
  return devices.wants.camera ? texts.visit.preview.noCamera : texts.visit.preview.cameraOff;
}

/** @param {import('../devices.js').Devices} devices */
function joinText({ problems, asking }) {
  if (asking || problems.size === 0) return texts.visit.preview.join;
  if (problems.size === 2) return texts.visit.preview.joinWithout.both;
  return problems.has('camera') ? texts.visit.preview.joinWithout.camera : texts.visit.preview.joinWithout.microphone;
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
        element('button', { type: 'button', class: 'button quiet small', onclick: () => void devices.open() }, texts.forms.retry),
      ),
    ),
  );
}
