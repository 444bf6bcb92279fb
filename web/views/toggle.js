/** A round button that is on or off; its name says what pressing it does, as screen readers expect of a changing name. */

import { element } from '../element.js';
import { icon } from '../icons.js';

/**
 * @typedef {import('../icons.js').IconName} IconName
 *
 * @param {object} given
 * @param {IconName} given.on
 * @param {IconName} given.off
 * @param {string} given.name  for tests
 * @param {() => void} given.press
 */
export function toggleView({ on, off, name, press }) {
  const label = element('span', { class: 'control-name' });
  const root = element('button', { type: 'button', class: 'control', onclick: press, 'data-test': name }, icon(on), label);
  return {
    root,
    /**
     * @param {boolean} isOn
     * @param {string} nameOn  what pressing does while on
     * @param {string} nameOff
     */
    render(isOn, nameOn, nameOff) {
      const text = isOn ? nameOn : nameOff;
      if (root.dataset.on === String(isOn) && label.textContent === text) return;
      root.dataset.on = String(isOn);
      root.classList.toggle('off', !isOn);
      root.querySelector('svg')?.replaceWith(icon(isOn ? on : off));
      label.textContent = text;
      root.title = text;
    },
  };
}
