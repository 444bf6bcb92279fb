/** For administrators: who took emergency access to whose record and why, and ending one that still holds. */

import { element } from '../../element.js';
import { form } from '../../form.js';
import { fill, moment, texts, timeOfDay } from '../../language.js';
import { toast } from '../../toast.js';

/**
 * @typedef {{id: string, user: string, patient: string, reason: string, taken_at: string, ends_at: string}} Emergency
 *
 * @param {import('../../page.js').Context} context
 * @param {Emergency[]} emergencies
 * @param {Map<string, string>} names  of users
 */
export function emergenciesSection({ api, clinic, again }, emergencies, names) {
  const rows = emergencies.map(({ id, user, patient, reason, taken_at: taken, ends_at: ends }) => {
    const name = names.get(user) ?? texts.treating.gone;
    const holds = Date.parse(ends) > Date.now();
    const end = form({
      name: 'end-emergency',
      content: [],
      submit: texts.emergency.end,
      style: 'quiet small',
      send: async (busy) => {
        await api.delete(`/v1/clinics/${clinic?.clinic}/emergencies/${id}`, { etag: '*', busy });
        await again();
        toast(texts.emergency.ended);
      },
    });
    end.button.setAttribute('aria-label', fill(texts.emergency.endNamed, { name }));
    return element(
      'li',
      { 'data-test': 'emergency', class: holds ? 'marked' : null },
      element(
        'span',
        { class: 'row-text' },
        element('strong', {}, name),
        element('span', {}, reason),
        element('span', { class: 'hint' }, [fill(texts.emergency.taken, { moment: moment(taken) }), holds && fill(texts.emergency.now, { time: timeOfDay(ends) })].filter(Boolean).join(' · ')),
      ),
      element('span', { class: 'row-actions' }, element('a', { class: 'button quiet small', href: `/patients#${patient}` }, texts.emergency.whose), holds && end.root),
    );
  });
  return element(
    'section',
    { class: 'card', 'data-test': 'emergencies' },
    element('h2', {}, texts.emergency.list),
    element('p', { class: 'hint' }, rows.length ? texts.emergency.listText : texts.emergency.listNone),
    rows.length > 0 && element('ul', { class: 'rows' }, ...rows),
  );
}
