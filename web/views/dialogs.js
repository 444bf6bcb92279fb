/** The dialogs of a visit. */

import { openDialog } from '../dialog.js';
import { element } from '../element.js';
import { texts } from '../language.js';
import { pickerView } from './picker.js';

/** @param {import('../devices.js').Devices} devices */
export function openDevices(devices) {
  const picker = pickerView(devices);
  const done = element('button', { type: 'button', class: 'button', onclick: () => dialog.close(), 'data-test': 'done' }, texts.visit.devices.done);
  const dialog = openDialog({ name: 'devices', title: texts.visit.devices.title, close: texts.visit.devices.done }, picker.root, done);
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
  const dialog = openDialog(
    { name: 'leave', title: texts.visit.leave.title, close: texts.visit.leave.stay },
    element('p', {}, texts.visit.leave.text),
    element(
      'div',
      { class: 'actions column' },
      choice(texts.visit.leave.leave, '', 'leave-confirm', leave),
      choice(texts.visit.leave.end, 'danger', 'end-confirm', end),
      choice(texts.visit.leave.stay, 'quiet', 'stay', () => undefined),
    ),
  );
}
