/**
 * The language of the pages: the signed-in user's, else the one chosen in this browser, else the browser's own.
 *
 * `texts` is a live binding: whoever imports it sees the catalogue in use. Instants are shown in the user's zone.
 */

import english from './texts/en.js';

/** @typedef {typeof english} Texts */

export const LANGUAGES = /** @type {const} */ ({ en: 'English', es: 'Español' });
const CHOICE = 'language';

export let texts = english;
export let language = 'en';
let zone = 'UTC';

/** @param {readonly string[]} wanted  tags, the most wanted first */
export function bestOf(wanted) {
  return wanted.map((tag) => tag.toLowerCase().split('-')[0]).find((code) => code in LANGUAGES) ?? 'en';
}

/** What was chosen here, then what the browser prefers. */
function ofBrowser() {
  const chosen = stored();
  return bestOf(chosen ? [chosen, ...navigator.languages] : navigator.languages);
}

/** @param {{language: string, zone: string} | null} user */
export async function speak(user) {
  language = user ? bestOf([user.language]) : ofBrowser();
  zone = user?.zone || zoneOfBrowser();
  texts = language === 'es' ? (await import('./texts/es.js')).default : english;
  document.documentElement.lang = language;
}

/** @param {string} code */
export function choose(code) {
  try {
    localStorage.setItem(CHOICE, code);
  } catch {
    // without storage the choice lasts for this page
  }
}

function stored() {
  try {
    return localStorage.getItem(CHOICE);
  } catch {
    return null;
  }
}

export const zoneOfBrowser = () => Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';

/** All IANA zones that the browser knows, with `also` among them. @param {string} also */
export function zones(also) {
  const known = typeof Intl.supportedValuesOf === 'function' ? Intl.supportedValuesOf('timeZone') : [];
  return [...new Set([...known, 'UTC', also])].sort();
}

/**
 * A text with its `{names}` filled in.
 * @param {string} text
 * @param {Record<string, string | number>} values
 */
export const fill = (text, values) => text.replace(/{(\w+)}/g, (whole, name) => String(values[name] ?? whole));

/**
 * The form that a number asks for: the catalogue has them by CLDR's categories, at least `one` and `other`.
 * @param {{one: string, other: string}} forms
 * @param {number} n
 */
export function count(forms, n) {
  const category = new Intl.PluralRules(language).select(n);
  return fill(category === 'one' ? forms.one : forms.other, { n: n.toLocaleString(language) });
}

/** Date and time of day of an instant. @param {string} instant  RFC 3339 */
export const moment = (instant) => format(new Date(instant), { dateStyle: 'medium', timeStyle: 'short', timeZone: zone });

/** Time of day of an instant. @param {string} instant */
export const timeOfDay = (instant) => format(new Date(instant), { timeStyle: 'short', timeZone: zone });

/** Of an instant, the day in the user's zone. @param {string} instant */
export const dayOf = (instant) => format(new Date(instant), { dateStyle: 'medium', timeZone: zone });

/** A day that is the same everywhere, e.g. of birth. @param {string} day  YYYY-MM-DD */
export const day = (day) => format(new Date(`${day}T00:00:00Z`), { dateStyle: 'medium', timeZone: 'UTC' });

/** @param {Date} date @param {Intl.DateTimeFormatOptions} options */
function format(date, options) {
  if (Number.isNaN(date.getTime())) return '';
  try {
    return new Intl.DateTimeFormat(language, options).format(date);
  } catch {
    return new Intl.DateTimeFormat(language, { ...options, timeZone: 'UTC' }).format(date); // a zone newer than the browser
  }
}

/** A wait, as one says it: in seconds, and from two minutes on in minutes. @param {number} seconds @param {'long' | 'short'} [style] */
export const duration = (seconds, style = 'long') => {
  const [unit, number] = seconds < 120 ? ['second', seconds] : ['minute', Math.ceil(seconds / 60)];
  return new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: style }).format(number);
};

/** Several things as a sentence names them. @param {string[]} things */
export const listed = (things) => new Intl.ListFormat(language).format(things);
