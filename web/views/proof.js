/** Show again that it is you, before what matters most is changed: by whatever one has for it, over the page. */

import { Problem } from '../api.js';
import { openDialog } from '../dialog.js';
import { element } from '../element.js';
import { firebaseOf } from '../firebase.js';
import { codeField, digits, field, form, passwordField } from '../form.js';
import { fill, texts } from '../language.js';
import { NoPasskey, passkeysWork, usePasskey } from '../passkeys.js';
import { secondForm } from './firebase.js';

/**
 * @typedef {(seconds: number) => void} Busy
 * @typedef {(proof: object, busy: Busy) => Promise<void>} Send
 */

/** @type {Promise<boolean> | null} asked already: one proof serves everybody who waits for it */
let asking = null;

/**
 * @param {import('../api.js').Api} api
 * @param {string} email
 * @returns {Promise<boolean>} whether it was shown
 */
export function proofDialog(api, email) {
  asking ??= ask(api, email).finally(() => void (asking = null));
  return asking;
}

/** @param {import('../api.js').Api} api @param {string} email @returns {Promise<boolean>} */
async function ask(api, email) {
  const { body: factors } = await api.get('/v1/me/factors');
  const firebase = factors.elsewhere ? await firebaseOf(api) : null;
  return new Promise((resolve) => {
    let proven = false;
    /** @type {Send} */
    const send = async (proof, busy) => {
      await api.post('/v1/me/proof', proof, { open: true, busy });
      proven = true;
      dialog.close();
    };
    const ways = [factors.passkeys.length > 0 && passkeysWork() && byPasskey(api, send), factors.totp && byTotp(send)].filter((way) => way instanceof HTMLElement);
    if (firebase) ways.push(atFirebase(firebase, email, send));
    if (!ways.length && factors.password) ways.push(byPassword(send)); // where there is a second factor, what touches it asks for that one
    if (!ways.length) ways.push(byMail(api, email, send));
    const parts = ways.flatMap((way, n) => (n ? [element('p', { class: 'or' }, texts.signIn.or), way] : [way]));
    const dialog = openDialog({ name: 'proof', title: texts.proof.title, close: texts.forms.cancel }, element('p', {}, texts.proof.text), ...parts);
    /** @type {HTMLElement | null} */ (dialog.querySelector('input, form button'))?.focus();
    dialog.addEventListener('close', () => resolve(proven));
  });
}

const refused = () => ({
  'not-authenticated': texts.proof.wrong,
  'bad-input': texts.proof.wrong,
  senseless: texts.proof.wrong,
});

/** @param {import('../api.js').Api} api @param {Send} send */
function byPasskey(api, send) {
  return form({
    name: 'proof-passkey',
    content: [],
    submit: texts.second.passkey,
    problems: refused(),
    send: async (busy) => {
      const { body } = await api.post('/v1/me/proof/options', undefined, { open: true });
      const credential = await usePasskey(body).catch((error) => {
        if (!(error instanceof NoPasskey)) throw error;
        throw new Problem('no-passkey');
      });
      await send({ credential }, busy);
    },
  }).root;
}

/** @param {Send} send */
function byTotp(send) {
  const code = codeField(texts.second.totp, 6);
  return form({
    name: 'proof-totp',
    secret: true,
    content: [code.root],
    fields: { totp: code },
    submit: texts.proof.confirm,
    problems: refused(),
    send: (busy) => send({ totp: digits(code.input.value) }, busy),
  }).root;
}

/** @param {Send} send */
function byPassword(send) {
  const password = passwordField({ name: 'password', label: texts.signIn.password, required: true, more: { autocomplete: 'current-password' } });
  return form({
    name: 'proof-password',
    secret: true,
    content: [password.root],
    fields: { password },
    submit: texts.proof.confirm,
    problems: refused(),
    send: (busy) => send({ password: password.input.value }, busy),
  }).root;
}

/** @param {import('../firebase.js').Firebase} firebase @param {string} email @param {Send} send */
function atFirebase(firebase, email, send) {
  const address = field({ name: 'email', label: texts.signIn.email, type: 'email', value: email, required: true, more: { autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false' } }); // there it may be another
  const password = passwordField({ name: 'password', label: texts.signIn.password, required: true, more: { autocomplete: 'current-password' } });
  const { root } = form({
    name: 'proof-firebase',
    secret: true,
    content: [address.root, password.root],
    fields: { email: address, password },
    submit: texts.proof.confirm,
    problems: refused(),
    send: async (busy) => {
      const signed = await firebase.byPassword(address.input.value.trim(), password.input.value);
      if ('idToken' in signed) return send({ id_token: signed.idToken }, busy);
      const asked = secondForm(firebase, signed, (done, more) => send({ id_token: done.idToken }, more));
      if (!asked) throw new Problem('not-authenticated');
      root.replaceWith(element('p', {}, asked.lead), asked.root);
      /** @type {HTMLElement | null} */ (asked.root.querySelector('input, button'))?.focus();
    },
  });
  return root;
}

/** For who has nothing but their mail. @param {import('../api.js').Api} api @param {string} email @param {Send} send */
function byMail(api, email, send) {
  const code = codeField(texts.signIn.code, 6);
  const typed = form({
    name: 'proof-code',
    secret: true,
    content: [element('p', {}, texts.signIn.codeLead), code.root],
    fields: { code },
    submit: texts.proof.confirm,
    problems: refused(),
    send: (busy) => send({ code: digits(code.input.value) }, busy),
  }).root;
  const mail = form({
    name: 'proof-mail',
    content: [],
    submit: fill(texts.proof.mail, { email }),
    send: async (busy) => {
      await api.post('/v1/sign-in/code', { email }, { open: true, busy });
      mail.replaceWith(typed);
      code.input.focus();
    },
  }).root;
  return mail;
}
