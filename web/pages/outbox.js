/** The outbox: letters of a server without a mail server, the newest first; it looks again while somebody looks at it. */

import { Problem } from '../api.js';
import { element, setText } from '../element.js';
import { form } from '../form.js';
import { count, fill, moment, texts } from '../language.js';
import { emptyView } from '../views/empty.js';

/**
 * @typedef {object} Letter
 * @property {string} id
 * @property {string} at
 * @property {string} to
 * @property {string} subject
 * @property {string} text
 *
 * @typedef {{items: Letter[], next_cursor: string | null}} Letters
 */

const PATH = '/v1/outbox';
const AGAIN_MS = 10_000; // each look is on record
const LINK = /^https?:\/\/\S+$/;
const CODE = /^\d{6,10}$/;

/** @param {import('../page.js').Context} context */
export async function view({ api, again }) {
  /** @type {Letters} */ let first;
  try {
    first = (await api.get(PATH)).body;
  } catch (error) {
    if (error instanceof Problem && [403, 404].includes(error.status)) return emptyView(texts.outbox.title, texts.outbox.nothing);
    throw error;
  }
  /** @type {Set<string>} */ const shown = new Set(); // what is there stays, and with it the focus and what is selected
  const list = element('ol', { class: 'letters', 'data-test': 'letters' });
  const state = element('p', { class: 'hint', role: 'status', 'data-test': 'state' });
  const section = element('section', { class: 'card' }, state, list);
  const root = element(
    'main',
    { class: 'wide medium', 'data-test': 'outbox' },
    element('div', { class: 'page-head' }, element('div', {}, element('h1', {}, texts.outbox.title), element('p', { class: 'lead' }, texts.outbox.text))),
    section,
  );

  /** @param {Letters} page */
  function fresh({ items }) {
    const views = items.filter(({ id }) => !shown.has(id)).map(letterView);
    for (const { id } of items) shown.add(id);
    setText(state, shown.size ? count(texts.outbox.count, shown.size) : texts.outbox.empty);
    return views;
  }

  /** @param {string | null} cursor */
  function offerOlder(cursor) {
    section.querySelector('form')?.remove();
    if (!cursor) return;
    const send = async () => {
      const { body } = await api.get(`${PATH}?cursor=${encodeURIComponent(cursor)}`);
      list.append(...fresh(body));
      offerOlder(body.next_cursor);
    };
    section.append(form({ name: 'more', content: [], submit: texts.outbox.older, style: 'quiet', send }).root);
  }

  async function lookAgain() {
    if (!root.isConnected) return; // the page was left
    try {
      // `open`: that it looks by itself is no use of the session, which ends when nobody is there
      if (document.visibilityState === 'visible') list.prepend(...fresh((await api.get(PATH, { open: true })).body));
    } catch (error) {
      if (error instanceof Problem && [401, 403, 404].includes(error.status)) return void again();
      setText(state, texts.problems.offline);
    }
    setTimeout(lookAgain, AGAIN_MS);
  }

  list.append(...fresh(first));
  offerOlder(first.next_cursor);
  setTimeout(lookAgain, AGAIN_MS);
  return root;
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
      element('p', { class: 'hint' }, fill(texts.outbox.to, { address: to }), ' · ', element('time', { datetime: at }, moment(at))),
      ...text.trim().split('\n\n').map(paragraphView),
    ),
  );
}

/** @param {string} paragraph */
function paragraphView(paragraph) {
  if (CODE.test(paragraph)) return codeView(paragraph);
  if (LINK.test(paragraph)) return element('p', {}, element('a', { href: paragraph, target: '_blank', rel: 'noopener noreferrer' }, paragraph));
  return element('p', { class: 'lines' }, paragraph);
}

/** @param {string} digits */
function codeView(digits) {
  const code = element('code', {}, digits);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(digits);
      setText(button, texts.outbox.copied);
    } catch {
      getSelection()?.selectAllChildren(code);
      setText(button, texts.outbox.selected);
    }
  };
  const button = element('button', { type: 'button', class: 'button quiet small', onclick: copy }, texts.outbox.copy);
  return element('p', { class: 'code' }, code, button);
}
