/** Keeps the screen on while wanted; the browser takes the lock away whenever the page is hidden, so it is asked for again. */

export class WakeLock {
  #wanted = false;
  /** @type {WakeLockSentinel | null} */ #lock = null;

  constructor() {
    document.addEventListener('visibilitychange', () => void this.#take());
  }

  /** @param {boolean} wanted */
  set(wanted) {
    this.#wanted = wanted;
    if (wanted) void this.#take();
    else {
      this.#lock?.release().catch(() => undefined);
      this.#lock = null;
    }
  }

  async #take() {
    if (!this.#wanted || document.hidden || !('wakeLock' in navigator) || this.#lock?.released === false) return;
    try {
      this.#lock = await navigator.wakeLock.request('screen');
    } catch {
      // battery saver or policy: the screen may go dark, the call goes on
    }
  }
}
