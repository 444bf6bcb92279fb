/** Making elements: attributes, properties and listeners in one object, children after it. */

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * `on…` functions become listeners, `class` and `aria-…` and the like attributes; true makes an empty attribute, null,
 * undefined and false none.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') made.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else setAttribute(made, name, value);
  }
  made.append(.../** @type {(Node | string)[]} */ (children.filter(Boolean)));
  return made;
}

/**
 * @param {Element} target
 * @param {string} name
 * @param {unknown} value
 */
export function setAttribute(target, name, value) {
  if (value === null || value === undefined || value === false) target.removeAttribute(name);
  else target.setAttribute(name, value === true ? '' : String(value));
}

/**
 * Set text only when it differs, so that live regions speak once.
 * @param {Element} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}
