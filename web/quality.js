/** The participant's own network mark, judged from WebRTC statistics: losses, round trip and room to send. */

/**
 * @typedef {import('./messages.js').NetworkMark} NetworkMark
 *
 * One sample. Fractions are 0…1 over the time since the sample before; rates in bit/s; null: nothing to tell from.
 * @typedef {object} Sample
 * @property {number | null} up_loss
 * @property {number | null} down_loss
 * @property {number | null} round_trip_s
 * @property {number | null} available_bps
 * @property {number} up_bps
 * @property {number} down_bps
 */

const LIMITS = /** @type {const} */ ([
  // mark, most loss, longest round trip (s), least room to send (bit/s)
  ['good', 0.02, 0.3, 300_000],
  ['fair', 0.08, 0.7, 120_000],
]);

/**
 * @param {Sample} sample
 * @returns {NetworkMark}
 */
export function judge(sample) {
  if (sample.round_trip_s === null && sample.up_loss === null && sample.down_loss === null) return 'unknown';
  const loss = Math.max(sample.up_loss ?? 0, sample.down_loss ?? 0);
  for (const [mark, most, longest, least] of LIMITS) {
    if (loss <= most && (sample.round_trip_s ?? 0) <= longest && (sample.available_bps ?? Infinity) >= least) return mark;
  }
  return 'poor';
}

/** Turns successive reports into samples, and samples into a mark that changes only when two in a row agree. */
export class Quality {
  /** @type {NetworkMark} */ mark = 'unknown';
  /** @type {NetworkMark} */ #candidate = 'unknown';
  #before = { at_ms: 0, sent: 0, received: 0, packets: 0, lost: 0 };

  /**
   * @param {Iterable<any>} report  the dictionaries of one `getStats()`
   * @param {number} now_ms
   * @returns {Sample}
   */
  sample(report, now_ms) {
    const totals = { at_ms: now_ms, sent: 0, received: 0, packets: 0, lost: 0 };
    /** @type {Sample} */
    const sample = { up_loss: null, down_loss: null, round_trip_s: null, available_bps: null, up_bps: 0, down_bps: 0 };
    for (const entry of report) {
      if (entry.type === 'outbound-rtp') totals.sent += entry.bytesSent ?? 0;
      if (entry.type === 'inbound-rtp') {
        totals.received += entry.bytesReceived ?? 0;
        totals.packets += entry.packetsReceived ?? 0;
        totals.lost += entry.packetsLost ?? 0;
      }
      if (entry.type === 'remote-inbound-rtp' && entry.fractionLost !== undefined) {
        sample.up_loss = Math.max(sample.up_loss ?? 0, entry.fractionLost);
      }
      if (entry.type === 'candidate-pair' && entry.nominated && entry.state === 'succeeded') {
        sample.round_trip_s = entry.currentRoundTripTime ?? null;
        sample.available_bps = entry.availableOutgoingBitrate ?? null;
      }
    }
    const before = this.#before;
    this.#before = totals;
    const seconds = (now_ms - before.at_ms) / 1000;
    if (before.at_ms > 0 && seconds > 0) {
      sample.up_bps = (Math.max(0, totals.sent - before.sent) * 8) / seconds;
      sample.down_bps = (Math.max(0, totals.received - before.received) * 8) / seconds;
      const lost = Math.max(0, totals.lost - before.lost);
      const expected = Math.max(0, totals.packets - before.packets) + lost;
      if (expected > 20) sample.down_loss = lost / expected; // of fewer packets a single one would look like a disaster
    }
    return sample;
  }

  /**
   * @param {Sample} sample
   * @returns {boolean} whether the mark changed
   */
  take(sample) {
    const judged = judge(sample);
    const agreed = judged === this.#candidate || this.mark === 'unknown';
    this.#candidate = judged;
    if (!agreed || judged === this.mark) return false;
    this.mark = judged;
    return true;
  }
}
