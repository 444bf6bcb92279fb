/** The front page: signed out, the two ways in; signed in, what one can do here. */

import { element } from '../element.js';
import { field, form } from '../form.js';
import { icon } from '../icons.js';
import { dayOf, fill, texts } from '../language.js';
import { may } from '../rights.js';
import { relationName, roleNames } from '../words.js';

export const open = true;

/** @param {import('../page.js').Context} context */
export function view({ me, clinic }) {
  return me ? inside(me, clinic) : outside();
}

/** A join link of this server that was pasted. @param {string} pasted @param {string} origin @returns {URL | null} */
export function joinLink(pasted, origin) {
  const address = URL.canParse(pasted.trim()) ? new URL(pasted.trim()) : null;
  return address?.origin === origin && address.pathname === '/join' && address.hash.length > 1 ? address : null;
}

function joinForm() {
  const link = field({ name: 'link', label: texts.front.link, type: 'url', more: { inputmode: 'url', autocomplete: 'off', spellcheck: 'false', placeholder: 'https://…/join#…', 'data-test': 'link' } });
  const { root } = form({
    name: 'join',
    secret: true,
    content: [link.root],
    submit: texts.front.go,
    style: 'quiet',
    check: () => {
      if (joinLink(link.input.value, location.origin)) return null;
      link.fault(texts.front.badLink);
      link.input.focus();
      return '';
    },
    send: async () => location.assign(/** @type {URL} */ (joinLink(link.input.value, location.origin))),
  });
  return root;
}

function outside() {
  return element(
    'main',
    { class: 'card narrow', 'data-test': 'front' },
    element('h1', {}, texts.front.title),
    element('p', { class: 'lead' }, texts.front.lead),
    element('div', { class: 'actions' }, element('a', { class: 'button large', href: '/sign-in', 'data-test': 'to-sign-in' }, texts.header.signIn)),
    element('section', { class: 'part' }, element('h2', {}, texts.front.visit), element('p', { class: 'hint' }, texts.front.visitText), joinForm()),
    element(
      'section',
      { class: 'part' },
      element('h2', {}, texts.front.neither),
      element('ul', { class: 'plain-list' }, ...texts.front.neitherText.map((text) => element('li', {}, text)), element('li', {}, texts.front.developers, ' ', element('a', { href: '/docs' }, texts.front.docs))),
    ),
  );
}

/** @param {import('../rights.js').Me} me @param {import('../rights.js').Membership | null} clinic */
function inside(me, clinic) {
  const ways = [
    may(clinic, 'patients.find') && way('/patients', 'people', texts.front.patients, texts.front.patientsText),
    may(clinic, 'patients.create') && way('/patients#new', 'person-plus', texts.front.newPatient, texts.front.newPatientText),
    may(clinic, 'people.list') && way('/people', 'briefcase', texts.front.people, may(clinic, 'people.change') ? texts.front.peopleChange : texts.front.peopleRead),
    me.operator && way('/outbox', 'send', texts.front.outbox, texts.front.outboxText),
    way('/profile', 'shield', texts.front.profile, texts.front.profileText),
  ].filter((part) => part instanceof HTMLElement);
  return element(
    'main',
    { class: 'wide', 'data-test': 'front' },
    element('div', { class: 'page-head' }, element('h1', {}, fill(texts.front.hello, { name: me.name || me.email })), clinic && element('p', { class: 'lead' }, `${clinic.name} · ${roleNames(clinic.roles)}`)),
    ...me.memberships.filter(({ second_factor_needed: needed }) => needed).map(factorNote),
    me.acts_for.length > 0 &&
      element('section', { class: 'part-plain' }, element('h2', {}, texts.front.records), element('div', { class: 'tiles' }, ...me.acts_for.map(recordTile))),
    element('section', { class: 'part-plain' }, me.acts_for.length > 0 && element('h2', {}, texts.front.more), element('div', { class: 'tiles' }, ...ways)),
    element('section', { class: 'card part-plain' }, element('h2', {}, texts.front.visit), element('p', { class: 'hint' }, texts.front.visitText), joinForm()),
  );
}

/** @param {import('../rights.js').Membership} membership */
const factorNote = ({ name }) =>
  element('div', { class: 'note warn' }, icon('shield'), element('p', {}, fill(texts.front.factorNeeded, { clinic: name })), element('a', { class: 'button small', href: '/profile#factors' }, texts.front.factorSet));

/** @param {string} href @param {import('../icons.js').IconName} sign @param {string} title @param {string} text */
const way = (href, sign, title, text) =>
  element('a', { class: 'card tile-link', href }, element('span', { class: 'sign' }, icon(sign)), element('span', {}, element('strong', {}, title), element('span', { class: 'hint' }, text)));

/** @param {import('../rights.js').ActsFor} acts */
function recordTile({ patient, name, clinic_name: clinic, kind, ends_at: ends }) {
  const until = ends && kind !== 'self' ? ` · ${fill(texts.front.until, { day: dayOf(ends) })}` : '';
  return element(
    'div',
    { class: 'card record-tile' },
    element('strong', {}, name),
    element('span', { class: 'hint' }, `${kind === 'self' ? texts.front.own : relationName(kind)} · ${clinic}${until}`),
    element('div', { class: 'actions' }, element('a', { class: 'button small', href: `/patients#${patient}` }, texts.front.record), element('a', { class: 'button quiet small', href: `/accesses#${patient}` }, texts.front.whoSaw)),
  );
}
