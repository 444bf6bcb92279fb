/** Another e-mail address: asked for here, confirmed by the link that was mailed to it, which leads here too. */

import { element } from '../../element.js';
import { field, form } from '../../form.js';
import { fill, texts } from '../../language.js';
import { toast } from '../../toast.js';

const LINK = '#email-';

let token = ''; // of the link that was opened: taken out of the address, which others may see

/** @param {import('../../page.js').Context} context */
export function addressSection(context) {
  if (location.hash.startsWith(LINK)) {
    token = location.hash.slice(LINK.length);
    history.replaceState(null, '', `${location.pathname}#address`);
  }
  const root = token ? confirmForm(context) : askForm(context);
  return element('section', { class: 'card', id: 'address' }, element('h2', {}, texts.address.title), root);
}

/** @param {import('../../page.js').Context} context */
function askForm({ api }) {
  const email = field({ name: 'email', label: texts.address.new, type: 'email', required: true, more: { autocomplete: 'email', autocapitalize: 'none' } });
  return form({
    name: 'address',
    content: [email.root],
    fields: { email },
    submit: texts.address.send,
    send: async (busy) => {
      const given = email.input.value.trim();
      await api.put('/v1/me/email', { email: given }, { busy });
      email.input.value = '';
      toast(fill(texts.address.sent, { email: given }));
    },
  }).root;
}

/** @param {import('../../page.js').Context} context */
function confirmForm({ api, again }) {
  return form({
    name: 'address-confirm',
    content: [element('p', {}, texts.address.opened)],
    submit: texts.address.confirm,
    problems: { senseless: texts.address.over },
    send: async (busy) => {
      await api.post('/v1/me/email/confirm', { token }, { busy });
      token = '';
      await again();
      toast(texts.address.changed);
    },
  }).root;
}
