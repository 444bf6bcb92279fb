/** My second factors: the authenticator app, passkeys and how many recovery codes are left. */

import { openDialog } from '../../dialog.js';
import { element } from '../../element.js';
import { count, dayOf, fill, texts } from '../../language.js';
import { passkeysWork } from '../../passkeys.js';
import { toast } from '../../toast.js';
import { confirmDialog } from '../../views/confirm.js';
import { passkeyView, recoveryView, totpView } from '../../views/enrol.js';

/**
 * @typedef {object} Factors
 * @property {boolean} password
 * @property {boolean} totp
 * @property {{id: string, name: string, created_at: string}[]} passkeys
 * @property {number} recovery_codes  left
 */

/** @param {import('../../page.js').Context} context @param {Factors} factors */
export function factorsSection(context, factors) {
  const { api, again } = context;
  const some = factors.totp || factors.passkeys.length > 0;

  /** @param {(given: any) => HTMLElement} make @param {string} title @param {string} name */
  function set(make, title, name) {
    const finished = async () => {
      dialog.close();
      await again();
      toast(texts.factors.added);
    };
    const done = async (/** @type {string[] | undefined} */ codes) => {
      if (!codes?.length) return finished();
      view.replaceWith(recoveryView(codes, finished));
      /** @type {HTMLElement | null} */ (dialog.querySelector('[autofocus]'))?.focus();
    };
    const view = make({ api, done });
    const dialog = openDialog({ name, title, close: texts.forms.cancel }, view);
  }

  const remove = (/** @type {string} */ title, /** @type {string} */ text, /** @type {string} */ path) =>
    confirmDialog({
      name: 'remove-factor',
      title,
      content: [element('p', {}, text)],
      submit: texts.factors.remove,
      run: async (busy) => {
        await api.delete(path, { busy });
        await again();
        toast(texts.factors.removed);
      },
    });

  const app = row(
    texts.enrol.totp,
    factors.totp ? texts.factors.on : texts.factors.off,
    factors.totp
      ? button(texts.factors.remove, fill(texts.factors.removeNamed, { name: texts.enrol.totp }), 'remove-totp', () => remove(texts.factors.removeTotp, texts.factors.removeText, '/v1/me/totp'))
      : button(texts.factors.set, fill(texts.factors.setNamed, { name: texts.enrol.totp }), 'add-totp', () => set(totpView, texts.factors.setTotp, 'totp')),
  );
  const passkeys = factors.passkeys.map(({ id, name, created_at: created }) =>
    row(
      name || texts.enrol.passkey,
      created ? fill(texts.factors.since, { day: dayOf(created) }) : '',
      button(texts.factors.remove, fill(texts.factors.removeNamed, { name }), 'remove-passkey', () => remove(fill(texts.factors.removePasskey, { name }), texts.factors.removeText, `/v1/me/passkeys/${id}`)),
    ),
  );
  return element(
    'section',
    { class: 'card', id: 'factors', 'data-test': 'factors' },
    element('h2', {}, texts.factors.title),
    element('p', { class: 'hint' }, some ? texts.factors.some : texts.factors.none),
    element('ul', { class: 'rows' }, app, ...passkeys),
    some && element('p', { class: 'hint' }, count(texts.factors.codes, factors.recovery_codes)),
    passkeysWork() && element('div', { class: 'actions' }, button(texts.factors.addPasskey, null, 'add-passkey', () => set(passkeyView, texts.factors.addPasskey, 'passkey'))),
  );
}

/** @param {string} title @param {string} text @param {HTMLElement} action */
const row = (title, text, action) => element('li', {}, element('span', { class: 'row-text' }, element('strong', {}, title), element('span', { class: 'hint' }, text)), action);

/** @param {string} text @param {string | null} name @param {string} test @param {() => void} run */
const button = (text, name, test, run) => element('button', { type: 'button', class: 'button quiet small', 'aria-label': name, 'data-test': test, onclick: run }, text);
