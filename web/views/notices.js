/**
 * Short notes above the page: each has a key, so that the same trouble is said once and taken back when it is over. One
 * that was closed by hand stays closed until then.
 */

import { element } from '../element.js';
import { icon } from '../icons.js';
import { texts } from '../language.js';

/**
 * @typedef {object} Notice
 * @property {string} text
 * @property {'calm' | 'trouble'} [tone]
 * @property {{label: string, run: () => void} | null} [action]
 * @property {boolean} [closable]
 */

export class Notices {
  root = element('div', { class: 'notices', role: 'status', 'data-test': 'notices' });
  /** @type {Map<string, {text: string, node: HTMLElement}>} */ #shown = new Map();

  /**
   * @param {string} key
   * @param {Notice | null | undefined | false} notice  nothing: take it back
   */
  set(key, notice) {
    const shown = this.#shown.get(key);
    if (notice && shown?.text === notice.text) return;
    shown?.node.remove();
    this.#shown.delete(key);
    if (!notice) return;
    const node = element(
      'div',
      { class: `notice ${notice.tone ?? 'calm'}`, 'data-test': `notice-${key}` },
      element('p', {}, notice.text),
      notice.action && element('button', { class: 'button small', onclick: notice.action.run, 'data-test': `notice-${key}-action` }, notice.action.label),
      notice.closable &&
        element('button', { class: 'plain', 'aria-label': texts.visit.notices.close, onclick: () => node.remove() }, icon('close')),
    );
    this.#shown.set(key, { text: notice.text, node });
    this.root.append(node);
  }
}
