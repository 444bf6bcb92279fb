/** One of a few, chosen in passing: the language, the clinic. */

import { element } from '../element.js';

/**
 * @param {string} label @param {Record<string, string>} choices @param {string} chosen
 * @param {(value: string) => void} pick @param {string} name
 */
export function choiceView(label, choices, chosen, pick, name) {
  const options = Object.entries(choices).map(([value, text]) => element('option', { value, selected: value === chosen, lang: name === 'language' ? value : null }, text));
  const select = element('select', { 'aria-label': label, 'data-test': `${name}-picker`, class: `picker-small picker-${name}` }, ...options);
  select.addEventListener('change', () => pick(select.value));
  return select;
}
