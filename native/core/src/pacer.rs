//! When repairs of one participant leave: at a rate, because a burst of them would fill the queue that lost the packets.
//!
//! Media that is forwarded is never delayed and takes nothing from the allowance. What waits is what was asked for, not
//! the packet: it is looked up in the history when its turn comes. A small burst leaves at once, so a lone loss is
//! answered as before.

use std::collections::VecDeque;

/// Repairs leave at so many times the receiver's estimate.
pub const SHARE: f64 = 2.5;
/// Or at this rate at least, bit/s; also while there is no estimate.
pub const MIN_RATE_BPS: f64 = 1_000_000.0;
/// What leaves at once: five packets.
pub const BURST_BYTES: f64 = 6000.0;
/// More at once, and the oldest is dropped: it has waited for half a second at the lowest rate, and is asked for again
/// if it is still of use.
pub const MAX_WAITING: usize = 64;

/// The queue of one participant. `T` says what was asked for, in a few bytes.
#[derive(Clone, Debug)]
pub struct Pacer<T> {
    waiting: VecDeque<T>,
    rate_bps: f64,
    allowance: f64, // bytes; below zero by the packet that left last, at most
    at: f64,
}

impl<T> Default for Pacer<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), rate_bps: MIN_RATE_BPS, allowance: BURST_BYTES, at: 0.0 }
    }
}

impl<T> Pacer<T> {
    /// Follow the receiver's estimate, bit/s; None: there is none.
    pub fn follow(&mut self, estimate_bps: Option<u64>) {
        self.rate_bps = estimate_bps.map_or(MIN_RATE_BPS, |bps| (SHARE * bps as f64).max(MIN_RATE_BPS));
    }

    /// Put one at the end; returned is what was dropped to make room, to be counted.
    pub fn ask(&mut self, asked: T) -> Option<T> {
        let oldest = if self.waiting.len() == MAX_WAITING { self.waiting.pop_front() } else { None };
        self.waiting.push_back(asked);
        oldest
    }

    /// Take the oldest if it may leave now; then `spent` says what it came to. On asking and on every tick, until None.
    pub fn next(&mut self, now: f64) -> Option<T> {
        if self.waiting.is_empty() {
            return None;
        }
        self.allowance = BURST_BYTES.min(self.allowance + (now - self.at) * self.rate_bps / 8.0);
        self.at = now;
        if self.allowance > 0.0 { self.waiting.pop_front() } else { None }
    }

    /// A packet of `bytes` left; nothing, if there was none to send.
    pub fn spent(&mut self, bytes: usize) {
        self.allowance -= bytes as f64;
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Forget what waits: the path is gone.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All are asked for at 1 s; how many have left by each time, looked at every 5 ms.
    fn leave(pacer: &mut Pacer<usize>, asked: usize, bytes: usize, until: &[f64]) -> Vec<usize> {
        for number in 0..asked {
            pacer.ask(number);
        }
        let (mut left, mut found) = (0, Vec::new());
        for step in 0..400 {
            let now = 1.0 + f64::from(step) * 0.005;
            while pacer.next(now).is_some() {
                pacer.spent(bytes);
                left += 1;
            }
            if until.get(found.len()).is_some_and(|at| now + 0.0025 >= *at) {
                found.push(left);
            }
        }
        found
    }

    #[test]
    fn a_burst_at_once_and_the_rest_at_the_rate() {
        for (estimate_bps, asked, bytes, left) in [
            (None, 3, 1200, [3, 3, 3]),
            (None, 60, 1200, [5, 16, 57]),            // 104 a second
            (Some(100_000), 60, 1200, [5, 16, 57]),   // never slower
            (Some(2_000_000), 60, 1200, [5, 57, 60]), // 520 a second
            (None, 60, 0, [60, 60, 60]),              // none of them was held any more
        ] {
            let mut pacer = Pacer::default();
            pacer.follow(estimate_bps);
            let found = leave(&mut pacer, asked, bytes, &[1.0, 1.1, 1.5]);
            assert!(found.iter().zip(left).all(|(a, b)| a.abs_diff(b) <= 1), "{found:?} {left:?}");
        }
    }

    #[test]
    fn in_order_and_the_oldest_out() {
        let mut pacer = Pacer::default();
        let dropped: Vec<usize> = (0..MAX_WAITING + 3).filter_map(|number| pacer.ask(number)).collect();
        assert_eq!(dropped, [0, 1, 2]);
        assert_eq!(pacer.len(), MAX_WAITING);
        assert_eq!(std::iter::from_fn(|| pacer.next(1.0)).take(3).collect::<Vec<_>>(), [3, 4, 5]);
        pacer.clear();
        assert!(pacer.is_empty() && pacer.next(1.0).is_none());
    }

    #[test]
    fn a_pause_saves_up_no_more_than_a_burst() {
        let mut pacer = Pacer::default();
        leave(&mut pacer, 60, 1200, &[]);
        pacer.at = 3.0; // the clock of `leave` begins anew
        pacer.ask(0);
        assert_eq!(pacer.next(1000.0), Some(0));
        assert!(pacer.allowance <= BURST_BYTES);
    }
}
