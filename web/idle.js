/**
 * When a session ends because nobody uses it, and a minute's notice of it. All tabs of a browser share one session, so
 * they tell each other of its use, and of its end.
 */

const NOTICE_MS = 60_000;
const EARLY_MS = 60_000; // the server notes use once a minute, so a session may end so much early
const ACTIVE_MS = 60_000; // who typed or clicked this lately is there, though nothing was sent

/**
 * @typedef {object} World
 * @property {() => number} now  ms
 * @property {(run: () => void, ms: number) => unknown} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {{postMessage: (message: any) => void, onmessage: ((event: MessageEvent) => any) | null}} tabs
 *
 * @typedef {object} Told
 * @property {(seconds: number) => void} warn  it ends in so many seconds
 * @property {() => void} relieve  it does not
 * @property {() => void} renew  use it: somebody is there
 * @property {() => void} over
 * @property {() => void} left  another tab signed out
 */

export class Idle {
  #used = 0;
  #acted = -Infinity;
  /** @type {unknown} */ #timer = null;
  #warned = false;

  /** @param {number} idle_ms  by the server's limits @param {Told} told @param {World} world */
  constructor(idle_ms, told, world) {
    this.idle_ms = idle_ms;
    this.told = told;
    this.world = world;
    this.#used = world.now();
    world.tabs.onmessage = ({ data }) => this.#hear(data);
    this.#wait();
  }

  /** The server answered somebody of this session. */
  used() {
    this.#renewed();
    this.world.tabs.postMessage({ used: true });
  }

  /** A key, a pointer: somebody is there. */
  acted() {
    this.#acted = this.world.now();
  }

  signedOut() {
    this.world.tabs.postMessage({ left: true });
    this.stop();
  }

  stop() {
    this.world.clearTimeout(this.#timer);
    this.world.tabs.onmessage = null;
  }

  /** @param {{used?: boolean, left?: boolean}} message */
  #hear(message) {
    if (message.used) this.#renewed();
    if (!message.left) return;
    this.stop();
    this.told.left();
  }

  #renewed() {
    this.#used = this.world.now();
    if (this.#warned) this.told.relieve();
    this.#warned = false;
    this.#wait();
  }

  get #end() {
    return this.#used + this.idle_ms - EARLY_MS;
  }

  #wait() {
    const at = this.#warned ? this.#end : this.#end - NOTICE_MS;
    this.world.clearTimeout(this.#timer);
    this.#timer = this.world.setTimeout(() => this.#due(), Math.max(0, at - this.world.now()));
  }

  #due() {
    const now = this.world.now(); // a machine that slept wakes late
    if (now >= this.#end) {
      this.stop();
      return this.told.over();
    }
    if (now - this.#acted < ACTIVE_MS) {
      this.told.renew(); // its answer comes back as `used`; should it not, this is asked again
      this.#timer = this.world.setTimeout(() => this.#due(), EARLY_MS / 4);
      return;
    }
    this.#warned = true;
    this.told.warn(Math.ceil((this.#end - now) / 1000));
    this.#wait();
  }
}
