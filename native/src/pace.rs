//! How long the thread rests: each wake-up costs some microseconds, so at light load a short nap between batches halves
//! the cost of a packet, while near saturation batches fill by themselves and resting would only delay.

use std::time::Duration;

/// Of a nap, at the lightest load.
pub const MAX_NAP: Duration = Duration::from_micros(500);
/// Datagrams and commands of one round from which on there is no nap.
pub const BUSY_BATCH: usize = 48;
/// Between ticks while datagrams come.
pub const TICK_S: f64 = 0.001;
/// Between ticks when none came for this long.
pub const IDLE_TICK_S: f64 = 0.015;

/// The nap after a round of so many datagrams and commands that left nothing behind: the whole one after few, shrinking
/// evenly to none at `BUSY_BATCH`.
#[must_use]
pub fn nap(longest: Duration, work: usize) -> Duration {
    longest * BUSY_BATCH.saturating_sub(work) as u32 / BUSY_BATCH as u32
}

/// When the plane's tick is due.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    next: f64,
    busy_until: f64,
}

impl Ticks {
    /// The first is due at once.
    #[must_use]
    pub const fn new(now: f64) -> Self {
        Self { next: now, busy_until: now }
    }

    /// Datagrams came.
    pub fn busy(&mut self, now: f64) {
        self.busy_until = now + IDLE_TICK_S;
        self.next = self.next.min(now + TICK_S);
    }

    /// Whether one is due; if so, it counts as done.
    pub fn due(&mut self, now: f64) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now + if now < self.busy_until { TICK_S } else { IDLE_TICK_S };
        true
    }

    /// Until the next.
    #[must_use]
    pub fn wait(&self, now: f64) -> Duration {
        Duration::from_secs_f64((self.next - now).clamp(0.0, IDLE_TICK_S))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naps_shrink_to_nothing_as_batches_grow() {
        let naps = [0, 1, 24, 47, 48, 1000].map(|work| nap(MAX_NAP, work).as_micros());
        assert_eq!(naps, [500, 489, 250, 10, 0, 0]);
    }

    #[test]
    fn ticks_come_every_millisecond_while_datagrams_come_and_else_every_fifteen() {
        let mut ticks = Ticks::new(1.0);
        assert_eq!([1.0, 1.001, 1.014, 1.0151].map(|now| ticks.due(now)), [true, false, false, true]);
        ticks.busy(1.0152);
        assert_eq!([1.016, 1.0163, 1.017, 1.0174].map(|now| ticks.due(now)), [false, true, false, true]);
        assert_eq!(ticks.wait(1.0174).as_micros(), 1000);
        assert_eq!([1.04, 1.0549, 1.0551].map(|now| ticks.due(now)), [true, false, true]);
    }
}
