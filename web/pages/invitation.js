/** Accepting an invitation: its token stands in the fragment and leaves it at once; looking and accepting are posts. */

import { Problem } from '../api.js';
import { element } from '../element.js';
import { firebaseOf } from '../firebase.js';
import { field, form } from '../form.js';
import { fill, LANGUAGES, language, texts, zoneOfBrowser, zones } from '../language.js';
import { enrolView } from '../views/enrol.js';
import { relationName, roleNames } from '../words.js';
import { newPassword } from './profile/password.js';

export const open = true;

/** Outlives the page's being drawn anew in another language; a reload needs the mail again. */
let token = '';

/** @param {import('../page.js').Context} context */
export async function view({ api, me }) {
  if (location.hash) token = location.hash.slice(1);
  if (location.hash) history.replaceState(null, '', location.pathname);
  if (!token) return message(texts.invitation.missing, texts.invitation.missingText);
  try {
    const { body } = await api.post('/v1/invitations/look', { token }, { open: true });
    const there = (await firebaseOf(api)) !== null;
    return me && me.email !== body.email ? otherUser(body.email) : accept(api, body, there);
  } catch (error) {
    if (!(error instanceof Problem) || !(error.status in { 400: 1, 401: 1, 404: 1, 409: 1, 410: 1 })) throw error;
    return message(texts.invitation.over, texts.invitation.overText);
  }
}

/** @param {string} title @param {string} text */
const message = (title, text) =>
  element('main', { class: 'card message', 'data-test': 'invitation-message' }, element('h1', {}, title), element('p', {}, text), element('div', { class: 'actions' }, element('a', { class: 'button', href: '/' }, texts.forms.home)));

/** @param {string} email */
const otherUser = (email) => message(texts.invitation.other, fill(texts.invitation.otherText, { email }));

/**
 * @param {import('../api.js').Api} api
 * @param {{clinic: any, email: string, name: string, roles: string[], kind: string, has_account: boolean}} invitation
 * @param {boolean} there  passwords are kept by Firebase
 */
function accept(api, invitation, there) {
  const { email, roles, kind, has_account: known } = invitation;
  const clinic = typeof invitation.clinic === 'string' ? invitation.clinic : invitation.clinic.name;
  const staff = roles?.length > 0;
  const lead = staff ? fill(texts.invitation.staff, { clinic, roles: roleNames(roles) }) : fill(texts.invitation.patient, { clinic, relation: relationName(kind) });
  const name = field({ name: 'name', label: texts.profile.name, value: invitation.name ?? '', required: true, more: { autocomplete: 'name', maxlength: 120 } });
  const tongue = field({ name: 'language', label: texts.profile.language, choices: Object.entries(LANGUAGES), value: language });
  const zone = field({ name: 'zone', label: texts.profile.zone, choices: zones(zoneOfBrowser()).map((one) => [one, one.replace(/_/g, ' ')]), value: zoneOfBrowser(), hint: texts.profile.zoneHint });
  const user = element('input', { type: 'email', name: 'username', value: email, autocomplete: 'username', readonly: true, hidden: true, tabindex: '-1' });
  const password = newPassword({ required: staff && !there, staff });
  const root = element('main', { class: 'card narrow', 'data-test': 'invitation' });

  const asked = form({
    name: 'accept',
    secret: true,
    content: known ? [] : [user, name.root, password.root, tongue.root, zone.root],
    fields: { name, password: password.field, language: tongue, zone },
    submit: texts.invitation.accept,
    check: () => (known ? null : password.check()),
    problems: { 'not-authenticated': texts.invitation.overText, 'wrong-state': there ? texts.firebase.there : texts.invitation.overText },
    send: async (busy) => {
      const own = { name: name.input.value.trim(), language: tongue.input.value, zone: zone.input.value };
      const secret = password.field.input.value;
      const { body } = await api.post('/v1/invitations/accept', { token, ...(known ? {} : own), ...(known || !secret ? {} : { password: secret }) }, { open: true, busy });
      token = '';
      if (body.state === 'enrol' && !there) return enrol();
      location.assign(body.state === 'sign-in' ? '/sign-in' : '/');
    },
  });

  function enrol() {
    const done = async () => location.assign('/');
    const heading = element('h1', { tabindex: '-1' }, texts.enrol.title);
    root.replaceChildren(heading, element('p', { class: 'lead' }, texts.enrol.asked), enrolView({ api, done, later: done }));
    heading.focus();
  }

  root.append(
    element('h1', {}, fill(texts.invitation.title, { clinic })),
    element('p', { class: 'lead' }, lead),
    element('p', { class: 'chosen' }, element('span', {}, email)),
    element('p', { class: 'hint' }, known ? texts.invitation.known : texts.invitation.new),
    asked.root,
  );
  return root;
}

