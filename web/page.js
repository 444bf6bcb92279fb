/**
 * Every page but those of a visit: finds out who is signed in, draws the header, opens the page that the path names, and
 * takes it away when the session is over, keeping in memory what was typed.
 *
 * Signing in happens in place: whoever opens a page without a session gets the sign-in where the page will be, so there is
 * no way back to find, and no address to be led to by others.
 */

import { announce } from './announcer.js';
import { Api, Problem } from './api.js';
import { openDialog } from './dialog.js';
import { element } from './element.js';
import { drafts, problemText } from './form.js';
import { headerView } from './header.js';
import { Idle } from './idle.js';
import { choose, fill, speak, texts } from './language.js';
import { proofDialog } from './views/proof.js';
import { signInView } from './views/sign-in.js';

/**
 * @typedef {import('./rights.js').Me} Me
 * @typedef {import('./rights.js').Membership} Membership
 *
 * @typedef {object} Context  what a page is given
 * @property {Api} api
 * @property {Me} me  of a page that needs a user
 * @property {string} meTag  the version of `me`
 * @property {Membership | null} clinic  the one being worked at
 * @property {() => Promise<void>} again  open the page anew, e.g. after something was changed
 * @property {() => Promise<void>} enter  somebody has signed in
 *
 * @typedef {object} Page
 * @property {boolean} [open]  to anybody
 * @property {(context: Context) => Promise<HTMLElement> | HTMLElement} view  an element with a heading; its `data-title` is the title
 */

/** @type {Record<string, () => Promise<Page>>} */
const PAGES = {
  '/': () => import('./pages/front.js'),
  '/sign-in': () => import('./pages/sign-in.js'),
  '/invitation': () => import('./pages/invitation.js'),
  '/profile': () => import('./pages/profile.js'),
  '/people': () => import('./pages/people.js'),
  '/patients': () => import('./pages/patients.js'),
  '/accesses': () => import('./pages/accesses.js'),
  '/outbox': () => import('./pages/outbox.js'),
};

const CLINIC = 'clinic';

const app = /** @type {HTMLElement} */ (document.getElementById('app'));
const header = /** @type {HTMLElement} */ (document.getElementById('header'));
const api = new Api();

/** @type {Me | null} */ let me = null;
let meTag = '';
/** @type {Idle | null} */ let idle = null;
/** @type {Page} */ let page;
let opened = 0; // how often: an answer that comes after the page was left is not shown

async function start() {
  const path = location.pathname.replace(/\/+$/, '') || '/';
  [page] = await Promise.all([PAGES[path](), know()]);
  await open();
}

/** Find out who is signed in. */
async function know() {
  try {
    const { body, etag } = await api.get('/v1/me', { open: true });
    [me, meTag] = [body, etag];
  } catch (error) {
    if (!(error instanceof Problem) || ![401, 403, 404].includes(error.status)) {
      await speak(null);
      throw error;
    }
    me = null; // nobody, or somebody whose second factor is missing: they begin again
  }
  await speak(me);
  watch();
}

function watch() {
  idle?.stop();
  idle = null;
  if (!me) return;
  const tabs = new BroadcastChannel('session');
  /** @type {HTMLDialogElement | null} */ let warning = null;
  const relieve = () => warning?.close();
  idle = new Idle(
    me.idle_s * 1000,
    {
      warn: (seconds) => void (warning = warn(seconds)),
      relieve,
      renew: () => void api.get('/v1/me').catch(() => undefined),
      over: () => {
        relieve();
        void api.post('/v1/sign-out', undefined, { open: true }).catch(() => undefined);
        void lock(texts.signIn.idle);
      },
      left: () => {
        relieve();
        void lock(texts.signIn.left);
      },
    },
    { now: Date.now, setTimeout: (run, ms) => setTimeout(run, ms), clearTimeout: (timer) => clearTimeout(timer), tabs },
  );
}

/** @param {number} seconds */
function warn(seconds) {
  const left = element('p', {}, fill(texts.idle.text, { seconds }));
  let asked = false;
  const renew = () => {
    asked = true; // its answer is use, which closes this; while there is none, it stays
    void api.get('/v1/me').catch(() => void (left.textContent = texts.problems.offline));
  };
  const stay = element('button', { type: 'button', class: 'button', 'data-test': 'stay', onclick: renew }, texts.idle.stay);
  const leave = element('button', { type: 'button', class: 'button quiet', onclick: () => void signOut() }, texts.header.signOut);
  const dialog = openDialog({ name: 'idle', title: texts.idle.title, close: texts.idle.stay }, left, element('div', { class: 'actions' }, stay, leave));
  const until = Date.now() + seconds * 1000;
  const counting = setInterval(() => void (left.textContent = fill(texts.idle.text, { seconds: Math.max(0, Math.ceil((until - Date.now()) / 1000)) })), 1000);
  dialog.addEventListener('close', () => {
    clearInterval(counting);
    if (!asked && Date.now() < until && me) renew();
  });
  return dialog;
}

function drawHeader() {
  header.replaceChildren(
    ...headerView({
      me,
      clinic: clinicNow(),
      speak: (code) => void changeLanguage(code),
      move: (clinic) => {
        keep(CLINIC, clinic);
        if (location.hash) history.replaceState(null, '', location.pathname);
        void open().then(() => /** @type {HTMLElement | null} */ (header.querySelector('.picker-clinic'))?.focus());
      },
      signOut: () => void signOut(),
    }),
  );
}

/** @param {string} code */
async function changeLanguage(code) {
  choose(code);
  drafts.take(document);
  if (me) {
    await api.patch('/v1/me', { language: code }, { etag: '*' }).catch(() => undefined);
    await know().catch(() => undefined);
  } else await speak(null);
  await open();
  header.querySelector('select')?.focus();
}

async function signOut() {
  const watcher = idle;
  try {
    await api.post('/v1/sign-out', undefined, { open: true });
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 401) return announce(texts.problems.offline);
  }
  watcher?.signedOut();
  location.assign('/');
}

/** The session is over: nothing of it stays on the page. @param {string} notice */
async function lock(notice) {
  if (!me) return;
  drafts.take(document);
  const before = me.id;
  me = null;
  idle?.stop();
  document.querySelectorAll('dialog').forEach((dialog) => dialog.close());
  drawHeader();
  show(askToSignIn(notice, before));
}

/** @param {string} notice @param {string} [before]  who had been signed in here */
function askToSignIn(notice, before) {
  return signInView({
    api,
    notice,
    done: async () => {
      await know();
      if (before && me?.id !== before) drafts.clear();
      await open();
    },
  });
}

async function open() {
  const turn = (opened += 1);
  drawHeader();
  app.setAttribute('aria-busy', 'true');
  const context = { api, me: /** @type {Me} */ (me), meTag, clinic: clinicNow(), again: reopen, enter: reopen };
  let root;
  try {
    root = me || page.open ? await page.view(context) : askToSignIn('');
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return;
    root = troubleView(error);
    if (!(error instanceof Problem)) queueMicrotask(() => reportError(error));
  }
  if (turn === opened) show(root);
}

async function reopen() {
  await know();
  await open();
}

/** @param {HTMLElement} root */
function show(root) {
  app.removeAttribute('aria-busy');
  app.replaceChildren(root);
  window.scrollTo(0, 0);
  const heading = root.querySelector('h1');
  document.title = `${root.dataset.title || heading?.textContent || ''} · MediNova`;
  const first = /** @type {HTMLElement | null} */ (root.querySelector('[autofocus]'));
  heading?.setAttribute('tabindex', '-1');
  (first ?? heading)?.focus();
}

/** @param {unknown} error */
function troubleView(error) {
  const text = error instanceof Problem ? problemText(error) : texts.problems.internal;
  const retry = element('button', { class: 'button', 'data-test': 'retry', onclick: () => void restart() }, texts.forms.retry);
  return element('main', { class: 'card message', 'data-test': 'trouble' }, element('h1', {}, texts.problems.title), element('p', {}, text), element('div', { class: 'actions' }, retry));
}

function restart() {
  return start().catch((error) => show(troubleView(error)));
}

/** @returns {Membership | null} */
function clinicNow() {
  const chosen = kept(CLINIC);
  return me?.memberships.find(({ clinic }) => clinic === chosen) ?? me?.memberships[0] ?? null;
}

/** @param {string} name */
function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** @param {string} name @param {string} value */
function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // without storage it is asked again next time
  }
}

api.onUse = () => idle?.used();
api.onSignedOut = () => void lock(texts.signIn.over);
api.prove = () => proofDialog(api, me?.email ?? '');
for (const kind of ['keydown', 'pointerdown']) window.addEventListener(kind, () => idle?.acted(), { passive: true });
window.addEventListener('hashchange', () => page && void open()); // before that, the first opening reads it
window.addEventListener('pageshow', (event) => event.persisted && location.reload()); // Back, after signing out
void restart();
