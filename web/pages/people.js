/** The people of a clinic: who works here in which roles, who is invited, and for administrators how to change that. */

import { Intent } from '../api.js';
import { openDialog } from '../dialog.js';
import { element } from '../element.js';
import { boxes, field, form } from '../form.js';
import { count, dayOf, fill, LANGUAGES, language, texts } from '../language.js';
import { may, STAFF_ROLES } from '../rights.js';
import { toast } from '../toast.js';
import { barredView } from '../views/barred.js';
import { confirmDialog } from '../views/confirm.js';
import { roleName, roleNames, roleText } from '../words.js';
import { emergenciesSection } from './people/emergencies.js';

const EMERGENCIES = 50; // the newest

/**
 * @typedef {{user: string, name: string, email: string, roles: string[], active: boolean}} Member
 * @typedef {{id: string, email: string, name: string, roles: string[], created_at?: string, expires_at?: string}} Invitation
 */

/** @param {import('../page.js').Context} context */
export async function view(context) {
  const { api, clinic } = context;
  if (!clinic || !may(clinic, 'people.list')) return barredView(texts.people.title, context);
  const changes = may(clinic, 'people.change');
  const at = `/v1/clinics/${clinic.clinic}`;
  const [people, invitations, emergencies] = await Promise.all([
    api.list(`${at}/people`),
    changes ? api.list(`${at}/invitations`) : [],
    may(clinic, 'emergency.list') ? api.list(`${at}/emergencies`, EMERGENCIES) : [],
  ]);
  const names = new Map(people.map((person) => [person.user, person.name || person.email]));
  return element(
    'main',
    { class: 'wide', 'data-test': 'people' },
    element(
      'div',
      { class: 'page-head' },
      element('div', {}, element('h1', {}, texts.people.title), element('p', { class: 'lead' }, clinic.name)),
      changes && element('button', { type: 'button', class: 'button', onclick: () => invite(context), 'data-test': 'invite' }, texts.people.invite),
    ),
    peopleList(context, people, changes),
    changes && invitationList(context, invitations),
    may(clinic, 'emergency.list') && emergenciesSection(context, emergencies, names),
  );
}

/** @param {import('../page.js').Context} context @param {Member[]} people @param {boolean} changes */
function peopleList(context, people, changes) {
  const rows = people.map((person) => ({ person, row: memberRow(context, person, changes) }));
  const list = element('ul', { class: 'rows', 'data-test': 'members' }, ...rows.map(({ row }) => row));
  const filter = field({ name: 'filter', label: texts.people.filter, type: 'search', more: { autocomplete: 'off' } });
  const found = element('p', { class: 'hint', role: 'status' }, count(texts.people.count, people.length));
  filter.input.addEventListener('input', () => {
    const sought = filter.input.value.trim().toLowerCase();
    for (const { person, row } of rows) row.hidden = !`${person.name} ${person.email} ${roleNames(person.roles)}`.toLowerCase().includes(sought);
    found.textContent = count(texts.people.count, rows.filter(({ row }) => !row.hidden).length);
  });
  return element('section', { class: 'card' }, element('h2', { class: 'unseen' }, texts.people.members), people.length > 5 && filter.root, found, list);
}

/** @param {import('../page.js').Context} context @param {Member} person @param {boolean} changes */
function memberRow(context, person, changes) {
  const name = person.name || person.email;
  const action = (/** @type {string} */ text, /** @type {string} */ label, /** @type {string} */ test, /** @type {() => void} */ run) =>
    element('button', { type: 'button', class: 'button quiet small', 'aria-label': fill(label, { name }), 'data-test': test, onclick: run }, text);
  return element(
    'li',
    { 'data-test': 'member', class: person.active ? null : 'inactive' },
    element(
      'span',
      { class: 'row-text' },
      element('strong', {}, name, person.user === context.me.id && ` (${texts.people.you})`),
      element('span', { class: 'hint' }, person.email),
      element('span', { class: 'tags' }, ...person.roles.map((role) => element('span', { class: 'tag' }, roleName(role))), !person.active && element('span', { class: 'tag off' }, texts.people.inactive)),
    ),
    changes &&
      element(
        'span',
        { class: 'row-actions' },
        action(texts.people.roles, texts.people.rolesOf, 'roles', () => void changeRoles(context, person)),
        person.active
          ? action(texts.people.deactivate, texts.people.deactivateNamed, 'deactivate', () => deactivate(context, person, name))
          : action(texts.people.reactivate, texts.people.reactivateNamed, 'reactivate', () => reactivate(context, person, name)),
      ),
  );
}

/** @param {import('../page.js').Context} context @param {Member} person @param {string} [rest] */
const at = ({ clinic }, person, rest = '') => `/v1/clinics/${clinic?.clinic}/people/${person.user}${rest}`;

/** @param {readonly string[]} chosen */
const roleBoxes = (chosen) => boxes('roles', texts.people.rolesLegend, STAFF_ROLES.map((role) => ({ value: role, label: roleName(role), hint: roleText(role), checked: chosen.includes(role) })));

/** @param {import('../page.js').Context} context @param {Member} person */
async function changeRoles(context, person) {
  const { body, etag } = await context.api.get(at(context, person));
  const roles = roleBoxes(body.roles);
  const asked = form({
    name: 'change-roles',
    content: [roles.root],
    fields: { roles },
    submit: texts.forms.save,
    problems: { 'wrong-state': texts.people.last, changed: texts.people.changed },
    check: () => needed(roles),
    send: async (busy) => {
      await context.api.patch(at(context, person), { roles: roles.value() }, { etag, busy });
      dialog.close();
      await context.again();
      toast(texts.forms.saved);
    },
  });
  const dialog = openDialog({ name: 'roles', title: fill(texts.people.rolesOf, { name: body.name }), close: texts.forms.cancel }, asked.root);
}

/** @param {ReturnType<typeof boxes>} roles */
function needed(roles) {
  if (roles.value().length) return null;
  roles.fault(texts.people.oneRole);
  roles.inputs[0].focus();
  return '';
}

/** @param {import('../page.js').Context} context @param {Member} person @param {string} name */
function deactivate(context, person, name) {
  confirmDialog({
    name: 'deactivate',
    title: fill(texts.people.deactivateTitle, { name }),
    content: [element('p', {}, texts.people.deactivateText)],
    submit: texts.people.deactivate,
    problems: { 'wrong-state': texts.people.last },
    run: (busy) => move(context, person, '/deactivate', texts.people.deactivated, busy),
  });
}

/** @param {import('../page.js').Context} context @param {Member} person @param {string} name */
function reactivate(context, person, name) {
  confirmDialog({
    name: 'reactivate',
    title: fill(texts.people.reactivateTitle, { name }),
    content: [element('p', {}, fill(texts.people.reactivateText, { roles: roleNames(person.roles) }))],
    submit: texts.people.reactivate,
    style: '',
    run: (busy) => move(context, person, '/reactivate', texts.people.reactivated, busy),
  });
}

/** @param {import('../page.js').Context} context @param {Member} person @param {string} way @param {string} said @param {(seconds: number) => void} busy */
async function move(context, person, way, said, busy) {
  const { etag } = await context.api.get(at(context, person));
  await context.api.post(at(context, person, way), undefined, { etag, busy });
  await context.again();
  toast(said);
}

/** @param {import('../page.js').Context} context @param {Invitation[]} invitations */
function invitationList(context, invitations) {
  const rows = invitations.map((invitation) =>
    element(
      'li',
      { 'data-test': 'invitation' },
      element(
        'span',
        { class: 'row-text' },
        element('strong', {}, invitation.name || invitation.email),
        element('span', { class: 'hint' }, invitation.email),
        element('span', { class: 'tags' }, ...(invitation.roles ?? []).map((role) => element('span', { class: 'tag' }, roleName(role)))),
        invitation.expires_at && element('span', { class: 'hint' }, fill(texts.people.until, { day: dayOf(invitation.expires_at) })),
      ),
      element('button', { type: 'button', class: 'button quiet small', 'aria-label': fill(texts.people.withdrawNamed, { name: invitation.email }), 'data-test': 'withdraw', onclick: () => withdraw(context, invitation) }, texts.people.withdraw),
    ),
  );
  return element('section', { class: 'card', 'data-test': 'invitations' }, element('h2', {}, texts.people.pending), rows.length ? element('ul', { class: 'rows' }, ...rows) : element('p', { class: 'hint' }, texts.people.noneInvited));
}

/** @param {import('../page.js').Context} context @param {Invitation} invitation */
function withdraw({ api, clinic, again }, invitation) {
  confirmDialog({
    name: 'withdraw',
    title: texts.people.withdrawTitle,
    content: [element('p', {}, fill(texts.people.withdrawText, { email: invitation.email }))],
    submit: texts.people.withdraw,
    run: async (busy) => {
      await api.delete(`/v1/clinics/${clinic?.clinic}/invitations/${invitation.id}`, { etag: '*', busy });
      await again();
      toast(texts.people.withdrawn);
    },
  });
}

/** @param {import('../page.js').Context} context */
function invite({ api, clinic, again }) {
  const email = field({ name: 'email', label: texts.signIn.email, type: 'email', required: true, more: { autocomplete: 'off', inputmode: 'email', autocapitalize: 'none' } });
  const name = field({ name: 'name', label: texts.profile.name, required: true, more: { autocomplete: 'off', maxlength: 120 } });
  const tongue = field({ name: 'language', label: texts.people.inviteLanguage, choices: Object.entries(LANGUAGES), value: language });
  const roles = roleBoxes([]);
  const asked = form({
    name: 'invite',
    content: [email.root, name.root, roles.root, tongue.root],
    fields: { email, name, roles, language: tongue },
    submit: texts.people.inviteSend,
    problems: { conflict: texts.people.already, 'wrong-state': texts.people.already },
    check: () => needed(roles),
    send: async (busy) => {
      const given = { email: email.input.value.trim(), name: name.input.value.trim(), roles: roles.value(), language: tongue.input.value };
      await api.post(`/v1/clinics/${clinic?.clinic}/invitations`, given, { busy, intent });
      dialog.close();
      await again();
      toast(fill(texts.people.invited, { email: given.email }));
    },
  });
  const intent = new Intent();
  const dialog = openDialog({ name: 'invite', title: texts.people.inviteTitle, close: texts.forms.cancel }, element('p', { class: 'hint' }, texts.people.inviteText), asked.root);
}
