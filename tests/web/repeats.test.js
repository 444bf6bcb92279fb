import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Repeats } from '../../web/repeats.js';

const click = (timeStamp, clientX = 100, clientY = 700) => ({ timeStamp, clientX, clientY });

for (const [what, second, changed, stale] of [
  ['the same place at once, in another view', click(1_150), true, true],
  ['a finger that slipped a little', click(1_150, 110, 690), true, true],
  ['the same place in the same view', click(1_150), false, false],
  ['another place', click(1_150, 300, 700), true, false],
  ['the same place later', click(1_600), true, false],
]) {
  test(`a second click: ${what}`, () => {
    const repeats = new Repeats();
    assert.equal(repeats.stale(click(1_000)), false);
    if (changed) repeats.changed();
    assert.equal(repeats.stale(second), stale);
  });
}

test('a third click counts from the first', () => {
  const repeats = new Repeats();
  repeats.stale(click(1_000));
  repeats.changed();
  assert.deepEqual([1_200, 1_400, 1_600].map((at_ms) => repeats.stale(click(at_ms))), [true, true, false]);
});
