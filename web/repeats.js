/**
 * A double click on a button that brings another view: the second click lands on whatever stands in that place now (the
 * camera, where "Join" was). It was meant for what stood there before, so it is to do nothing.
 */

const SOON_MS = 500;
const NEAR_PX = 24;

/** @typedef {{clientX: number, clientY: number, timeStamp: number}} Click  milliseconds, CSS pixels */

export class Repeats {
  /** @type {Click | null} */ #last = null;
  #changed = false;

  /** The view was replaced. */
  changed() {
    this.#changed = true;
  }

  /**
   * @param {Click} click
   * @returns {boolean}  whether it repeats a click that was answered with another view
   */
  stale(click) {
    const last = this.#last;
    const repeats =
      last !== null &&
      click.timeStamp - last.timeStamp < SOON_MS &&
      Math.hypot(click.clientX - last.clientX, click.clientY - last.clientY) < NEAR_PX;
    if (repeats && this.#changed) return true;
    this.#last = click;
    this.#changed = false;
    return false;
  }
}
