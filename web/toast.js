/** One line at the foot of the page that says what was just done, and goes by itself; screen readers speak it. */

import { element } from './element.js';

const SHOWN_MS = 6_000;

/** @param {string} text */
export function toast(text) {
  document.querySelectorAll('.toast').forEach((old) => old.remove());
  const region = element('div', { class: 'toast', role: 'status', 'data-test': 'toast' });
  document.body.append(region);
  region.append(element('p', {}, text)); // after the region itself, or it is not spoken
  setTimeout(() => region.remove(), SHOWN_MS);
}

