/** The page of an address that leads nowhere: it stands in the document in English, and is said here as the visitor reads. */

import { speak, texts } from './language.js';

await speak(null);
const { title, text } = texts.visit.pages.lost;
document.title = `${title} · MediNova`;
for (const [place, said] of [['h1', title], ['p', text], ['a', texts.forms.home]]) {
  const found = document.querySelector(`main ${place}`);
  if (found) found.textContent = said;
}
