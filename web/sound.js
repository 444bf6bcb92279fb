/**
 * The sound of the others: one audio element per seat, because echo cancellation knows what elements play.
 * A browser that holds sound back until a touch says so through `blocked`; `unblock` in that touch's handler starts all.
 */

import { Emitter } from './emitter.js';

/** @extends {Emitter<{blocked: boolean}>} */
export class Sound extends Emitter {
  /** @type {Map<string, HTMLAudioElement>} */ #elements = new Map();
  #blocked = false;
  #speakerId = '';

  /** @param {HTMLElement} container  where the elements live; they show nothing */
  constructor(container) {
    super();
    this.container = container;
  }

  /**
   * @param {string} seat
   * @param {MediaStreamTrack | null} track
   */
  set(seat, track) {
    const element = this.#elements.get(seat);
    if (!track) {
      if (element) element.srcObject = null;
      element?.remove();
      this.#elements.delete(seat);
      return;
    }
    const current = element?.srcObject instanceof MediaStream ? element.srcObject.getTracks()[0] : null;
    if (current === track) return;
    const player = element ?? new Audio();
    player.srcObject = new MediaStream([track]);
    player.autoplay = true;
    player.dataset.seat = seat;
    player.dataset.test = 'audio';
    this.#elements.set(seat, player);
    if (!element) {
      this.container.append(player);
      void this.#route(player);
    }
    void this.#play(player);
  }

  /** @param {Set<string>} seats  everyone else falls silent */
  keep(seats) {
    for (const seat of [...this.#elements.keys()]) if (!seats.has(seat)) this.set(seat, null);
  }

  /** @param {string} speakerId  empty: the standard one */
  choose(speakerId) {
    if (speakerId === this.#speakerId) return;
    this.#speakerId = speakerId;
    for (const player of this.#elements.values()) void this.#route(player);
  }

  /** Start whatever stands still: after a touch, or when the page is seen again. */
  unblock() {
    this.#say(false);
    for (const player of this.#elements.values()) if (player.paused) void this.#play(player);
  }

  close() {
    this.keep(new Set());
    this.#say(false);
  }

  /** @param {HTMLAudioElement} player */
  async #play(player) {
    try {
      await player.play();
    } catch (error) {
      if (error instanceof DOMException && error.name === 'NotAllowedError') this.#say(true);
    }
  }

  /** @param {HTMLAudioElement} player */
  async #route(player) {
    if (!('setSinkId' in player)) return;
    await player.setSinkId(this.#speakerId).catch(() => undefined); // gone meanwhile: the standard one goes on
  }

  /** @param {boolean} blocked */
  #say(blocked) {
    if (blocked === this.#blocked) return;
    this.#blocked = blocked;
    this.emit('blocked', blocked);
  }
}
