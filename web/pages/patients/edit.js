/**
 * Changing a record. Whoever is slower than a colleague keeps what they typed and sees what was changed meanwhile, before
 * they save again.
 */

import { Problem } from '../../api.js';
import { announce } from '../../announcer.js';
import { element } from '../../element.js';
import { form } from '../../form.js';
import { day, fill, LANGUAGES, texts } from '../../language.js';
import { toast } from '../../toast.js';
import { difference, patientFields, reconcile, valuesOf } from './fields.js';

/**
 * @param {import('../../page.js').Context} context
 * @param {any} patient
 * @param {string} tag  its version
 * @param {readonly string[]} names  of the fields that may be changed
 * @param {() => void} cancel
 */
export function editForm({ api, again }, patient, tag, names, cancel) {
  const path = `/v1/patients/${patient.id}`;
  const made = patientFields(valuesOf(patient), names);
  const meanwhile = element('div', { class: 'note warn stack', hidden: true, tabindex: '-1', role: 'group', 'data-test': 'meanwhile' });
  let base = valuesOf(patient);
  let etag = tag;

  const asked = form({
    name: `edit-${patient.id}`,
    content: [element('h2', {}, texts.patient.edit), meanwhile, made.root],
    fields: made.fields,
    submit: texts.forms.save,
    beside: [element('button', { type: 'button', class: 'button quiet', onclick: cancel }, texts.forms.cancel)],
    problems: { 'number-taken': texts.patients.numberTaken },
    send: async (busy) => {
      const change = difference(base, made.values());
      if (!Object.keys(change).length) return cancel();
      try {
        await api.patch(path, change, { etag, busy });
      } catch (error) {
        if (!(error instanceof Problem) || !['changed', 'conflict'].includes(error.code)) throw error;
        return merge();
      }
      await again();
      toast(texts.forms.saved);
    },
  });

  /** Somebody else saved first. */
  async function merge() {
    const read = await api.get(path);
    const theirs = valuesOf(read.body);
    const { values, news: all, clashes } = reconcile(base, made.values(), theirs);
    const news = all.filter((name) => name in made.fields);
    const line = (/** @type {string} */ name, /** @type {string} */ text, /** @type {Record<string, string>} */ more) =>
      element('li', {}, fill(text, { field: labelOf(name), before: shown(name, base[name]), now: shown(name, theirs[name]), ...more }));
    const before = { ...base };
    meanwhile.replaceChildren(
      element('h3', {}, texts.edit.meanwhile),
      element('p', {}, news.length || clashes.length ? texts.edit.kept : texts.edit.elsewhere),
      element(
        'ul',
        {},
        ...news.map((name) => line(name, texts.edit.news, { before: shown(name, before[name]) })),
        ...clashes.map((name) => line(name, texts.edit.clash, { mine: shown(name, values[name]) })),
      ),
    );
    for (const [name, { input }] of Object.entries(made.fields)) input.value = values[name];
    [base, etag] = [theirs, read.etag];
    meanwhile.hidden = false;
    meanwhile.focus();
    announce(texts.edit.meanwhile);
  }

  const labelOf = (/** @type {string} */ name) => made.fields[name].root.querySelector('label')?.textContent ?? name;
  return { root: asked.root, focus: () => Object.values(made.fields)[0].input.focus() };
}

/** @param {string} name @param {string} value */
function shown(name, value) {
  if (!value) return texts.edit.nothing;
  if (name === 'birth_date') return day(value);
  if (name === 'language') return /** @type {Record<string, string>} */ (LANGUAGES)[value] ?? value;
  return value;
}
