/**
 * What a tab remembers of a seat across a reload: in the visit or not, what was on, which devices.
 * In sessionStorage under the seat's id, so two seats in two tabs of one browser stay apart.
 *
 * @typedef {object} Remembered
 * @property {boolean} joined
 * @property {boolean} microphone  wanted on
 * @property {boolean} camera  wanted on
 * @property {string} microphoneId  empty: the standard one
 * @property {string} cameraId
 * @property {string} speakerId
 */

/** @type {Remembered} */
const FRESH = { joined: false, microphone: true, camera: true, microphoneId: '', cameraId: '', speakerId: '' };

export class Memory {
  #key;

  /**
   * @param {string} seat
   * @param {Storage} storage
   */
  constructor(seat, storage) {
    this.#key = `seat:${seat}`;
    this.storage = storage;
    /** @type {Remembered} */ this.kept = { ...FRESH };
    try {
      Object.assign(this.kept, JSON.parse(storage.getItem(this.#key) ?? '{}'));
    } catch {
      // storage refused or spoilt: begin afresh
    }
  }

  /** @param {Partial<Remembered>} change */
  keep(change) {
    Object.assign(this.kept, change);
    try {
      this.storage.setItem(this.#key, JSON.stringify(this.kept));
    } catch {
      // without storage a reload asks again; nothing else is lost
    }
  }
}
