/** The waiting room: connected already, told what happens next, devices at hand. */

import { element, setText } from '../element.js';
import { icon } from '../icons.js';
import { fill, texts } from '../language.js';
import { openDevices } from './dialogs.js';
import { selfVideo } from './picture.js';
import { toggleView } from './toggle.js';

/**
 * @param {object} given
 * @param {import('../seat.js').Seat} given.seat
 * @param {import('../devices.js').Devices} given.devices
 * @param {import('../protocol.js').Client} given.client
 */
export function waitingView({ seat, devices, client }) {
  const heading = element('h1', { tabindex: '-1' }, texts.visit.waiting.title);
  const status = element('p', { class: 'lead', role: 'status', 'data-test': 'waiting-status' });
  const ready = element('li', {}, icon('check'), element('span', {}, texts.visit.waiting.steps[1]));
  const video = selfVideo();
  const cover = element('p', { class: 'cover' }, texts.visit.preview.cameraOff);
  const microphone = toggleView({ on: 'microphone', off: 'microphone-off', name: 'microphone', press: () => void devices.set('microphone', !devices.wants.microphone) });
  const camera = toggleView({ on: 'camera', off: 'camera-off', name: 'camera', press: () => void devices.set('camera', !devices.wants.camera) });
  const settings = element(
    'button',
    { type: 'button', class: 'control', title: texts.visit.devices.title, onclick: () => openDevices(devices), 'data-test': 'devices' },
    icon('devices'),
    element('span', { class: 'control-name' }, texts.visit.call.devices),
  );

  const root = element(
    'main',
    { class: 'waiting', 'data-test': 'page-waiting' },
    element(
      'section',
      { class: 'card' },
      element('p', { class: 'eyebrow' }, seat.clinic),
      heading,
      status,
      element(
        'ol',
        { class: 'steps' },
        element('li', { class: 'done' }, icon('check'), element('span', {}, texts.visit.waiting.steps[0])),
        ready,
        element('li', { class: 'now' }, icon('clock'), element('span', {}, texts.visit.waiting.steps[2])),
      ),
      element('p', {}, texts.visit.waiting.next),
      element('p', { class: 'hint' }, texts.visit.waiting.kept),
      element('button', { type: 'button', class: 'button quiet', onclick: () => client.leave(), 'data-test': 'leave' }, texts.visit.call.leave),
    ),
    element(
      'section',
      { class: 'mirror', 'aria-label': texts.visit.you },
      video,
      cover,
      element('div', { class: 'mirror-controls' }, microphone.root, camera.root, settings),
    ),
  );

  const render = () => {
    const clinician = [...client.people.values()].find((person) => person.role === 'clinician' && person.phase === 'present');
    setText(status, clinician ? fill(texts.visit.waiting.told, { name: clinician.name }) : texts.visit.waiting.absent);
    const connected = client.media === 'connected';
    ready.classList.toggle('done', connected);
    ready.classList.toggle('busy', !connected);
    setText(/** @type {Element} */ (ready.lastChild), connected ? texts.visit.waiting.steps[1] : texts.visit.waiting.connecting);
    root.dataset.connected = String(connected);
    video.show(devices.tracks.camera);
    cover.hidden = devices.tracks.camera !== null;
    microphone.render(devices.sending('microphone') !== null, texts.visit.call.mute, texts.visit.call.unmute);
    camera.render(devices.sending('camera') !== null, texts.visit.call.cameraOff, texts.visit.call.cameraOn);
  };
  render();
  const offs = [devices.on('changed', render), client.on('people', render), client.on('media', render)];
  return { root, focus: () => heading.focus(), close: () => offs.forEach((off) => off()) };
}
