/**
 * The page a join link opens. The token stands in the fragment, which no server, proxy log or referrer ever sees; it is
 * traded by POST for the seat's cookie, so a mail scanner's GET changes nothing, and leaves the address bar at once.
 */

import { obstacle, shouldOpenIn } from './browser.js';
import { element } from './element.js';
import { fill, speak, texts } from './language.js';
import { exchange, mayPass, Refused } from './seat.js';
import { messageView } from './views/message.js';

const app = /** @type {HTMLElement} */ (document.getElementById('app'));
const link = location.href;
const token = location.hash.slice(1);

/** @param {import('./views/message.js').Message} message */
function show(message) {
  const view = messageView(message);
  document.title = `${message.title} · MediNova`;
  app.replaceChildren(view.root);
  view.focus();
  return view.root;
}

/** Inside another app's view the token stays in the link: it must reach the real browser. @param {string} browser */
function showWebview(browser) {
  const { title, text } = texts.visit.pages.webview;
  const copy = async (/** @type {HTMLButtonElement} */ button) => {
    try {
      await navigator.clipboard.writeText(link);
      button.textContent = texts.visit.actions.copied;
    } catch {
      const field = element('textarea', { readonly: true, rows: 4, class: 'copy', 'aria-label': texts.visit.actions.copyFailed }, link);
      root.append(element('p', {}, texts.visit.actions.copyFailed), field);
      field.select();
    }
  };
  const root = show({
    name: 'webview',
    title: fill(title, { browser }),
    text: fill(text, { browser }),
    sign: 'link',
    actions: [
      { label: texts.visit.actions.copy, name: 'copy', run: (button) => void copy(button) },
      { label: texts.visit.actions.anyway, name: 'anyway', run: () => void enter() },
    ],
  });
}

/** @param {import('./seat.js').PageName} page */
function showPage(page) {
  const { title, text } = texts.visit.pages[page];
  const retry = { label: texts.forms.retry, name: 'retry', run: () => void enter() };
  show({ name: page, title, text, home: true, actions: mayPass(page) ? [retry] : [] });
}

async function enter() {
  try {
    const page = (await exchange(token)) + location.search;
    history.replaceState(null, '', location.pathname); // the next line replaces the entry; this covers one that is slow to go
    location.replace(page);
  } catch (error) {
    const page = error instanceof Refused ? error.page : 'trouble';
    if (page === 'link-invalid' || page === 'link-expired' || page === 'revoked') history.replaceState(null, '', location.pathname);
    showPage(page);
    if (!(error instanceof Refused)) throw error;
  }
}

await speak(null).catch(() => undefined); // in English where its words do not come
const hindered = obstacle();
const browser = shouldOpenIn(navigator.userAgent);
if (!token) showPage('link-missing');
else if (browser) showWebview(browser);
else if (hindered) showPage(hindered);
else void enter();

window.addEventListener('hashchange', () => location.reload()); // another link pasted into the same tab
