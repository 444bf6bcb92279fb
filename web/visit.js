/** The page of one seat in one visit: reads the seat, then shows preview, waiting room, call or how it ended. */

import { announce } from './announcer.js';
import { Arrivals } from './arrivals.js';
import { obstacle } from './browser.js';
import { chime } from './chime.js';
import { Devices, pictureWanted } from './devices.js';
import { fill, speak, texts } from './language.js';
import { Memory } from './memory.js';
import { Client } from './protocol.js';
import { Repeats } from './repeats.js';
import { mayPass, readSeat, Refused } from './seat.js';
import { Sound } from './sound.js';
import { callView } from './views/call.js';
import { messageView } from './views/message.js';
import { Notices } from './views/notices.js';
import { previewView } from './views/preview.js';
import { watchTroubles } from './views/troubles.js';
import { waitingView } from './views/waiting.js';
import { WakeLock } from './wakelock.js';
import { roleName } from './words.js';

/**
 * @typedef {import('./seat.js').Seat} Seat
 * @typedef {import('./seat.js').PageName} PageName
 * @typedef {{root: HTMLElement, focus: () => void, close: () => void}} View
 */

const LINES = /** @type {const} */ (['microphone', 'camera', 'screen']);
const app = /** @type {HTMLElement} */ (document.getElementById('app'));
const [, , visitId, seatId] = location.pathname.split('/');

/** @type {View | null} */ let view = null;
let viewName = '';
const repeats = new Repeats();

document.addEventListener('click', (event) => event.detail > 0 && repeats.stale(event) && event.stopImmediatePropagation(), true);

/**
 * @param {string} name
 * @param {() => View} make
 */
function show(name, make) {
  if (name === viewName) return;
  view?.close();
  viewName = name;
  repeats.changed();
  view = make();
  document.body.dataset.view = name;
  app.replaceChildren(view.root);
  window.scrollTo(0, 0); // a long view before may have been read to its end
  view.focus();
}

/**
 * @param {PageName} page
 * @param {Partial<import('./views/message.js').Message>} [more]
 */
function showPage(page, more = {}) {
  const { title, text } = texts.visit.pages[page];
  document.title = `${title} · MediNova`;
  show(page, () => messageView({ name: page, title, text, home: true, ...more }));
}

async function begin() {
  const reload = { label: texts.forms.retry, name: 'retry', run: () => location.reload() };
  const hindered = obstacle();
  if (hindered) {
    showPage(hindered);
    return;
  }
  try {
    const seat = await readSeat(visitId, seatId);
    if (seat.state === 'ended' || seat.state === 'missed') showPage(seat.state, { sign: 'check' });
    else new Page(seat).open();
  } catch (error) {
    const page = error instanceof Refused ? error.page : 'trouble';
    showPage(page, { actions: mayPass(page) ? [reload] : [] });
    if (!(error instanceof Refused)) throw error;
  }
}

class Page {
  /** @param {Seat} seat */
  constructor(seat) {
    this.seat = seat;
    this.memory = new Memory(seatId, sessionStorage);
    this.devices = new Devices(pictureWanted(location.search), navigator.mediaDevices);
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    this.client = new Client({
      url: `${scheme}://${location.host}/v1/visits/${visitId}/signal?seat=${seatId}`,
      seat: seatId,
      probe: () => this.#probe(),
    });
    this.sound = new Sound(/** @type {HTMLElement} */ (document.getElementById('sound')));
    this.notices = new Notices();
    this.wakeLock = new WakeLock();
    this.arrivals = new Arrivals(seatId);
    app.before(this.notices.root);
    watchTroubles(this);
    this.#listen();
  }

  open() {
    const { kept } = this.memory;
    Object.assign(this.devices.wants, { microphone: kept.microphone, camera: kept.camera });
    Object.assign(this.devices.chosen, { microphone: kept.microphoneId, camera: kept.cameraId, speaker: kept.speakerId });
    Object.assign(window, { medinova: { client: this.client, devices: this.devices } });
    if (kept.joined) this.join();
    else {
      document.title = `${texts.visit.preview.join} · MediNova`;
      show('preview', () => previewView({ seat: this.seat, devices: this.devices, join: () => this.join() }));
      void this.devices.open();
    }
  }

  /** Into the visit: signalling and media start while the devices may still be opening. */
  join() {
    this.memory.keep({ joined: true });
    this.wakeLock.set(true);
    this.#publish();
    this.client.join();
    void this.devices.open();
    this.sound.unblock();
    this.#render();
  }

  async share() {
    const reason = await this.devices.share();
    this.notices.set('share', null);
    this.notices.set('share', reason && { text: texts.visit.problems.screen[reason], closable: true });
  }

  #listen() {
    const { client, devices, sound } = this;
    devices.on('changed', () => this.#publish());
    client.on('people', () => {
      this.#tellArrivals();
      this.#render();
    });
    client.on('people', () => this.#hear());
    client.on('media', () => this.#hear());
    client.on('over', (outcome) => this.#over(outcome));
    window.addEventListener('pageshow', (event) => event.persisted && location.reload()); // "back": the connections are gone
    window.addEventListener('online', () => client.networkChanged());
    watchInterface(() => client.networkChanged());
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) return;
      client.awake();
      sound.unblock();
      if (client.session !== 'offline') devices.revive();
    });
    document.addEventListener('pointerdown', () => sound.unblock());
  }

  /** Send what the devices give, and remember it for a reload. */
  #publish() {
    const { client, devices } = this;
    for (const line of LINES) void client.setTrack(line, devices.sending(line));
    client.setStatus({
      microphone: devices.sending('microphone') !== null,
      camera: devices.sending('camera') !== null,
      screen: devices.sending('screen') !== null,
      interrupted: devices.interrupted,
    });
    this.memory.keep({
      ...devices.wants,
      microphoneId: devices.chosen.microphone,
      cameraId: devices.chosen.camera,
      speakerId: devices.chosen.speaker,
    });
    this.sound.choose(devices.chosen.speaker);
  }

  #render() {
    const { client, seat, devices } = this;
    if (!this.memory.kept.joined) return;
    const inside = client.self ? client.self.phase === 'present' : seat.admitted || seat.role === 'clinician';
    if (inside && viewName === 'waiting') {
      void chime(devices.chosen.speaker);
      announce(texts.visit.waiting.admitted);
    }
    if (inside) show('call', () => callView({ seat, devices, client, share: () => void this.share() }));
    else show('waiting', () => waitingView({ seat, devices, client }));
    const [waiting] = [...client.people.values()].filter((person) => person.phase === 'waiting' && person.seat !== seatId);
    const title = inside ? texts.visit.titles.call : texts.visit.titles.waiting;
    document.title = `${waiting ? fill(texts.visit.titles.somebodyWaits, { name: waiting.name }) : title} · MediNova`;
  }

  #tellArrivals() {
    for (const { what, person } of this.arrivals.look(this.client.people)) {
      if (what === 'waits') {
        void chime(this.devices.chosen.speaker);
        announce(fill(texts.visit.people.waits, { name: person.name, role: roleName(person.role).toLowerCase() }));
      } else announce(fill(what === 'joined' ? texts.visit.call.joined : texts.visit.call.left, { name: person.name }));
    }
  }

  /** Everybody present is heard, whatever the page shows. */
  #hear() {
    const present = [...this.client.people.values()].filter((person) => person.phase === 'present' && person.seat !== seatId);
    this.sound.keep(new Set(present.map((person) => person.seat)));
    for (const { seat } of present) this.sound.set(seat, this.client.tracks(seat).audio);
  }

  /** @param {import('./messages.js').Outcome} outcome */
  #over(outcome) {
    this.memory.keep({ joined: false });
    this.wakeLock.set(false);
    this.devices.release();
    this.#publish();
    this.sound.close();
    this.arrivals = new Arrivals(seatId);
    /** @type {HTMLDialogElement | null} */ (document.querySelector('dialog[open]'))?.close();
    const again = (/** @type {string} */ label) => [{ label, name: 'rejoin', run: () => this.join() }];
    if (outcome === 'left') showPage('left', { sign: 'leave', actions: again(texts.visit.actions.rejoin) });
    else if (outcome === 'taken') showPage('taken', { sign: 'screen', actions: again(texts.visit.actions.here) });
    else if (outcome === 'refused') {
      showPage('refused', { actions: [{ label: texts.visit.actions.reload, name: 'reload', run: () => location.reload() }] });
    } else showPage(outcome, { sign: outcome === 'ended' ? 'check' : 'alert' });
  }

  /** @returns {Promise<import('./messages.js').Outcome | null>} */
  async #probe() {
    try {
      const { state } = await readSeat(visitId, seatId);
      return state === 'ended' || state === 'missed' ? state : null;
    } catch (error) {
      if (!(error instanceof Refused)) return null;
      if (error.page === 'no-seat') return 'not-authenticated';
      return error.page === 'not-found' || error.page === 'revoked' ? error.page : null;
    }
  }
}

/**
 * Phones say when they change from Wi-Fi to mobile data; `change` also fires for mere estimates, so the kind is compared.
 * @param {() => void} changed
 */
function watchInterface(changed) {
  const connection = /** @type {EventTarget & {type?: string} | undefined} */ (Reflect.get(navigator, 'connection'));
  let kind = connection?.type;
  connection?.addEventListener('change', () => {
    if (connection.type !== kind) changed();
    kind = connection.type;
  });
}

void speak(null).catch(() => undefined).then(begin); // in English where its words do not come
