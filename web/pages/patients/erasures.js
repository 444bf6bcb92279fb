/** The clinic's erasures, for its administrators: the latest first, each with its certificate. Nobody is named any more. */

import { element } from '../../element.js';
import { form } from '../../form.js';
import { day, fill, moment, texts } from '../../language.js';
import { certificateButton, erasureParts } from './erasure.js';

/** @param {import('../../page.js').Context} context */
export async function erasuresView({ api, clinic }) {
  const path = `/v1/clinics/${clinic?.clinic}/erasures`;
  const list = element('ul', { class: 'rows', 'data-test': 'erasures-list' });
  const section = element('section', { class: 'card' }, list);

  /** @param {{items: import('./erasure.js').Erasure[], next_cursor: string | null}} page */
  function add({ items, next_cursor: cursor }) {
    list.append(...items.map(rowOf));
    section.querySelector('form')?.remove();
    if (!cursor) return;
    const send = async () => add((await api.get(`${path}?cursor=${encodeURIComponent(cursor)}`)).body);
    section.append(form({ name: 'more', content: [], submit: texts.accesses.older, style: 'quiet', send }).root);
  }
  add((await api.get(path)).body);
  if (!list.childElementCount) section.replaceChildren(element('p', { class: 'hint' }, texts.erasures.none));
  return element(
    'main',
    { class: 'wide medium', 'data-test': 'erasures' },
    element('p', {}, element('a', { href: '#', class: 'back' }, texts.patients.back)),
    element('div', { class: 'page-head' }, element('div', {}, element('h1', {}, texts.erasures.title), element('p', { class: 'lead' }, clinic?.name))),
    element('p', { class: 'hint' }, texts.erasures.text),
    section,
  );
}

/** @param {import('./erasure.js').Erasure} erasure */
function rowOf(erasure) {
  const { id, patient, asked_on: asked, ordered_at: ordered, stage, kept } = erasure;
  const isRead = kept.some(({ basis }) => basis === 'care');
  const save = certificateButton(erasure, 'quiet small');
  const open = isRead && element('a', { class: 'button quiet small', href: `#${patient}` }, texts.emergency.whose);
  for (const each of [save, open]) if (each) each.setAttribute('aria-describedby', id);
  return element(
    'li',
    { 'data-test': 'erasure' },
    element(
      'span',
      { class: 'row-text' },
      element('strong', { id }, fill(texts.erasures.asked, { day: day(asked) })),
      element('span', { class: 'hint' }, fill(texts.erasures.ordered, { moment: moment(ordered) })),
      element('span', { class: 'hint' }, fill(texts.erasures.of, { id: patient })),
      element('span', { class: 'tags' }, element('span', { class: stage === 'under-way' ? 'tag alarm' : stage === 'kept' ? 'tag' : 'tag off' }, texts.erasures.stages[stage])),
    ),
    element('span', { class: 'row-actions' }, open, save),
    element('details', { class: 'row-more' }, element('summary', {}, texts.erasures.more), element('div', { class: 'stack' }, ...erasureParts(erasure))),
  );
}
