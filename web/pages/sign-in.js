/**
 * The sign-in as a page of its own, and where a magic link leads: its token stands in the fragment and leaves it at once.
 * So does the code in the query of a link that Firebase has mailed.
 */

import { signInView } from '../views/sign-in.js';

export const open = true;

/**
 * Where to go on: a path of this very server, or the front page.
 * @param {string} search @param {string} origin
 */
export function whereTo(search, origin) {
  const wanted = new URLSearchParams(search).get('next') ?? '/';
  const found = wanted.startsWith('/') && URL.canParse(wanted, origin) ? new URL(wanted, origin) : null;
  const path = found && found.origin === origin && found.pathname !== '/sign-in' ? found.pathname : '/';
  return path.startsWith('//') ? '/' : path;
}

/** @param {import('../page.js').Context} context */
export function view({ api }) {
  const token = location.hash.slice(1);
  if (token) history.replaceState(null, '', location.pathname + location.search);
  const said = new URLSearchParams(location.search);
  const linkCode = said.get('mode') === 'signIn' ? (said.get('oobCode') ?? '') : '';
  if (linkCode) history.replaceState(null, '', location.pathname);
  return signInView({ api, token, linkCode, done: async () => location.replace(whereTo(location.search, location.origin)) });
}
