/** Where I am signed in: each browser with when it was last used, to be signed out from here. */

import { element } from '../../element.js';
import { form } from '../../form.js';
import { fill, moment, texts } from '../../language.js';
import { toast } from '../../toast.js';

/**
 * @typedef {{id: string, created_at: string, last_seen_at: string, device: string, current: boolean}} Session
 *
 * @param {import('../../page.js').Context} context
 * @param {Session[]} sessions
 */
export function sessionsSection({ api, again }, sessions) {
  const sorted = [...sessions].sort((a, b) => Number(b.current) - Number(a.current) || b.last_seen_at.localeCompare(a.last_seen_at));
  const rows = sorted.map((session) => {
    const device = session.device || texts.sessions.unknown;
    const end = form({
      name: 'end-session',
      content: [],
      submit: texts.sessions.end,
      style: 'quiet small',
      send: async (busy) => {
        await api.delete(`/v1/me/sessions/${session.id}`, { busy });
        await again();
        toast(fill(texts.sessions.ended, { device }));
      },
    });
    end.button.setAttribute('aria-label', fill(texts.sessions.endNamed, { device }));
    return element(
      'li',
      { 'data-test': 'session' },
      element(
        'span',
        { class: 'row-text' },
        element('strong', {}, device),
        element('span', { class: 'hint' }, session.current ? texts.sessions.here : fill(texts.sessions.seen, { moment: moment(session.last_seen_at) })),
        element('span', { class: 'hint' }, fill(texts.sessions.since, { moment: moment(session.created_at) })),
      ),
      !session.current && end.root,
    );
  });
  const others = form({
    name: 'end-others',
    content: [],
    submit: texts.sessions.others,
    style: 'quiet',
    send: async (busy) => {
      await api.post('/v1/me/sessions/revoke-others', undefined, { busy });
      await again();
      toast(texts.sessions.othersEnded);
    },
  });
  return element('section', { class: 'card', id: 'sessions', 'data-test': 'sessions' }, element('h2', {}, texts.sessions.title), element('p', { class: 'hint' }, texts.sessions.text), element('ul', { class: 'rows' }, ...rows), sessions.length > 1 && others.root);
}
