/** My profile: who I am, how I show that it is me, and where I am signed in. */

import { element } from '../element.js';
import { field, form } from '../form.js';
import { LANGUAGES, texts, zones } from '../language.js';
import { toast } from '../toast.js';
import { addressSection } from './profile/address.js';
import { factorsSection } from './profile/factors.js';
import { passwordSection } from './profile/password.js';
import { sessionsSection } from './profile/sessions.js';

/** @param {import('../page.js').Context} context */
export async function view(context) {
  const [factors, sessions] = await Promise.all([context.api.get('/v1/me/factors'), context.api.get('/v1/me/sessions')]);
  const root = element(
    'main',
    { class: 'wide', 'data-test': 'profile' },
    element('div', { class: 'page-head' }, element('h1', {}, texts.profile.title), element('p', { class: 'lead' }, context.me.email)),
    element(
      'div',
      { class: 'columns' },
      element('div', { class: 'stack' }, aboutSection(context), addressSection(context), factors.body.elsewhere ? elsewhereSection() : passwordSection(context, factors.body)),
      element('div', { class: 'stack' }, ...(factors.body.elsewhere ? [] : [factorsSection(context, factors.body)]), sessionsSection(context, sessions.body.items)),
    ),
  );
  if (location.hash) requestAnimationFrame(() => root.querySelector(location.hash)?.scrollIntoView());
  return root;
}

/** An identity provider keeps them, and nothing of them can be changed here. */
const elsewhereSection = () => element('section', { class: 'card', id: 'password' }, element('h2', {}, texts.firebase.title), element('p', {}, texts.firebase.kept));

/** @param {import('../page.js').Context} context */
function aboutSection({ api, me, meTag, again }) {
  const name = field({ name: 'name', label: texts.profile.name, value: me.name, required: true, more: { autocomplete: 'name', maxlength: 120 } });
  const language = field({ name: 'language', label: texts.profile.language, choices: Object.entries(LANGUAGES), value: me.language });
  const zone = field({ name: 'zone', label: texts.profile.zone, choices: zones(me.zone).map((one) => [one, one.replace(/_/g, ' ')]), value: me.zone, hint: texts.profile.zoneHint });
  const { root } = form({
    name: 'about-me',
    content: [name.root, language.root, zone.root],
    fields: { name, language, zone },
    submit: texts.forms.save,
    problems: { changed: texts.profile.changed },
    send: async (busy) => {
      await api.patch('/v1/me', { name: name.input.value.trim(), language: language.input.value, zone: zone.input.value }, { etag: meTag || '*', busy });
      await again();
      toast(texts.forms.saved);
    },
  });
  return element('section', { class: 'card' }, element('h2', {}, texts.profile.about), root);
}
