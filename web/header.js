/** What stands above every page: where to go, at which clinic, who is signed in, sign out, and the language. */

import { element } from './element.js';
import { LANGUAGES, language, texts } from './language.js';
import { may } from './rights.js';
import { choiceView } from './views/choice.js';

/**
 * @param {object} given
 * @param {import('./rights.js').Me | null} given.me
 * @param {import('./rights.js').Membership | null} given.clinic
 * @param {(code: string) => void} given.speak
 * @param {(clinic: string) => void} given.move  to another clinic
 * @param {() => void} given.signOut
 */
export function headerView({ me, clinic, speak, move, signOut }) {
  return [
    element('a', { class: 'brand', href: '/', 'aria-label': 'MediNova' }, element('img', { src: '/web/icon.svg', alt: '', width: 32, height: 32 }), element('span', {}, 'MediNova')),
    me && links(me, clinic),
    element(
      'div',
      { class: 'header-end' },
      me && clinicPart(me, clinic, move),
      choiceView(texts.header.language, LANGUAGES, language, speak, 'language'),
      me && element('a', { class: 'who', href: '/profile', 'aria-current': current('/profile'), 'data-test': 'who' }, me.name || me.email),
      me && element('button', { type: 'button', class: 'button quiet small', onclick: signOut, 'data-test': 'sign-out' }, texts.header.signOut),
      !me && location.pathname !== '/sign-in' && element('a', { class: 'button quiet small', href: '/sign-in' }, texts.header.signIn),
    ),
  ].filter((part) => part !== null);
}

/** @param {string} path */
const current = (path) => (location.pathname === path ? 'page' : null);

/** @param {import('./rights.js').Me} me @param {import('./rights.js').Membership | null} clinic */
function links(me, clinic) {
  const shown = /** @type {[boolean, string, string][]} */ ([
    [may(clinic, 'patients.find'), '/patients', texts.header.patients],
    [may(clinic, 'people.list'), '/people', texts.header.people],
    [me.acts_for.length > 0 || may(clinic, 'patients.accesses'), '/accesses', texts.header.accesses],
    [me.operator, '/outbox', texts.header.outbox],
  ]).filter(([shows]) => shows);
  if (!shown.length) return null;
  const items = shown.map(([, href, text]) => element('li', {}, element('a', { href, 'aria-current': current(href) }, text)));
  return element('nav', { 'aria-label': texts.header.pages }, element('ul', {}, ...items));
}

/** @param {import('./rights.js').Me} me @param {import('./rights.js').Membership | null} clinic @param {(clinic: string) => void} move */
function clinicPart(me, clinic, move) {
  if (!clinic) return null;
  if (me.memberships.length === 1) return element('span', { class: 'clinic-name' }, clinic.name);
  const names = Object.fromEntries(me.memberships.map((one) => [one.clinic, one.name]));
  return choiceView(texts.header.clinic, names, clinic.clinic, move, 'clinic');
}
