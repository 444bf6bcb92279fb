/** A world for the network modules: virtual time, sockets and peer connections that keep the rules of the real ones. */

export class Clock {
  ms = 0;
  /** @type {{at: number, run: () => void}[]} */ #timers = [];

  setTimeout = (run, ms) => {
    const timer = { at: this.ms + ms, run };
    this.#timers.push(timer);
    return timer;
  };

  clearTimeout = (timer) => {
    this.#timers = this.#timers.filter((one) => one !== timer);
  };

  now = () => this.ms;

  /** Let time pass, firing what falls due in order, with everything asynchronous done in between. */
  async pass(ms) {
    const until = this.ms + ms;
    await settle();
    for (;;) {
      const [due] = this.#timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at);
      if (!due) break;
      this.clearTimeout(due);
      this.ms = due.at;
      due.run();
      await settle();
    }
    this.ms = until;
  }
}

/** Promises are chained a few deep; a macrotask comes after all of them. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

export class FakeSocket {
  /** @type {object[]} */ sent = [];
  readyState = 0;

  constructor(url) {
    this.url = url;
  }

  send(text) {
    if (this.readyState === 0) throw new DOMException('still connecting', 'InvalidStateError');
    if (this.readyState === 1) this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 2; // the close event comes later, from the network
  }

  // --- what the server and the network do ---

  open() {
    this.readyState = 1;
    this.onopen?.({});
  }

  say(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  drop(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ code });
  }

  /** The messages of one type, or all but `hello`. */
  of(type) {
    return this.sent.filter((message) => message.type === type);
  }
}

class FakeSender {
  track = null;
  codecs = [];

  constructor(encodings) {
    this.encodings = encodings ?? [{}];
  }

  async replaceTrack(track) {
    this.track = track;
  }

  getParameters() {
    return structuredClone({ encodings: this.encodings, codecs: this.codecs });
  }

  async setParameters(parameters) {
    const plain = FakePeer.choosesCodecs ? parameters.encodings : parameters.encodings.map(({ codec, ...rest }) => rest);
    this.encodings = structuredClone(plain);
  }
}

class FakeTransceiver {
  mid = null;

  constructor(kind, { direction, sendEncodings }) {
    this.kind = kind;
    this.direction = direction;
    this.sender = new FakeSender(sendEncodings);
    this.receiver = { track: { kind, id: `${kind}-${FakePeer.tracks++}` } };
  }

  setCodecPreferences(codecs) {
    this.preferred = codecs;
  }
}

/** Signalling states as in JSEP; the SDP is a JSON list of what a test wants to know of the offer. */
export class FakePeer {
  static tracks = 0;
  static choosesCodecs = true; // whether encodings have the `codec` member
  static codecs = ['VP8', 'VP9', 'H264', 'AV1'];

  signalingState = 'stable';
  connectionState = 'new';
  iceConnectionState = 'new';
  localDescription = null;
  remoteDescription = null;
  transceivers = [];
  generation = 1;
  stats = [];

  addTransceiver(kind, init) {
    const made = new FakeTransceiver(kind, init);
    this.transceivers.push(made);
    return made;
  }

  getTransceivers() {
    return this.transceivers;
  }

  async createOffer({ iceRestart = false } = {}) {
    if (iceRestart && this.remoteDescription) this.generation += 1;
    return { type: 'offer', sdp: JSON.stringify({ generation: this.generation, lines: this.transceivers.map((one) => `${one.kind} ${one.direction}`) }) };
  }

  async setLocalDescription(description) {
    this.#alive();
    if (description.type === 'rollback') {
      if (this.signalingState !== 'have-local-offer') throw new DOMException('nothing to roll back', 'InvalidStateError');
      this.signalingState = 'stable';
      return;
    }
    this.signalingState = 'have-local-offer';
    this.localDescription = description;
    this.transceivers.forEach((transceiver, n) => (transceiver.mid ??= String(n)));
  }

  async setRemoteDescription(description) {
    this.#alive();
    if (this.signalingState !== 'have-local-offer') throw new DOMException('no offer to answer', 'InvalidStateError');
    if (description.sdp === 'bad') throw new DOMException('bad SDP', 'OperationError');
    this.signalingState = 'stable';
    this.remoteDescription = description;
    for (const { kind, sender, preferred } of this.transceivers) {
      const order = preferred?.map((codec) => codec.mimeType) ?? FakePeer.codecs.map((name) => `video/${name}`);
      if (kind === 'video') sender.codecs = order.map((mimeType) => ({ mimeType, clockRate: 90_000 }));
    }
  }

  async getStats() {
    return new Map(this.stats.map((entry, n) => [String(n), entry]));
  }

  close() {
    this.signalingState = 'closed';
    this.connectionState = 'closed';
  }

  // --- what the network does ---

  reach(connectionState, iceConnectionState = connectionState) {
    this.connectionState = connectionState;
    this.iceConnectionState = iceConnectionState;
    this.onconnectionstatechange?.();
  }

  #alive() {
    if (this.signalingState === 'closed') throw new DOMException('closed', 'InvalidStateError');
  }
}

/** `random: 0.5` makes every wait exactly as long as the backoff says. */
export function fakeWorld({ random = 0.5 } = {}) {
  const clock = new Clock();
  const sockets = [];
  const peers = [];
  return {
    clock,
    sockets,
    peers,
    get socket() {
      return sockets.at(-1);
    },
    get peer() {
      return peers.at(-1);
    },
    WebSocket: class extends FakeSocket {
      constructor(url) {
        super(url);
        sockets.push(this);
      }
    },
    RTCPeerConnection: class extends FakePeer {
      constructor() {
        super();
        peers.push(this);
      }
    },
    codecs: () => FakePeer.codecs.map((name) => ({ mimeType: `video/${name}`, clockRate: 90_000 })),
    setTimeout: clock.setTimeout,
    clearTimeout: clock.clearTimeout,
    now: clock.now,
    random: () => random,
  };
}

export const person = (seat, more = {}) => ({
  type: 'participant',
  seat,
  role: 'patient',
  name: seat,
  phase: 'present',
  microphone: true,
  camera: true,
  screen: false,
  interrupted: false,
  network: 'unknown',
  ...more,
});

export const welcome = (more = {}) => ({
  type: 'welcome',
  protocol: 1,
  capabilities: [],
  visit: 'vis-1',
  state: 'live',
  seat: 'sea-1',
  resume: 'secret',
  resumed: false,
  heartbeat_s: 20,
  participants: [person('sea-1')],
  chat: [],
  slots: [],
  speakers: [],
  codec: 'VP8',
  ...more,
});
