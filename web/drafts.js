/**
 * What somebody has typed and not yet sent, kept while the page is taken away because the session is over: in memory
 * alone, for that user alone. What the server had shown is not kept.
 */

/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Field */

export class Drafts {
  /** @type {Map<string, Map<string, string | boolean>>} form → field → what was typed */ #kept = new Map();

  /** Take what was typed into the forms with `data-draft`; secrets are not kept. @param {ParentNode} root */
  take(root) {
    for (const form of root.querySelectorAll('form[data-draft]')) {
      const typed = [...form.querySelectorAll('input, select, textarea')].map((field) => /** @type {Field} */ (field));
      const changed = typed.filter((field) => field.name && field.type !== 'password' && isChanged(field));
      if (changed.length) this.#kept.set(nameOf(form), new Map(changed.map((field) => [keyOf(field), valueOf(field)])));
    }
  }

  /** Put back what was typed into this form, once. @param {HTMLFormElement} form */
  restore(form) {
    const kept = this.#kept.get(nameOf(form));
    if (!kept) return;
    this.#kept.delete(nameOf(form));
    for (const each of form.querySelectorAll('input, select, textarea')) {
      const field = /** @type {Field} */ (each);
      const value = kept.get(keyOf(field));
      if (typeof value === 'boolean') /** @type {HTMLInputElement} */ (field).checked = value;
      else if (value !== undefined) field.value = value;
    }
  }

  clear() {
    this.#kept.clear();
  }
}

/** @param {Element} form */
const nameOf = (form) => form.getAttribute('data-draft') ?? '';
/** @param {Field} field */
const isChoice = (field) => field.type === 'checkbox' || field.type === 'radio';
/** @param {Field} field */
const keyOf = (field) => (isChoice(field) ? `${field.name}=${field.value}` : field.name);
/** @param {Field} field */
const valueOf = (field) => (isChoice(field) ? /** @type {HTMLInputElement} */ (field).checked : field.value);

/** @param {Field} field */
function isChanged(field) {
  if (isChoice(field)) return /** @type {HTMLInputElement} */ (field).checked !== /** @type {HTMLInputElement} */ (field).defaultChecked;
  if (field instanceof HTMLSelectElement) return true; // what is chosen is cheap to keep, and a default hard to tell
  return field.value !== field.defaultValue;
}
