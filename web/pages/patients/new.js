/** A new patient; before the record is made, whoever may be the same person is shown. */

import { Intent, Problem } from '../../api.js';
import { element } from '../../element.js';
import { form } from '../../form.js';
import { texts } from '../../language.js';
import { toast } from '../../toast.js';
import { briefView } from './brief.js';
import { emptyValues, patientFields } from './fields.js';

/** @param {import('../../page.js').Context} context */
export function newView({ api, clinic }) {
  const base = `/v1/clinics/${clinic?.clinic}/patients`;
  const made = patientFields(emptyValues());
  const intent = new Intent();
  const likely = element('section', { class: 'note warn stack', hidden: true, tabindex: '-1', 'data-test': 'duplicates' });
  /** @type {Set<string>} */ const seen = new Set();
  let about = ''; // who the duplicates were looked for

  const given = () => Object.fromEntries(Object.entries(made.values()).filter(([, value]) => value));

  /** Whether there are some that have not been shown yet; they are shown then. */
  async function show() {
    const { given: first, family, birth_date, email, phone, number } = given();
    const sought = { name: `${first} ${family}`, birth_date, email, phone, number };
    const { body } = await api.post(`${base}/duplicates`, JSON.parse(JSON.stringify(sought)));
    /** @type {{patient: import('./brief.js').Brief, reasons: string[]}[]} */
    const items = body.items.map((/** @type {any} */ item) => ({ patient: item.patient ?? item, reasons: item.reasons ?? [] }));
    const news = items.some(({ patient }) => !seen.has(patient.id));
    items.forEach(({ patient }) => seen.add(patient.id));
    likely.hidden = items.length === 0;
    likely.replaceChildren(
      element('h2', {}, texts.patients.likely),
      element('p', {}, texts.patients.likelyText),
      element('ul', { class: 'rows linked' }, ...items.map(({ patient, reasons }) => element('li', {}, briefView(patient, { link: true, reasons })))),
    );
    asked.rename(items.length ? texts.patients.createDespite : texts.patients.create);
    return news;
  }

  const asked = form({
    name: 'new-patient',
    content: [made.root, likely],
    fields: made.fields,
    submit: texts.patients.create,
    beside: [element('a', { class: 'button quiet', href: '#' }, texts.forms.cancel)],
    problems: { 'number-taken': texts.patients.numberTaken },
    send: async (busy) => {
      const now = JSON.stringify(made.values());
      if (now !== about) {
        about = now;
        if (await show()) return likely.focus();
      }
      try {
        const { body } = await api.post(base, { ...given(), despite: [...seen] }, { intent, busy });
        location.replace(`#${body.id}`);
        toast(texts.patients.created);
      } catch (error) {
        if (!(error instanceof Problem) || error.code !== 'likely-duplicates') throw error;
        if (await show()) return likely.focus(); // registered by a colleague in this very minute
        throw error;
      }
    },
  });

  return element('main', { class: 'wide medium', 'data-test': 'new-patient' }, element('div', { class: 'page-head' }, element('h1', {}, texts.patients.newTitle)), element('section', { class: 'card' }, asked.root));
}
