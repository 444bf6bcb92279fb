import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Peer } from '../../web/peer.js';
import { FakePeer, fakeWorld, settle } from './fakes.js';

async function started() {
  const world = fakeWorld();
  const offers = [];
  const events = [];
  const peer = new Peer(world, (offer) => offers.push(offer));
  for (const name of ['state', 'blocked', 'dead', 'slots']) peer.on(name, (detail) => events.push(detail ? `${name} ${detail}` : name));
  peer.start();
  await settle();
  return { world, peer, pc: peer.pc, offers, events, lines: (n) => JSON.parse(offers[n].sdp).lines, generation: (n) => JSON.parse(offers[n].sdp).generation };
}

const answerTo = (peer, offers) => peer.answer({ number: offers.at(-1).number, sdp: 'answer' });

async function connected() {
  const made = await started();
  await answerTo(made.peer, made.offers);
  made.pc.reach('connected');
  made.events.length = 0;
  return made;
}

test('the first offer holds microphone, camera, screen and the slots, in this order', async () => {
  const { lines } = await started();
  assert.deepEqual(lines(0), [
    'audio sendonly',
    'video sendonly',
    'video sendonly',
    ...Array(3).fill('audio recvonly'),
    ...Array(4).fill('video recvonly'),
  ]);
});

test('the camera is offered in three sizes, only the full one active', async () => {
  const { peer } = await started();
  const { encodings } = peer.lines.camera.sender.getParameters();
  assert.deepEqual(encodings.map(({ rid, active }) => [rid, active]), [['q', false], ['h', false], ['f', true]]);
  assert.ok(encodings[2].maxBitrate > 1_000_000);
});

test('tracks come and go without an offer', async () => {
  const { peer, offers } = await connected();
  const track = { kind: 'video' };
  await peer.setTrack('camera', track);
  assert.equal(peer.lines.camera.sender.track, track);
  await peer.setTrack('camera', null);
  assert.deepEqual([peer.lines.camera.sender.track, offers.length], [null, 1]);
});

test('an offer that was not answered is sent again under its number; an answered one is not', async () => {
  const { peer, offers } = await started();
  peer.resend();
  assert.deepEqual(offers.map(({ number }) => number), [1, 1]);
  await answerTo(peer, offers);
  peer.resend();
  assert.equal(offers.length, 2);
});

test('an answer that comes twice is used once', async () => {
  const { peer, offers, events } = await started();
  await answerTo(peer, offers);
  await answerTo(peer, offers);
  assert.deepEqual(events, ['slots']);
});

test('a lost path is restarted after a moment of patience', async () => {
  const { world, pc, offers, generation, events } = await connected();
  pc.reach('disconnected');
  await world.clock.pass(1_999);
  assert.equal(offers.length, 1);
  await world.clock.pass(1);
  assert.deepEqual([offers.length, generation(1), events], [2, 2, ['state interrupted']]);
});

test('a path that heals by itself is left alone', async () => {
  const { world, pc, offers, events } = await connected();
  pc.reach('disconnected');
  await world.clock.pass(1_000);
  pc.reach('connected');
  await world.clock.pass(60_000);
  assert.deepEqual([offers.length, events], [1, ['state interrupted', 'state connected']]);
});

test('a failed path is restarted at once, then ever more rarely, without end', async () => {
  const { world, peer, pc, offers } = await connected();
  const at = [];
  pc.reach('failed');
  for (let second = 0; second < 60; second += 1) {
    const before = offers.length;
    await world.clock.pass(second ? 1_000 : 0);
    if (offers.length > before) at.push(second);
    await answerTo(peer, offers);
  }
  assert.deepEqual(at.slice(0, 2), [0, 4]);
  assert.ok(at.length >= 5 && at.every((second, n) => n === 0 || second - at[n - 1] <= 15), String(at));
});

test('a change of network restarts although the old path still stands, once', async () => {
  const { world, peer, offers, generation } = await connected();
  peer.restart();
  await settle();
  await answerTo(peer, offers);
  await world.clock.pass(60_000);
  assert.deepEqual([offers.length, generation(1)], [2, 2]);
});

test('no restart before the first answer', async () => {
  const { world, peer, offers } = await started();
  peer.restart();
  await world.clock.pass(60_000);
  assert.equal(offers.length, 1);
});

test('a restart wanted while an offer is out goes into the next', async () => {
  const { peer, offers, generation } = await connected();
  peer.want(4);
  await settle();
  peer.restart();
  await settle();
  assert.equal(offers.length, 2);
  await answerTo(peer, offers);
  await settle();
  assert.deepEqual([offers.length, offers[2].number, generation(2)], [3, 3, 2]);
});

test('failed DTLS over a standing path is dead: no restart brings that back', async () => {
  const { pc, events, offers } = await connected();
  pc.reach('failed', 'connected');
  await settle();
  assert.deepEqual([events, offers.length], [['state interrupted', 'dead'], 1]);
});

test('without a path for twelve seconds after the answer it says blocked, and goes on trying', async () => {
  const { world, peer, offers, events } = await started();
  await answerTo(peer, offers);
  await world.clock.pass(11_999);
  assert.deepEqual(events, ['slots']);
  await world.clock.pass(1);
  assert.deepEqual([events, offers.length], [['slots', 'blocked'], 2]);
});

test('a path in time says nothing of that', async () => {
  const { world, pc, events } = await connected();
  pc.reach('connected');
  await world.clock.pass(60_000);
  assert.deepEqual(events, []);
});

for (const [wanted, added] of [
  [1, 0],
  [3, 0],
  [4, 1],
  [7, 4],
  [500, 5],
]) {
  test(`to show ${wanted} people, ${added} pairs of slots are added`, async () => {
    const { peer, offers, lines } = await connected();
    peer.want(wanted);
    await settle();
    const extra = added ? lines(1).slice(10) : [];
    assert.deepEqual([offers.length, extra], [
      added ? 2 : 1,
      [...Array(added).fill('audio recvonly'), ...Array(added).fill('video recvonly')],
    ]);
  });
}

test('slots are added once, however often they are wanted', async () => {
  const { peer, offers } = await connected();
  peer.want(4);
  await settle();
  await answerTo(peer, offers);
  peer.want(4);
  await settle();
  assert.equal(offers.length, 2);
});

test('a slot is found by its mid', async () => {
  const { peer, pc } = await connected();
  assert.equal(peer.track('3'), pc.transceivers[3].receiver.track);
  assert.equal(peer.track('99'), null);
});

test('a codec is changed by setParameters where the browser can, on every size', async () => {
  const { peer, offers } = await connected();
  await peer.setCodec('H264');
  await settle();
  const chosen = ['camera', 'screen'].map((line) => peer.lines[line].sender.getParameters().encodings.map(({ codec }) => codec.mimeType));
  assert.deepEqual([chosen, offers.length], [[Array(3).fill('video/H264'), ['video/H264']], 1]);
});

test('else by a new offer that prefers it', async () => {
  FakePeer.choosesCodecs = false;
  try {
    const { peer, offers } = await connected();
    await peer.setCodec('VP9');
    await settle();
    assert.deepEqual([peer.lines.camera.preferred[0].mimeType, offers.length], ['video/VP9', 2]);
    await answerTo(peer, offers);
    await peer.setCodec('VP9');
    await settle();
    assert.equal(offers.length, 2);
  } finally {
    FakePeer.choosesCodecs = true;
  }
});

for (const [name, why] of [
  ['VP8', 'is sent already'],
  ['H266', 'nobody has'],
]) {
  test(`a codec that ${why} changes nothing`, async () => {
    const { peer, offers } = await connected();
    await peer.setCodec(name);
    await settle();
    assert.deepEqual([peer.lines.camera.sender.getParameters().encodings[2].codec, offers.length], [undefined, 1]);
  });
}

test('back to the first codec after another', async () => {
  const { peer } = await connected();
  await peer.setCodec('AV1');
  await peer.setCodec('VP8');
  assert.equal(peer.lines.camera.sender.getParameters().encodings[2].codec.mimeType, 'video/VP8');
});

test('an unusable answer is dead', async (t) => {
  t.mock.method(console, 'warn', () => undefined);
  const { peer, events } = await started();
  await peer.answer({ number: 1, sdp: 'bad' });
  assert.deepEqual(events, ['slots', 'dead']);
});

test('a refused first offer is dead; a later one is rolled back', async () => {
  const first = await started();
  await first.peer.refused(1);
  assert.deepEqual(first.events, ['slots', 'dead']);
  const later = await connected();
  later.peer.want(4);
  await settle();
  await later.peer.refused(2);
  assert.deepEqual([later.pc.signalingState, later.events], ['stable', []]);
  later.peer.restart();
  await settle();
  assert.equal(later.offers.at(-1).number, 3);
});

test('what was wanted while an offer was out is offered after its refusal too', async () => {
  const { peer, offers } = await connected();
  peer.want(4);
  await settle();
  peer.restart();
  await peer.refused(2);
  await settle();
  assert.equal(offers.at(-1).number, 3);
});

test('closed, it does and says nothing more', async () => {
  const { world, peer, pc, offers, events } = await connected();
  peer.close();
  pc.reach('failed');
  peer.restart();
  await peer.setTrack('camera', {});
  await world.clock.pass(60_000);
  assert.deepEqual([offers.length, events], [1, []]);
});
