/**
 * Signing in, step by step: e-mail, then password or a code by mail, then a second factor where there is one, then setting
 * one up where a clinic asks for it.
 *
 * The steps follow each other in one element, since some pages show it in place of themselves.
 */

import { Problem } from '../api.js';
import { announce } from '../announcer.js';
import { element } from '../element.js';
import { firebaseOf } from '../firebase.js';
import { codeField, digits, field, form, passwordField } from '../form.js';
import { texts } from '../language.js';
import { NoPasskey, passkeysWork, usePasskey } from '../passkeys.js';
import { enrolView } from './enrol.js';
import { askLinkThere, askPasswordThere, enrolThere } from './firebase.js';

const RESEND_S = 30;

/**
 * @typedef {{state: 'signed-in' | 'second-factor' | 'enrol', methods: string[], user: string}} SignIn
 *
 * @typedef {object} Given
 * @property {import('../api.js').Api} api
 * @property {string} [notice]  why one has to sign in
 * @property {string} [token]  of a link by mail
 * @property {string} [linkCode]  of a link that Firebase has mailed
 * @property {() => Promise<void>} done
 */

/** @param {Given} given */
export function signInView({ api, notice = '', token = '', linkCode = '', done }) {
  const steps = element('div', { class: 'steps-of-form' });
  const root = element('main', { class: 'card narrow', 'data-test': 'sign-in' }, steps);
  let email = '';

  /** @param {string} title @param {string} lead @param {...(Node | null | false)} content */
  function step(title, lead, ...content) {
    const heading = element('h1', { tabindex: '-1' }, title);
    const shown = [heading, lead && element('p', { class: 'lead' }, lead), ...content].filter((part) => part instanceof Node);
    const first = steps.childElementCount === 0;
    steps.replaceChildren(...shown);
    document.title = `${title} · MediNova`;
    if (first) return;
    const into = /** @type {HTMLElement | null} */ (steps.querySelector('[autofocus]'));
    (into ?? heading).focus();
    if (into) announce(title);
  }

  /** @param {SignIn} answer */
  async function proceed(answer) {
    if (answer.state === 'second-factor') return askSecond(answer.methods);
    if (answer.state === 'enrol') return askEnrol();
    await done();
  }

  /** @param {SignIn} answer @param {string} idToken */
  async function proceedThere(answer, idToken) {
    const firebase = await firebaseOf(api);
    if (answer.state !== 'enrol' || !firebase) return proceed(answer);
    step(texts.enrol.title, texts.enrol.asked, enrolThere({ api, firebase, idToken, email, done }));
  }

  /** A wrong code or password is no trouble of the page: it is said, and tried again. */
  const refused = (/** @type {string} */ text) => ({ 'not-authenticated': text, 'bad-input': text, senseless: text });

  function askEmail() {
    const address = field({
      name: 'email',
      label: texts.signIn.email,
      type: 'email',
      value: email,
      required: true,
      more: { autocomplete: 'username', inputmode: 'email', autocapitalize: 'none', spellcheck: 'false', autofocus: true },
    });
    const { root: asked } = form({
      name: 'sign-in-email',
      content: [address.root],
      fields: { email: address },
      submit: texts.signIn.next,
      check: () => {
        const fits = /^[^@\s]+@[^@\s]+$/.test(address.input.value.trim());
        if (!fits) address.fault(texts.faults.email);
        return fits ? null : '';
      },
      send: async () => {
        email = address.input.value.trim();
        const firebase = await firebaseOf(api);
        if (firebase) askPasswordThere({ ...there, firebase, email });
        else askPassword();
      },
    });
    step(texts.signIn.title, notice || texts.signIn.lead, asked, element('p', { class: 'hint' }, texts.signIn.visitOnly, ' ', element('a', { href: '/' }, texts.signIn.visitLink)));
  }

  const who = () =>
    element(
      'p',
      { class: 'chosen' },
      element('span', {}, email),
      element('button', { type: 'button', class: 'link', onclick: askEmail, 'data-test': 'other-email' }, texts.signIn.otherEmail),
    );

  function askPassword() {
    const password = passwordField({ name: 'password', label: texts.signIn.password, required: true, more: { autocomplete: 'current-password', autofocus: true } });
    const known = element('input', { type: 'email', name: 'username', value: email, autocomplete: 'username', readonly: true, hidden: true, tabindex: '-1' });
    const { root: asked } = form({
      name: 'sign-in-password',
      secret: true,
      content: [known, password.root],
      fields: { password },
      submit: texts.signIn.signIn,
      problems: refused(texts.signIn.wrongPassword),
      send: async (busy) => {
        const { body } = await api.post('/v1/sign-in/password', { email, password: password.input.value }, { open: true, busy });
        await proceed(body);
      },
    });
    const { root: mail } = form({
      name: 'sign-in-mail',
      content: [],
      submit: texts.signIn.mailCode,
      style: 'quiet',
      send: async (busy) => {
        await sendCode(busy);
        askCode();
      },
    });
    step(texts.signIn.how, '', who(), asked, element('p', { class: 'or' }, texts.signIn.or), mail);
  }

  const sendCode = (/** @type {(seconds: number) => void} */ busy) => api.post('/v1/sign-in/code', { email }, { open: true, busy });

  function askCode() {
    const code = codeField(texts.signIn.code, 6);
    const { root: asked } = form({
      name: 'sign-in-code',
      secret: true,
      content: [code.root],
      fields: { code },
      submit: texts.signIn.signIn,
      problems: refused(texts.signIn.wrongCode),
      send: async (busy) => {
        const { body } = await api.post('/v1/sign-in/code/verify', { email, code: digits(code.input.value) }, { open: true, busy });
        await proceed(body);
      },
    });
    const again = form({
      name: 'sign-in-again',
      content: [],
      submit: texts.signIn.mailAgain,
      style: 'quiet',
      send: async (busy) => {
        await sendCode(busy);
        announce(texts.signIn.mailedAgain);
        again.rest(RESEND_S);
      },
    });
    const back = element('button', { type: 'button', class: 'link', onclick: askPassword, 'data-test': 'use-password' }, texts.signIn.usePassword);
    step(texts.signIn.codeTitle, '', who(), element('p', {}, texts.signIn.codeLead), asked, again.root, back);
    again.rest(RESEND_S);
  }

  /** The link of a mail: a button that posts, since mail scanners follow links by themselves. */
  function askLink() {
    const { root: asked } = form({
      name: 'sign-in-link',
      content: [],
      submit: texts.signIn.signIn,
      problems: refused(texts.signIn.wrongLink),
      send: async (busy) => {
        const { body } = await api.post('/v1/sign-in/link', { token }, { open: true, busy });
        await proceed(body);
      },
    });
    const other = element('button', { type: 'button', class: 'link', onclick: askEmail, 'data-test': 'other-way' }, texts.signIn.otherWay);
    step(texts.signIn.linkTitle, texts.signIn.linkLead, asked, other);
  }

  /** @param {string[]} methods */
  function askSecond(methods) {
    const usable = methods.filter((method) => method !== 'passkey' || passkeysWork());
    const asks = /** @type {Record<string, (methods: string[]) => void>} */ ({ passkey: askPasskey, totp: askTotp, recovery: askRecovery });
    const first = ['passkey', 'totp', 'recovery'].find((method) => usable.includes(method));
    if (first) asks[first](usable);
    else step(texts.second.title, texts.second.none, restart());
  }

  /** The other ways, and the way out. @param {string[]} methods @param {string} shown */
  function others(methods, shown) {
    const ways = /** @type {[string, string, (methods: string[]) => void][]} */ ([
      ['passkey', texts.second.usePasskey, askPasskey],
      ['totp', texts.second.useTotp, askTotp],
      ['recovery', texts.second.useRecovery, askRecovery],
    ]).filter(([way]) => way !== shown && methods.includes(way));
    return element(
      'div',
      { class: 'ways' },
      ...ways.map(([way, text, ask]) => element('button', { type: 'button', class: 'link', onclick: () => ask(methods), 'data-test': `use-${way}` }, text)),
      restart(),
    );
  }

  const restart = () => element('button', { type: 'button', class: 'link', onclick: askEmail, 'data-test': 'restart' }, texts.second.restart);

  /** The first factor was forgotten meanwhile: begin again. @param {Promise<import('../api.js').Answer>} asking */
  async function second(asking) {
    const { body } = await asking;
    await proceed(body);
  }

  /** @param {string[]} methods */
  function askTotp(methods) {
    const code = codeField(texts.second.totp, 6);
    const { root: asked } = form({
      name: 'second-totp',
      secret: true,
      content: [code.root],
      fields: { code },
      submit: texts.second.verify,
      problems: refused(texts.second.wrongTotp),
      send: (busy) => second(api.post('/v1/sign-in/totp', { code: digits(code.input.value) }, { open: true, busy })),
    });
    step(texts.second.title, texts.second.totpLead, asked, others(methods, 'totp'));
  }

  /** @param {string[]} methods */
  function askRecovery(methods) {
    const code = field({ name: 'code', label: texts.second.recovery, required: true, more: { autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', autofocus: true } });
    const { root: asked } = form({
      name: 'second-recovery',
      secret: true,
      content: [code.root],
      fields: { code },
      submit: texts.second.verify,
      problems: refused(texts.second.wrongRecovery),
      send: (busy) => second(api.post('/v1/sign-in/recovery', { code: code.input.value.trim() }, { open: true, busy })),
    });
    step(texts.second.title, texts.second.recoveryLead, asked, others(methods, 'recovery'));
  }

  /** @param {string[]} methods */
  function askPasskey(methods) {
    const asked = form({
      name: 'second-passkey',
      content: [],
      submit: texts.second.passkey,
      problems: refused(texts.second.wrongPasskey),
      send: async (busy) => {
        const { body } = await api.post('/v1/sign-in/passkey/options', undefined, { open: true, busy });
        const credential = await usePasskey(body).catch((error) => {
          if (!(error instanceof NoPasskey)) throw error;
          throw new Problem('no-passkey');
        });
        await second(api.post('/v1/sign-in/passkey', { credential }, { open: true, busy }));
      },
    });
    asked.button.setAttribute('autofocus', '');
    step(texts.second.title, texts.second.passkeyLead, asked.root, others(methods, 'passkey'));
  }

  function askEnrol() {
    step(texts.enrol.title, texts.enrol.asked, enrolView({ api, done, later: done }));
  }

  const there = { api, step, who, proceed: proceedThere };
  if (token) askLink();
  else if (linkCode) void firebaseOf(api).then((firebase) => (firebase ? askLinkThere({ ...there, firebase }, linkCode) : askEmail()), askEmail);
  else askEmail();
  return root;
}
