/** What is wrong with camera and microphone, as few sentences as possible: the same trouble with both is said once. */

import { texts } from '../language.js';

/**
 * @typedef {object} Problem
 * @property {'microphone' | 'camera' | 'devices'} what
 * @property {import('../devices.js').Reason} reason
 * @property {string} text
 *
 * @param {import('../devices.js').Devices} devices
 * @returns {Problem[]}
 */
export function problemsOf({ problems }) {
  const found = [...problems];
  if (found.length === 2 && found[0][1] === found[1][1]) {
    const reason = found[0][1];
    return [{ what: 'devices', reason, text: texts.visit.problems.devices[reason] }];
  }
  return found.map(([what, reason]) => ({ what, reason, text: texts.visit.problems[what][reason] }));
}
