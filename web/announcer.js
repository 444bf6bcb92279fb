/** The page's one polite live region: says to screen readers what others see happen. */

const CLEAR_MS = 8_000;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let clearing;

/** @param {string} text */
export function announce(text) {
  const region = document.getElementById('announcer');
  if (!region) return;
  const line = document.createElement('p'); // a new node each time, so that the same words are spoken again
  line.textContent = text;
  region.append(line);
  clearTimeout(clearing);
  clearing = setTimeout(() => region.replaceChildren(), CLEAR_MS);
}
