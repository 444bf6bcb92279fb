/** Saving a file that the page holds: the browser asks where, or puts it where it puts what is downloaded. */

import { element } from './element.js';

const KEPT_MS = 60_000; // some browsers read it only once the person has said where to

/** @param {Blob} content @param {string} name */
export function save(content, name) {
  const href = URL.createObjectURL(content);
  element('a', { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), KEPT_MS);
}
