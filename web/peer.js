/**
 * The one RTCPeerConnection. Only this side ever offers: at join, to restart ICE, for more slots, or for another codec.
 *
 * Lines stand in this order from the first offer on: microphone, camera, screen (send), then the slots (receive).
 * Devices come and go by `replaceTrack`, people by the server's `slots` message: neither needs an offer. The server is
 * ICE-lite and learns our addresses from our checks, so an offer leaves at once and candidates are never sent.
 */

import { Emitter } from './emitter.js';

/**
 * @typedef {import('./messages.js').Offer} Offer
 * @typedef {'microphone' | 'camera' | 'screen'} Line
 * @typedef {'connecting' | 'connected' | 'interrupted'} MediaState
 * @typedef {RTCRtpEncodingParameters & {codec?: RTCRtpCodec}} CodecEncoding
 */

const AUDIO_SLOTS = 3;
const VIDEO_SLOTS = 4; // one more than people: the last is for a screen
const MAX_PEOPLE = 8;
const BLOCKED_MS = 12_000; // answered, and still no path: UDP is probably blocked
const PATIENCE_MS = 2_000; // "disconnected" often heals by itself
const FIRST_RESTART_MS = 4_000;
const LAST_RESTART_MS = 15_000;

/**
 * Three sizes are offered so that a larger visit needs no offer; only the full one is sent. Without a stated maximum
 * Chromium stops at 0.9 Mbit/s for 640×360, and without a stated mode it turns VP9 and AV1 into one scalable stream
 * under the first rid.
 */
const CAMERA_ENCODINGS = [
  { rid: 'q', active: false, scaleResolutionDownBy: 4, maxBitrate: 150_000, scalabilityMode: 'L1T1' },
  { rid: 'h', active: false, scaleResolutionDownBy: 2, maxBitrate: 500_000, scalabilityMode: 'L1T1' },
  { rid: 'f', active: true, scaleResolutionDownBy: 1, maxBitrate: 1_700_000, scalabilityMode: 'L1T1' },
];
const SCREEN_ENCODINGS = [{ maxBitrate: 2_500_000 }];

/** @extends {Emitter<{state: MediaState, blocked: void, dead: void, slots: void}>} */
export class Peer extends Emitter {
  /** @type {MediaState} */ state = 'connecting';
  /** @type {Record<Line, RTCRtpTransceiver>} */ lines;
  #number = 0;
  /** @type {Offer | null} */ #outstanding = null;
  #offering = false;
  #again = false;
  #restart = false;
  #restarts = 0;
  #audioSlots = 0;
  #closed = false;
  /** @type {any} */ #timer = null;
  /** @type {any} */ #blocked = null;
  /** @type {Promise<void>} */ #turn = Promise.resolve();

  /**
   * @param {import('./signal.js').World} world
   * @param {(offer: Offer) => void} send  may lose it: `resend` is called when there is a session again
   */
  constructor(world, send) {
    super();
    this.world = world;
    this.send = send;
    this.pc = new world.RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.pc.onconnectionstatechange = () => this.#changed();
    this.lines = {
      microphone: this.pc.addTransceiver('audio', { direction: 'sendonly' }),
      camera: this.pc.addTransceiver('video', { direction: 'sendonly', sendEncodings: CAMERA_ENCODINGS }),
      screen: this.pc.addTransceiver('video', { direction: 'sendonly', sendEncodings: SCREEN_ENCODINGS }),
    };
    this.#addSlots(AUDIO_SLOTS, VIDEO_SLOTS);
  }

  /** Offer, once the tracks that are there already have been set. */
  start() {
    this.#negotiate();
  }

  /**
   * @param {Line} line
   * @param {MediaStreamTrack | null} track  null: nothing is sent on the line
   */
  setTrack(line, track) {
    return this.#inTurn(() => this.lines[line].sender.replaceTrack(track));
  }

  /** @param {string} mid */
  track(mid) {
    return this.pc.getTransceivers().find((transceiver) => transceiver.mid === mid)?.receiver.track ?? null;
  }

  /** @param {{number: number, sdp: string}} answer */
  answer({ number, sdp }) {
    return this.#inTurn(async () => {
      if (this.#outstanding?.number !== number) return; // answered already, before the socket dropped
      this.#outstanding = null;
      await this.pc.setRemoteDescription({ type: 'answer', sdp });
      if (this.state !== 'connected') this.#expectPath();
      if (this.#again) this.#negotiate();
    }, true);
  }

  /** The server could not use that offer and kept what was before. @param {number} number */
  refused(number) {
    return this.#inTurn(async () => {
      if (this.#outstanding?.number !== number) return;
      this.#outstanding = null;
      if (this.pc.remoteDescription === null) this.emit('dead', undefined);
      else {
        await this.pc.setLocalDescription({ type: 'rollback' });
        if (this.#again) this.#negotiate();
      }
    }, true);
  }

  /** The session was resumed: what was not answered is asked again under the same number. */
  resend() {
    if (this.#outstanding) this.send(this.#outstanding);
  }

  /** The network changed or went quiet: find a new path while the old one, if it lives, goes on. */
  restart() {
    if (this.#closed || this.pc.remoteDescription === null) return;
    this.world.clearTimeout(this.#timer);
    const wait_ms = Math.min(LAST_RESTART_MS, FIRST_RESTART_MS * 2 ** this.#restarts);
    this.#restarts += 1;
    this.#timer = this.world.setTimeout(() => {
      if (this.pc.connectionState === 'connected') this.#restarts = 0;
      else this.restart();
    }, wait_ms);
    this.#restart = true;
    this.#negotiate();
  }

  /** @param {number} people  to be shown at once */
  want(people) {
    const missing = Math.min(people, MAX_PEOPLE) - this.#audioSlots;
    if (missing <= 0) return;
    this.#addSlots(missing, missing);
    this.#negotiate();
  }

  /** Send video in `name` from now on; by `setParameters` where the browser can, else by a new offer. @param {string} name */
  setCodec(name) {
    return this.#inTurn(async () => {
      const changed = await Promise.all([this.lines.camera, this.lines.screen].map((line) => prefer(line, name, this.world.codecs())));
      if (changed.includes('offer')) this.#negotiate();
    });
  }

  close() {
    this.#closed = true;
    this.world.clearTimeout(this.#timer);
    this.world.clearTimeout(this.#blocked);
    this.pc.onconnectionstatechange = null;
    this.pc.close();
  }

  /**
   * @param {number} audio
   * @param {number} video
   */
  #addSlots(audio, video) {
    this.#audioSlots += audio;
    for (let n = 0; n < audio; n += 1) this.pc.addTransceiver('audio', { direction: 'recvonly' });
    for (let n = 0; n < video; n += 1) this.pc.addTransceiver('video', { direction: 'recvonly' });
  }

  /** One offer at a time: what comes up meanwhile goes into the next. */
  #negotiate() {
    if (this.#offering || this.#outstanding) {
      this.#again = true;
      return;
    }
    this.#offering = true;
    void this.#inTurn(async () => {
      this.#again = false;
      const iceRestart = this.#restart;
      this.#restart = false;
      await this.pc.setLocalDescription(await this.pc.createOffer({ iceRestart }));
      this.#number += 1;
      this.#outstanding = { type: 'offer', number: this.#number, sdp: this.pc.localDescription?.sdp ?? '' };
      this.#offering = false;
      this.send(this.#outstanding);
      if (this.#number === 1) this.emit('slots', undefined); // the lines have their mids now
    }, true);
  }

  /**
   * Changes to the connection one after the other; a failure that leaves it unusable says `dead`.
   * @param {() => Promise<void>} change
   * @param {boolean} [vital]
   */
  #inTurn(change, vital = false) {
    this.#turn = this.#turn.then(async () => {
      if (this.#closed) return;
      try {
        await change();
      } catch (error) {
        if (this.#closed) return;
        console.warn('media', error);
        if (vital) this.emit('dead', undefined);
      }
    });
    return this.#turn;
  }

  #changed() {
    const { connectionState, iceConnectionState } = this.pc;
    if (connectionState === 'connected') {
      this.world.clearTimeout(this.#timer);
      this.world.clearTimeout(this.#blocked);
      this.#blocked = null;
      this.#restarts = 0;
      this.#say('connected');
    } else if (connectionState === 'disconnected') {
      this.#say('interrupted');
      this.#expectPath();
      this.world.clearTimeout(this.#timer);
      this.#timer = this.world.setTimeout(() => this.restart(), PATIENCE_MS);
    } else if (connectionState === 'failed') {
      this.#say('interrupted');
      // ICE stands but DTLS is gone: no new path brings that back, only a fresh join
      if (iceConnectionState === 'connected' || iceConnectionState === 'completed') this.emit('dead', undefined);
      else this.restart();
    }
  }

  #expectPath() {
    this.#blocked ??= this.world.setTimeout(() => {
      this.emit('blocked', undefined);
      this.restart();
    }, BLOCKED_MS);
  }

  /** @param {MediaState} state */
  #say(state) {
    if (state === this.state) return;
    this.state = state;
    this.emit('state', state);
  }
}

/**
 * Make a line send in a codec, if the negotiated ones hold it and the browser can choose among them.
 * @param {RTCRtpTransceiver} line
 * @param {string} name
 * @param {RTCRtpCodec[]} known  what the browser has
 * @returns {Promise<'kept' | 'set' | 'offer'>}  'offer': preferences were changed and need a new offer to count
 */
async function prefer(line, name, known) {
  const matches = (/** @type {{mimeType: string} | undefined} */ codec) =>
    codec?.mimeType.toLowerCase() === `video/${name.toLowerCase()}`;
  const chosenIn = (/** @type {RTCRtpSendParameters} */ { encodings }) =>
    /** @type {CodecEncoding[]} */ (encodings).find((encoding) => encoding.codec)?.codec;
  const parameters = line.sender.getParameters();
  const chosen = chosenIn(parameters);
  if (matches(chosen ?? parameters.codecs?.[0])) return 'kept';
  const codec = parameters.codecs?.find(matches);
  if (codec) {
    for (const encoding of /** @type {CodecEncoding[]} */ (parameters.encodings)) encoding.codec = codec;
    try {
      await line.sender.setParameters(parameters);
    } catch {
      // a browser that knows the member but not this change: by offer then
    }
    if (matches(chosenIn(line.sender.getParameters()))) return 'set';
  }
  if (!known.some(matches)) return 'kept';
  line.setCodecPreferences([...known.filter(matches), ...known.filter((other) => !matches(other))]);
  return 'offer';
}
