//! How much may be sent again in one slot: each packet twice, once a round trip, and a fifth of the slot's rate in all.
//!
//! A receiver on a bad network asks for more than its network can carry; answering all of it would make the loss worse.

use std::collections::VecDeque;

use crate::id::Seq;

/// Repairs per packet.
pub const MAX_TIMES: u8 = 2;
/// Also while it is not known yet.
pub const MIN_ROUND_TRIP_S: f64 = 0.02;
/// Of the bytes forwarded may be sent again.
pub const SHARE: f64 = 0.2;
/// What a slot may save up: one key frame's worth.
pub const MAX_BUDGET_BYTES: f64 = 30_000.0;
/// What a slot may send again before the share tells.
pub const FIRST_BUDGET_BYTES: f64 = 10_000.0;
/// Numbers; oldest out.
pub const MAX_REMEMBERED: usize = 1024;

/// The limit of one slot.
#[derive(Clone, Debug)]
pub struct RepairLimit {
    budget_bytes: f64,
    // in the order of their first repair; 16 bytes each, because every slot has such a list
    sent: VecDeque<Sent>,
    newest: Option<Seq>,
}

#[derive(Clone, Debug)]
struct Sent {
    seq_low: u32, // what is asked for lies within the history, far closer than 32 bits reach
    times: u8,
    last: f64,
}

impl Default for RepairLimit {
    fn default() -> Self {
        Self { budget_bytes: FIRST_BUDGET_BYTES, sent: VecDeque::new(), newest: None }
    }
}

impl RepairLimit {
    /// A packet of `size` bytes was forwarded.
    pub fn earn(&mut self, size: usize) {
        if self.budget_bytes < MAX_BUDGET_BYTES {
            self.budget_bytes += SHARE * size as f64;
        }
    }

    /// Whether `size` bytes may be sent again for `seq` now; if so, they count as sent.
    pub fn spend(&mut self, seq: Seq, size: usize, now: f64, round_trip_s: Option<f64>) -> bool {
        let seq_low = seq.0 as u32;
        // most requests are for packets newer than any before; those need no search
        let known = match self.newest {
            Some(newest) if seq <= newest => self.sent.iter_mut().rev().find(|sent| sent.seq_low == seq_low),
            _ => None,
        };
        let pause = round_trip_s.unwrap_or(0.0).max(MIN_ROUND_TRIP_S);
        if size as f64 > self.budget_bytes
            || known.as_ref().is_some_and(|sent| sent.times >= MAX_TIMES || now - sent.last < pause)
        {
            return false;
        }
        self.budget_bytes -= size as f64;
        if let Some(sent) = known {
            sent.times += 1;
            sent.last = now;
            return true;
        }
        if self.sent.len() == MAX_REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back(Sent { seq_low, times: 1, last: now });
        self.newest = self.newest.max(Some(seq));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_and_once_a_round_trip() {
        for (round_trip_s, asked_at, answered) in [
            (Some(0.1), &[0.0, 0.05, 0.1, 0.15, 0.2, 0.3][..], [0.0, 0.1]),
            (None, &[0.0, 0.01, 0.02, 0.5], [0.0, 0.02]),
            (Some(0.001), &[0.0, 0.01, 0.03], [0.0, 0.03]),
        ] {
            let mut limit = RepairLimit::default();
            let mut at = asked_at.to_vec();
            at.retain(|&at| limit.spend(Seq(0), 100, at, round_trip_s));
            assert_eq!(at, answered);
        }
    }

    #[test]
    fn an_older_packet_has_a_count_of_its_own() {
        let mut limit = RepairLimit::default();
        let answers = [5, 4, 5, 4, 6].map(|seq| limit.spend(Seq(seq), 100, 0.0, None));
        assert_eq!(answers, [true, true, false, false, true]);
    }

    #[test]
    fn a_fifth_of_the_rate() {
        let mut limit = RepairLimit::default();
        let mut again = 0;
        for seq in 0..10_000 {
            limit.earn(1000);
            again += i32::from(limit.spend(Seq(seq), 1000, 0.0, None));
        }
        assert!((again - (2000 + 10)).abs() <= 2, "{again}");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut limit = RepairLimit::default();
        let end = 3 * MAX_REMEMBERED as i64;
        for seq in 0..end {
            limit.earn(1000);
            limit.spend(Seq(seq), 1, 0.0, None);
        }
        assert_eq!(limit.sent.len(), MAX_REMEMBERED);
        assert!(!limit.spend(Seq(end - MAX_REMEMBERED as i64), 1, 0.0, None)); // the oldest remembered
        assert!(limit.spend(Seq(end - MAX_REMEMBERED as i64 - 1), 1, 0.0, None)); // forgotten
        assert!(size_of::<Sent>() <= 16);
    }
}
