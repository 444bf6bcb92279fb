/**
 * Everybody in the call. Two people: the other fills the stage and one's own small picture floats in the corner. More:
 * all are tiles of one size, as large as fits. A shared screen takes the stage, and the people line up below it.
 */

import { element, setText } from '../element.js';
import { texts } from '../texts.js';
import { screenView, selfView, tileView } from './tile.js';

const GAP = 8; // px, as in call.css
const SQUAREST = 0.75; // tiles are neither narrower …
const WIDEST = 1.9; // … nor wider than this: width over height

/**
 * The size at which `count` tiles fill the space best, judged by how large a 16:9 picture becomes in them.
 * @param {number} count
 * @param {number} width
 * @param {number} height
 */
export function arrange(count, width, height) {
  if (count === 1) return { width, height };
  let best = { width: 0, height: 0, scale: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const room = { width: (width - GAP * (columns - 1)) / columns, height: (height - GAP * (rows - 1)) / rows };
    const tile = { width: Math.min(room.width, room.height * WIDEST), height: Math.min(room.height, room.width / SQUAREST) };
    const scale = Math.min(tile.width / 16, tile.height / 9);
    if (scale > best.scale) best = { ...tile, scale };
  }
  return { width: Math.floor(best.width), height: Math.floor(best.height) };
}

/**
 * @param {import('../protocol.js').Client} client
 * @param {import('../devices.js').Devices} devices
 */
export function stageView(client, devices) {
  /** @type {Map<string, ReturnType<typeof tileView>>} */ const tiles = new Map();
  /** @type {Map<string, ReturnType<typeof screenView>>} */ const screens = new Map();
  const own = selfView(devices);
  const list = element('ul', { class: 'tiles', 'data-test': 'tiles' }, own.root);
  const alone = element('div', { class: 'alone', 'data-test': 'alone' }, element('h2'), element('p'));
  const root = element('section', { class: 'stage', 'aria-label': texts.call.region }, alone, list);

  const place = () => {
    const { width, height } = list.getBoundingClientRect();
    const people = tiles.size + (own.root.classList.contains('floating') ? 0 : 1);
    const strip = Math.min(176, Math.max(96, height * 0.22));
    const tile = screens.size
      ? { width: Math.min((strip * 4) / 3, (width - GAP * (people - 1)) / people), height: strip }
      : arrange(people, width, height);
    list.style.setProperty('--tile-width', `${tile.width}px`);
    list.style.setProperty('--tile-height', `${tile.height}px`);
  };
  const render = () => {
    const others = [...client.people.values()].filter((person) => person.seat !== client.seat && person.phase === 'present');
    const sharing = others.filter((person) => person.screen && client.tracks(person.seat).screen);
    sync(screens, sharing, screenView, list);
    sync(tiles, others, tileView, list);
    for (const person of sharing) screens.get(person.seat)?.render(person, client.tracks(person.seat).screen);
    for (const person of others) {
      tiles.get(person.seat)?.render(person, client.tracks(person.seat).video, client.speakers.includes(person.seat));
    }
    own.render(client.speakers.includes(client.seat));
    own.root.classList.toggle('floating', others.length < 2 && sharing.length === 0);
    list.dataset.count = String(others.length);
    list.classList.toggle('with-screen', sharing.length > 0);
    alone.hidden = others.length > 0;
    const audience = client.self?.role === 'clinician' ? 'clinician' : 'other';
    setText(/** @type {Element} */ (alone.firstChild), texts.call.alone[audience]);
    setText(/** @type {Element} */ (alone.lastChild), texts.call.aloneText[audience]);
    place();
  };
  const observer = new ResizeObserver(place);
  observer.observe(list);
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
      observer.disconnect();
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
