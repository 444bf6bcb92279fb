/** An erasure as one reads it: what is gone, what is kept and why and until when, and the certificate to save. */

import { element } from '../../element.js';
import { dayOf, fill, texts } from '../../language.js';
import { save } from '../../saving.js';

/**
 * @typedef {{statement: string, key: string, signature: string}} Certificate
 *
 * @typedef {object} Erasure
 * @property {string} id
 * @property {string} patient
 * @property {string} asked_on
 * @property {string} ordered_at
 * @property {'under-way' | 'kept' | 'done'} stage
 * @property {{basis: string, destroyed_at: string}[]} gone
 * @property {{basis: string, until: string}[]} kept
 * @property {string | null} key_backups_until
 * @property {Certificate | null} certificate
 */

/** @param {string} basis */
const basisName = (basis) => /** @type {Record<string, string>} */ (texts.bases)[basis] ?? basis;
/** @param {string} basis */
const lawText = (basis) => /** @type {Record<string, string>} */ (texts.laws)[basis] ?? '';

/** @param {string} title @param {import('../../element.js').Child[]} points */
export const pointsView = (title, points) => element('div', {}, element('h3', {}, title), element('ul', { class: 'points' }, ...points));

/** @param {Erasure} erasure */
export function erasureParts({ gone, kept, key_backups_until: backups }) {
  const went = gone.map(({ basis, destroyed_at: at }) => element('li', {}, `${basisName(basis)}: ${dayOf(at)}`));
  const stays = kept.map(({ basis, until }) =>
    element('li', {}, fill(basis === 'security' ? texts.erasure.atLeast : texts.erasure.until, { what: basisName(basis), day: dayOf(until) }), element('span', { class: 'hint block' }, lawText(basis))),
  );
  return [
    went.length > 0 && pointsView(texts.erasure.gone, went),
    stays.length > 0 && pointsView(texts.erasure.kept, stays),
    backups && element('p', { class: 'hint' }, fill(texts.erasure.backups, { day: dayOf(backups) })),
  ];
}

/** None before there is a certificate. @param {Erasure} erasure @param {string} [style] */
export function certificateButton({ id, certificate }, style = '') {
  if (!certificate) return null;
  const content = () => new Blob([JSON.stringify(certificate, null, 1)], { type: 'application/json' });
  return element('button', { type: 'button', class: `button ${style}`, 'data-test': 'certificate', onclick: () => save(content(), `${id}.json`) }, texts.erasure.certificate);
}
