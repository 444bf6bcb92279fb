/** Finding patients by what one has at hand: the beginning of a name, the clinic's number, birth date, phone or e-mail. */

import { Problem } from '../../api.js';
import { element } from '../../element.js';
import { field, form } from '../../form.js';
import { count, texts } from '../../language.js';
import { may } from '../../rights.js';
import { toast } from '../../toast.js';
import { briefView } from './brief.js';

const EMPTY_PAGES = 5; // passed over by themselves

/** Of the last search, for coming back from a record; of one user alone. @type {{user: string, sought: Record<string, string>}} */
let last = { user: '', sought: {} };

/** @param {import('../../page.js').Context} context */
export function searchView({ api, me, clinic }) {
  if (last.user !== me.id) last = { user: me.id, sought: {} };
  const made = searchFields(last.sought);
  const results = element('div', { class: 'results', 'data-test': 'results' });
  const found = element('p', { class: 'hint', role: 'status' });
  const path = `/v1/clinics/${clinic?.clinic}/patients/search`;

  /** A page may be empty though there is more. @param {Record<string, string>} sought @param {string} [cursor] */
  async function pageOf(sought, cursor) {
    for (let left = EMPTY_PAGES; ; left -= 1) {
      const { body } = await api.post(path, { ...sought, limit: 25, ...(cursor ? { cursor } : {}) });
      if (body.items.length || !body.next_cursor || !left) return body;
      cursor = body.next_cursor;
    }
  }

  /** @param {Record<string, string>} sought @param {string} [cursor] */
  async function search(sought, cursor) {
    const body = await pageOf(sought, cursor);
    const rows = body.items.map((/** @type {any} */ patient) => element('li', {}, briefView(patient, { link: true })));
    if (!cursor) results.replaceChildren(element('ul', { class: 'rows linked' }));
    results.querySelector('.more')?.remove();
    results.querySelector('ul')?.append(...rows);
    const shown = results.querySelectorAll('li').length;
    found.textContent = shown ? count(body.next_cursor ? texts.patients.foundFirst : texts.patients.found, shown) : texts.patients.nothing;
    if (!body.next_cursor) return;
    const more = form({ name: 'more', content: [], submit: texts.patients.more, style: 'quiet', send: () => search(sought, body.next_cursor) });
    more.root.classList.add('more');
    results.append(more.root);
  }

  const asked = form({
    name: 'search',
    content: [element('div', { class: 'field-grid' }, ...made.list.map(({ root }) => root))],
    fields: made.fields,
    submit: texts.patients.search,
    check: made.check,
    send: async () => {
      const sought = made.values();
      last = { user: me.id, sought };
      await search(sought);
      if (found.getBoundingClientRect().top > innerHeight * 0.75) found.scrollIntoView(); // a phone shows nothing of it
    },
  });
  if (Object.keys(last.sought).length) {
    search(last.sought).catch((error) => {
      if (!(error instanceof Problem)) throw error;
      toast(texts.problems.offline);
    });
  }
  return element(
    'main',
    { class: 'wide', 'data-test': 'patients' },
    element(
      'div',
      { class: 'page-head' },
      element('div', {}, element('h1', {}, texts.patients.title), element('p', { class: 'lead' }, clinic?.name)),
      element(
        'div',
        { class: 'actions' },
        may(clinic, 'patients.erase') && element('a', { class: 'button quiet', href: '#erasures', 'data-test': 'erasures' }, texts.erasures.title),
        may(clinic, 'patients.create') && element('a', { class: 'button', href: '#new', 'data-test': 'new-patient' }, texts.patients.new),
      ),
    ),
    element('section', { class: 'card' }, asked.root),
    element('section', { 'aria-label': texts.patients.results, class: 'stack' }, found, results),
  );
}

/** @param {Record<string, string>} sought */
export function searchFields(sought) {
  const more = { autocomplete: 'off', spellcheck: 'false' };
  const fields = {
    name: field({ name: 'name', label: texts.patient.name, value: sought.name ?? '', hint: texts.patients.nameHint, more: { ...more, autofocus: true } }),
    number: field({ name: 'number', label: texts.patient.number, value: sought.number ?? '', more }),
    birth_date: field({ name: 'birth_date', label: texts.patient.birth, type: 'date', value: sought.birth_date ?? '', more: { ...more, max: new Date().toISOString().slice(0, 10) } }),
    phone: field({ name: 'phone', label: texts.patient.phone, type: 'tel', value: sought.phone ?? '', more }),
    email: field({ name: 'email', label: texts.patient.email, value: sought.email ?? '', more: { ...more, inputmode: 'email', autocapitalize: 'none' } }),
  };
  const values = () => Object.fromEntries(Object.entries(fields).map(([name, { input }]) => [name, input.value.trim()]).filter(([, value]) => value));
  return {
    fields,
    list: Object.values(fields),
    values,
    /** @returns {string | null} */
    check: () => (Object.keys(values()).length ? null : texts.patients.something),
  };
}

