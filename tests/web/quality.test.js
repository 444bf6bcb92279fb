import assert from 'node:assert/strict';
import { test } from 'node:test';

import { judge, Quality } from '../../web/quality.js';

const sample = (more) => ({ up_loss: 0, down_loss: 0, round_trip_s: 0.05, available_bps: null, up_bps: 0, down_bps: 0, ...more });

for (const [why, more, mark] of [
  ['nothing known', { up_loss: null, down_loss: null, round_trip_s: null }, 'unknown'],
  ['a clean path', {}, 'good'],
  ['a little loss', { up_loss: 0.03 }, 'fair'],
  ['loss on the way down', { down_loss: 0.05 }, 'fair'],
  ['much loss', { down_loss: 0.2 }, 'poor'],
  ['a long way', { round_trip_s: 0.5 }, 'fair'],
  ['a very long way', { round_trip_s: 1.2 }, 'poor'],
  ['a narrow way up', { available_bps: 200_000 }, 'fair'],
  ['hardly room for sound', { available_bps: 60_000 }, 'poor'],
]) {
  test(`${why}: ${mark}`, () => assert.equal(judge(sample(more)), mark));
}

for (const [why, samples, mark, changes] of [
  ['the first is believed', [{}], 'good', 1],
  ['one bad sample changes nothing', [{}, { up_loss: 0.3 }, {}], 'good', 1],
  ['two in a row do', [{}, { up_loss: 0.3 }, { up_loss: 0.3 }], 'poor', 2],
  ['unlike ones do not', [{}, { up_loss: 0.3 }, { up_loss: 0.05 }], 'good', 1],
]) {
  test(`the mark: ${why}`, () => {
    const quality = new Quality();
    const changed = samples.filter((more) => quality.take(sample(more)));
    assert.deepEqual([quality.mark, changed.length], [mark, changes]);
  });
}

test('rates and losses are of the time between two reports', () => {
  const quality = new Quality();
  const report = (bytes, packets, lost) => [
    { type: 'outbound-rtp', bytesSent: bytes },
    { type: 'inbound-rtp', bytesReceived: bytes * 2, packetsReceived: packets, packetsLost: lost },
    { type: 'remote-inbound-rtp', fractionLost: 0.01 },
    { type: 'candidate-pair', nominated: true, state: 'succeeded', currentRoundTripTime: 0.03, availableOutgoingBitrate: 900_000 },
    { type: 'candidate-pair', nominated: false, state: 'succeeded', currentRoundTripTime: 9 },
  ];
  quality.sample(report(1_000, 100, 5), 1_000);
  assert.deepEqual(quality.sample(report(251_000, 190, 15), 3_000), {
    up_loss: 0.01,
    down_loss: 0.1,
    round_trip_s: 0.03,
    available_bps: 900_000,
    up_bps: 1_000_000,
    down_bps: 2_000_000,
  });
});

test('counters that start anew (a new connection) make no negative rates', () => {
  const quality = new Quality();
  quality.sample([{ type: 'outbound-rtp', bytesSent: 5_000_000 }], 1_000);
  assert.equal(quality.sample([{ type: 'outbound-rtp', bytesSent: 10 }], 3_000).up_bps, 0);
});
