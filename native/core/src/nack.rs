//! Which packets of a video stream to ask the sender for again (RFC 4585 §6.2.1).
//!
//! A number skipped is asked for when it stayed away a little longer than reordering explains, once more a round trip
//! later, and then never again: by then the receivers ask for a key frame. A gap too wide to repair is answered with a
//! key frame at once. Audio is not asked for: Opus conceals, and a pause (DTX) is no loss.

use crate::id::Seq;

/// A number may be late by this much before it is asked for.
pub const REORDER_S: f64 = 0.02;
/// Requests per number.
pub const MAX_TRIES: u8 = 2;
/// Numbers missing at once; with more, repair would cost more than a key frame.
pub const MAX_MISSING: usize = 256;
/// Since it was noticed; older is not asked for.
pub const MAX_AGE_S: f64 = 1.0;
/// Of the packets received may be asked for again.
pub const SHARE: f64 = 0.2;
/// Packets; what may be asked for before the share tells.
pub const BURST: f64 = 64.0;
/// Also while it is not known yet.
pub const MIN_ROUND_TRIP_S: f64 = 0.03;

/// The missing packets of one up stream.
#[derive(Clone, Debug)]
pub struct NackList {
    missing: Vec<Missing>, // by rising number
    budget: f64,
    given_up: u64,
    next_at: f64, // nothing of `missing` is due before
}

#[derive(Clone, Debug)]
struct Missing {
    seq: Seq,
    noticed_at: f64,
    next_at: f64,
    tries: u8,
}

impl Default for NackList {
    fn default() -> Self {
        Self { missing: Vec::new(), budget: BURST, given_up: 0, next_at: 0.0 }
    }
}

impl NackList {
    /// Take in a packet, `highest` being the newest before it, which never falls; false if the gap is beyond repair.
    pub fn received(&mut self, seq: Seq, highest: Seq, now: f64) -> bool {
        if self.budget < BURST {
            self.budget += SHARE;
        }
        if seq <= highest {
            if let Ok(at) = self.missing.binary_search_by_key(&seq, |missing| missing.seq) {
                self.missing.remove(at);
            }
            return true;
        }
        if seq == highest + 1 {
            return true;
        }
        if seq - highest - 1 + self.missing.len() as i64 > MAX_MISSING as i64 {
            self.given_up += self.missing.len() as u64;
            self.missing.clear();
            return false;
        }
        let next_at = now + REORDER_S;
        self.next_at = if self.missing.is_empty() { next_at } else { self.next_at.min(next_at) };
        let skipped = (highest.0 + 1..seq.0).map(Seq);
        self.missing.extend(skipped.map(|seq| Missing { seq, noticed_at: now, next_at, tries: 0 }));
        true
    }

    /// Append the numbers to ask for now to `out`, oldest first.
    pub fn due(&mut self, now: f64, round_trip_s: f64, out: &mut Vec<Seq>) {
        if now < self.next_at {
            return;
        }
        self.next_at = f64::INFINITY;
        let (budget, next_at) = (&mut self.budget, &mut self.next_at);
        let before = self.missing.len();
        self.missing.retain_mut(|missing| {
            if now < missing.next_at {
                *next_at = next_at.min(missing.next_at);
                return true;
            }
            if missing.tries >= MAX_TRIES || now - missing.noticed_at > MAX_AGE_S {
                return false;
            }
            if *budget >= 1.0 {
                *budget -= 1.0;
                missing.tries += 1;
                missing.next_at = now + round_trip_s.max(MIN_ROUND_TRIP_S);
                out.push(missing.seq);
            }
            *next_at = next_at.min(missing.next_at);
            true
        });
        self.given_up += (before - self.missing.len()) as u64;
    }

    /// How many are missing and may still come.
    #[must_use]
    pub fn len(&self) -> usize {
        self.missing.len()
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty()
    }

    /// How many never came.
    #[must_use]
    pub const fn given_up(&self) -> u64 {
        self.given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(nacks: &mut NackList, numbers: &[i64]) {
        let mut highest = numbers[0] - 1;
        for &number in numbers {
            assert!(nacks.received(Seq(number), Seq(highest), 0.0));
            highest = highest.max(number);
        }
    }

    fn due(nacks: &mut NackList, now: f64, round_trip_s: f64) -> Vec<i64> {
        let mut out = Vec::new();
        nacks.due(now, round_trip_s, &mut out);
        out.iter().map(|seq| seq.0).collect()
    }

    #[test]
    fn what_is_missing() {
        for (numbers, asked) in [
            (&[1, 2, 3][..], &[][..]),
            (&[1, 4], &[2, 3]),
            (&[1, 4, 2], &[3]),
            (&[1, 3, 2], &[]),
            (&[1, 3, 5, 4], &[2]),
            (&[65535, 65537], &[65536]),
        ] {
            let mut nacks = NackList::default();
            receive(&mut nacks, numbers);
            assert!(due(&mut nacks, 0.0, 0.1).is_empty()); // it may only be late
            assert_eq!(due(&mut nacks, 0.03, 0.1), asked, "{numbers:?}");
        }
    }

    #[test]
    fn twice_a_round_trip_apart_and_then_never() {
        let mut nacks = NackList::default();
        receive(&mut nacks, &[1, 3]);
        let asked: Vec<i32> = (0..100).filter(|&at| !due(&mut nacks, f64::from(at) / 100.0, 0.2).is_empty()).collect();
        assert_eq!(asked, [2, 22]);
        assert_eq!((nacks.len(), nacks.given_up()), (0, 1));
    }

    #[test]
    fn too_old_is_not_asked_for() {
        let mut nacks = NackList::default();
        receive(&mut nacks, &[1, 3]);
        assert!(due(&mut nacks, MAX_AGE_S + 0.01, 0.2).is_empty());
        assert!(nacks.is_empty());
    }

    #[test]
    fn a_wide_gap_is_beyond_repair() {
        let mut nacks = NackList::default();
        receive(&mut nacks, &[1, 3]);
        let wide = MAX_MISSING as i64;
        assert!(nacks.received(Seq(wide + 2), Seq(3), 0.0));
        assert!(!nacks.received(Seq(wide + 10), Seq(wide + 2), 0.0));
        assert!(nacks.is_empty());
        assert_eq!(nacks.given_up(), MAX_MISSING as u64 - 1);
    }

    #[test]
    fn no_more_than_a_fifth_is_asked_for() {
        let mut nacks = NackList::default();
        let (mut asked, mut highest) = (0, 0);
        for number in (1..4001).step_by(2) {
            // every other packet is lost
            let now = number as f64 / 100.0;
            nacks.received(Seq(number), Seq(highest), now);
            highest = number;
            asked += due(&mut nacks, now, 0.01).len();
        }
        assert!((asked as f64 - (2000.0 * SHARE + BURST)).abs() <= 3.0, "{asked}");
    }
}
