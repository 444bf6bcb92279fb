/** Who is the patient and who acts for them: with what scope, until when; given and ended here. */

import { Intent } from '../../api.js';
import { openDialog } from '../../dialog.js';
import { element } from '../../element.js';
import { boxes, field, form } from '../../form.js';
import { dayOf, fill, listed, texts } from '../../language.js';
import { may } from '../../rights.js';
import { toast } from '../../toast.js';
import { confirmDialog } from '../../views/confirm.js';
import { relationName, scopeName } from '../../words.js';
import { nameOf } from './brief.js';

const KINDS = ['self', 'parent', 'guardian', 'carer'];
const SCOPES = ['record', 'visits', 'appointments', 'billing'];

/**
 * @typedef {object} Relation
 * @property {string} id
 * @property {string} kind
 * @property {string} [name]  of the user
 * @property {string} [email]
 * @property {string} [user]
 * @property {string[]} scope
 * @property {string} starts_at
 * @property {string | null} ends_at
 */

/** @param {import('../../page.js').Context} context @param {any} patient @param {Relation[]} relations @param {any[]} invited  who has not accepted yet */
export function relationsSection(context, patient, relations, invited) {
  const adds = may(context.clinic, 'patients.relate') && patient.state !== 'merged';
  const own = context.me.acts_for.some(({ patient: id, kind }) => id === patient.id && kind === 'self');
  const rows = relations.map((relation) => {
    const name = relation.name || relation.email || relation.user || '';
    const facts = [relation.kind !== 'self' && listed(relation.scope.map(scopeName)), relation.ends_at && fill(texts.front.until, { day: dayOf(relation.ends_at) })].filter(Boolean);
    return element(
      'li',
      { 'data-test': 'relation' },
      element('span', { class: 'row-text' }, element('strong', {}, name), element('span', { class: 'hint' }, [relationName(relation.kind), ...facts].join(' · ')), relation.name && element('span', { class: 'hint' }, relation.email)),
      (adds || (own && relation.kind !== 'self')) &&
        element('button', { type: 'button', class: 'button quiet small', 'aria-label': fill(texts.relation.endNamed, { name }), 'data-test': 'end-relation', onclick: () => end(context, patient, relation, name) }, texts.relation.end),
    );
  });
  rows.push(...invited.map((invitation) => invitedRow(context, patient, invitation)));
  return element(
    'section',
    { class: 'card', 'data-test': 'relations' },
    element('div', { class: 'section-head' }, element('h2', {}, texts.relation.title), adds && element('button', { type: 'button', class: 'button quiet small', onclick: () => add(context, patient), 'data-test': 'add-relation' }, texts.relation.add)),
    rows.length ? element('ul', { class: 'rows' }, ...rows) : element('p', { class: 'hint' }, texts.relation.none),
  );
}

/** @param {import('../../page.js').Context} context @param {any} patient @param {any} invitation */
function invitedRow(context, patient, invitation) {
  const name = invitation.name;
  return element(
    'li',
    { 'data-test': 'relation-invited' },
    element('span', { class: 'row-text' }, element('strong', {}, name), element('span', { class: 'hint' }, [relationName(invitation.kind), texts.relation.invited].join(' · ')), element('span', { class: 'hint' }, invitation.email)),
    element('button', { type: 'button', class: 'button quiet small', 'aria-label': fill(texts.people.withdrawNamed, { name }), 'data-test': 'withdraw-relation', onclick: () => withdraw(context, patient, invitation) }, texts.people.withdraw),
  );
}

/** @param {import('../../page.js').Context} context @param {any} patient @param {any} invitation */
function withdraw({ api, again }, patient, invitation) {
  confirmDialog({
    name: 'withdraw-relation',
    title: texts.people.withdrawTitle,
    content: [element('p', {}, fill(texts.people.withdrawText, { email: invitation.email }))],
    submit: texts.people.withdraw,
    run: async (busy) => {
      await api.delete(`/v1/patients/${patient.id}/invitations/${invitation.id}`, { etag: '*', busy });
      await again();
      toast(texts.people.withdrawn);
    },
  });
}

/** @param {import('../../page.js').Context} context @param {any} patient @param {Relation} relation @param {string} name */
function end({ api, again }, patient, relation, name) {
  confirmDialog({
    name: 'end-relation',
    title: fill(texts.relation.endTitle, { name }),
    content: [element('p', {}, fill(texts.relation.endText, { patient: nameOf(patient) }))],
    submit: texts.relation.end,
    run: async (busy) => {
      await api.delete(`/v1/patients/${patient.id}/relations/${relation.id}`, { etag: '*', busy });
      await again();
      toast(texts.relation.ended);
    },
  });
}

/** @param {import('../../page.js').Context} context @param {any} patient */
function add({ api, again }, patient) {
  const intent = new Intent();
  const email = field({ name: 'email', label: texts.signIn.email, type: 'email', required: true, value: patient.email ?? '', hint: texts.relation.emailHint, more: { autocomplete: 'off', autocapitalize: 'none' } });
  const kind = field({ name: 'kind', label: texts.relation.kind, choices: KINDS.map((one) => [one, relationName(one)]), value: 'self' });
  const scope = boxes('scope', texts.relation.scope, SCOPES.map((one) => ({ value: one, label: scopeName(one), checked: true })));
  const ends = field({ name: 'ends_at', label: texts.relation.ends, type: 'date', hint: texts.relation.endsHint });
  const asked = form({
    name: 'add-relation',
    content: [kind.root, email.root, scope.root, ends.root],
    fields: { email, kind, scope, ends_at: ends },
    submit: texts.relation.give,
    faults: { email: texts.relation.nobody },
    check: () => {
      if (kind.input.value === 'self' || scope.value().length) return null;
      scope.fault(texts.relation.oneScope);
      return '';
    },
    send: async (busy) => {
      const self = kind.input.value === 'self';
      const given = { email: email.input.value.trim(), kind: kind.input.value, scope: self ? SCOPES : scope.value(), ...(ends.input.value && !self ? { ends_at: `${ends.input.value}T23:59:59Z` } : {}) };
      const { status } = await api.post(`/v1/patients/${patient.id}/relations`, given, { intent, busy });
      dialog.close();
      await again();
      toast(status === 202 ? fill(texts.people.invited, { email: given.email }) : texts.relation.given);
    },
  });
  const adjust = () => {
    scope.root.hidden = ends.root.hidden = kind.input.value === 'self';
  };
  kind.input.addEventListener('change', adjust);
  adjust();
  const dialog = openDialog({ name: 'relation', title: texts.relation.add, close: texts.forms.cancel }, element('p', { class: 'hint' }, texts.relation.text), asked.root);
}
