/** Everybody in the call, a shared screen first, and one's own small picture in the corner. */

import { element, setText } from '../element.js';
import { icon } from '../icons.js';
import { texts } from '../texts.js';
import { selfVideo } from './picture.js';
import { screenView, tileView } from './tile.js';

/**
 * @param {import('../protocol.js').Client} client
 * @param {import('../devices.js').Devices} devices
 */
export function stageView(client, devices) {
  /** @type {Map<string, ReturnType<typeof tileView>>} */ const tiles = new Map();
  /** @type {Map<string, ReturnType<typeof screenView>>} */ const screens = new Map();
  const list = element('ul', { class: 'tiles', 'data-test': 'tiles' });
  const alone = element('div', { class: 'alone', 'data-test': 'alone' }, element('h2'), element('p'));
  const own = selfTile(devices);
  const root = element('section', { class: 'stage', 'aria-label': texts.call.region }, list, alone, own.root);

  const render = () => {
    const others = [...client.people.values()].filter((person) => person.seat !== client.seat && person.phase === 'present');
    const sharing = others.filter((person) => person.screen && client.tracks(person.seat).screen);
    sync(screens, sharing, screenView, list);
    sync(tiles, others, tileView, list);
    for (const person of sharing) screens.get(person.seat)?.render(person, client.tracks(person.seat).screen);
    for (const person of others) {
      tiles.get(person.seat)?.render(person, client.tracks(person.seat).video, client.speakers.includes(person.seat));
    }
    list.dataset.count = String(others.length);
    list.classList.toggle('with-screen', sharing.length > 0);
    list.hidden = others.length === 0;
    alone.hidden = others.length > 0;
    const audience = client.self?.role === 'clinician' ? 'clinician' : 'other';
    setText(/** @type {Element} */ (alone.firstChild), texts.call.alone[audience]);
    setText(/** @type {Element} */ (alone.lastChild), texts.call.aloneText[audience]);
    own.render(client.speakers.includes(client.seat));
  };
  render();
  const offs = [
    client.on('people', render),
    client.on('media', render),
    client.on('speakers', render),
    devices.on('changed', render),
  ];
  return {
    root,
    close() {
      offs.forEach((off) => off());
      for (const tile of [...tiles.values(), ...screens.values()]) tile.close();
    },
  };
}

/**
 * One view per person, in the order they came; elements stay where they are, since moving a video pauses it.
 * @template {{root: HTMLElement, close: () => void}} View
 * @param {Map<string, View>} views
 * @param {import('../messages.js').Participant[]} people
 * @param {(seat: string) => View} make
 * @param {HTMLElement} list
 */
function sync(views, people, make, list) {
  for (const [seat, view] of views) {
    if (people.some((person) => person.seat === seat)) continue;
    view.close();
    view.root.remove();
    views.delete(seat);
  }
  for (const { seat } of people) {
    if (views.has(seat)) continue;
    const view = make(seat);
    views.set(seat, view);
    list.append(view.root);
  }
}

/** @param {import('../devices.js').Devices} devices */
function selfTile(devices) {
  const video = selfVideo();
  const muted = element('span', { class: 'badge' }, icon('microphone-off'));
  const off = element('div', { class: 'avatar small', 'aria-hidden': 'true' }, icon('camera-off'));
  const root = element('div', { class: 'self', 'data-test': 'self' }, video, off, element('div', { class: 'plate' }, muted, texts.you));
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
  };
}
