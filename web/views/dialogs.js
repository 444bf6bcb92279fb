/** Modal dialogs: the browser keeps the focus inside, Escape closes, and the focus returns to where it was. */

import { element } from '../element.js';
import { icon } from '../icons.js';
import { texts } from '../texts.js';
import { pickerView } from './picker.js';

/**
 * @param {string} name
 * @param {string} title
 * @param {(import('../element.js').Child)[]} content
 * @returns {HTMLDialogElement} shown already; it removes itself when closed
 */
function open(name, title, content) {
  const dialog = element(
    'dialog',
    { 'aria-label': title, 'data-test': `dialog-${name}`, onclose: () => dialog.remove() },
    element(
      'div',
      { class: 'dialog-head' },
      element('h2', {}, title),
      element('button', { type: 'button', class: 'plain', 'aria-label': texts.leave.stay, onclick: () => dialog.close() }, icon('close')),
    ),
    ...content,
  );
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** @param {import('../devices.js').Devices} devices */
export function openDevices(devices) {
  const picker = pickerView(devices);
  const done = element('button', { type: 'button', class: 'button', onclick: () => dialog.close(), 'data-test': 'done' }, texts.devices.done);
  const dialog = open('devices', texts.devices.title, [picker.root, done]);
  dialog.querySelector('.plain')?.setAttribute('aria-label', texts.devices.done);
  dialog.addEventListener('close', () => picker.close());
}

/**
 * @param {object} choices
 * @param {() => void} choices.leave
 * @param {() => void} choices.end  for everyone
 */
export function openLeave({ leave, end }) {
  const choice = (/** @type {string} */ label, /** @type {string} */ style, /** @type {string} */ name, /** @type {() => void} */ run) =>
    element(
      'button',
      {
        type: 'button',
        class: `button ${style}`,
        'data-test': name,
        onclick: () => {
          dialog.close();
          run();
        },
      },
      label,
    );
  const dialog = open('leave', texts.leave.title, [
    element('p', {}, texts.leave.text),
    element(
      'div',
      { class: 'actions column' },
      choice(texts.leave.leave, '', 'leave-confirm', leave),
      choice(texts.leave.end, 'danger', 'end-confirm', end),
      choice(texts.leave.stay, 'quiet', 'stay', () => undefined),
    ),
  ]);
}
