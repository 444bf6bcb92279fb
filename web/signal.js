/**
 * The signalling socket: says hello, answers pings, and comes back by itself after anything that is not final.
 *
 * A socket that dropped leaves a session behind at the server, which `resume` asks for; media goes on meanwhile. Waits
 * between attempts double from 0.2 s to 5 s and are scattered by a quarter either way, so that a restarted server is not stormed.
 * Nothing is buffered here: `send` says whether the message left, and whoever owns the state sends it after `welcome`.
 */

import { Emitter } from './emitter.js';
import { outcomeOf, PROTOCOL, TOO_FAST } from './messages.js';

/**
 * @typedef {import('./messages.js').ServerMessage} ServerMessage
 * @typedef {import('./messages.js').Welcome} Welcome
 * @typedef {import('./messages.js').Outcome} Outcome
 *
 * What the network modules need of the browser, so that tests can stand in for it. `now` is in milliseconds.
 * @typedef {object} World
 * @property {new (url: string) => WebSocket} WebSocket
 * @property {new (configuration: RTCConfiguration) => RTCPeerConnection} RTCPeerConnection
 * @property {() => RTCRtpCodec[]} codecs  the video codecs it has
 * @property {(run: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {() => number} now
 * @property {() => number} random
 */

const OPEN = 1; // WebSocket.OPEN, which a stand-in need not have
const FIRST_WAIT_MS = 200;
const LAST_WAIT_MS = 5_000;
const OPEN_MS = 10_000; // a socket that says nothing for so long after being asked for is given up
const STEADY_MS = 5_000; // a connection that lasted less did not help: the waits go on growing
const TOO_FAST_WAIT_MS = 15_000;
const PROBE_EVERY = 3; // failed attempts; a refused upgrade looks like a dead network to a page, so ask over HTTP

/**
 * @extends {Emitter<{
 *   welcome: Welcome,
 *   message: Exclude<ServerMessage, Welcome>,
 *   down: {attempt: number, wait_ms: number},
 *   over: Outcome,
 * }>}
 */
export class Signal extends Emitter {
  /** @type {WebSocket | null} */ #socket = null;
  /** @type {string | null} */ #resume = null;
  #welcomed = false;
  #open = false;
  #attempt = 0;
  #hold_ms = 0;
  #silence_ms = OPEN_MS;
  #heard = 0;
  #since = 0;
  /** @type {any} */ #retry = null;
  /** @type {any} */ #watch = null;

  /**
   * @param {string} url
   * @param {World} world
   * @param {() => Promise<Outcome | null>} probe  asks over HTTP whether the seat still stands; null: it does, or no answer
   */
  constructor(url, world, probe) {
    super();
    this.url = url;
    this.world = world;
    this.probe = probe;
  }

  /** Connect as a fresh session; a running one is let go. Whoever else holds the seat loses it. */
  open() {
    this.#drop();
    this.#open = true;
    this.#resume = null;
    this.#attempt = 0;
    this.#hold_ms = 0;
    this.#connect();
  }

  /**
   * @param {import('./messages.js').ClientMessage} message
   * @returns {boolean} false: there is no session now
   */
  send(message) {
    if (!this.#welcomed || this.#socket?.readyState !== OPEN) return false; // closing: whoever listens learns of it soon
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Something suggests that the network is back or the page awake: don't wait for timers that may have slept. */
  nudge() {
    if (!this.#open) return;
    if (this.#retry !== null) this.#connect();
    else if (this.world.now() - this.#heard > this.#silence_ms) this.#lost(this.#socket, 1006);
  }

  /** @param {Outcome} [outcome]  said as `over` */
  close(outcome) {
    this.#open = false;
    this.#drop();
    if (outcome) this.emit('over', outcome);
  }

  #drop() {
    this.world.clearTimeout(this.#retry);
    this.world.clearTimeout(this.#watch);
    this.#retry = null;
    this.#welcomed = false;
    const socket = this.#socket;
    this.#socket = null; // its late events are no longer ours
    socket?.close(1000);
  }

  #connect() {
    this.world.clearTimeout(this.#retry);
    this.#retry = null;
    const socket = new this.world.WebSocket(this.url);
    this.#socket = socket;
    this.#silence_ms = OPEN_MS;
    socket.onopen = () => {
      socket.send(JSON.stringify({ type: 'hello', protocol: PROTOCOL, capabilities: [], resume: this.#resume }));
    };
    socket.onmessage = (event) => this.#received(socket, event.data);
    socket.onclose = (event) => this.#lost(socket, event.code);
    this.#listen();
  }

  #listen() {
    this.#heard = this.world.now();
    this.world.clearTimeout(this.#watch);
    this.#watch = this.world.setTimeout(() => this.#lost(this.#socket, 1006), this.#silence_ms);
  }

  /**
   * @param {WebSocket} socket
   * @param {string} text
   */
  #received(socket, text) {
    if (socket !== this.#socket) return;
    const message = /** @type {ServerMessage} */ (JSON.parse(text));
    if (message.type === 'welcome') {
      this.#welcomed = true;
      this.#resume = message.resume;
      this.#silence_ms = message.heartbeat_s * 2500;
      this.#since = this.world.now();
    }
    this.#listen();
    if (message.type === 'welcome') this.emit('welcome', message);
    else if (message.type === 'ping') this.send({ type: 'pong' });
    else {
      if (message.type === 'restarting') this.#hold_ms = message.retry_s * 1000;
      this.emit('message', message);
    }
  }

  /**
   * @param {WebSocket | null} socket
   * @param {number} code
   */
  #lost(socket, code) {
    if (!this.#open || socket !== this.#socket || this.#retry !== null) return;
    const steady = this.#welcomed && this.world.now() - this.#since > STEADY_MS;
    this.#drop();
    const outcome = outcomeOf(code);
    if (outcome) {
      this.close(outcome);
      return;
    }
    if (steady) this.#attempt = 0;
    if (code === TOO_FAST) this.#hold_ms = TOO_FAST_WAIT_MS;
    const backoff_ms = Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#attempt);
    const wait_ms = Math.max(backoff_ms, this.#hold_ms) * (0.75 + this.world.random() / 2);
    this.#hold_ms = 0;
    this.#attempt += 1;
    this.#retry = this.world.setTimeout(() => this.#connect(), wait_ms);
    this.emit('down', { attempt: this.#attempt, wait_ms });
    if (this.#attempt % PROBE_EVERY === 0) void this.#ask();
  }

  async #ask() {
    const outcome = await this.probe();
    if (outcome && this.#open && !this.#welcomed) this.close(outcome);
  }
}
