/**
 * A participant's side of a visit: the signalling session, the media connection and what is known of the others.
 *
 * Knows nothing of the page. The page sets tracks and a status and listens; whatever has to survive a dropped socket is
 * kept here and said again after `welcome`. A session that could not be resumed (the server was restarted) gets a new
 * media connection with the same tracks.
 */

import { Emitter } from './emitter.js';
import { Peer } from './peer.js';
import { Quality } from './quality.js';
import { Signal } from './signal.js';

/**
 * @typedef {import('./messages.js').Participant} Participant
 * @typedef {import('./messages.js').ChatLine} ChatLine
 * @typedef {import('./messages.js').Outcome} Outcome
 * @typedef {import('./messages.js').Status} Status
 * @typedef {import('./messages.js').VisitState} VisitState
 * @typedef {import('./messages.js').ClientMessage} ClientMessage
 * @typedef {import('./peer.js').Line} Line
 * @typedef {import('./signal.js').World} World
 *
 * `offline`: not asked to connect; `down`: trying again by itself.
 * @typedef {'offline' | 'connecting' | 'open' | 'down'} SessionState
 *
 * `blocked`: no path for media has been found in twelve seconds; trying goes on.
 * @typedef {'connecting' | 'connected' | 'interrupted' | 'blocked'} MediaState
 */

const SAMPLE_MS = 2_000;
const FIRST_SAMPLE_MS = 500; // while there is no mark yet
const MAX_WISHES = 16; // commands held while the socket is down; the oldest is dropped
const MAX_UNSAID = 20; // chat texts without confirmation; the oldest is given up
const FIRST_REBUILD_MS = 500;
const LAST_REBUILD_MS = 15_000;

/** @returns {World} */
export const browserWorld = () => ({
  WebSocket,
  RTCPeerConnection,
  codecs: () => RTCRtpReceiver.getCapabilities('video')?.codecs ?? [],
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  now: () => performance.now(),
  random: () => Math.random(),
});

/**
 * `people`: someone came, went or changed; `media`: what is heard and seen of whom, or the media connection, changed;
 * `session`: the socket; `line`: a chat line was added (`fresh`: after joining); `refused`: a command was.
 *
 * @extends {Emitter<{
 *   session: SessionState, media: MediaState, people: void, speakers: void, visit: VisitState, network: void,
 *   line: {line: ChatLine, fresh: boolean}, refused: string, over: Outcome,
 * }>}
 */
export class Client extends Emitter {
  /** @type {SessionState} */ session = 'offline';
  /** @type {MediaState} */ media = 'connecting';
  /** @type {VisitState} */ visit = 'waiting';
  /** @type {Map<string, Participant>} */ people = new Map();
  /** @type {Map<string, ChatLine>} by id, in the order said */ chat = new Map();
  /** @type {import('./messages.js').Slot[]} */ slots = [];
  /** @type {string[]} */ speakers = [];
  /** @type {import('./quality.js').Sample | null} */ sample = null;
  quality = new Quality();
  /** @type {Map<string, string>} key → text: said, not yet confirmed */ unsaid = new Map();
  /** @type {Peer | null} */ peer = null;

  #codec = '';
  /** @type {Record<Line, MediaStreamTrack | null>} */ #tracks = { microphone: null, camera: null, screen: null };
  /** @type {Status} */
  #status = { type: 'status', microphone: false, camera: false, screen: false, interrupted: false };
  /** @type {ClientMessage[]} */ #wishes = [];
  #keys = 0;
  #greeted = false; // since `join`
  #rebuilds = 0;
  /** @type {any} */ #rebuild = null;
  /** @type {any} */ #sampling = null;

  /**
   * @param {object} where
   * @param {string} where.url  of the signalling socket
   * @param {string} where.seat  one's own
   * @param {() => Promise<Outcome | null>} where.probe
   * @param {World} [where.world]
   */
  constructor({ url, seat, probe, world = browserWorld() }) {
    super();
    this.seat = seat;
    this.world = world;
    this.signal = new Signal(url, world, probe);
    this.signal.on('welcome', (welcome) => this.#welcomed(welcome));
    this.signal.on('message', (message) => this.#received(message));
    this.signal.on('down', () => this.#say('down'));
    this.signal.on('over', (outcome) => this.#finish(outcome));
  }

  /** The RTCPeerConnection in use, for statistics. */
  get pc() {
    return this.peer?.pc ?? null;
  }

  get self() {
    return this.people.get(this.seat) ?? null;
  }

  get status() {
    return this.#status;
  }

  /** Take the seat; whoever holds it in another tab or device loses it. */
  join() {
    this.#greeted = false;
    this.#say('connecting');
    this.signal.open();
    this.world.clearTimeout(this.#sampling);
    this.#sample();
  }

  /**
   * @param {Line} line
   * @param {MediaStreamTrack | null} track  stays the caller's: it is never stopped here
   */
  async setTrack(line, track) {
    if (track === this.#tracks[line]) return;
    this.#tracks[line] = track;
    await this.peer?.setTrack(line, track);
  }

  /** @param {Partial<Omit<Status, 'type'>>} change */
  setStatus(change) {
    const status = { ...this.#status, ...change };
    if (JSON.stringify(status) === JSON.stringify(this.#status)) return;
    this.#status = status;
    this.signal.send(status);
  }

  /** @param {string} text */
  say(text) {
    // the time is in it so that a reload never repeats a key
    const key = `${Date.now().toString(36)}-${(this.#keys += 1)}`;
    this.unsaid.set(key, text);
    if (this.unsaid.size > MAX_UNSAID) this.unsaid.delete(this.unsaid.keys().next().value ?? '');
    this.signal.send({ type: 'chat', key, text });
    return key;
  }

  /** @param {string} seat */
  admit(seat) {
    this.#wish({ type: 'admit', seat });
  }

  /** End the visit for everyone. */
  end() {
    this.#wish({ type: 'end' });
  }

  leave() {
    this.signal.send({ type: 'leave' });
    this.signal.close('left');
  }

  /** The network may have changed (or the page was asleep): check both connections now. */
  networkChanged() {
    this.signal.nudge();
    this.peer?.restart();
  }

  /** The page is seen again: timers may have slept. */
  awake() {
    this.signal.nudge();
  }

  /**
   * What can be heard and seen of a seat now.
   * @param {string} seat
   */
  tracks(seat) {
    const find = (/** @type {string} */ kind, /** @type {string} */ source) => {
      const slot = this.slots.find((one) => one.seat === seat && one.kind === kind && one.source === source);
      return slot ? (this.peer?.track(slot.mid) ?? null) : null;
    };
    return { audio: find('audio', 'person'), video: find('video', 'person'), screen: find('video', 'screen') };
  }

  /** @param {import('./messages.js').Welcome} welcome */
  #welcomed(welcome) {
    const known = this.#greeted ? new Set(this.chat.keys()) : null;
    this.#greeted = true;
    this.visit = welcome.state;
    this.people = new Map(welcome.participants.map((person) => [person.seat, person]));
    this.speakers = welcome.speakers;
    this.slots = welcome.slots;
    this.#codec = welcome.codec;
    if (welcome.resumed && this.peer) this.peer.resend();
    else this.#connect();
    this.signal.send(this.#status);
    if (this.quality.mark !== 'unknown') this.signal.send({ type: 'network', mark: this.quality.mark });
    for (const wish of this.#wishes.splice(0)) this.signal.send(wish);
    for (const line of welcome.chat) this.#heard(line, known !== null && !known.has(line.id));
    for (const [key, text] of this.unsaid) this.signal.send({ type: 'chat', key, text });
    this.#say('open');
    this.emit('visit', this.visit);
    this.emit('people', undefined);
    this.emit('media', this.media);
    this.emit('speakers', undefined);
  }

  #connect() {
    this.peer?.close();
    const peer = new Peer(this.world, (offer) => this.signal.send(offer));
    this.peer = peer;
    this.#reach('connecting');
    peer.on('state', (state) => {
      if (state === 'connected') this.#rebuilds = 0;
      this.#reach(state);
    });
    peer.on('blocked', () => this.#reach('blocked'));
    peer.on('dead', () => this.#rejoin());
    peer.on('slots', () => this.emit('media', this.media));
    for (const line of /** @type {Line[]} */ (['microphone', 'camera', 'screen'])) {
      if (this.#tracks[line]) void peer.setTrack(line, this.#tracks[line]);
    }
    peer.start();
  }

  /** The media connection is beyond repair: a fresh session, after a growing while. */
  #rejoin() {
    this.#reach('interrupted');
    const wait_ms = Math.min(LAST_REBUILD_MS, FIRST_REBUILD_MS * 2 ** this.#rebuilds);
    this.#rebuilds += 1;
    this.world.clearTimeout(this.#rebuild);
    this.#rebuild = this.world.setTimeout(() => this.signal.open(), wait_ms);
  }

  /** @param {Exclude<import('./messages.js').ServerMessage, {type: 'welcome'}>} message */
  #received(message) {
    switch (message.type) {
      case 'participant':
        this.people.set(message.seat, message);
        this.emit('people', undefined);
        break;
      case 'answer':
        void this.#answered(message);
        break;
      case 'slots':
        this.slots = message.slots;
        this.peer?.want(message.wanted);
        this.emit('media', this.media);
        break;
      case 'speakers':
        this.speakers = message.seats;
        this.emit('speakers', undefined);
        break;
      case 'chat-line':
        this.#heard(message, true);
        break;
      case 'codec':
        this.#codec = message.codec;
        void this.peer?.setCodec(message.codec);
        break;
      case 'visit':
        this.visit = message.state;
        this.emit('visit', message.state);
        break;
      case 'error':
        if (message.number !== null) void this.peer?.refused(message.number);
        else this.emit('refused', message.code);
        break;
      default: // restarting and ping are the socket's; what a newer server says besides is not for us
    }
  }

  /** @param {import('./messages.js').Answer} answer */
  async #answered(answer) {
    const peer = this.peer;
    await peer?.answer(answer);
    if (this.#codec) await peer?.setCodec(this.#codec);
  }

  /**
   * @param {ChatLine} line
   * @param {boolean} fresh
   */
  #heard(line, fresh) {
    if (line.seat === this.seat) this.unsaid.delete(line.key);
    if (this.chat.has(line.id)) return;
    this.chat.set(line.id, line);
    this.emit('line', { line, fresh });
  }

  /** @param {ClientMessage} message */
  #wish(message) {
    if (this.signal.send(message)) return;
    this.#wishes.push(message);
    if (this.#wishes.length > MAX_WISHES) this.#wishes.shift();
  }

  #sample() {
    this.#sampling = this.world.setTimeout(async () => {
      const pc = this.pc;
      if (pc && this.media === 'connected') {
        const report = await pc.getStats();
        this.sample = this.quality.sample([...report.values()], this.world.now());
        if (this.quality.take(this.sample)) {
          this.signal.send({ type: 'network', mark: this.quality.mark });
          this.emit('network', undefined);
        }
      }
      if (this.session !== 'offline') this.#sample();
    }, this.quality.mark === 'unknown' ? FIRST_SAMPLE_MS : SAMPLE_MS);
  }

  /** @param {SessionState} state */
  #say(state) {
    if (state === this.session) return;
    this.session = state;
    this.emit('session', state);
  }

  /** @param {MediaState} state */
  #reach(state) {
    if (state === this.media) return;
    this.media = state;
    this.emit('media', state);
  }

  /** @param {Outcome} outcome */
  #finish(outcome) {
    this.world.clearTimeout(this.#sampling);
    this.world.clearTimeout(this.#rebuild);
    this.peer?.close();
    this.peer = null;
    this.slots = [];
    this.people = new Map();
    this.#wishes = [];
    const ended = outcome === 'ended' && this.visit === 'missed' ? 'missed' : outcome;
    this.#say('offline');
    this.emit('over', ended);
  }
}
