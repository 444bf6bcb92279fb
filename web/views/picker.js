/** Choosing camera, microphone and speaker, with a level meter and a sound to test them by. */

import { canChooseSpeaker } from '../browser.js';
import { chime } from '../chime.js';
import { element, setAttribute, setText } from '../element.js';
import { icon } from '../icons.js';
import { fill, texts } from '../language.js';
import { Meter } from '../meter.js';

/** @typedef {import('../devices.js').Device} Device */

const HEARD = 0.45; // of the meter's scale: ordinary speech, not a humming room
const SEGMENTS = 16;

/** @param {import('../devices.js').Devices} devices */
export function pickerView(devices) {
  const meter = new Meter();
  const level = levelView(devices, meter);
  const fields = /** @type {Device[]} */ (['microphone', 'camera', 'speaker'])
    .filter((device) => device !== 'speaker' || canChooseSpeaker())
    .map((device) => fieldView(devices, device));
  const [microphone, ...others] = fields;
  const test = element(
    'button',
    { type: 'button', class: 'button quiet small', onclick: () => void chime(devices.chosen.speaker), 'data-test': 'test-sound' },
    icon('speaker'),
    texts.visit.devices.test,
  );
  const root = element('div', { class: 'picker' }, microphone.root, level.root, ...others.map((field) => field.root), test);
  const render = () => {
    for (const field of fields) field.render();
    level.render();
  };
  render();
  const off = devices.on('changed', render);
  return {
    root,
    close() {
      off();
      level.close();
      meter.close();
    },
  };
}

/**
 * @param {import('../devices.js').Devices} devices
 * @param {Device} device
 */
function fieldView(devices, device) {
  const label = texts.visit.devices[device];
  const select = element('select', {
    'data-test': `choose-${device}`,
    onchange: () => void devices.choose(device, select.value),
  });
  const root = element('label', { class: 'field' }, element('span', {}, label), select);
  let shown = '';
  const render = () => {
    const known = devices.known[device];
    const track = device === 'speaker' ? null : devices.tracks[device];
    const current = track?.getSettings().deviceId ?? devices.chosen[device];
    const options = known.map((info, n) => ({ id: info.deviceId, name: info.label || fill(texts.visit.devices.nameless, { device: label, n: n + 1 }) }));
    if (device === 'speaker' && !options.some(({ id }) => id === 'default')) options.unshift({ id: '', name: texts.visit.devices.standard });
    const denied = device !== 'speaker' && devices.problems.get(device) === 'denied';
    if (options.length === 0) options.push({ id: '', name: denied ? texts.visit.devices.denied[device] : texts.visit.devices.none[device] });
    const signature = JSON.stringify(options);
    if (signature !== shown) {
      shown = signature;
      select.replaceChildren(...options.map(({ id, name }) => element('option', { value: id }, name)));
    }
    select.disabled = known.length === 0;
    if (options.some(({ id }) => id === current)) select.value = current;
  };
  return { root, render };
}

/**
 * @param {import('../devices.js').Devices} devices
 * @param {Meter} meter
 */
function levelView(devices, meter) {
  const bars = Array.from({ length: SEGMENTS }, () => element('i'));
  const bar = element('div', { class: 'level', 'aria-hidden': 'true', 'data-test': 'level' }, ...bars);
  const said = element('p', { class: 'hint', 'aria-live': 'polite' });
  /** @type {MediaStreamTrack | null} */ let listening = null;
  let heard = false;
  let frame = 0;
  const draw = () => {
    const now = devices.wants.microphone ? meter.level : 0;
    heard ||= now > HEARD;
    bars.forEach((segment, n) => segment.classList.toggle('lit', now * SEGMENTS > n + 0.5));
    setAttribute(bar, 'data-level', now.toFixed(2));
    if (!devices.wants.microphone) setText(said, texts.visit.preview.muted);
    else if (listening) setText(said, heard ? texts.visit.preview.heard : texts.visit.preview.quiet);
    else setText(said, '');
    frame = requestAnimationFrame(draw);
  };
  const wake = () => meter.wake();
  document.addEventListener('pointerdown', wake);
  document.addEventListener('keydown', wake);
  return {
    root: element('div', { class: 'level-row' }, bar, said),
    render() {
      const track = devices.tracks.microphone;
      if (track === listening) return;
      listening = track;
      heard = false;
      meter.listen(track);
      if (!frame) draw();
    },
    close() {
      cancelAnimationFrame(frame);
      document.removeEventListener('pointerdown', wake);
      document.removeEventListener('keydown', wake);
    },
  };
}
