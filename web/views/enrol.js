/** Setting up a second factor: an authenticator app or a passkey, and the recovery codes that come with the first. */

import { Problem } from '../api.js';
import { element } from '../element.js';
import { codeField, digits, field, form } from '../form.js';
import { texts } from '../language.js';
import { createPasskey, NoPasskey, passkeysWork } from '../passkeys.js';

/**
 * @typedef {object} Given
 * @property {import('../api.js').Api} api
 * @property {() => Promise<void>} done
 * @property {() => Promise<void>} [later]
 */

/** The choice between the two, and then the one chosen. @param {Given} given */
export function enrolView({ api, done, later }) {
  const root = element('div', { class: 'steps-of-form', 'data-test': 'enrol' });
  const show = (/** @type {Node[]} */ ...content) => {
    root.replaceChildren(...content);
    const first = /** @type {HTMLElement | null} */ (root.querySelector('[autofocus], h2, input, button'));
    first?.focus();
  };
  const finish = async (/** @type {string[] | undefined} */ codes) => (codes?.length ? show(recoveryView(codes, done)) : done());
  const choice = (/** @type {string} */ name, /** @type {string} */ title, /** @type {string} */ text, /** @type {() => void} */ run) =>
    element('button', { type: 'button', class: 'choice', onclick: run, 'data-test': name }, element('strong', {}, title), element('span', { class: 'hint' }, text));
  root.append(
    ...[
      passkeysWork() && choice('enrol-passkey', texts.enrol.passkey, texts.enrol.passkeyText, () => show(passkeyView({ api, done: finish }))),
      choice('enrol-totp', texts.enrol.totp, texts.enrol.totpText, () => show(totpView({ api, done: finish }))),
      later && element('button', { type: 'button', class: 'link', onclick: () => void later(), 'data-test': 'later' }, texts.enrol.later),
    ].filter((part) => part instanceof Node),
  );
  return root;
}

/**
 * @param {object} given
 * @param {import('../api.js').Api} given.api
 * @param {(codes: string[] | undefined) => Promise<void>} given.done
 */
export function totpView({ api, done }) {
  const box = element('div', { class: 'totp', 'aria-busy': 'true' });
  const code = codeField(texts.second.totp, 6);
  const { root } = form({
    name: 'totp',
    secret: true,
    content: [element('h2', { tabindex: '-1', autofocus: true }, texts.enrol.totp), element('p', {}, texts.enrol.scan), box, code.root],
    fields: { code },
    submit: texts.enrol.confirm,
    problems: { 'not-authenticated': texts.second.wrongTotp, senseless: texts.second.wrongTotp },
    send: async (busy) => {
      const { body } = await api.post('/v1/me/totp/confirm', { code: digits(code.input.value) }, { proof: true, busy });
      await done(body?.recovery_codes);
    },
  });
  begin();
  return root;

  async function begin() {
    try {
      const { body } = await api.post('/v1/me/totp');
      const picture = element('img', { class: 'qr', alt: texts.enrol.qr, width: 208, height: 208 });
      picture.src = `data:image/svg+xml,${encodeURIComponent(body.qr)}`;
      const secret = element('code', { class: 'secret', 'data-test': 'secret' }, body.secret.match(/.{1,4}/g).join(' '));
      box.replaceChildren(picture, element('div', {}, element('p', { class: 'hint' }, texts.enrol.typed), secret));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      box.replaceChildren(element('p', { class: 'error', role: 'alert' }, texts.enrol.failed));
    } finally {
      box.removeAttribute('aria-busy');
    }
  }
}

/**
 * @param {object} given
 * @param {import('../api.js').Api} given.api
 * @param {(codes: string[] | undefined) => Promise<void>} given.done
 */
export function passkeyView({ api, done }) {
  const name = field({ name: 'name', label: texts.enrol.passkeyName, value: deviceName(), required: true, hint: texts.enrol.passkeyNameHint, more: { maxlength: 60, autocomplete: 'off', autofocus: true } });
  const { root } = form({
    name: 'passkey',
    secret: true,
    content: [element('h2', {}, texts.enrol.passkey), element('p', {}, texts.enrol.passkeyHow), name.root],
    fields: { name },
    submit: texts.enrol.passkeyMake,
    send: async (busy) => {
      const { body } = await api.post('/v1/me/passkeys/options', undefined, { busy });
      const credential = await createPasskey(body).catch((error) => {
        if (!(error instanceof NoPasskey)) throw error;
        throw new Problem('no-passkey');
      });
      const { body: made } = await api.post('/v1/me/passkeys', { name: name.input.value.trim(), credential }, { proof: true, busy });
      await done(made?.recovery_codes);
    },
  });
  return root;
}

/** The codes, shown this once. @param {string[]} codes @param {() => Promise<void>} done */
export function recoveryView(codes, done) {
  const text = codes.join('\n');
  const copy = element('button', { type: 'button', class: 'button quiet', 'data-test': 'copy-codes' }, texts.enrol.copy);
  copy.addEventListener('click', async () => {
    const copied = await navigator.clipboard.writeText(text).then(() => true, () => false);
    copy.textContent = copied ? texts.enrol.copied : texts.enrol.copyFailed;
  });
  const print = element('button', { type: 'button', class: 'button quiet', onclick: () => window.print() }, texts.enrol.print);
  const { root: kept } = form({ name: 'codes-kept', content: [], submit: texts.enrol.kept, send: done });
  return element(
    'section',
    { class: 'recovery', 'data-test': 'recovery-codes' },
    element('h2', { tabindex: '-1', autofocus: true }, texts.enrol.codesTitle),
    element('p', {}, texts.enrol.codesText),
    element('ol', { class: 'codes' }, ...codes.map((code) => element('li', {}, element('code', {}, code)))),
    element('div', { class: 'actions' }, copy, print),
    kept,
  );
}

/** What a person would call this device. */
function deviceName() {
  const agent = navigator.userAgent;
  const known = /** @type {[RegExp, string][]} */ ([
    [/iPhone/, 'iPhone'],
    [/iPad/, 'iPad'],
    [/Android/, 'Android'],
    [/Windows/, 'Windows'],
    [/Macintosh/, 'Mac'],
    [/Linux|CrOS/, 'Linux'],
  ]);
  return known.find(([pattern]) => pattern.test(agent))?.[1] ?? '';
}
