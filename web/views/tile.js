/** One person in the call: picture or initials, name, and what they have on; and the screen somebody shares. */

import { element, setAttribute, setText } from '../element.js';
import { icon, networkBars } from '../icons.js';
import { fill, texts } from '../language.js';
import { roleName } from '../words.js';
import { fit, picture, selfVideo, shapeOf } from './picture.js';

const NARROWEST = 3 / 4; // one's own picture in the corner: width over height

/**
 * @typedef {import('../messages.js').Participant} Participant
 *
 * @param {string} name
 */
export function initials(name) {
  const words = name.replace(/^(dr|prof|mr|mrs|ms)\.?\s+/i, '').split(/\s+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return letters.map((word) => [...word][0].toUpperCase()).join('') || '?';
}

/** @param {string} seat */
export function tileView(seat) {
  const video = picture();
  const avatar = element('div', { class: 'avatar', 'aria-hidden': 'true' });
  const name = element('span', { class: 'name', dir: 'auto' });
  const role = element('span', { class: 'role' });
  const muted = element('span', { class: 'badge' }, icon('microphone-off'));
  const phone = element('span', { class: 'badge' }, icon('phone'));
  const network = element('span', { class: 'badge network' }, networkBars());
  const state = element('span', { class: 'unseen' });
  const root = element(
    'li',
    { class: 'tile', 'data-test': 'tile', 'data-seat': seat },
    video,
    avatar,
    element('div', { class: 'plate' }, muted, phone, name, role, network, state),
  );
  const unfit = fit(video);
  return {
    root,
    /**
     * @param {Participant} person
     * @param {MediaStreamTrack | null} track
     * @param {boolean} speaking
     */
    render(person, track, speaking) {
      const shown = person.camera && track !== null;
      video.show(shown ? track : null);
      video.hidden = !shown;
      avatar.hidden = shown;
      setText(avatar, initials(person.name));
      setText(name, person.name);
      setText(role, roleName(person.role));
      muted.hidden = person.microphone;
      phone.hidden = !person.interrupted;
      network.dataset.mark = person.network;
      network.hidden = person.network === 'unknown';
      network.title = texts.visit.call.network[person.network] ?? '';
      root.classList.toggle('speaking', speaking);
      setText(
        state,
        [
          !person.microphone && texts.visit.call.micOff,
          !person.camera && texts.visit.call.camOff,
          person.interrupted && texts.visit.call.interrupted,
          texts.visit.call.network[person.network],
        ]
          .filter(Boolean)
          .join(', '),
      );
      for (const [key, value] of Object.entries({ microphone: person.microphone, camera: person.camera, speaking, network: person.network })) {
        setAttribute(root, `data-${key}`, String(value));
      }
    },
    shape: () => shapeOf(video),
    close() {
      unfit();
      video.show(null);
    },
  };
}

/** @param {string} seat */
export function screenView(seat) {
  const video = picture();
  const name = element('span', { class: 'name', dir: 'auto' });
  const root = element(
    'li',
    { class: 'tile screen', 'data-test': 'screen-tile', 'data-seat': seat },
    video,
    element('div', { class: 'plate' }, icon('screen'), name),
  );
  return {
    root,
    /**
     * @param {Participant} person
     * @param {MediaStreamTrack | null} track
     */
    render(person, track) {
      video.show(track);
      setText(name, fill(texts.visit.call.screenOf, { name: person.name }));
    },
    close: () => video.show(null),
  };
}

/** One's own picture, as the others get it but mirrored. @param {import('../devices.js').Devices} devices */
export function selfView(devices) {
  const video = selfVideo();
  const muted = element('span', { class: 'badge' }, icon('microphone-off'));
  const off = element('div', { class: 'avatar off', 'aria-hidden': 'true' }, icon('camera-off'));
  const root = element('li', { class: 'tile self', 'data-test': 'self' }, video, off, element('div', { class: 'plate' }, muted, element('span', { class: 'name' }, texts.visit.you)));
  const unfit = fit(video);
  return {
    root,
    /** @param {boolean} speaking */
    render(speaking) {
      const camera = devices.sending('camera');
      video.show(camera);
      video.hidden = camera === null;
      off.hidden = camera !== null;
      muted.hidden = devices.sending('microphone') !== null;
      root.classList.toggle('speaking', speaking);
    },
    shape: () => shapeOf(video),
    /** @param {{width: number, height: number} | null} size  null: like everybody else, or in the corner */
    place(size) {
      root.style.setProperty('--tile-width', size && `${size.width}px`);
      root.style.setProperty('--tile-height', size && `${size.height}px`);
      root.style.setProperty('--own-shape', String(Math.max(NARROWEST, shapeOf(video) || 4 / 3)));
    },
    close() {
      unfit();
      video.show(null);
    },
  };
}
