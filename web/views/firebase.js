/** Signing in at Firebase, step by step, and the exchange of what comes of it for a session of ours. */

import { Problem } from '../api.js';
import { element } from '../element.js';
import { codeField, digits, field, form, passwordField } from '../form.js';
import { fill, texts } from '../language.js';

/**
 * @typedef {import('../firebase.js').Firebase} Firebase
 * @typedef {import('../firebase.js').Half} Half
 * @typedef {import('../firebase.js').SignedIn} SignedIn
 * @typedef {(seconds: number) => void} Busy
 *
 * @typedef {object} Given
 * @property {import('../api.js').Api} api
 * @property {Firebase} firebase
 * @property {string} email
 * @property {(title: string, lead: string, ...content: (Node | null | false)[]) => void} step
 * @property {() => HTMLElement} who  the address that was given, and a way to give another
 * @property {(answer: import('./sign-in.js').SignIn, idToken: string) => Promise<void>} proceed
 */

const refused = (/** @type {string} */ text) => ({ 'not-authenticated': text, 'bad-input': text, senseless: text });

/** Asks for the password, or has a link mailed. @param {Given} given */
export function askPasswordThere(given) {
  const { firebase, email, step, who } = given;
  const password = passwordField({ name: 'password', label: texts.signIn.password, required: true, more: { autocomplete: 'current-password', autofocus: true } });
  const known = element('input', { type: 'email', name: 'username', value: email, autocomplete: 'username', readonly: true, hidden: true, tabindex: '-1' });
  const { root: asked } = form({
    name: 'sign-in-password',
    secret: true,
    content: [known, password.root],
    fields: { password },
    submit: texts.signIn.signIn,
    problems: refused(texts.signIn.wrongPassword),
    send: async (busy) => goOn(given, await firebase.byPassword(email, password.input.value), busy),
  });
  const { root: mail } = form({
    name: 'sign-in-mail',
    content: [],
    submit: texts.firebase.mailLink,
    style: 'quiet',
    send: async () => {
      await firebase.sendLink(email, `${location.origin}/sign-in`);
      step(texts.signIn.codeTitle, '', who(), element('p', {}, texts.firebase.linkSent));
    },
  });
  step(texts.signIn.how, '', who(), asked, element('p', { class: 'or' }, texts.signIn.or), mail);
}

/** Asks to whom the link of a letter was sent, and signs in by it. @param {Omit<Given, 'email' | 'who'>} given @param {string} code */
export function askLinkThere(given, code) {
  const address = field({ name: 'email', label: texts.signIn.email, type: 'email', required: true, more: { autocomplete: 'username', inputmode: 'email', autocapitalize: 'none', spellcheck: 'false', autofocus: true } });
  const { root } = form({
    name: 'sign-in-link',
    content: [address.root],
    fields: { email: address },
    submit: texts.signIn.signIn,
    problems: refused(texts.signIn.wrongLink),
    send: async (busy) => {
      const email = address.input.value.trim();
      const who = () => element('p', { class: 'chosen' }, element('span', {}, email));
      await goOn({ ...given, email, who }, await given.firebase.byLink(email, code), busy);
    },
  });
  given.step(texts.signIn.linkTitle, texts.firebase.linkLead, root);
}

/** @param {Given} given @param {SignedIn | Half} signed @param {Busy} busy */
async function goOn(given, signed, busy) {
  if ('idToken' in signed) return exchange(given, signed.idToken, busy);
  const asked = secondForm(given.firebase, signed, (done, more) => exchange(given, done.idToken, more));
  given.step(texts.second.title, asked ? asked.lead : texts.second.none, given.who(), asked?.root ?? null);
}

/** @param {Given} given @param {string} idToken @param {Busy} busy @param {string} [code]  the second proof */
async function exchange(given, idToken, busy, code) {
  try {
    const { body } = await given.api.post('/v1/sign-in/firebase', { id_token: idToken, ...(code ? { code } : {}) }, { open: true, busy });
    await given.proceed(body, idToken);
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'not-linked') throw error;
    await askProof(given, idToken, error.body.proofs ?? [], busy);
  }
}

/** The account's first time here: one more proof, once. @param {Given} given @param {string} idToken @param {string[]} proofs @param {Busy} busy */
async function askProof(given, idToken, proofs, busy) {
  const { api, email, step, who } = given;
  if (!proofs.length) return step(texts.firebase.linkTitle, texts.firebase.noProof, who());
  const mailed = proofs.includes('mail');
  if (mailed) await api.post('/v1/sign-in/code', { email }, { open: true, busy });
  const code = mailed ? codeField(texts.signIn.code, 6) : field({ name: 'code', label: texts.firebase.ownCode, required: true, more: { autocomplete: 'one-time-code', autocapitalize: 'none', spellcheck: 'false', autofocus: true } });
  const { root } = form({
    name: 'sign-in-proof',
    secret: true,
    content: [code.root],
    fields: { code },
    submit: texts.second.verify,
    problems: refused(texts.signIn.wrongCode),
    send: (more) => exchange(given, idToken, more, code.input.value.trim()),
  });
  step(texts.firebase.linkTitle, mailed ? texts.firebase.proofMailed : texts.firebase.proofOwn, who(), root);
}

/**
 * Asks for the second factor: a code of the app, or, once it was sent, of the telephone; null where there is neither.
 * @param {Firebase} firebase @param {Half} half @param {(done: SignedIn, busy: Busy) => Promise<void>} then
 * @returns {{root: HTMLElement, lead: string} | null}
 */
export function secondForm(firebase, { pending, factors }, then) {
  const [factor] = factors;
  if (!factor) return null;
  let session = '';
  const code = codeField(texts.second.totp, 6);
  const { root: typed } = form({
    name: 'second-code',
    secret: true,
    content: [code.root],
    fields: { code },
    submit: texts.second.verify,
    problems: refused(texts.second.wrongTotp),
    send: async (busy) => then(await firebase.second(pending, factor, digits(code.input.value), session), busy),
  });
  if (factor.kind === 'totp') return { root: typed, lead: texts.firebase.totpLead };
  const { root: call, button } = form({
    name: 'second-phone',
    content: [],
    submit: texts.firebase.sendPhone,
    send: async () => {
      session = await firebase.callPhone(pending, factor);
      call.replaceWith(typed);
      code.input.focus();
    },
  });
  button.setAttribute('autofocus', '');
  return { root: call, lead: fill(texts.firebase.phoneLead, { number: factor.hint }) };
}

/**
 * Sets up an authenticator app at Firebase, for whoever has just signed in there; the session is a strong one then.
 * @param {{api: import('../api.js').Api, firebase: Firebase, idToken: string, email: string, done: () => Promise<void>}} given
 */
export function enrolThere({ api, firebase, idToken, email, done }) {
  const later = element('button', { type: 'button', class: 'link', onclick: () => void done(), 'data-test': 'later' }, texts.enrol.later);
  const { root } = form({
    name: 'enrol-app',
    content: [],
    submit: texts.enrol.totp,
    send: async () => {
      const app = await firebase.newApp(idToken);
      root.replaceWith(confirmView(app));
    },
  });
  return element('div', { class: 'steps-of-form', 'data-test': 'enrol' }, root, later);

  /** @param {import('../firebase.js').NewApp} app */
  function confirmView(app) {
    const code = codeField(texts.second.totp, 6);
    const secret = element('code', { class: 'secret', 'data-test': 'secret' }, (app.secret.match(/.{1,4}/g) ?? []).join(' '));
    const uri = `otpauth://totp/MediNova:${encodeURIComponent(email)}?secret=${encodeURIComponent(app.secret)}&issuer=MediNova`;
    return form({
      name: 'totp',
      secret: true,
      content: [element('p', {}, texts.enrol.typed), secret, element('p', {}, element('a', { href: uri }, texts.firebase.openApp)), code.root],
      fields: { code },
      submit: texts.enrol.confirm,
      problems: refused(texts.second.wrongTotp),
      send: async (busy) => {
        const confirmed = await firebase.confirmApp(idToken, app, digits(code.input.value));
        await api.post('/v1/me/proof', { id_token: confirmed.idToken }, { open: true, busy });
        await done();
      },
    }).root;
  }
}
