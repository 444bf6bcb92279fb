/** Which clinicians treat the patient: they read the record without emergency access. */

import { element } from '../../element.js';
import { field, form } from '../../form.js';
import { fill, texts } from '../../language.js';
import { may } from '../../rights.js';
import { toast } from '../../toast.js';

/** @param {import('../../page.js').Context} context @param {any} patient */
export async function treatingSection({ api, clinic, again }, patient) {
  const changes = may(clinic, 'patients.treat') && patient.state !== 'merged';
  const people = may(clinic, 'people.list') ? await api.list(`/v1/clinics/${clinic?.clinic}/people`) : [];
  const names = new Map(people.map((person) => [person.user, person.name || person.email]));
  const rows = patient.treating.map((/** @type {any} */ each) => {
    const user = typeof each === 'string' ? each : each.user;
    const name = names.get(user) ?? each.name ?? texts.treating.gone;
    const end = form({
      name: 'end-treating',
      content: [],
      submit: texts.treating.end,
      style: 'quiet small',
      send: async (busy) => {
        await api.delete(`/v1/patients/${patient.id}/treating/${user}`, { etag: '*', busy });
        await again();
        toast(texts.forms.saved);
      },
    });
    end.button.setAttribute('aria-label', fill(texts.treating.endNamed, { name }));
    return element('li', { 'data-test': 'treating' }, element('span', { class: 'row-text' }, element('strong', {}, name)), changes && end.root);
  });
  const taken = new Set(patient.treating.map((/** @type {any} */ each) => (typeof each === 'string' ? each : each.user)));
  const free = people.filter((person) => person.active && person.roles.includes('clinician') && !taken.has(person.user));
  const who = field({ name: 'user', label: texts.treating.who, choices: [['', texts.treating.choose], ...free.map((person) => /** @type {[string, string]} */ ([person.user, names.get(person.user)]))], required: true });
  const add = form({
    name: 'treat',
    content: [who.root],
    fields: { user: who },
    submit: texts.treating.add,
    style: 'quiet',
    send: async (busy) => {
      await api.put(`/v1/patients/${patient.id}/treating/${who.input.value}`, undefined, { etag: '*', busy });
      await again();
      toast(texts.forms.saved);
    },
  });
  return element(
    'section',
    { class: 'card' },
    element('h2', {}, texts.treating.title),
    rows.length ? element('ul', { class: 'rows' }, ...rows) : element('p', { class: 'hint' }, texts.treating.none),
    changes && free.length > 0 && add.root,
  );
}
