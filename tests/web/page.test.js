/** The parts of the page that decide something and need no browser to do it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Arrivals } from '../../web/arrivals.js';
import { shouldOpenIn } from '../../web/browser.js';
import { Memory } from '../../web/memory.js';
import { texts } from '../../web/language.js';
import { arrange, stack } from '../../web/views/stage.js';
import { initials } from '../../web/views/tile.js';
import { person } from './fakes.js';

for (const [where, browser, agent] of [
  ['Safari on a phone', null, 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1'],
  ['Chrome on an iPhone', null, 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/130.0 Mobile/15E148 Safari/604.1'],
  ['a view inside an iPhone app', 'Safari', 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148'],
  ['Facebook on an iPhone', 'Safari', 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1 [FBAN/FBIOS;FBAV/480.0]'],
  ['a view inside an Android app', 'Chrome', 'Mozilla/5.0 (Linux; Android 15; Pixel 8; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/130.0 Mobile Safari/537.36'],
  ['Chrome on Android', null, 'Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Mobile Safari/537.36'],
  ['Firefox', null, 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'],
]) {
  test(`${where}: ${browser ? `open in ${browser}` : 'will do'}`, () => assert.equal(shouldOpenIn(agent), browser));
}

for (const [before, after, expected] of [
  [null, { a: 'present', b: 'waiting' }, ['waits b']],
  [{}, { a: 'waiting' }, ['waits a']],
  [{ a: 'away' }, { a: 'waiting' }, ['waits a']],
  [{ a: 'waiting' }, { a: 'waiting' }, []],
  [{ a: 'waiting' }, { a: 'present' }, ['joined a']],
  [{ a: 'present' }, { a: 'away' }, ['left a']],
  [{ a: 'present' }, {}, ['left a']],
  [{}, { me: 'present' }, []],
]) {
  test(`${JSON.stringify(before)} → ${JSON.stringify(after)}: ${expected.join() || 'nothing'}`, () => {
    const people = (phases) => new Map(Object.entries(phases).map(([seat, phase]) => [seat, person(seat, { phase })]));
    const arrivals = new Arrivals('me');
    if (before) arrivals.look(people(before));
    assert.deepEqual(arrivals.look(people(after)).map(({ what, person: { seat } }) => `${what} ${seat}`), expected);
  });
}

for (const [name, expected] of [
  ['Maria Oliveira', 'MO'],
  ['Dr. Anna Weber', 'AW'],
  ['Prof. Dr. Lee', 'DL'],
  ['Cher', 'C'],
  ['Maria da Silva Santos', 'MS'],
  ['李 伟', '李伟'],
  ['', '?'],
]) {
  test(`the initials of “${name}” are ${expected}`, () => assert.equal(initials(name), expected));
}

for (const [count, width, height, columns] of [
  [1, 1280, 600, 1],
  [3, 1280, 600, 2],
  [4, 1280, 600, 2],
  [6, 1280, 600, 3],
  [3, 370, 700, 1],
  [8, 370, 700, 2],
]) {
  test(`${count} people on ${width}×${height} stand in ${columns} columns and fit`, () => {
    const tile = arrange(count, width, height);
    const across = Math.floor((width + 8) / (tile.width + 8));
    const rows = Math.ceil(count / Math.min(across, count));
    assert.equal(Math.min(across, count), columns);
    assert.ok(rows * tile.height + (rows - 1) * 8 <= height);
  });
}

for (const [what, width, height, other, expected] of [
  ['a wide picture on an upright phone: below each other', 374, 712, 16 / 9, { above: [374, 280], below: [373, 280] }],
  ['on a small one: oneself in what is left', 304, 444, 16 / 9, { above: [304, 228], below: [277, 208] }],
  ['an upright picture fills an upright phone alone', 374, 712, 9 / 16, null],
  ['a desktop', 1248, 660, 16 / 9, null],
  ['a phone held across', 820, 300, 16 / 9, null],
  ['no picture', 374, 712, 0, null],
]) {
  test(`two people, ${what}`, () => {
    const stacked = stack(width, height, other, 4 / 3);
    const sizes = stacked && { above: Object.values(stacked.above), below: Object.values(stacked.below) };
    assert.deepEqual(sizes, expected);
  });
}

class FakeStorage {
  kept = new Map();
  getItem = (key) => this.kept.get(key) ?? null;
  setItem = (key, value) => this.kept.set(key, value);
}

test('a reload finds what the seat had; another seat in the same tab does not', () => {
  const storage = new FakeStorage();
  new Memory('sea-1', storage).keep({ joined: true, cameraId: 'cam-2' });
  assert.deepEqual(
    [new Memory('sea-1', storage).kept.cameraId, new Memory('sea-2', storage).kept.joined],
    ['cam-2', false],
  );
});

test('spoilt or refused storage means beginning afresh', () => {
  const refusing = { getItem: () => { throw new Error('refused'); }, setItem: () => { throw new Error('refused'); } };
  const spoilt = { getItem: () => '{', setItem: () => undefined };
  for (const storage of [refusing, spoilt]) {
    const memory = new Memory('sea-1', storage);
    memory.keep({ joined: true });
    assert.equal(memory.kept.joined, true);
  }
});

test('every device problem has its sentence, for each device and for both', () => {
  for (const what of ['microphone', 'camera', 'devices']) {
    for (const reason of ['denied', 'none', 'busy', 'unfit', 'insecure', 'unknown']) assert.match(texts.visit.problems[what][reason], /\.$/);
  }
});
