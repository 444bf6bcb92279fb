/** The start page's one form: a pasted link leads to its visit. */

import { texts } from './texts.js';

const form = /** @type {HTMLFormElement} */ (document.getElementById('paste'));
const field = /** @type {HTMLInputElement} */ (document.getElementById('link'));
const error = /** @type {HTMLElement} */ (document.getElementById('link-error'));

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const address = URL.canParse(field.value.trim()) ? new URL(field.value.trim()) : null;
  const fits = address?.origin === location.origin && address.pathname === '/join' && address.hash.length > 1;
  error.textContent = fits ? '' : texts.home.bad;
  field.setAttribute('aria-invalid', String(!fits));
  if (fits && address) location.assign(address);
  else field.focus();
});
