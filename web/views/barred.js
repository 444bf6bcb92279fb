/** A page that is not for whoever asks: what they may do here instead, by what they are, and the way there. */

import { element } from '../element.js';
import { fill, texts } from '../language.js';
import { emptyView } from './empty.js';

/**
 * @param {string} title
 * @param {import('../page.js').Context} context
 * @param {string} [colleagues]  for those who work at the clinic in other roles than the page is for
 */
export function barredView(title, { me, clinic }, colleagues = '') {
  const home = way('/', texts.forms.home, 'quiet');
  if (clinic?.second_factor_needed) return emptyView(title, texts.forms.factorFirst, way('/profile#factors', texts.front.factorSet), home);
  if (clinic?.roles.every((role) => role === 'interpreter')) return emptyView(title, fill(texts.barred.interpreter, { clinic: clinic.name }));
  if (clinic) return emptyView(title, colleagues || texts.barred.colleague);
  if (me.operator) return emptyView(title, texts.barred.operator, way('/outbox', texts.header.outbox), home);
  if (me.acts_for.length) return emptyView(title, texts.barred.patient);
  return emptyView(title, texts.barred.nobody);
}

/** @param {string} href @param {string} text @param {string} [style] */
const way = (href, text, style = '') => element('a', { class: `button ${style}`, href }, text);
