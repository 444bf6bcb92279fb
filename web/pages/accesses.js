/** Who saw a record: for the patient, for who acts for them, and for the clinic's administrators. */

import { Problem } from '../api.js';
import { element } from '../element.js';
import { form } from '../form.js';
import { count, fill, moment, texts } from '../language.js';
import { may } from '../rights.js';
import { barredView } from '../views/barred.js';
import { emptyView } from '../views/empty.js';
import { actionName, relationName, roleName } from '../words.js';
import { exportForm } from './patients/export.js';

/**
 * @typedef {{at: string, who: {role: string, name: string | null}, action: string, outcome: 'done' | 'denied', emergency: boolean}} Access
 *
 * @param {import('../page.js').Context} context
 */
export async function view(context) {
  const { api, me, clinic } = context;
  const [first] = me.acts_for;
  const id = /^#pat-[\w-]+$/.test(location.hash) ? location.hash.slice(1) : first?.patient;
  if (!id && !may(clinic, 'patients.accesses')) return barredView(texts.accesses.title, context, texts.accesses.colleague);
  if (!id) return emptyView(texts.accesses.title, texts.accesses.choose, element('a', { class: 'button', href: '/patients' }, texts.header.patients));
  const path = `/v1/patients/${id}/accesses`;
  let read;
  try {
    read = await api.get(path);
  } catch (error) {
    if (error instanceof Problem && [403, 404].includes(error.status)) return barredView(texts.accesses.title, context, texts.accesses.refused);
    throw error;
  }
  const acts = me.acts_for.find(({ patient }) => patient === id);
  const list = element('ol', { class: 'rows', 'data-test': 'accesses-list' });
  const found = element('p', { class: 'hint', role: 'status' });
  const section = element('section', { class: 'card' }, found, list);

  /** @param {any} page */
  function add(page) {
    list.append(...page.items.map(rowOf));
    const shown = list.childElementCount;
    found.textContent = shown ? count(page.next_cursor ? texts.accesses.newest : texts.accesses.count, shown) : texts.accesses.nobody;
    section.querySelector('form')?.remove();
    if (!page.next_cursor) return;
    const more = form({ name: 'more', content: [], submit: texts.accesses.older, style: 'quiet', send: async () => add((await api.get(`${path}?cursor=${encodeURIComponent(page.next_cursor)}`)).body) });
    section.append(more.root);
  }
  add(read.body);
  return element(
    'main',
    { class: 'wide medium', 'data-test': 'accesses' },
    element('div', { class: 'page-head' }, element('div', {}, element('h1', {}, texts.accesses.title), element('p', { class: 'lead' }, acts ? `${acts.name} · ${acts.clinic_name}` : texts.accesses.record)), acts && exportForm(context, id)),
    me.acts_for.length > 1 && chooser(me.acts_for, id),
    element('p', { class: 'hint' }, texts.accesses.text),
    section,
  );
}

/** @param {Access} access */
function rowOf({ at, who, action, outcome, emergency }) {
  const done = outcome === 'denied' ? fill(texts.accesses.denied, { action: actionName(action) }) : actionName(action);
  return element(
    'li',
    { 'data-test': 'access', class: emergency ? 'marked' : null },
    element(
      'span',
      { class: 'row-text' },
      element('strong', {}, who.name || roleName(who.role)),
      element('span', { class: 'hint' }, [who.name && who.role !== 'user' && roleName(who.role), done].filter(Boolean).join(' · ')),
      emergency && element('span', { class: 'tags' }, element('span', { class: 'tag alarm' }, texts.emergency.heading)),
    ),
    element('time', { class: 'hint', datetime: at }, moment(at)),
  );
}

/** @param {import('../rights.js').ActsFor[]} all @param {string} id */
function chooser(all, id) {
  const items = all.map(({ patient, name, kind }) => element('li', {}, element('a', { href: `#${patient}`, 'aria-current': patient === id ? 'true' : null }, `${name} (${relationName(kind)})`)));
  return element('nav', { class: 'tabs', 'aria-label': texts.accesses.whose }, element('ul', {}, ...items));
}
