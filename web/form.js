/**
 * Forms: labelled fields with hints, one place for what went wrong, and one thing at a time being sent.
 *
 * A refusal stands beside the field it is about, else above the button, and takes the focus there. While the server asks
 * to wait, the button counts down.
 */

import { Problem } from './api.js';
import { Drafts } from './drafts.js';
import { element, setAttribute } from './element.js';
import { duration, fill, texts } from './language.js';

export const drafts = new Drafts();

let ids = 0;

/**
 * @typedef {object} Given
 * @property {string} name  of the member that is sent
 * @property {string} label
 * @property {string} [type]
 * @property {string} [value]
 * @property {string} [hint]
 * @property {boolean} [required]
 * @property {[string, string][]} [choices]  value and text: makes a select
 * @property {boolean} [lines]  makes it several lines long
 * @property {boolean} [unseen]  the label is for screen readers only
 * @property {Record<string, unknown>} [more]  attributes
 *
 * @typedef {object} Field
 * @property {HTMLElement} root
 * @property {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} input
 * @property {(text: string) => void} fault  what is wrong with it; empty: nothing
 */

/** @param {Given} given @returns {Field} */
export function field({ name, label, type = 'text', value = '', hint = '', required = false, choices, lines, unseen, more = {} }) {
  const id = `field-${(ids += 1)}`;
  const error = element('p', { id: `${id}-error`, class: 'error' });
  const described = hint ? `${id}-hint ${id}-error` : `${id}-error`;
  const shared = { id, name, required, 'aria-describedby': described, ...more };
  const input = choices
    ? element('select', shared, ...choices.map(([key, text]) => element('option', { value: key, selected: key === value }, text)))
    : lines
      ? element('textarea', { rows: 3, ...shared }, value)
      : element('input', { type, value, ...shared });
  const root = element(
    'div',
    { class: 'field' },
    element('label', { for: id, class: unseen ? 'unseen' : null }, label),
    input,
    hint && element('p', { id: `${id}-hint`, class: 'hint' }, hint),
    error,
  );
  const fault = (/** @type {string} */ text) => {
    error.textContent = text;
    setAttribute(input, 'aria-invalid', text ? 'true' : null);
  };
  input.addEventListener('input', () => fault(''));
  return { root, input, fault };
}

/** A password with a button that shows it. @param {Given} given @returns {Field} */
export function passwordField(given) {
  const made = field({ type: 'password', ...given, more: { autocapitalize: 'none', spellcheck: 'false', maxlength: 256, ...given.more } });
  const input = /** @type {HTMLInputElement} */ (made.input);
  const show = element('button', { type: 'button', class: 'reveal', 'aria-pressed': 'false' }, texts.forms.show);
  show.addEventListener('click', () => {
    const hidden = input.type === 'password';
    input.type = hidden ? 'text' : 'password';
    show.setAttribute('aria-pressed', String(hidden));
  });
  const box = element('div', { class: 'with-reveal' });
  input.replaceWith(box);
  box.append(input, show);
  return made;
}

/** A code of digits, as authenticator apps and mails have it. @param {string} label @param {number} length */
export function codeField(label, length) {
  return field({
    name: 'code',
    label,
    required: true,
    more: { inputmode: 'numeric', autocomplete: 'one-time-code', maxlength: length + 4, class: 'code', autofocus: true, spellcheck: 'false' },
  });
}

/** What was typed, without the spaces that people and mails put in. @param {string} typed */
export const digits = (typed) => typed.replace(/[\s-]/g, '');

/**
 * @typedef {object} Choice
 * @property {string} value
 * @property {string} label
 * @property {string} [hint]
 * @property {boolean} [checked]
 */

/**
 * Boxes to tick, any number.
 * @param {string} name @param {string} legend @param {Choice[]} choices
 */
export function boxes(name, legend, choices) {
  const error = element('p', { class: 'error' });
  const inputs = choices.map(({ value, checked = false }) => element('input', { type: 'checkbox', name, value, checked }));
  const root = element(
    'fieldset',
    { class: 'boxes' },
    element('legend', {}, legend),
    ...choices.map(({ label, hint }, n) =>
      element('label', {}, inputs[n], element('span', {}, element('strong', {}, label), hint && element('span', { class: 'hint' }, hint))),
    ),
    error,
  );
  return {
    root,
    inputs,
    value: () => inputs.filter((input) => input.checked).map((input) => input.value),
    fault: (/** @type {string} */ text) => void (error.textContent = text),
  };
}

/**
 * @typedef {object} FormGiven
 * @property {string} name  for tests, and for what was typed to be found again
 * @property {(Node | null | false)[]} content  fields and what else stands there, in order
 * @property {Record<string, {input?: HTMLElement, fault: (text: string) => void}>} [fields]  member → where its fault is shown
 * @property {string} submit
 * @property {string} [style]  of the button
 * @property {(Node | null | false)[]} [beside]  the button
 * @property {boolean} [secret]  what is typed is not kept when the session ends
 * @property {Record<string, string>} [problems]  code → a text of this form's own
 * @property {Record<string, string>} [faults]  member → a text of this form's own
 * @property {() => string | null} [check]  before anything is sent: null, or what is wrong (empty: said by a field already)
 * @property {(busy: (seconds: number) => void) => Promise<void>} send
 */

/** @param {FormGiven} given */
export function form({ name, content, fields = {}, submit, style = '', beside = [], secret = false, problems = {}, faults = {}, check = () => null, send }) {
  const said = element('p', { class: 'error', role: 'alert', tabindex: '-1' });
  const button = element('button', { class: `button ${style}`, 'data-test': `${name}-submit` }, submit);
  const root = element(
    'form',
    { novalidate: true, 'data-draft': secret ? null : name, 'data-test': name },
    ...content,
    said,
    element('div', { class: 'actions' }, button, ...beside),
  );
  let sending = false;
  let label = submit;
  /** @type {ReturnType<typeof setInterval> | undefined} */ let counting;

  function say(/** @type {string} */ text) {
    said.textContent = text;
  }

  function rest(/** @type {number} */ seconds) {
    const until = Date.now() + seconds * 1000; // by the clock: a computer that slept has waited, too
    let left = seconds;
    button.disabled = true;
    clearInterval(counting);
    const show = () => void (button.textContent = fill(texts.forms.countdown, { time: duration(left, 'short') }));
    show();
    counting = setInterval(() => {
      left = Math.ceil((until - Date.now()) / 1000);
      if (left > 0) return show();
      clearInterval(counting);
      counting = undefined;
      button.disabled = false;
      button.textContent = label;
      say('');
    }, 1000);
  }

  function explain(/** @type {unknown} */ error) {
    if (!(error instanceof Problem)) throw error;
    if (error.code === 'prove-again' || error.status === 401) {
      const own = problems[error.code];
      return say(own ?? (error.code === 'prove-again' ? texts.problems['prove-again'] : ''));
    }
    const faulty = [...error.faults.keys()].filter((member) => member in fields);
    if (faulty.length && !(error.code in problems)) {
      for (const member of faulty) fields[member].fault(faults[member] ?? faultText(member));
      return fields[faulty[0]].input?.focus();
    }
    say(problems[error.code] ?? problemText(error));
    if (error.code === 'too-fast' && error.retryAfterS) rest(error.retryAfterS);
  }

  root.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (sending || button.disabled) return;
    say('');
    const missing = firstMissing(root);
    const wrong = missing ? texts.forms.missing : check();
    if (missing) {
      missing.focus();
      const about = Object.values(fields).find(({ input }) => input === missing);
      if (about) return about.fault(texts.forms.missing);
    }
    if (wrong !== null) return say(wrong);
    sending = true;
    root.setAttribute('aria-busy', 'true');
    button.textContent = texts.forms.sending;
    try {
      await send((seconds) => void (button.textContent = fill(texts.forms.busy, { seconds })));
      if (!counting) button.textContent = label;
    } catch (error) {
      button.textContent = label;
      explain(error);
    } finally {
      sending = false;
      root.removeAttribute('aria-busy');
    }
  });

  queueMicrotask(() => secret || drafts.restore(root));
  /** What pressing does from now on. @param {string} text */
  function rename(text) {
    label = text;
    button.textContent = text;
  }

  return { root, button, say, rest, rename };
}

/** @param {HTMLFormElement} root @returns {HTMLElement | null} the first field that may not be empty and is */
function firstMissing(root) {
  for (const each of root.querySelectorAll('input[required], select[required], textarea[required]')) {
    if (!(/** @type {HTMLInputElement} */ (each).value.trim())) return /** @type {HTMLElement} */ (each);
  }
  return null;
}

/** @param {string} member */
function faultText(member) {
  const known = /** @type {Record<string, string>} */ (texts.faults);
  return known[member] ?? texts.forms.wrong;
}

/** @param {Problem} problem */
export function problemText({ code, retryAfterS }) {
  const known = /** @type {Record<string, string>} */ (texts.problems);
  if (code === 'too-fast') return fill(retryAfterS ? known['too-fast'] : known['too-fast-unstated'], { time: duration(retryAfterS) });
  return known[code] ?? known.internal;
}
