/** The fields of a patient's record, as a form shows and sends them. */

import { element } from '../../element.js';
import { field } from '../../form.js';
import { LANGUAGES, language, texts, zoneOfBrowser, zones } from '../../language.js';

/** @typedef {Record<string, string>} Values  of the fields; empty: none */

export const NAMES = /** @type {const} */ (['given', 'family', 'birth_date', 'number', 'email', 'phone', 'language', 'zone']);

/** What patients, and who acts for them, may change themselves. */
export const OWN_NAMES = /** @type {const} */ (['email', 'phone', 'language', 'zone']);

/** @param {any} patient @returns {Values} */
export const valuesOf = (patient) => Object.fromEntries(NAMES.map((name) => [name, String(patient[name] ?? '')]));

/** @returns {Values} */
export const emptyValues = () => ({ ...valuesOf({}), language, zone: zoneOfBrowser() });

/** @param {Values} values @param {readonly string[]} [names]  those that may be changed */
export function patientFields(values, names = NAMES) {
  const more = { autocomplete: 'off', spellcheck: 'false', maxlength: 100 };
  const today = new Date().toISOString().slice(0, 10);
  /** @type {Record<string, import('../../form.js').Field>} */
  const fields = {
    given: field({ name: 'given', label: texts.patient.given, value: values.given, required: true, more: { ...more, autofocus: true } }),
    family: field({ name: 'family', label: texts.patient.family, value: values.family, required: true, more }),
    birth_date: field({ name: 'birth_date', label: texts.patient.birth, type: 'date', value: values.birth_date, required: true, more: { max: today, min: '1880-01-01' } }),
    number: field({ name: 'number', label: texts.patient.number, value: values.number, hint: texts.patient.numberHint, more }),
    email: field({ name: 'email', label: texts.patient.email, type: 'email', value: values.email, more: { ...more, maxlength: 254, autocapitalize: 'none' } }),
    phone: field({ name: 'phone', label: texts.patient.phone, type: 'tel', value: values.phone, hint: texts.patient.phoneHint, more }),
    language: field({ name: 'language', label: texts.patient.language, choices: Object.entries(LANGUAGES), value: values.language }),
    zone: field({ name: 'zone', label: texts.patient.zone, choices: zones(values.zone).map((one) => [one, one.replace(/_/g, ' ')]), value: values.zone }),
  };
  for (const name of NAMES) if (!names.includes(name)) delete fields[name];
  return {
    fields,
    root: element('div', { class: 'field-grid' }, ...Object.values(fields).map(({ root }) => root)),
    /** @returns {Values} */
    values: () => ({ ...values, ...Object.fromEntries(Object.entries(fields).map(([name, { input }]) => [name, input.value.trim()])) }),
  };
}

/** What is sent of a change: what differs; what was emptied is null (RFC 7396). @param {Values} before @param {Values} now */
export function difference(before, now) {
  const changed = NAMES.filter((name) => before[name] !== now[name]);
  return Object.fromEntries(changed.map((name) => [name, now[name] || null]));
}

/**
 * Bring together what was typed here and what somebody else stored meanwhile.
 * @param {Values} base  what was read first
 * @param {Values} mine  what was typed over it
 * @param {Values} theirs  what is stored now
 * @returns {{values: Values, news: string[], clashes: string[]}}  `news`: changed only there, taken over; `clashes`: changed in
 *   both places to different things, mine kept
 */
export function reconcile(base, mine, theirs) {
  const changedThere = NAMES.filter((name) => theirs[name] !== base[name] && theirs[name] !== mine[name]);
  const news = changedThere.filter((name) => mine[name] === base[name]);
  const clashes = changedThere.filter((name) => mine[name] !== base[name]);
  const values = Object.fromEntries(NAMES.map((/** @type {string} */ name) => [name, news.some((one) => one === name) ? theirs[name] : mine[name]]));
  return { values, news, clashes };
}
