/** Modal dialogs: the browser keeps the focus inside, Escape closes, and the focus returns to where it was. */

import { element } from './element.js';
import { icon } from './icons.js';

/**
 * @param {object} given
 * @param {string} given.name  for tests
 * @param {string} given.title
 * @param {string} given.close  what closing it means
 * @param {...import('./element.js').Child} content
 * @returns {HTMLDialogElement} shown already; it removes itself when closed
 */
export function openDialog({ name, title, close }, ...content) {
  const dialog = element(
    'dialog',
    { 'aria-label': title, 'data-test': `dialog-${name}`, onclose: () => dialog.remove() },
    element(
      'div',
      { class: 'dialog-head' },
      element('h2', {}, title),
      element('button', { type: 'button', class: 'plain', 'aria-label': close, onclick: () => dialog.close() }, icon('close')),
    ),
    ...content,
  );
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
