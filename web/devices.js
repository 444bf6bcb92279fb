/**
 * Camera, microphone, speaker and screen of this device: opened, chosen, switched off and on, lost and replaced.
 *
 * A camera that is off is stopped, so its light goes out; on again is a new track. A muted microphone stays open (to say
 * "you are muted" and to be back without a wait), but nothing of it is sent. Every failure is kept by device as a reason
 * that `texts.problems` has a sentence for; one device's failure never takes the other along.
 *
 * For tests and slow machines the page's address may ask for another picture: `?video=WIDTHxHEIGHTxFRAMES`.
 */

import { Emitter } from './emitter.js';

/**
 * @typedef {'microphone' | 'camera'} Input
 * @typedef {Input | 'speaker'} Device
 * @typedef {'denied' | 'none' | 'busy' | 'unfit' | 'insecure' | 'unknown'} Reason
 * @typedef {{device: Device, replacement: string | null}} Lost  the label of what took its place
 */

const KINDS = /** @type {const} */ ({ microphone: 'audioinput', camera: 'videoinput', speaker: 'audiooutput' });
const INPUTS = /** @type {const} */ (['microphone', 'camera']);
const SOUND = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/**
 * @param {string} search  of the page's address
 * @returns {MediaTrackConstraints}
 */
export function pictureWanted(search) {
  const asked = /^(\d{2,4})x(\d{2,4})x(\d{1,2})$/.exec(new URLSearchParams(search).get('video') ?? '');
  const [width, height, frameRate] = asked ? asked.slice(1).map(Number) : [1280, 720, 30];
  return { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: frameRate, max: frameRate } };
}

/**
 * @param {unknown} error  of getUserMedia or getDisplayMedia
 * @returns {Reason}
 */
export function reasonOf(error) {
  switch (error instanceof Error ? error.name : '') {
    case 'NotAllowedError':
    case 'PermissionDeniedError':
      return 'denied';
    case 'NotFoundError':
    case 'DevicesNotFoundError':
      return 'none';
    case 'NotReadableError':
    case 'TrackStartError':
    case 'AbortError':
      return 'busy';
    case 'OverconstrainedError':
      return 'unfit';
    case 'SecurityError':
    case 'TypeError':
      return 'insecure';
    default:
      return 'unknown';
  }
}

/** `changed`: a track, a wish, a problem or the list is different; `lost`: a device went away in use. @extends {Emitter<{changed: void, lost: Lost}>} */
export class Devices extends Emitter {
  /** @type {Record<Input, MediaStreamTrack | null>} */ tracks = { microphone: null, camera: null };
  /** @type {MediaStreamTrack | null} */ screen = null;
  /** @type {Record<Input, boolean>} wanted on */ wants = { microphone: true, camera: true };
  /** @type {Map<Input, Reason>} */ problems = new Map();
  /** @type {Record<Device, string>} device ids; empty: the standard one */ chosen = { microphone: '', camera: '', speaker: '' };
  /** @type {Record<Device, MediaDeviceInfo[]>} */ known = { microphone: [], camera: [], speaker: [] };
  /** The browser is asking the person for permission now. */
  asking = false;
  /** @type {Promise<unknown>} */ #turn = Promise.resolve();
  #released = false;

  /**
   * @param {MediaTrackConstraints} picture
   * @param {MediaDevices | undefined} media  undefined on insecure pages
   */
  constructor(picture, media) {
    super();
    this.picture = picture;
    this.media = media;
    media?.addEventListener('devicechange', this.#listChanged);
  }

  /** What may be sent now. @param {Input | 'screen'} line */
  sending(line) {
    if (line === 'screen') return this.screen;
    return this.wants[line] ? this.tracks[line] : null;
  }

  /** A phone call, another app or the system holds a device back that is on. */
  get interrupted() {
    return INPUTS.some((input) => this.sending(input)?.muted ?? false);
  }

  /** Open what is wanted and not open yet, in one question to the person where possible. */
  open() {
    this.#released = false;
    return this.#inTurn(async () => {
      const inputs = INPUTS.filter((input) => this.wants[input] && !this.tracks[input]);
      if (inputs.some((input) => this.chosen[input])) await this.#list();
      if (inputs.length) await this.#openAll(inputs);
      await this.#list();
    });
  }

  /**
   * @param {Input} input
   * @param {boolean} on
   */
  set(input, on) {
    this.wants[input] = on;
    const track = this.tracks[input];
    if (input === 'camera' && !on) this.#stop('camera');
    else if (track) track.enabled = on;
    this.emit('changed', undefined);
    return on && !track ? this.open() : Promise.resolve();
  }

  /**
   * @param {Device} device
   * @param {string} id
   */
  choose(device, id) {
    return this.#inTurn(async () => {
      const before = this.chosen[device];
      this.chosen[device] = id;
      if (device === 'speaker' || !this.wants[device]) return;
      this.#stop(device); // first: phones cannot have two cameras open
      await this.#openAll([device]);
      const reason = this.problems.get(device);
      if (!reason || reason === 'denied' || before === id) return;
      this.chosen[device] = before;
      await this.#openAll([device]);
      if (!this.problems.has(device)) this.problems.set(device, reason); // the old one is back, and why is said
    });
  }

  /** @returns {Promise<Reason | null>} why not */
  async share() {
    if (!this.media?.getDisplayMedia) return 'unknown';
    try {
      const stream = await this.media.getDisplayMedia({ video: { frameRate: { ideal: 15, max: 30 } }, audio: false });
      const [track] = stream.getVideoTracks();
      if (this.#released) {
        track.stop(); // the visit was left while the browser was asking
        return null;
      }
      this.unshare();
      track.contentHint = 'detail';
      track.onended = () => this.unshare(); // the browser's own "stop sharing"
      this.screen = track;
      this.emit('changed', undefined);
      return null;
    } catch (error) {
      return reasonOf(error) === 'denied' ? 'denied' : 'unknown';
    }
  }

  unshare() {
    if (!this.screen) return;
    this.screen.onended = null;
    this.screen.stop();
    this.screen = null;
    this.emit('changed', undefined);
  }

  /** The page is seen again: phones end tracks of hidden pages without a word. */
  revive() {
    for (const input of INPUTS) if (this.tracks[input]?.readyState === 'ended') void this.#ended(input, this.tracks[input]);
  }

  /** Let everything go (all lights out) until `open`. */
  release() {
    this.#released = true;
    this.unshare();
    for (const input of INPUTS) this.#stop(input);
  }

  /** Everything that opens or stops a device waits for what was begun before. @param {() => Promise<void>} change */
  #inTurn(change) {
    const turn = this.#turn.then(async () => {
      if (this.#released) return;
      await change();
      this.emit('changed', undefined);
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** @param {readonly Input[]} inputs */
  async #openAll(inputs) {
    for (const input of inputs) this.problems.delete(input);
    try {
      await this.#ask(inputs);
    } catch (error) {
      const reason = reasonOf(error);
      if (inputs.length === 1) this.problems.set(inputs[0], reason);
      else for (const input of INPUTS) await this.#openAlone(input, reason);
    }
  }

  /**
   * After a failure for both: each for itself, without a second question where the answer is known.
   * @param {Input} input
   * @param {Reason} reason
   */
  async #openAlone(input, reason) {
    const permission = await this.#permission(input);
    const pointless = reason === 'insecure' || permission === 'denied';
    const wouldNag = reason === 'denied' && input === 'camera' && permission !== 'granted';
    if (pointless || wouldNag) this.problems.set(input, reason);
    else await this.#openAll([input]);
  }

  /** @param {readonly Input[]} inputs */
  async #ask(inputs) {
    if (!this.media) throw new TypeError('no devices on an insecure page');
    const want = (/** @type {Input} */ input, /** @type {MediaTrackConstraints} */ constraints) => {
      if (!inputs.includes(input)) return false;
      const id = this.chosen[input];
      if (!id) return constraints;
      // as a mere preference, a chosen camera would lose against one that comes closer to the size and rate asked for
      const there = this.known[input].some((info) => info.deviceId === id);
      return { ...constraints, deviceId: there ? { exact: id } : { ideal: id } };
    };
    this.asking = true;
    this.emit('changed', undefined);
    try {
      const stream = await this.media.getUserMedia({ audio: want('microphone', SOUND), video: want('camera', this.picture) });
      const [microphone, camera] = [stream.getAudioTracks()[0], stream.getVideoTracks()[0]];
      if (microphone) this.#adopt('microphone', microphone);
      if (camera) this.#adopt('camera', camera);
    } finally {
      this.asking = false;
    }
  }

  /**
   * @param {Input} input
   * @param {MediaStreamTrack} track
   */
  #adopt(input, track) {
    if (this.#released || !(this.wants[input] || input === 'microphone')) {
      track.stop(); // switched off while the browser was asking
      return;
    }
    this.tracks[input] = track;
    track.enabled = this.wants[input];
    if (input === 'camera') track.contentHint = 'motion';
    track.onended = () => void this.#ended(input, track);
    track.onmute = track.onunmute = () => this.emit('changed', undefined);
  }

  /** @param {Input} input */
  #stop(input) {
    const track = this.tracks[input];
    if (!track) return;
    track.onended = track.onmute = track.onunmute = null;
    track.stop();
    this.tracks[input] = null;
  }

  /**
   * Unplugged, or permission withdrawn: whatever else there is takes over.
   * @param {Input} input
   * @param {MediaStreamTrack | null} track
   */
  #ended(input, track) {
    return this.#inTurn(async () => {
      if (this.tracks[input] !== track) return;
      this.#stop(input);
      this.chosen[input] = '';
      await this.#openAll([input]);
      await this.#list();
      if (this.problems.get(input) !== 'denied') this.emit('lost', { device: input, replacement: this.tracks[input]?.label ?? null });
    });
  }

  #listChanged = () => {
    void this.#inTurn(async () => {
      await this.#list();
      const { speaker } = this.chosen;
      if (speaker && !this.known.speaker.some((info) => info.deviceId === speaker)) {
        this.chosen.speaker = '';
        this.emit('lost', { device: 'speaker', replacement: null });
      }
      const found = INPUTS.filter((input) => this.wants[input] && this.problems.get(input) === 'none' && this.known[input].length);
      for (const input of found) await this.#openAll([input]);
    });
  };

  async #list() {
    const infos = (await this.media?.enumerateDevices().catch(() => [])) ?? [];
    for (const device of /** @type {Device[]} */ (Object.keys(KINDS))) {
      this.known[device] = infos.filter((info) => info.kind === KINDS[device] && info.deviceId !== '');
    }
  }

  /** @param {Input} input */
  async #permission(input) {
    try {
      return (await navigator.permissions.query({ name: /** @type {PermissionName} */ (input) })).state;
    } catch {
      return 'unknown'; // the browser doesn't tell
    }
  }
}
