import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Signal } from '../../web/signal.js';
import { fakeWorld, welcome } from './fakes.js';

function opened(options) {
  const world = fakeWorld(options);
  const events = [];
  let answer = null;
  const signal = new Signal('ws://clinic/signal', world, async () => answer);
  for (const name of ['welcome', 'message', 'down', 'over']) signal.on(name, (detail) => events.push([name, detail]));
  signal.open();
  const named = (name) => events.filter(([one]) => one === name).map(([, detail]) => detail);
  return { world, signal, named, probeSays: (outcome) => (answer = outcome) };
}

function greeted(options) {
  const made = opened(options);
  made.world.socket.open();
  made.world.socket.say(welcome());
  return made;
}

test('says hello first, without a session to resume', () => {
  const { world } = opened();
  world.socket.open();
  assert.deepEqual(world.socket.sent, [{ type: 'hello', protocol: 1, capabilities: [], resume: null }]);
});

test('sends nothing before welcome and says so', () => {
  const { world, signal } = opened();
  world.socket.open();
  assert.equal(signal.send({ type: 'leave' }), false);
  world.socket.say(welcome());
  assert.equal(signal.send({ type: 'leave' }), true);
  assert.equal(world.socket.of('leave').length, 1);
});

test('sends nothing into a socket that is closing and says so', () => {
  const { world, signal } = greeted();
  world.socket.readyState = 2;
  assert.equal(signal.send({ type: 'leave' }), false);
});

test('answers a ping with a pong', () => {
  const { world } = greeted();
  world.socket.say({ type: 'ping' });
  assert.equal(world.socket.of('pong').length, 1);
});

test('a dropped socket is followed by one that resumes', async () => {
  const { world } = greeted();
  world.socket.drop();
  await world.clock.pass(200);
  assert.equal(world.sockets.length, 2);
  world.socket.open();
  assert.equal(world.socket.of('hello')[0].resume, 'secret');
});

for (const [code, outcome] of [
  [4400, 'refused'],
  [4401, 'not-authenticated'],
  [4404, 'not-found'],
  [4409, 'taken'],
  [4410, 'ended'],
  [4411, 'revoked'],
]) {
  test(`close code ${code} is final: ${outcome}`, async () => {
    const { world, named } = greeted();
    world.socket.drop(code);
    await world.clock.pass(60_000);
    assert.deepEqual([named('over'), world.sockets.length], [[outcome], 1]);
  });
}

for (const code of [1000, 1001, 1006, 1011, 1012, 1013, 4408, 4412, 4500]) {
  test(`close code ${code} is followed by another attempt`, async () => {
    const { world, named } = greeted();
    world.socket.drop(code);
    await world.clock.pass(200);
    assert.deepEqual([named('over'), world.sockets.length], [[], 2]);
  });
}

test('waits double up to a bound', async () => {
  const { world, named } = opened();
  for (let n = 0; n < 7; n += 1) {
    world.socket.drop();
    await world.clock.pass(5_000);
  }
  assert.deepEqual(named('down').map((down) => down.wait_ms), [200, 400, 800, 1600, 3200, 5000, 5000]);
});

for (const [random, wait_ms] of [[0, 150], [0.5, 200], [1, 250]]) {
  test(`jitter: chance ${random} makes a first wait of ${wait_ms} ms`, () => {
    const { world, named } = opened({ random });
    world.socket.drop();
    assert.equal(named('down')[0].wait_ms, wait_ms);
  });
}

test('a welcome that does not last does not start the waits anew', async () => {
  const { world, named } = opened();
  for (let n = 0; n < 3; n += 1) {
    world.socket.open();
    world.socket.say(welcome());
    world.socket.drop(4500);
    await world.clock.pass(2_000);
  }
  assert.deepEqual(named('down').map((down) => down.wait_ms), [200, 400, 800]);
});

test('one that lasted does', async () => {
  const { world, named } = opened();
  world.socket.drop();
  await world.clock.pass(200);
  world.socket.open();
  world.socket.say(welcome());
  await world.clock.pass(6_000);
  world.socket.drop();
  assert.deepEqual(named('down').map((down) => down.wait_ms), [200, 200]);
});

test('a restarting server is given the time it asks for', () => {
  const { world, named } = greeted();
  world.socket.say({ type: 'restarting', retry_s: 3 });
  world.socket.drop(1012);
  assert.equal(named('down')[0].wait_ms, 3000);
});

test('"too fast" is answered with a long pause', () => {
  const { world, named } = greeted();
  world.socket.drop(4429);
  assert.equal(named('down')[0].wait_ms, 15_000);
});

test('silence for two and a half heartbeats counts as a drop', async () => {
  const { world, named } = greeted();
  await world.clock.pass(49_000);
  world.socket.say({ type: 'ping' });
  await world.clock.pass(49_000);
  assert.equal(named('down').length, 0);
  await world.clock.pass(1_500);
  assert.equal(named('down').length, 1);
});

test('a socket that never opens is given up', async () => {
  const { world } = opened();
  await world.clock.pass(10_300);
  assert.equal(world.sockets.length, 2);
});

test('late events of a socket that was given up change nothing', async () => {
  const { world, named } = greeted();
  const [first] = world.sockets;
  first.drop();
  await world.clock.pass(200);
  first.say({ type: 'visit', state: 'ended' });
  first.drop(4410);
  assert.deepEqual([named('message'), named('over')], [[], []]);
});

test('a nudge ends the waiting at once', async () => {
  const { world, signal } = opened();
  for (let n = 0; n < 6; n += 1) {
    world.socket.drop();
    if (n < 5) await world.clock.pass(5_000);
  }
  signal.nudge();
  assert.equal(world.sockets.length, 7);
});

test('a nudge after a sleep beyond the silence allowed drops the socket', () => {
  const { world, signal, named } = greeted();
  world.clock.ms += 3_600_000; // the laptop was shut: no timer ran
  signal.nudge();
  assert.equal(named('down').length, 1);
});

test('every third failure asks over HTTP, and a definite answer ends it', async () => {
  const { world, named, probeSays } = opened();
  probeSays('not-found');
  for (let n = 0; n < 3; n += 1) {
    world.socket.drop();
    await world.clock.pass(n < 2 ? 1_000 : 0);
  }
  assert.deepEqual(named('over'), ['not-found']);
});

test('no answer over HTTP means going on', async () => {
  const { world, named } = opened();
  for (let n = 0; n < 12; n += 1) {
    world.socket.drop();
    await world.clock.pass(5_000);
  }
  assert.deepEqual([named('over'), world.sockets.length], [[], 13]);
});

test('opened again after a takeover, it begins a fresh session', () => {
  const { world, signal } = greeted();
  world.socket.drop(4409);
  signal.open();
  world.socket.open();
  assert.equal(world.socket.of('hello')[0].resume, null);
});

test('closed by oneself, it stays closed', async () => {
  const { world, signal, named } = greeted();
  signal.close('left');
  world.socket.drop(1000);
  await world.clock.pass(60_000);
  assert.deepEqual([named('over'), named('down'), world.sockets.length], [['left'], [], 1]);
});
