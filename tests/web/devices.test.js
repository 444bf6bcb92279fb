import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Devices, pictureWanted, reasonOf } from '../../web/devices.js';
import { settle } from './fakes.js';

class FakeTrack extends EventTarget {
  readyState = 'live';
  enabled = true;
  muted = false;

  constructor(kind, deviceId, label) {
    super();
    Object.assign(this, { kind, deviceId, label });
  }

  stop() {
    this.readyState = 'ended'; // by oneself: no event, as the specification has it
  }

  end() {
    this.readyState = 'ended';
    this.onended?.();
  }

  hold(muted) {
    this.muted = muted;
    (muted ? this.onmute : this.onunmute)?.();
  }

  getSettings() {
    return { deviceId: this.deviceId };
  }
}

/** A machine with devices that can be plugged, unplugged, forbidden and taken by other apps. */
class FakeMachine extends EventTarget {
  plugged = [
    { kind: 'audioinput', deviceId: 'mic-1', label: 'Built-in microphone' },
    { kind: 'audioinput', deviceId: 'mic-2', label: 'Headset' },
    { kind: 'videoinput', deviceId: 'cam-1', label: 'Front camera' },
    { kind: 'videoinput', deviceId: 'cam-2', label: 'Back camera' },
    { kind: 'audiooutput', deviceId: 'out-1', label: 'Headset' },
  ];
  heedsWishes = true; // false: a device that is merely preferred loses against one of a better size
  fails = new Map(); // kind → name of the error
  asked = [];
  tracks = [];

  async getUserMedia({ audio, video }) {
    this.asked.push([audio && 'audio', video && 'video'].filter(Boolean).join('+'));
    const wanted = [audio && ['audioinput', audio], video && ['videoinput', video]].filter(Boolean);
    const found = wanted.map(([kind, { deviceId }]) => {
      const fits = this.plugged.filter((one) => one.kind === kind);
      if (!fits.length) throw new DOMException('', 'NotFoundError');
      if (this.fails.has(kind)) throw new DOMException('', this.fails.get(kind));
      const exactly = fits.find((one) => one.deviceId === deviceId?.exact);
      if (deviceId?.exact && !exactly) throw new DOMException('', 'OverconstrainedError');
      return exactly ?? fits.find((one) => this.heedsWishes && one.deviceId === deviceId?.ideal) ?? fits[0];
    });
    const made = found.map(({ kind, deviceId, label }) => new FakeTrack(kind === 'audioinput' ? 'audio' : 'video', deviceId, label));
    this.tracks.push(...made);
    return { getAudioTracks: () => made.filter(({ kind }) => kind === 'audio'), getVideoTracks: () => made.filter(({ kind }) => kind === 'video') };
  }

  async getDisplayMedia() {
    if (this.fails.has('screen')) throw new DOMException('', this.fails.get('screen'));
    const track = new FakeTrack('video', 'screen', 'Screen');
    return { getVideoTracks: () => [track] };
  }

  async enumerateDevices() {
    return this.plugged;
  }

  unplug(deviceId) {
    this.plugged = this.plugged.filter((one) => one.deviceId !== deviceId);
    for (const track of this.tracks) if (track.deviceId === deviceId && track.readyState === 'live') track.end();
    this.dispatchEvent(new Event('devicechange'));
  }

  plug(device) {
    this.plugged.push(device);
    this.dispatchEvent(new Event('devicechange'));
  }
}

function made(prepare = () => undefined) {
  const machine = new FakeMachine();
  prepare(machine);
  const devices = new Devices({}, machine);
  const lost = [];
  devices.on('lost', (what) => lost.push(what));
  return { machine, devices, lost };
}

async function open(prepare) {
  const all = made(prepare);
  await all.devices.open();
  return all;
}

for (const [search, width, height, rate] of [
  ['', 1280, 720, 30],
  ['?video=320x180x15', 320, 180, 15],
  ['?video=huge', 1280, 720, 30],
  ['?video=99999x1x1', 1280, 720, 30],
]) {
  test(`the page's address ${search || 'alone'} asks for ${width}×${height} at ${rate}`, () => {
    const wanted = pictureWanted(search);
    assert.deepEqual([wanted.width.ideal, wanted.height.ideal, wanted.frameRate.max], [width, height, rate]);
  });
}

for (const [name, reason] of [
  ['NotAllowedError', 'denied'],
  ['NotFoundError', 'none'],
  ['NotReadableError', 'busy'],
  ['AbortError', 'busy'],
  ['OverconstrainedError', 'unfit'],
  ['SecurityError', 'insecure'],
  ['DataError', 'unknown'],
]) {
  test(`${name} means ${reason}`, () => assert.equal(reasonOf(new DOMException('', name)), reason));
}

test('both are asked for in one question', async () => {
  const { machine, devices } = await open();
  assert.deepEqual([machine.asked, devices.problems.size], [['audio+video'], 0]);
});

for (const [kind, name, problems, works] of [
  ['videoinput', 'NotReadableError', [['camera', 'busy']], 'microphone'],
  ['audioinput', 'NotReadableError', [['microphone', 'busy']], 'camera'],
  ['videoinput', 'NotAllowedError', [['camera', 'denied']], 'microphone'],
]) {
  test(`${kind} ${name}: the other one works all the same`, async () => {
    const { devices } = await open((machine) => machine.fails.set(kind, name));
    assert.deepEqual([[...devices.problems], devices.tracks[works]?.readyState], [problems, 'live']);
  });
}

test('no camera at all: sound works, and the camera is found when it is plugged in', async () => {
  const { machine, devices } = await open((one) => (one.plugged = one.plugged.filter(({ kind }) => kind !== 'videoinput')));
  assert.deepEqual([[...devices.problems], devices.tracks.microphone?.readyState], [[['camera', 'none']], 'live']);
  machine.plug({ kind: 'videoinput', deviceId: 'cam-9', label: 'New camera' });
  await settle();
  assert.deepEqual([devices.tracks.camera?.label, devices.problems.size], ['New camera', 0]);
});

test('an insecure page has no devices, and says why', async () => {
  const devices = new Devices({}, undefined);
  await devices.open();
  assert.deepEqual([...devices.problems], [['microphone', 'insecure'], ['camera', 'insecure']]);
});

test('camera off stops the track, on is a new one', async () => {
  const { devices } = await open();
  const first = devices.tracks.camera;
  await devices.set('camera', false);
  assert.deepEqual([first.readyState, devices.sending('camera')], ['ended', null]);
  await devices.set('camera', true);
  assert.notEqual(devices.tracks.camera, first);
  assert.equal(devices.sending('camera')?.readyState, 'live');
});

test('a muted microphone stays open and sends nothing', async () => {
  const { machine, devices } = await open();
  await devices.set('microphone', false);
  assert.deepEqual([devices.tracks.microphone.readyState, devices.tracks.microphone.enabled, devices.sending('microphone')], ['live', false, null]);
  await devices.set('microphone', true);
  assert.deepEqual([devices.sending('microphone').enabled, machine.asked.length], [true, 1]);
});

test('a camera switched off while the browser still asks does not light up', async () => {
  const { machine, devices } = made();
  const { getUserMedia } = machine;
  machine.getUserMedia = async (wanted) => {
    await devices.set('camera', false);
    return getUserMedia.call(machine, wanted);
  };
  await devices.open();
  assert.deepEqual([devices.tracks.camera, machine.tracks[1].readyState], [null, 'ended']);
});

test('another camera: the old one is let go first, the choice kept', async () => {
  const { devices } = await open();
  const first = devices.tracks.camera;
  await devices.choose('camera', 'cam-2');
  assert.deepEqual([first.readyState, devices.tracks.camera.label, devices.chosen.camera], ['ended', 'Back camera', 'cam-2']);
});

test('a chosen camera is used though another one comes closer to the size asked for, also after a reload', async () => {
  const { devices } = await open((machine) => (machine.heedsWishes = false));
  await devices.choose('camera', 'cam-2');
  const reloaded = made((machine) => (machine.heedsWishes = false)).devices;
  reloaded.chosen.camera = 'cam-2';
  await reloaded.open();
  assert.deepEqual([devices.tracks.camera.label, reloaded.tracks.camera.label], ['Back camera', 'Back camera']);
});

test('a camera remembered that is not there any more: another one, without a word', async () => {
  const { devices } = made();
  devices.chosen.camera = 'cam-9';
  await devices.open();
  assert.deepEqual([devices.tracks.camera.label, devices.problems.size], ['Front camera', 0]);
});

test('an unplugged headset: the other microphone takes over, and it is said', async () => {
  const { machine, devices, lost } = await open();
  await devices.choose('microphone', 'mic-2');
  machine.unplug('mic-2');
  await settle();
  assert.deepEqual([devices.tracks.microphone.label, lost], ['Built-in microphone', [{ device: 'microphone', replacement: 'Built-in microphone' }]]);
});

test('the last camera unplugged: it is said, and sound goes on', async () => {
  const { machine, devices, lost } = await open((one) => (one.plugged = one.plugged.filter(({ deviceId }) => deviceId !== 'cam-2')));
  machine.unplug('cam-1');
  await settle();
  assert.deepEqual([lost, [...devices.problems], devices.sending('microphone')?.readyState], [[{ device: 'camera', replacement: null }], [['camera', 'none']], 'live']);
});

test('the chosen speaker unplugged: back to the standard one, and it is said', async () => {
  const { machine, devices, lost } = await open();
  await devices.choose('speaker', 'out-1');
  machine.unplug('out-1');
  await settle();
  assert.deepEqual([devices.chosen.speaker, lost], ['', [{ device: 'speaker', replacement: null }]]);
});

test('a phone call holds the microphone back, and gives it back', async () => {
  const { devices } = await open();
  devices.tracks.microphone.hold(true);
  assert.equal(devices.interrupted, true);
  devices.tracks.microphone.hold(false);
  assert.equal(devices.interrupted, false);
});

test('a track that ended without a word while the page was hidden is opened again', async () => {
  const { devices } = await open();
  devices.tracks.camera.readyState = 'ended';
  devices.revive();
  await settle();
  assert.equal(devices.tracks.camera.readyState, 'live');
});

test("the browser's own stop sharing is heard", async () => {
  const { devices } = await open();
  assert.equal(await devices.share(), null);
  const { screen } = devices;
  screen.end();
  assert.equal(devices.screen, null);
});

test('a share that is not allowed says so and changes nothing', async () => {
  const { devices } = await open((machine) => machine.fails.set('screen', 'NotAllowedError'));
  assert.deepEqual([await devices.share(), devices.screen], ['denied', null]);
});

test('a visit left while the browser still asks for the screen shares nothing', async () => {
  const { devices } = await open();
  const asked = devices.share();
  devices.release();
  assert.deepEqual([await asked, devices.screen], [null, null]);
});

test('released, every light is out, until it is opened again', async () => {
  const { machine, devices } = await open();
  await devices.share();
  devices.release();
  assert.deepEqual([machine.tracks.map(({ readyState }) => readyState), devices.screen], [['ended', 'ended'], null]);
  await devices.open();
  assert.equal(devices.sending('camera').readyState, 'live');
});
