/** Two records of one person made one, and apart again: both are shown before anything is done. */

import { openDialog } from '../../dialog.js';
import { element } from '../../element.js';
import { form } from '../../form.js';
import { icon } from '../../icons.js';
import { fill, texts } from '../../language.js';
import { may } from '../../rights.js';
import { toast } from '../../toast.js';
import { confirmDialog } from '../../views/confirm.js';
import { briefView, nameOf } from './brief.js';
import { searchFields } from './search.js';

/** Find the other record. @param {import('../../page.js').Context} context @param {any} patient */
export function mergeDialog(context, patient) {
  const { api, clinic } = context;
  const made = searchFields({ name: patient.family ?? '' });
  const results = element('div', { role: 'status', class: 'stack' });
  const asked = form({
    name: 'merge-search',
    secret: true,
    content: [element('div', { class: 'field-grid' }, ...made.list.map(({ root }) => root))],
    fields: made.fields,
    submit: texts.patients.search,
    check: made.check,
    send: async () => {
      const { body } = await api.post(`/v1/clinics/${clinic?.clinic}/patients/search`, { ...made.values(), limit: 20 });
      const others = body.items.filter((/** @type {any} */ { id, state }) => id !== patient.id && state !== 'merged');
      const choose = (/** @type {any} */ other) => () => {
        dialog.close();
        confirm(context, patient, other);
      };
      const rows = others.map((/** @type {any} */ other) =>
        element('li', {}, briefView(other), element('button', { type: 'button', class: 'button quiet small', 'aria-label': fill(texts.merge.chooseNamed, { name: nameOf(other), number: other.number }), 'data-test': 'choose', onclick: choose(other) }, texts.merge.choose)),
      );
      results.replaceChildren(rows.length ? element('ul', { class: 'rows' }, ...rows) : element('p', { class: 'hint' }, texts.patients.nothing));
    },
  });
  const dialog = openDialog({ name: 'merge', title: texts.merge.start, close: texts.forms.cancel }, element('p', { class: 'hint' }, texts.merge.text), asked.root, results);
  dialog.classList.add('roomy');
}

/** @param {import('../../page.js').Context} context @param {any} patient @param {any} other */
function confirm({ api, again }, patient, other) {
  confirmDialog({
    name: 'merge-confirm',
    title: texts.merge.title,
    content: [
      element('div', { class: 'pair' }, element('div', {}, element('h3', {}, texts.merge.stays), briefView(patient)), element('div', {}, element('h3', {}, texts.merge.goes), briefView(other))),
      element('p', { class: 'hint' }, texts.merge.undo),
    ],
    submit: texts.merge.confirm,
    run: async (busy) => {
      const { etag } = await api.get(`/v1/patients/${patient.id}`);
      await api.post(`/v1/patients/${patient.id}/merge`, { other: other.id }, { etag, busy });
      await again();
      toast(texts.merge.done);
    },
  });
}

/** On a record that went into another: which; on one that others went into: which, and apart again. @param {import('../../page.js').Context} context @param {any} patient */
export async function mergedPart(context, patient) {
  if (patient.merged_into) {
    return element('div', { class: 'note warn', 'data-test': 'merged' }, icon('link'), element('p', {}, texts.merge.was), element('a', { class: 'button small', href: `#${patient.merged_into}` }, texts.merge.open));
  }
  if (!patient.merged?.length || !may(context.clinic, 'patients.merge')) return null;
  const others = await Promise.all(patient.merged.map(async (/** @type {string} */ id) => (await context.api.get(`/v1/patients/${id}`)).body));
  const rows = others.map((other) =>
    element('li', { 'data-test': 'merged' }, briefView(other), element('button', { type: 'button', class: 'button quiet small', 'data-test': 'unmerge', onclick: () => unmerge(context, patient, other) }, texts.merge.undoStart)),
  );
  return element('section', { class: 'note stack' }, element('h2', {}, texts.merge.contains), element('ul', { class: 'rows' }, ...rows));
}

/** @param {import('../../page.js').Context} context @param {any} patient @param {any} other */
function unmerge({ api, again }, patient, other) {
  confirmDialog({
    name: 'unmerge',
    title: texts.merge.undoTitle,
    content: [element('p', {}, texts.merge.undoText)],
    submit: texts.merge.undoStart,
    style: '',
    run: async (busy) => {
      const { etag } = await api.get(`/v1/patients/${patient.id}`);
      await api.post(`/v1/patients/${patient.id}/unmerge`, { other: other.id }, { etag, busy });
      await again();
      toast(texts.merge.undone);
    },
  });
}

