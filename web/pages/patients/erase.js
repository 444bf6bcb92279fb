/**
 * Erasing a patient who asked for it: what goes and what is kept is said before, the name is typed, and whoever ordered it
 * is told how far it is until there is the certificate.
 */

import { Problem } from '../../api.js';
import { openDialog } from '../../dialog.js';
import { element } from '../../element.js';
import { field, form } from '../../form.js';
import { count, dayOf, fill, texts } from '../../language.js';
import { nameOf } from './brief.js';
import { certificateButton, erasureParts, pointsView } from './erasure.js';

const TRAIL_YEARS = 6; // as medinova_rt/retention.py
const FIRST_LOOK_MS = 250; // then ever less often: each look is on record
const SELDOM_MS = 8_000;
const LOOKS = 20;

/** @param {import('../../page.js').Context} context @param {any} patient @param {string} etag */
export async function eraseDialog({ api }, patient, etag) {
  const { body: clinic } = await api.get(`/v1/clinics/${patient.clinic}`);
  const name = nameOf(patient);
  const today = new Date().toISOString().slice(0, 10);
  const asked = field({ name: 'asked_on', label: texts.erase.asked, type: 'date', value: today, required: true, hint: texts.erase.askedHint, more: { max: today } });
  const typed = field({ name: 'name', label: fill(texts.erase.type, { name }), required: true, more: { autocomplete: 'off', spellcheck: 'false' } });
  const cancel = element('button', { type: 'button', class: 'button quiet', onclick: () => dialog.close() }, texts.forms.cancel);
  const content = element('div', { class: 'stack' }, ...saidBefore(patient, clinic.record_years));
  const ordering = form({
    name: 'erase',
    secret: true,
    content: [asked.root, typed.root],
    fields: { asked_on: asked },
    submit: texts.erase.confirm,
    style: 'danger',
    beside: [cancel],
    problems: { changed: texts.erase.changed, conflict: texts.erase.changed },
    check: () => {
      if (folded(typed.input.value) === folded(name)) return null;
      typed.fault(texts.erase.otherName);
      typed.input.focus();
      return '';
    },
    send: async (busy) => {
      const { body } = await api.post(`/v1/patients/${patient.id}/erasure`, { asked_on: asked.input.value }, { etag, busy });
      const leave = () => location.assign('#erasures');
      if (!dialog.isConnected) return leave(); // closed while it was being ordered
      dialog.addEventListener('close', leave);
      await follow(body);
    },
  });
  content.append(ordering.root);
  const dialog = openDialog({ name: 'erase', title: fill(texts.erase.title, { name }), close: texts.forms.close }, content);
  dialog.classList.add('roomy');

  /** @param {import('./erasure.js').Erasure} erasure */
  async function follow(erasure) {
    const state = element('p', { class: 'note', role: 'status', tabindex: '-1', 'data-test': 'erase-state' }, texts.erase.underWay);
    dialog.setAttribute('aria-label', fill(texts.erase.of, { name }));
    dialog.querySelector('h2')?.replaceChildren(fill(texts.erase.of, { name }));
    content.replaceChildren(state);
    state.focus();
    const done = await finished(api, `/v1/clinics/${patient.clinic}/erasures/${erasure.id}`, dialog);
    if (!dialog.isConnected) return;
    state.textContent = done ? texts.erase.done : texts.erase.later;
    const close = element('button', { type: 'button', class: 'button quiet', onclick: () => dialog.close() }, texts.forms.close);
    const parts = [...erasureParts(done ?? erasure), element('div', { class: 'actions' }, ...[done && certificateButton(done), close].filter((part) => part !== null))];
    content.append(...parts.filter((part) => part instanceof Node));
  }
}

/** @param {any} patient @param {number} years */
function saidBefore(patient, years) {
  const end = new Date();
  end.setUTCFullYear(end.getUTCFullYear() + TRAIL_YEARS);
  const goes = [...texts.erase.goes, patient.merged?.length > 0 && texts.erase.merged];
  return [
    element('p', {}, texts.erase.text),
    pointsView(texts.erase.goesTitle, goes.map((text) => text && element('li', {}, text))),
    pointsView(texts.erase.keptTitle, [element('li', {}, count(texts.erase.care, years)), element('li', {}, fill(texts.erase.trail, { day: dayOf(end.toISOString()) }))]),
  ];
}

/**
 * The erasure once it has its certificate; null if that takes too long, or nobody waits any more.
 * @param {import('../../api.js').Api} api @param {string} path @param {HTMLElement} waiting
 * @returns {Promise<import('./erasure.js').Erasure | null>}
 */
async function finished(api, path, waiting) {
  for (let look = 0, pause = FIRST_LOOK_MS; look < LOOKS && waiting.isConnected; look += 1, pause = Math.min(2 * pause, SELDOM_MS)) {
    await new Promise((go) => setTimeout(go, pause));
    try {
      const { body } = await api.get(path);
      if (body.certificate) return body;
    } catch (error) {
      if (!(error instanceof Problem)) throw error; // the order stands, whatever a look comes to
    }
  }
  return null;
}

/** @param {string} name */
const folded = (name) => name.normalize('NFC').trim().replace(/\s+/g, ' ').toLowerCase();
