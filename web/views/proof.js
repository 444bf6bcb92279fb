/** Show again that it is you, before what matters most is changed: a password, a code or a passkey, over the page. */

import { Problem } from '../api.js';
import { openDialog } from '../dialog.js';
import { element } from '../element.js';
import { codeField, digits, form, passwordField } from '../form.js';
import { texts } from '../language.js';
import { NoPasskey, passkeysWork, usePasskey } from '../passkeys.js';

/** @type {Promise<boolean> | null} asked already: one proof serves everybody who waits for it */
let asking = null;

/**
 * @param {import('../api.js').Api} api
 * @returns {Promise<boolean>} whether it was shown
 */
export function proofDialog(api) {
  asking ??= ask(api).finally(() => void (asking = null));
  return asking;
}

/** @param {import('../api.js').Api} api @returns {Promise<boolean>} */
async function ask(api) {
  const { body: factors } = await api.get('/v1/me/factors');
  return new Promise((resolve) => {
    let proven = false;
    const refused = { 'not-authenticated': texts.proof.wrong, 'bad-input': texts.proof.wrong };

    /** @param {object} proof @param {(seconds: number) => void} busy */
    async function send(proof, busy) {
      await api.post('/v1/me/proof', proof, { open: true, busy });
      proven = true;
      dialog.close();
    }

    const ways = [];
    if (factors.passkeys?.length && passkeysWork()) {
      const { root } = form({
        name: 'proof-passkey',
        content: [],
        submit: texts.second.passkey,
        problems: refused,
        send: async (busy) => {
          const { body } = await api.post('/v1/me/proof/options', {}, { open: true });
          const credential = await usePasskey(body).catch((error) => {
            if (!(error instanceof NoPasskey)) throw error;
            throw new Problem('no-passkey');
          });
          await send({ credential }, busy);
        },
      });
      ways.push(root);
    }
    if (factors.totp) {
      const code = codeField(texts.second.totp, 6);
      const { root } = form({ name: 'proof-totp', secret: true, content: [code.root], fields: { totp: code }, submit: texts.proof.confirm, problems: refused, send: (busy) => send({ totp: digits(code.input.value) }, busy) });
      ways.push(root);
    }
    if (factors.password !== false) {
      const password = passwordField({ name: 'password', label: texts.signIn.password, required: true, more: { autocomplete: 'current-password', autofocus: true } });
      const { root } = form({ name: 'proof-password', secret: true, content: [password.root], fields: { password }, submit: texts.proof.confirm, problems: refused, send: (busy) => send({ password: password.input.value }, busy) });
      ways.push(root);
    }
    const parts = ways.flatMap((way, n) => (n ? [element('p', { class: 'or' }, texts.signIn.or), way] : [way]));
    const dialog = openDialog({ name: 'proof', title: texts.proof.title, close: texts.forms.cancel }, element('p', {}, texts.proof.text), ...parts);
    dialog.addEventListener('close', () => resolve(proven));
  });
}
