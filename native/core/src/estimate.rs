//! What one receiver can take: a loss-and-delay rule over its transport-wide feedback, in the manner of
//! draft-ietf-rmcat-gcc-02, with the trend line that browsers use in place of the draft's Kalman filter.
//!
//! Every packet is noted as it leaves. Feedback tells when each one arrived, and three things are kept up to date: the
//! rate acknowledged and the share lost, as averages over about half a second and 1.5 s, and whether one-way delay
//! grows, which means that a queue fills. Then, once per feedback:
//! - delay grows: fall to 0.85 of the acknowledged rate, which is the bottleneck's rate while its queue fills (§5.5);
//! - loss is above 10 %: fall by half of it, at most every 0.3 s and not below 0.85 of the acknowledged rate (§6);
//! - delay shrinks, or loss is above 5 %: stay, until the queue is empty;
//! - else rise by 8 % a second (twofold a second until the first fall), to 1.5 times the acknowledged rate plus
//!   300 kbit/s at most, and never stay below 0.9 of what was acknowledged without trouble.
//!
//! Who sends less than it may proves nothing about the rest. Its estimate stops rising at that limit, which is wide
//! enough to try the next simulcast layer, and doesn't fall because less is sent: the rate once proven is remembered,
//! and if it is not there any more, the first seconds of trouble tell. Nor does it fall while no feedback comes; who
//! asks has to know that a path is silent by other means. Lost feedback leaves a hole in time, not a loss.

use sent::SentPackets;
use trend::{DelayTrend, Usage};

use crate::feedback::TransportFeedback;
use crate::id::Sequence;

mod sent;
mod trend;

/// The estimate is never lower, bit/s: voice passes with room to climb.
pub const FLOOR_BPS: f64 = 50_000.0;
/// Where it begins at least, bit/s.
pub const START_BPS: f64 = 300_000.0;
/// Above 1.5 of the acknowledged rate, bit/s, it doesn't rise.
pub const HEADROOM_BPS: f64 = 300_000.0;

const FALL: f64 = 0.85; // of the acknowledged rate
const PROVEN: f64 = 0.9; // of the acknowledged rate
const LIMIT: f64 = 1.5; // of the acknowledged rate
const RISE: f64 = 1.08; // a second
const FIRST_RISE: f64 = 2.0; // a second
const HIGH_LOSS: f64 = 0.10;
const SOME_LOSS: f64 = 0.05;
const LOSS_PAUSE_S: f64 = 0.3; // between two falls by loss
const RATE_WINDOW_S: f64 = 0.5;
const LOSS_WINDOW_S: f64 = 1.5;
const ENOUGH_S: f64 = 0.2; // of arrivals, before their rate means something
const ENOUGH_PACKETS: f64 = 20.0; // before their loss does
const MAX_PAUSE_S: f64 = 0.5; // between arrivals; a longer one is a silence, not a low rate
const MIN_SPAN_S: f64 = 0.02; // of arrivals in one feedback; a burst says nothing of the rate
const REFERENCE_US: i64 = 64_000; // the unit of reference times

/// The estimate for one receiver. `now` and the times of sending are on one clock, arrivals on the receiver's.
#[derive(Debug, Default)]
pub struct Estimator {
    sent: SentPackets,
    trend: DelayTrend,
    clock: ReceiverClock,
    recent: Recent,
    last_count: Option<u8>,    // of the newest feedback
    last_arrival: Option<f64>, // of the newest packet in it
    estimate_bps: Option<f64>,
    fallen: bool, // at least once
    updated_at: f64,
    fell_at: f64, // by loss
}

impl Estimator {
    /// Read what noting the next packet will need.
    pub fn touch(&self, next: Sequence) {
        self.sent.touch(next);
    }

    /// A packet of `size` bytes left with this transport-wide number; numbers are given in order, none left out.
    pub fn sent(&mut self, sequence: Sequence, size: usize, now: f64) {
        self.sent.put(sequence, size, now);
    }

    /// Take in a feedback packet; what it repeats, or says of packets never sent, is ignored.
    pub fn feedback(&mut self, feedback: &TransportFeedback, now: f64) {
        let elapsed_s = (now - self.updated_at).max(0.0);
        self.updated_at = now;
        self.recent.fade(elapsed_s);
        let told = self.read(feedback);
        self.measure(feedback.count, &told);
        if told.received > 0 {
            self.decide(elapsed_s.min(MAX_PAUSE_S), now);
        }
    }

    /// Bit/s, all that is numbered included; None before the first feedback that tells.
    #[must_use]
    pub fn estimate_bps(&self) -> Option<u64> {
        self.estimate_bps.map(|bps| bps as u64)
    }

    /// Fraction of the packets lately reported on.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.recent.loss()
    }

    /// Match a feedback packet with what was sent.
    fn read(&mut self, feedback: &TransportFeedback) -> Told {
        let mut told = Told::default();
        let wrapped_us = self.clock.wrapped_us(feedback.reference_time);
        for (sequence, arrival_us) in feedback.arrivals() {
            let Some(arrival_us) = arrival_us else {
                told.lost += i32::from(self.sent.lose(sequence));
                continue;
            };
            let Some(packet) = self.sent.receive(sequence) else { continue };
            let arrived = arrival_us.saturating_add(wrapped_us) as f64 * 1e-6;
            told.lost -= i32::from(packet.reported_lost);
            told.received += 1;
            told.bytes += u64::from(packet.size);
            told.last = Some(told.last.map_or(arrived, |last| arrived.max(last)));
            if told.first.is_none_or(|first| arrived < first) {
                told.first = Some(arrived);
                told.first_size = packet.size;
            }
            self.trend.packet(packet.at, arrived);
        }
        told
    }

    /// Add what was told to the averages, over the time that it covers.
    fn measure(&mut self, count: u8, told: &Told) {
        let step = self.last_count.map_or(0, |last| count.wrapping_sub(last));
        if step < 0x80 {
            self.last_count = Some(count);
        }
        self.recent.received += f64::from(told.received);
        self.recent.lost = (self.recent.lost + f64::from(told.lost)).max(0.0);
        let (Some(first), Some(last)) = (told.first, told.last) else { return };
        let since_last_s = self.last_arrival.map_or(f64::INFINITY, |before| (last - before).abs());
        if step == 1 && since_last_s < MAX_PAUSE_S {
            self.recent.seconds += since_last_s;
            self.recent.bytes += told.bytes as f64;
        } else if last - first < MAX_PAUSE_S {
            // after a hole, time begins with the first packet, which came before it
            self.recent.seconds += (last - first).max(MIN_SPAN_S);
            self.recent.bytes += (told.bytes - u64::from(told.first_size)) as f64;
        }
        if step < 0x80 {
            self.last_arrival = Some(last);
        }
    }

    fn decide(&mut self, elapsed_s: f64, now: f64) {
        let Some(acknowledged) = self.recent.rate_bps() else { return };
        let loss = self.recent.loss();
        let before = self.estimate_bps.unwrap_or(acknowledged.max(START_BPS));
        let estimate = match self.trend.usage() {
            Usage::Over => {
                self.fallen = true;
                before.min(FALL * acknowledged)
            }
            _ if loss > HIGH_LOSS => {
                self.fallen = true;
                self.fall_by_loss(before, loss, acknowledged, now)
            }
            Usage::Normal if loss <= SOME_LOSS => {
                let pace: f64 = if self.fallen { RISE } else { FIRST_RISE };
                let limit = before.max(LIMIT * acknowledged + HEADROOM_BPS);
                (before * pace.powf(elapsed_s)).min(limit).max(PROVEN * acknowledged)
            }
            Usage::Normal | Usage::Under => before,
        };
        self.estimate_bps = Some(estimate.max(FLOOR_BPS));
    }

    fn fall_by_loss(&mut self, before: f64, loss: f64, acknowledged: f64, now: f64) -> f64 {
        if now - self.fell_at < LOSS_PAUSE_S {
            return before;
        }
        self.fell_at = now;
        before.min((before * (1.0 - loss / 2.0)).max(FALL * acknowledged))
    }
}

/// What one feedback packet said that was new.
#[derive(Default)]
struct Told {
    received: u32,
    bytes: u64,
    lost: i32, // below zero where a loss said before proved wrong
    first: Option<f64>,
    first_size: u16,
    last: Option<f64>,
}

/// Averages that fade.
#[derive(Debug, Default)]
struct Recent {
    seconds: f64,
    bytes: f64,
    received: f64,
    lost: f64,
}

impl Recent {
    fn fade(&mut self, elapsed_s: f64) {
        let keep = (-elapsed_s / RATE_WINDOW_S).exp();
        self.seconds *= keep;
        self.bytes *= keep;
        let keep = (-elapsed_s / LOSS_WINDOW_S).exp();
        self.received *= keep;
        self.lost *= keep;
    }

    fn rate_bps(&self) -> Option<f64> {
        (self.seconds >= ENOUGH_S).then(|| self.bytes * 8.0 / self.seconds)
    }

    fn loss(&self) -> f64 {
        let told = self.received + self.lost;
        if told < ENOUGH_PACKETS { 0.0 } else { self.lost / told }
    }
}

/// The 24 bits of a reference time wrap every twelve days.
#[derive(Debug, Default)]
struct ReceiverClock {
    reference: Option<i64>,
}

impl ReceiverClock {
    /// What to add to the arrivals told with this reference time, to have them on an axis that doesn't wrap.
    fn wrapped_us(&mut self, reference_time: i32) -> i64 {
        let told = i64::from(reference_time);
        let reference = match self.reference {
            None => told,
            Some(before) => before + (((told - before + 0x80_0000) & 0xFF_FFFF) - 0x80_0000),
        };
        self.reference = Some(reference);
        // a hostile receiver's may grow without end
        (reference - told).saturating_mul(REFERENCE_US)
    }
}

#[cfg(test)]
mod tests;
