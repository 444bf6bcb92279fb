/** A page that has nothing to show to whoever asks: why, and the way on. */

import { element } from '../element.js';
import { texts } from '../language.js';

/** @param {string} title @param {string} text @param {...Node} actions */
export const emptyView = (title, text, ...actions) =>
  element(
    'main',
    { class: 'card message', 'data-test': 'empty' },
    element('h1', {}, title),
    element('p', {}, text),
    element('div', { class: 'actions' }, ...(actions.length ? actions : [element('a', { class: 'button', href: '/' }, texts.forms.home)])),
  );
