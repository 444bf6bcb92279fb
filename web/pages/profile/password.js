/** A new password: what is asked of it is said before it is typed, and nothing is asked of its characters. */

import { element } from '../../element.js';
import { form, passwordField } from '../../form.js';
import { fill, texts } from '../../language.js';
import { toast } from '../../toast.js';

const SHORTEST = 8; // characters; the server also refuses those that are known from leaks
const SHORTEST_OF_STAFF = 12;

/** @param {{required: boolean, staff: boolean}} given  `staff`: works at a clinic or operates the server */
export function newPassword({ required, staff }) {
  const shortest = staff ? SHORTEST_OF_STAFF : SHORTEST;
  const hint = fill(required ? texts.password.rules : texts.password.rulesOptional, { n: shortest });
  const made = passwordField({ name: 'password', label: texts.password.new, required, hint, more: { autocomplete: 'new-password' } });
  return {
    root: made.root,
    field: made,
    /** @returns {string | null} as a form's `check` */
    check: () => {
      const { length } = [...made.input.value.normalize('NFC')];
      if (length >= shortest || (!required && !length)) return null;
      made.fault(fill(texts.password.short, { n: shortest }));
      made.input.focus();
      return '';
    },
  };
}

/** @param {import('../../page.js').Context} context @param {{password: boolean}} factors */
export function passwordSection({ api, me, again }, { password: has }) {
  const user = element('input', { type: 'email', name: 'username', value: me.email, autocomplete: 'username', readonly: true, hidden: true, tabindex: '-1' });
  const made = newPassword({ required: true, staff: me.memberships.length > 0 || me.operator });
  const current = passwordField({ name: 'current', label: texts.password.current, required: true, more: { autocomplete: 'current-password' } });
  const { root } = form({
    name: 'password',
    secret: true,
    content: [user, has ? current.root : null, made.root],
    fields: { password: made.field, current },
    submit: has ? texts.password.change : texts.password.set,
    check: made.check,
    problems: { 'not-authenticated': texts.password.wrong },
    send: async (busy) => {
      // a proof of its own, so that it counts as a fresh one and is not asked for once more
      if (has) await api.post('/v1/me/proof', { password: current.input.value }, { open: true, busy });
      await api.put('/v1/me/password', { password: made.field.input.value }, { busy });
      await again();
      toast(texts.password.changed);
    },
  });
  return element('section', { class: 'card', id: 'password' }, element('h2', {}, texts.password.title), element('p', { class: 'hint' }, texts.password.others), root);
}
