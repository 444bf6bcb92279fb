/** A page of one message: what is so, and the way on. It takes the focus, so that a screen reader says it. */

import { element } from '../element.js';
import { icon } from '../icons.js';
import { texts } from '../language.js';

/**
 * @typedef {object} Message
 * @property {string} name  for tests and styling
 * @property {string} title
 * @property {string} text
 * @property {import('../icons.js').IconName} [sign]
 * @property {{label: string, run: (button: HTMLButtonElement) => void, name: string}[]} [actions]  the first is the main one
 * @property {boolean} [home]  offer the way to the start page
 */

/** @param {Message} message */
export function messageView({ name, title, text, sign = 'alert', actions = [], home = false }) {
  const heading = element('h1', { tabindex: '-1' }, title);
  const buttons = actions.map(({ label, run, name: action }, n) => {
    const button = element('button', { class: n ? 'button quiet' : 'button', 'data-test': action }, label);
    button.addEventListener('click', () => run(button));
    return button;
  });
  const root = element(
    'main',
    { class: 'card message', 'data-test': `page-${name}` },
    element('div', { class: 'sign' }, icon(sign)),
    heading,
    element('p', { 'data-test': 'page-text' }, text),
    (buttons.length > 0 || home) &&
      element('div', { class: 'actions' }, ...buttons, home && element('a', { class: 'button quiet', href: '/' }, texts.forms.home)),
  );
  return { root, focus: () => heading.focus(), close: () => undefined };
}
