/** A session that nobody uses, in virtual time: 15 minutes of the server's, told a minute before they may be over. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Idle } from '../../web/idle.js';
import { Clock } from './fakes.js';

const MINUTE = 60_000;

function begin() {
  const clock = new Clock();
  const slept = { ms: 0 };
  const tabs = { sent: [], onmessage: null, postMessage: (message) => tabs.sent.push(message) };
  const heard = [];
  const note = (what) => (value) => void heard.push(`${clock.ms / MINUTE}: ${what}${value === undefined ? '' : ` ${value}`}`);
  const told = Object.fromEntries(['warn', 'relieve', 'renew', 'over', 'left'].map((what) => [what, note(what)]));
  const idle = new Idle(15 * MINUTE, told, { now: () => clock.now() + slept.ms, setTimeout: clock.setTimeout, clearTimeout: clock.clearTimeout, tabs });
  return { idle, clock, heard, tabs, slept };
}

test('unused: told a minute ahead, then over', async () => {
  const { clock, heard } = begin();
  await clock.pass(20 * MINUTE);
  assert.deepEqual(heard, ['13: warn 60', '14: over']);
});

test('used in time: nothing is told', async () => {
  const { idle, clock, heard } = begin();
  for (let n = 0; n < 3; n += 1) {
    await clock.pass(10 * MINUTE);
    idle.used();
  }
  assert.deepEqual(heard, []);
});

test('used after the notice: relieved, and told again later', async () => {
  const { idle, clock, heard } = begin();
  await clock.pass(13.5 * MINUTE);
  idle.used();
  await clock.pass(13.5 * MINUTE);
  assert.deepEqual(heard, ['13: warn 60', '13.5: relieve', '26.5: warn 60']);
});

test('who is typing is there', async () => {
  const { idle, clock, heard } = begin();
  await clock.pass(12.5 * MINUTE);
  idle.acted();
  await clock.pass(MINUTE);
  assert.deepEqual(heard, ['13: renew', '13.25: renew', '13.5: warn 30']);
});

test('another tab uses it, and another signs out', async () => {
  const { clock, heard, tabs } = begin();
  await clock.pass(10 * MINUTE);
  tabs.onmessage({ data: { used: true } });
  await clock.pass(10 * MINUTE);
  tabs.onmessage({ data: { left: true } });
  await clock.pass(30 * MINUTE);
  assert.deepEqual(heard, ['20: left']);
});

test('a machine that slept past the end is told the end', async () => {
  const { clock, heard, slept } = begin();
  slept.ms = 45 * MINUTE;
  await clock.pass(15 * MINUTE);
  assert.deepEqual(heard, ['13: over']);
});
