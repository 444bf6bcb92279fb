/** A patient in a line: who, born when, by which number. */

import { element } from '../../element.js';
import { day, fill, texts } from '../../language.js';

/**
 * @typedef {object} Brief
 * @property {string} id
 * @property {string} given
 * @property {string} family
 * @property {string} birth_date
 * @property {string} number
 * @property {string} [phone]
 * @property {string} [email]
 * @property {string} [state]
 */

/** @param {{given?: string, family?: string, name?: string}} patient */
export const nameOf = ({ given, family, name }) => name ?? [given, family].filter(Boolean).join(' ');

/** @param {Brief} patient @param {{link?: boolean, reasons?: string[]}} [how] */
export function briefView(patient, { link = false, reasons = [] } = {}) {
  const facts = [patient.birth_date && fill(texts.patient.born, { day: day(patient.birth_date) }), patient.number && fill(texts.patient.numbered, { number: patient.number })].filter(Boolean);
  const content = [
    element('strong', {}, nameOf(patient)),
    element('span', { class: 'hint' }, facts.join(' · ')),
    reasons.length > 0 && element('span', { class: 'tags' }, ...reasons.map((reason) => element('span', { class: 'tag' }, reasonName(reason)))),
    patient.state === 'merged' && element('span', { class: 'tags' }, element('span', { class: 'tag off' }, texts.patient.merged)),
  ];
  const shown = { class: 'row-text', 'data-test': 'brief' };
  return link ? element('a', { ...shown, href: `#${patient.id}` }, ...content) : element('span', shown, ...content);
}

/** @param {string} reason */
export const reasonName = (reason) => /** @type {Record<string, string>} */ (texts.reasons)[reason] ?? reason;
