/** The outbox: what `/v1/outbox` holds, the newest first; it looks again by itself while somebody looks at it. */

import { element, setText } from './element.js';
import { texts } from './texts.js';

/**
 * @typedef {object} Letter
 * @property {string} id
 * @property {string} at
 * @property {string} to
 * @property {string} subject
 * @property {string} text
 *
 * @typedef {{items: Letter[], next_cursor: string | null}} Page
 */

const AGAIN_MS = 10_000; // each look is on record
const ALONE_MS = 10 * 60_000; // a page that nobody touches must not keep its session alive
const LINK = /^https?:\/\/\S+$/;
const CODE = /^\d{6,10}$/;

const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const [state, way, list, more] = ['state', 'way', 'letters', 'more'].map(find);
const when = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: 'medium', timeStyle: 'medium' });

/** @type {Map<string, Element>} */
const shown = new Map(); // by id: what is there stays, and with it the focus and what is selected
/** @type {string | null | undefined} */
let older; // the cursor; undefined before the first look

/**
 * @param {string} [cursor]
 * @returns {Promise<Page | 'sign-in' | 'nothing' | 'offline'>}
 */
async function read(cursor) {
  try {
    const query = cursor ? `?${new URLSearchParams({ cursor })}` : '';
    const response = await fetch(`/v1/outbox${query}`, { cache: 'no-store' });
    if (response.status === 401) return 'sign-in';
    if (response.status === 403 || response.status === 404) return 'nothing';
    return response.ok ? await response.json() : 'offline';
  } catch {
    return 'offline';
  }
}

/** @param {string} code */
function codeLine(code) {
  const button = element('button', { class: 'button quiet small', type: 'button' }, texts.outbox.copy);
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(code);
      setText(button, texts.outbox.copied);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(/** @type {Node} */ (button.previousSibling));
      getSelection()?.removeAllRanges();
      getSelection()?.addRange(range);
      setText(button, texts.outbox.selected);
    }
  });
  return element('p', { class: 'code' }, element('code', {}, code), button);
}

/** @param {string} paragraph */
function paragraphView(paragraph) {
  if (CODE.test(paragraph)) return codeLine(paragraph);
  if (!LINK.test(paragraph)) return element('p', {}, ...paragraph.split('\n').flatMap((line, n) => (n ? [element('br'), line] : [line])));
  return element('p', {}, element('a', { href: paragraph, target: '_blank', rel: 'noopener noreferrer' }, paragraph));
}

/** @param {Letter} letter */
function letterView({ id, at, to, subject, text }) {
  return element(
    'li',
    {},
    element(
      'article',
      { class: 'letter', 'aria-labelledby': id, 'data-test': 'letter' },
      element('h2', { id }, subject),
      element('header', {}, element('span', {}, texts.outbox.to(to)), element('time', { datetime: at }, when.format(new Date(at)))),
      ...text.trim().split('\n\n').map(paragraphView),
    ),
  );
}

/** @param {Letter[]} letters */
const fresh = (letters) =>
  letters
    .filter(({ id }) => !shown.has(id))
    .map((letter) => {
      const view = letterView(letter);
      shown.set(letter.id, view);
      return view;
    });

async function look() {
  const page = await read();
  const refused = typeof page === 'string';
  way.hidden = page !== 'sign-in';
  if (refused && page !== 'offline') {
    list.replaceChildren(); // whoever signed out leaves nothing behind
    shown.clear();
    more.hidden = true;
    older = undefined;
  }
  if (!refused) {
    list.prepend(...fresh(page.items));
    if (older === undefined) older = page.next_cursor;
    more.hidden = !older;
  }
  setText(state, refused ? texts.outbox[page] : texts.outbox.count(shown.size));
}

more.addEventListener('click', async () => {
  const page = await read(older ?? undefined);
  if (typeof page === 'string') return look();
  const views = fresh(page.items);
  list.append(...views);
  older = page.next_cursor;
  more.hidden = !older;
  setText(state, texts.outbox.count(shown.size));
  const link = views[0]?.querySelector('a, button');
  if (link instanceof HTMLElement) link.focus();
});

let touched = Date.now();
for (const sign of ['pointermove', 'keydown', 'scroll']) {
  addEventListener(sign, () => (touched = Date.now()), { passive: true });
}

async function keepLooking() {
  if (document.visibilityState === 'visible' && Date.now() - touched < ALONE_MS) await look();
  setTimeout(keepLooking, AGAIN_MS);
}

document.addEventListener('visibilitychange', () => {
  touched = Date.now();
  if (document.visibilityState === 'visible') void look();
});
await keepLooking();
