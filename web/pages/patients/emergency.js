/** Emergency access: a reason, an hour, and the clinic is told; and how much of the hour is left. */

import { element } from '../../element.js';
import { field, form } from '../../form.js';
import { icon } from '../../icons.js';
import { count, fill, texts, timeOfDay } from '../../language.js';

const SHORTEST_REASON = 10; // characters

/** What is shown in place of a record that one does not treat. @param {import('../../page.js').Context} context @param {string} id */
export function emergencyView({ api, again }, id) {
  const reason = field({ name: 'reason', label: texts.emergency.reason, lines: true, required: true, hint: texts.emergency.reasonHint, more: { maxlength: 500 } });
  const { root } = form({
    name: 'emergency',
    content: [reason.root],
    fields: { reason },
    submit: texts.emergency.take,
    style: 'danger',
    beside: [element('a', { class: 'button quiet', href: '#' }, texts.patients.back)],
    check: () => {
      if (reason.input.value.trim().length >= SHORTEST_REASON) return null;
      reason.fault(texts.emergency.reasonShort);
      reason.input.focus();
      return '';
    },
    send: async (busy) => {
      await api.post(`/v1/patients/${id}/emergency`, { reason: reason.input.value.trim() }, { busy });
      await again();
    },
  });
  return element(
    'main',
    { class: 'card narrow', 'data-test': 'emergency' },
    element('div', { class: 'sign' }, icon('shield')),
    element('h1', {}, texts.emergency.title),
    element('p', {}, texts.emergency.text),
    element('section', { class: 'part' }, element('h2', {}, texts.emergency.heading), element('ul', { class: 'plain-list' }, ...texts.emergency.rules.map((rule) => element('li', {}, rule))), root),
  );
}

/**
 * How much is left, as the server knows it: it may have been taken in another window, and ended by an administrator.
 * @param {import('../../page.js').Context} context
 * @param {string} id
 */
export async function emergencyNote({ api }, id) {
  const { body } = await api.get('/v1/me');
  const access = /** @type {import('../../rights.js').Me} */ (body).emergencies.find(({ patient }) => patient === id);
  if (!access) return null;
  const ends = Date.parse(access.ends_at);
  const text = element('p', {});
  const root = element('div', { class: 'note danger', 'data-test': 'emergency-note' }, icon('clock'), text);
  const show = () => {
    const minutes = Math.ceil((ends - Date.now()) / 60_000);
    text.textContent = minutes > 0 ? `${fill(texts.emergency.until, { time: timeOfDay(access.ends_at) })} ${count(texts.emergency.left, minutes)}` : texts.emergency.over;
  };
  show();
  const ticking = setInterval(() => (root.isConnected ? show() : clearInterval(ticking)), 15_000);
  return root;
}
