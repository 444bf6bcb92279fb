/** The chat beside the call: a log that screen readers follow, and a field. */

import { element, setText } from '../element.js';
import { icon } from '../icons.js';
import { language, texts } from '../language.js';
import { MAX_TEXT } from '../messages.js';

/**
 * @param {import('../protocol.js').Client} client
 * @param {() => void} close
 */
export function chatView(client, close) {
  const log = element('div', { class: 'chat-log', role: 'log', 'aria-live': 'polite', 'aria-label': texts.visit.chat.title, tabindex: '0', 'data-test': 'chat-log' });
  const empty = element('p', { class: 'hint' }, texts.visit.chat.empty);
  const field = element('textarea', {
    rows: 2,
    maxlength: MAX_TEXT,
    'aria-label': texts.visit.chat.field,
    placeholder: texts.visit.chat.placeholder,
    'data-test': 'chat-field',
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      say();
    },
  });
  /** @type {Map<string, HTMLElement>} by key: said, not yet confirmed */ const pending = new Map();

  const say = () => {
    const text = field.value.trim();
    if (!text) return;
    field.value = '';
    showUnsaid(client.say(text), text);
  };
  const showUnsaid = (/** @type {string} */ key, /** @type {string} */ text) => {
    const line = lineView(texts.visit.you, text, texts.visit.chat.sending, true);
    pending.set(key, line);
    append(line);
  };
  const append = (/** @type {HTMLElement} */ line) => {
    empty.hidden = true;
    log.append(line);
    log.scrollTop = log.scrollHeight;
  };
  const add = (/** @type {import('../messages.js').ChatLine} */ said) => {
    const own = said.seat === client.seat;
    const name = own ? texts.visit.you : (client.people.get(said.seat)?.name ?? texts.visit.chat.gone);
    const line = lineView(name, said.text, clock(said.said_at), own);
    const waiting = own ? pending.get(said.key) : undefined;
    if (waiting) {
      pending.delete(said.key);
      setText(/** @type {Element} */ (waiting.querySelector('time')), clock(said.said_at)); // the words were read out already
    } else append(line);
  };
  for (const line of client.chat.values()) add(line);
  for (const [key, text] of client.unsaid) showUnsaid(key, text);
  const off = client.on('line', ({ line }) => add(line));

  const root = element(
    'aside',
    { class: 'panel', id: 'chat', 'aria-label': texts.visit.chat.title, 'data-test': 'chat-panel' },
    element(
      'div',
      { class: 'panel-head' },
      element('h2', {}, texts.visit.chat.title),
      element('button', { type: 'button', class: 'plain', 'aria-label': texts.visit.chat.close, onclick: close }, icon('close')),
    ),
    empty,
    log,
    element(
      'form',
      {
        class: 'chat-form',
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          say();
          field.focus();
        },
      },
      field,
      element('button', { class: 'button square', 'aria-label': texts.visit.chat.send, 'data-test': 'chat-send' }, icon('send')),
    ),
  );
  return {
    root,
    focus: () => {
      field.focus();
      log.scrollTop = log.scrollHeight;
    },
    close: off,
  };
}

/** @param {string} instant */
const clock = (instant) => new Date(instant).toLocaleTimeString(language, { hour: '2-digit', minute: '2-digit' });

/**
 * @param {string} name
 * @param {string} text
 * @param {string} when
 * @param {boolean} own
 */
function lineView(name, text, when, own) {
  return element(
    'div',
    { class: own ? 'chat-line own' : 'chat-line', 'data-test': 'chat-line' },
    element('div', { class: 'chat-meta' }, element('span', { class: 'name', dir: 'auto' }, name), ' ', element('time', {}, when)),
    element('p', { dir: 'auto' }, text),
  );
}
