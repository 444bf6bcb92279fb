import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client } from '../../web/protocol.js';
import { fakeWorld, person, settle, welcome } from './fakes.js';

async function joined(more = {}) {
  const world = fakeWorld();
  const client = new Client({ url: 'ws://clinic/signal', seat: 'sea-1', probe: async () => null, world });
  const events = [];
  for (const name of ['session', 'media', 'visit', 'line', 'refused', 'over']) client.on(name, (detail) => events.push([name, detail]));
  client.join();
  world.socket.open();
  world.socket.say(welcome(more));
  await settle();
  const named = (name) => events.filter(([one]) => one === name).map(([, detail]) => detail);
  return { world, client, named };
}

async function connected(more = {}) {
  const made = await joined(more);
  made.world.socket.say({ type: 'answer', number: 1, sdp: 'answer' });
  await settle();
  made.world.peer.reach('connected');
  return made;
}

/** Drop the socket and let the next one be welcomed. */
async function again(world, more) {
  world.socket.drop();
  await world.clock.pass(1_000);
  world.socket.open();
  world.socket.say(welcome(more));
  await settle();
}

test('welcome is followed by an offer and the status', async () => {
  const { world } = await joined();
  assert.deepEqual(
    world.socket.sent.map(({ type, number }) => [type, number]).slice(1),
    [['status', undefined], ['offer', 1]],
  );
});

test('a late arrival knows at once who is there, who speaks and what was said', async () => {
  const line = { type: 'chat-line', id: 'cht-1', seat: 'sea-2', key: 'k', text: 'hello', said_at: '2026-11-24T10:00:00Z' };
  const { client, named } = await joined({ participants: [person('sea-1'), person('sea-2', { microphone: false, screen: true })], speakers: ['sea-2'], chat: [line] });
  assert.equal(client.people.get('sea-2').screen, true);
  assert.deepEqual([client.speakers, named('line')], [['sea-2'], [{ line, fresh: false }]]);
});

test('resumed: the connection stays, what was not answered is asked again under its number', async () => {
  const { world, client } = await joined();
  const { pc } = client;
  await again(world, { resumed: true });
  assert.equal(client.pc, pc);
  assert.deepEqual(world.socket.of('offer').map(({ number }) => number), [1]);
});

test('resumed and answered: no offer, media untouched', async () => {
  const { world, client, named } = await connected();
  const { pc } = client;
  await again(world, { resumed: true });
  assert.deepEqual([world.socket.of('offer'), client.pc === pc, client.media], [[], true, 'connected']);
  assert.deepEqual(named('session'), ['connecting', 'open', 'down', 'open']);
});

test('not resumed (the server was restarted): a new connection with the same tracks, offers counted anew', async () => {
  const { world, client } = await connected();
  const track = { kind: 'video' };
  await client.setTrack('camera', track);
  const old = world.peer;
  await again(world, { resumed: false });
  assert.equal(old.connectionState, 'closed');
  assert.equal(world.peers.length, 2);
  assert.equal(client.peer.lines.camera.sender.track, track);
  assert.deepEqual(world.socket.of('offer').map(({ number }) => number), [1]);
});

test('the status is said on change, and again after a reconnect', async () => {
  const { world, client } = await connected();
  client.setStatus({ microphone: true });
  client.setStatus({ microphone: true });
  assert.deepEqual(world.socket.of('status').map(({ microphone }) => microphone), [false, true]);
  await again(world, { resumed: true });
  assert.deepEqual(world.socket.of('status').map(({ microphone }) => microphone), [true]);
});

test('what is said while the socket is down is said after it, under the same key, and confirmed once', async () => {
  const { world, client, named } = await connected();
  const key = client.say('hello');
  await again(world, { resumed: true });
  assert.deepEqual(world.socket.of('chat'), [{ type: 'chat', key, text: 'hello' }]);
  const line = { type: 'chat-line', id: 'cht-1', seat: 'sea-1', key, text: 'hello', said_at: '2026-11-24T10:00:00Z' };
  world.socket.say(line);
  world.socket.say(line);
  assert.deepEqual([client.unsaid.size, named('line').length], [0, 1]);
});

test('lines missed while away are fresh, those known are not repeated', async () => {
  const line = (n) => ({ type: 'chat-line', id: `cht-${n}`, seat: 'sea-2', key: `k${n}`, text: 'x', said_at: '2026-11-24T10:00:00Z' });
  const { world, named } = await connected({ chat: [line(1)] });
  await again(world, { resumed: true, chat: [line(1), line(2)] });
  assert.deepEqual(named('line').map(({ line: { id }, fresh }) => [id, fresh]), [['cht-1', false], ['cht-2', true]]);
});

test('the first line of a visit, missed while away, is fresh', async () => {
  const line = { type: 'chat-line', id: 'cht-1', seat: 'sea-2', key: 'k', text: 'x', said_at: '2026-11-24T10:00:00Z' };
  const { world, named } = await connected();
  await again(world, { resumed: true, chat: [line] });
  assert.deepEqual(named('line'), [{ line, fresh: true }]);
});

test('texts that are never confirmed are held up to a bound, the latest', async () => {
  const { client } = await connected();
  for (let n = 0; n < 30; n += 1) client.say(`text ${n}`);
  assert.deepEqual([client.unsaid.size, [...client.unsaid.values()][0]], [20, 'text 10']);
});

test('a command given while the socket is down is carried out after it, once', async () => {
  const { world, client } = await connected();
  world.socket.drop();
  client.admit('sea-2');
  client.end();
  await world.clock.pass(300);
  world.socket.open();
  world.socket.say(welcome({ resumed: true }));
  assert.deepEqual(world.socket.sent.filter(({ type }) => type === 'admit' || type === 'end'), [{ type: 'admit', seat: 'sea-2' }, { type: 'end' }]);
  await again(world, { resumed: true });
  assert.deepEqual(world.socket.of('end'), []);
});

test('who is in a slot is heard and seen; an empty one is nobody', async () => {
  const { world, client } = await connected();
  world.socket.say({
    type: 'slots',
    wanted: 2,
    slots: [
      { mid: '3', kind: 'audio', source: 'person', seat: 'sea-2' },
      { mid: '6', kind: 'video', source: 'person', seat: 'sea-2' },
      { mid: '9', kind: 'video', source: 'screen', seat: null },
    ],
  });
  const { audio, video, screen } = client.tracks('sea-2');
  assert.deepEqual([audio, video, screen], [world.peer.transceivers[3].receiver.track, world.peer.transceivers[6].receiver.track, null]);
  assert.deepEqual(client.tracks('sea-3'), { audio: null, video: null, screen: null });
});

test('more people than slots: more are offered', async () => {
  const { world } = await connected();
  world.socket.say({ type: 'slots', slots: [], wanted: 5 });
  await settle();
  assert.deepEqual(world.socket.of('offer').map(({ number }) => number), [1, 2]);
});

test('the codec in welcome counts once the first answer is there', async () => {
  const { client } = await connected({ codec: 'H264' });
  assert.equal(client.peer.lines.camera.sender.getParameters().encodings[2].codec.mimeType, 'video/H264');
});

test('a codec message changes the sender at once', async () => {
  const { world, client } = await connected();
  world.socket.say({ type: 'codec', codec: 'VP9' });
  await settle();
  assert.equal(client.peer.lines.camera.sender.getParameters().encodings[2].codec.mimeType, 'video/VP9');
});

test('taken elsewhere: over, media closed, no attempt of its own; joining again takes it back afresh', async () => {
  const { world, client, named } = await connected();
  const old = world.peer;
  world.socket.drop(4409);
  await world.clock.pass(60_000);
  assert.deepEqual([named('over'), old.connectionState, world.sockets.length], [['taken'], 'closed', 1]);
  client.join();
  world.socket.open();
  assert.equal(world.socket.of('hello')[0].resume, null);
});

test('ended by the clinician, or missed: told apart', async () => {
  for (const state of ['ended', 'missed']) {
    const { world, named } = await connected();
    world.socket.say({ type: 'visit', state });
    world.socket.drop(4410);
    assert.deepEqual(named('over'), [state]);
  }
});

test('leaving says so and is final', async () => {
  const { world, client, named } = await connected();
  client.leave();
  await world.clock.pass(60_000);
  assert.deepEqual([world.socket.of('leave').length, named('over'), world.sockets.length], [1, ['left'], 1]);
});

test('media beyond repair: a fresh session after a moment, later ones after longer', async () => {
  const { world, client, named } = await connected();
  world.peer.reach('failed', 'connected');
  assert.deepEqual([world.sockets.length, client.media], [1, 'interrupted']);
  await world.clock.pass(500);
  assert.equal(world.sockets.length, 2);
  world.socket.open();
  world.socket.say(welcome());
  await settle();
  world.socket.say({ type: 'error', code: 'bad-input', detail: '', number: 1 });
  await world.clock.pass(999);
  assert.equal(world.sockets.length, 2);
  await world.clock.pass(1);
  assert.deepEqual([world.sockets.length, named('over')], [3, []]);
});

test('a refused command is told, a refused offer is the connection’s own business', async () => {
  const { world, named } = await connected();
  world.socket.say({ type: 'error', code: 'wrong-state', detail: '', number: null });
  world.socket.say({ type: 'error', code: 'bad-input', detail: '', number: 7 });
  assert.deepEqual(named('refused'), ['wrong-state']);
});

test('one’s own network mark is sent when it changes', async () => {
  const { world } = await connected();
  const stats = (loss) => [{ type: 'remote-inbound-rtp', fractionLost: loss }, { type: 'candidate-pair', nominated: true, state: 'succeeded', currentRoundTripTime: 0.04 }];
  world.peer.stats = stats(0);
  await world.clock.pass(6_000);
  world.peer.stats = stats(0.2);
  await world.clock.pass(4_000);
  assert.deepEqual(world.socket.of('network').map(({ mark }) => mark), ['good', 'poor']);
});

test('messages of a newer server are passed over', async () => {
  const { world, client } = await connected();
  world.socket.say({ type: 'fireworks' });
  assert.equal(client.session, 'open');
});
