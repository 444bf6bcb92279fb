//! Which number a forwarded packet gets: an interval map of offsets over one source's sequence numbers.
//!
//! A packet that is dropped (padding that carries nothing) must leave no gap, or the receiver would take it for a loss
//! and ask for it again. So every number behind it moves down by one. A late packet must use the offset in force at
//! *its* number, not the latest one; hence a map, not a counter. The way back, from the number a receiver asks for to
//! the source's packet, reads the same map.

use std::collections::VecDeque;

use crate::id::Seq;

/// Oldest out; packets before it are too late by then.
pub const MAX_INTERVALS: usize = 128;

/// Numbers in: unwrapped, of one source, from `first` on. Numbers out: unwrapped, `first_out` for `first`.
#[derive(Clone, Debug)]
pub struct Numbering {
    first: Seq,
    highest: Seq,
    last: Option<Seq>,
    newest: Interval,
    // those behind the newest, rising; nothing is allocated for a source that never drops
    past: VecDeque<Interval>,
}

/// From this number on, this offset.
#[derive(Clone, Copy, Debug)]
struct Interval {
    start: Seq,
    offset: i64,
}

impl Interval {
    /// The first number that it gives away.
    fn first_out(self) -> Seq {
        self.start + self.offset
    }
}

impl Numbering {
    /// Begin at `first`, which goes out as `first_out`.
    #[must_use]
    pub fn new(first: Seq, first_out: Seq) -> Self {
        let newest = Interval { start: first, offset: first_out - first };
        Self { first, highest: first + -1, last: None, newest, past: VecDeque::new() }
    }

    /// Where the source begins.
    #[must_use]
    pub const fn first(&self) -> Seq {
        self.first
    }

    /// The newest number seen, forwarded or dropped; one before `first` at the start.
    #[must_use]
    pub const fn highest(&self) -> Seq {
        self.highest
    }

    /// Return the number out, or None for what is before the map, dropped, or beyond its end.
    pub fn forward(&mut self, seq: Seq) -> Option<Seq> {
        if seq < self.newest.start {
            return self.look_back(seq);
        }
        if self.last.is_some_and(|last| seq > last) {
            return None;
        }
        self.highest = self.highest.max(seq);
        Some(seq + self.newest.offset)
    }

    /// Leave `seq` out without a gap; late, its number was passed over already and is returned, to be filled.
    pub fn drop(&mut self, seq: Seq) -> Option<Seq> {
        if seq <= self.highest || self.last.is_some() {
            return self.forward(seq);
        }
        self.highest = seq;
        // drops in a row: the interval between them would be empty
        if self.newest.start != seq {
            if self.past.len() + 1 == MAX_INTERVALS {
                self.past.pop_front();
            }
            self.past.push_back(self.newest);
        }
        self.newest = Interval { start: seq + 1, offset: self.newest.offset - 1 };
        None
    }

    /// Forward nothing newer than what was seen; what is late keeps its number.
    pub fn close(&mut self) {
        self.last = Some(self.highest);
    }

    /// Return the number in that went out as `out`, or None if none did.
    #[must_use]
    pub fn source_of(&self, out: Seq) -> Option<Seq> {
        let interval = self.newest_first().find(|interval| out >= interval.first_out())?;
        let source = out + -interval.offset;
        (source <= self.highest).then_some(source)
    }

    fn look_back(&self, seq: Seq) -> Option<Seq> {
        let mut following = self.newest.first_out();
        for interval in self.past.iter().rev() {
            if seq >= interval.start {
                let out = seq + interval.offset;
                return (out < following).then_some(out);
            }
            following = interval.first_out();
        }
        None
    }

    fn newest_first(&self) -> impl Iterator<Item = &Interval> {
        std::iter::once(&self.newest).chain(self.past.iter().rev())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `f` forwards, `d` drops, `c` closes; the source's packets in the order they came.
    fn play(moves: &str, first: Option<i64>, first_out: Option<i64>) -> (Numbering, Vec<Option<i64>>) {
        let seq_of = |one: &str| one[1..].parse().map(Seq).unwrap_or_default();
        let begin = seq_of(moves.split_whitespace().next().unwrap());
        let mut numbering = Numbering::new(first.map_or(begin, Seq), first_out.map_or(begin, Seq));
        let mut out = Vec::new();
        for one in moves.split_whitespace() {
            match &one[..1] {
                "f" => out.push(numbering.forward(seq_of(one)).map(|seq| seq.0)),
                "d" => out.extend(numbering.drop(seq_of(one)).map(|seq| Some(seq.0))),
                _ => numbering.close(),
            }
        }
        (numbering, out)
    }

    #[test]
    fn numbers_out() {
        const NONE: i64 = -1;
        for (moves, expected) in [
            ("f1 f2 f3", &[1, 2, 3][..]),
            ("f65535 d65536 f65537", &[65535, 65536]),
            ("f1 d2 d3 f4", &[1, 2]),
            ("f1 d2 f3 d4 f5", &[1, 2, 3]),
            ("f1 f3 f2", &[1, 3, 2]),             // late
            ("f1 d3 f4 f2", &[1, 3, 2]),          // late, from before a drop
            ("f1 d2 f4 d5 f6 f3", &[1, 3, 4, 2]), // late, between two drops
            ("f1 d2 f3 f2", &[1, 2, NONE]),       // dropped means dropped
            ("f1 d2 d3 f4 f3 f2", &[1, 2, NONE, NONE]),
            ("f1 f4 d3 f5", &[1, 4, 3, 5]), // dropped late: its number was passed over, so it is filled
            ("f5 f4", &[5, NONE]),          // from before the map
            ("f1 f2 c f3 f2", &[1, 2, NONE, 2]), // closed: only what is late
            ("f1 f3 c f2 f4", &[1, 3, 2, NONE]),
            ("f1 c d1 d2", &[1, 1]),
        ] {
            let out: Vec<i64> = play(moves, None, None).1.iter().map(|seq| seq.unwrap_or(NONE)).collect();
            assert_eq!(out, expected, "{moves}");
        }
    }

    #[test]
    fn a_drop_at_the_start_takes_no_number() {
        assert_eq!(play("d10 d11 f12", Some(10), Some(500)).1, [Some(500)]);
    }

    #[test]
    fn the_way_back() {
        for (moves, asked, source) in [
            ("f1 f2 f3", 2, Some(2)),
            ("f1 d2 f3 f4", 2, Some(3)),
            ("f1 d2 d3 f4 d5 f6", 3, Some(6)),
            ("f1 d2 d3 f4 d5 f6", 1, Some(1)),
            ("f1 f2", 3, None), // not yet
            ("f1 d2", 2, None),
            ("f5 f6", 4, None),
        ] {
            assert_eq!(play(moves, None, None).0.source_of(Seq(asked)), source.map(Seq), "{moves}");
        }
    }

    proptest! {
        #[test]
        fn in_order_there_is_no_gap_and_every_number_leads_back(
            drops in prop::collection::vec(any::<bool>(), 1..100), first_out in 0..1_i64 << 20
        ) {
            let mut numbering = Numbering::new(Seq(70), Seq(first_out));
            let mut kept: Vec<Seq> = Vec::new();
            for (seq, &drop) in (70..).map(Seq).zip(&drops) {
                if drop {
                    prop_assert_eq!(numbering.drop(seq), None);
                } else {
                    prop_assert_eq!(numbering.forward(seq), Some(Seq(first_out + kept.len() as i64)));
                    kept.push(seq);
                }
            }
            for (out, &seq) in (first_out..).map(Seq).zip(&kept) {
                prop_assert_eq!(numbering.source_of(out), Some(seq));
                prop_assert_eq!(numbering.forward(seq), Some(out));
            }
        }
    }

    #[test]
    fn the_map_is_bounded() {
        let mut numbering = Numbering::new(Seq(0), Seq(0));
        let end = 10 * MAX_INTERVALS as i64;
        for seq in 0..end {
            if seq % 2 == 1 {
                numbering.drop(Seq(seq));
            } else {
                numbering.forward(Seq(seq));
            }
        }
        assert_eq!(numbering.past.len() + 1, MAX_INTERVALS);
        assert_eq!(numbering.forward(Seq(0)), None);
        assert_eq!(numbering.forward(Seq(end)), Some(Seq(end / 2)));
    }
}
