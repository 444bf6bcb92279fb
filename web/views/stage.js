/**
 * Everybody in the call. Two people: the other fills the stage and one's own small picture floats in the corner; a wide
 * picture on a phone held upright would leave most of it empty, so there one's own stands below. More: all are tiles of
 * one size, as large as fits. A shared screen takes the stage, and the people line up below it.
 */

import { element, setText } from '../element.js';
import { texts } from '../language.js';
import { whoWaits } from './people.js';
import { MOST_ENLARGED } from './picture.js';
import { screenView, selfView, tileView } from './tile.js';

const GAP = 8; // px, as in call.css
const SQUAREST = 0.75; // tiles are neither narrower …
const WIDEST = 1.9; // … nor wider than this: width over height
const LEAST_BELOW = 0.25; // of the height: less would be smaller than the corner picture looks

/** @typedef {{width: number, height: number}} Size */

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
 * How two people share an upright stage: the other at the full width, as high as `fit` enlarges a picture that wide,
 * oneself in what is left below.
 * @param {number} width
 * @param {number} height
 * @param {number} other  width over height of the other's picture; 0: there is none
 * @param {number} own  0: there is no picture
 * @returns {{above: Size, below: Size} | null}  null: better with oneself in the corner
 */
export function stack(width, height, other, own) {
  const above = { width, height: Math.floor((width / other) * MOST_ENLARGED) };
  const left = Math.min(height - above.height - GAP, above.height);
  if (left < LEAST_BELOW * height) return null;
  return { above, below: { width: Math.floor(Math.min(width, left * (own || 4 / 3))), height: left } };
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
  const root = element('section', { class: 'stage', 'aria-label': texts.visit.call.region }, alone, list);

  const place = () => {
    const { width, height } = list.getBoundingClientRect();
    const pair = tiles.size === 1 && screens.size === 0;
    const stacked = pair ? stack(width, height, [...tiles.values()][0].shape(), own.shape()) : null;
    own.root.classList.toggle('floating', tiles.size < 2 && screens.size === 0 && !stacked);
    own.place(stacked?.below ?? null);
    const people = tiles.size + (own.root.classList.contains('floating') ? 0 : 1);
    const strip = Math.min(176, Math.max(96, height * 0.22));
    const tile = screens.size
      ? { width: Math.min((strip * 4) / 3, (width - GAP * (people - 1)) / people), height: strip }
      : (stacked?.above ?? arrange(people, width, height));
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
    list.dataset.count = String(others.length);
    list.classList.toggle('with-screen', sharing.length > 0);
    alone.hidden = others.length > 0;
    const door = whoWaits(client).length ? 'door' : 'clinician';
    const audience = client.self?.role === 'clinician' ? door : 'other';
    setText(/** @type {Element} */ (alone.firstChild), texts.visit.call.alone[audience]);
    setText(/** @type {Element} */ (alone.lastChild), texts.visit.call.aloneText[audience]);
    place();
  };
  const observer = new ResizeObserver(place);
  observer.observe(list);
  list.addEventListener('resize', place, true); // of the pictures: somebody turned a phone
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
      for (const tile of [own, ...tiles.values(), ...screens.values()]) tile.close();
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
