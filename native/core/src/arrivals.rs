//! When the packets of one participant arrived: kept until the next transport-wide feedback goes out.
//!
//! One sequence for all lines of a transport. The answer accepts transport-cc only because this is sent: a sender that
//! was promised feedback and gets none falls to a few kbit/s.

use crate::feedback::{TransportFeedback, transport_feedback};
use crate::id::{Seq, Sequence, Ssrc};

/// Between two reports.
pub const INTERVAL_S: f64 = 0.1;
/// Packets; a report is sent early at that many. At twice as many, later ones are passed over.
pub const MAX_PENDING: usize = 400;

/// What one participant's packets have to be told of.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// By rising number, with µs; packets mostly come in order, so this is a push.
    pending: Vec<(Seq, i64)>,
    highest: Option<Seq>,
    /// The last number that a report covered.
    reported: Seq,
    count: u8,
}

impl Arrivals {
    /// Read what noting will need.
    #[must_use]
    pub fn touch(&self) -> Option<Seq> {
        self.pending.last().map(|(seq, _)| *seq)
    }

    /// Take in a transport-wide number; true if a report should go out without waiting.
    pub fn note(&mut self, sequence: Sequence, arrived: f64) -> bool {
        let seq = if let Some(highest) = self.highest {
            let seq = highest.unwrap_near(sequence);
            self.highest = Some(highest.max(seq));
            seq
        } else {
            // far from zero, so that what comes before the first stays positive
            let seq = Seq(0x10000 + i64::from(sequence.0));
            self.highest = Some(seq);
            self.reported = seq + -1;
            seq
        };
        if self.pending.len() < 2 * MAX_PENDING {
            // nobody fetches reports while the path is down
            self.keep(seq, (arrived * 1_000_000.0) as i64);
        }
        self.pending.len() >= MAX_PENDING
    }

    /// Return the feedback about everything noted since the last report, usually one packet.
    pub fn report(&mut self, sender: Ssrc, media: Ssrc) -> Vec<TransportFeedback> {
        let (Some(&(first, _)), Some(&(last, _))) = (self.pending.first(), self.pending.last()) else {
            return Vec::new();
        };
        let following = self.reported + 1;
        let gap = (first > following).then_some((following, None));
        let arrivals = self.pending.drain(..).map(|(seq, us)| (seq, Some(us)));
        let reports = transport_feedback(sender, media, self.count, gap.into_iter().chain(arrivals));
        self.reported = self.reported.max(last);
        self.count = self.count.wrapping_add(reports.len() as u8);
        reports
    }

    /// The first time that a number came counts.
    fn keep(&mut self, seq: Seq, us: i64) {
        match self.pending.last() {
            Some((last, _)) if *last >= seq => {
                if let Err(at) = self.pending.binary_search_by_key(&seq, |(kept, _)| *kept) {
                    self.pending.insert(at, (seq, us));
                }
            }
            _ => self.pending.push((seq, us)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Every number in the next reports, with its arrival in µs.
    fn told(arrivals: &mut Arrivals) -> HashMap<u16, Option<i64>> {
        let reports = arrivals.report(Ssrc(1), Ssrc(2));
        reports.iter().flat_map(TransportFeedback::arrivals).map(|(sequence, us)| (sequence.0, us)).collect()
    }

    #[test]
    fn numbers_and_losses() {
        type Case<'a> = (&'a [u16], &'a [(u16, Option<i64>)]);
        let cases: [Case<'_>; 5] = [
            (&[5, 6, 7], &[(5, Some(0)), (6, Some(1)), (7, Some(2))]),
            (&[5, 8], &[(5, Some(0)), (6, None), (7, None), (8, Some(1))]),
            (&[65534, 65535, 0], &[(65534, Some(0)), (65535, Some(1)), (0, Some(2))]),
            (&[5, 7, 6], &[(5, Some(0)), (6, Some(2)), (7, Some(1))]),
            (&[5, 5], &[(5, Some(0))]),
        ];
        for (numbers, said) in cases {
            let mut arrivals = Arrivals::default();
            for (at, number) in numbers.iter().enumerate() {
                arrivals.note(Sequence(*number), 64.0 + at as f64 / 8.0);
            }
            let expected = said.iter().map(|(number, at)| (*number, at.map(|at| 64_000_000 + at * 125_000)));
            assert_eq!(told(&mut arrivals), expected.collect());
        }
    }

    #[test]
    fn nothing_is_left_out_between_reports() {
        let mut arrivals = Arrivals::default();
        arrivals.note(Sequence(5), 1.0);
        assert_eq!(told(&mut arrivals), HashMap::from([(5, Some(1_000_000))]));
        assert_eq!(told(&mut arrivals), HashMap::new());
        arrivals.note(Sequence(8), 2.0);
        assert_eq!(told(&mut arrivals), HashMap::from([(6, None), (7, None), (8, Some(2_000_000))]));
        arrivals.note(Sequence(7), 2.1); // late: said lost before, said received now
        assert_eq!(told(&mut arrivals), HashMap::from([(7, Some(2_100_000))]));
        arrivals.note(Sequence(9), 2.2);
        assert_eq!(told(&mut arrivals), HashMap::from([(9, Some(2_200_000))]));
    }

    #[test]
    fn reports_are_counted_and_name_the_stream() {
        let mut arrivals = Arrivals::default();
        for number in 0..300_u16 {
            arrivals.note(Sequence(number), f64::from(number) / 10.0);
            let reports = arrivals.report(Ssrc(1), Ssrc(2));
            let [report] = &reports[..] else { panic!("one report each") };
            assert_eq!((report.sender, report.media, report.count), (Ssrc(1), Ssrc(2), number as u8));
        }
    }

    #[test]
    fn a_flood_is_reported_early_and_what_nobody_fetches_is_bounded() {
        let mut arrivals = Arrivals::default();
        let early: Vec<bool> = (0..5000).map(|number| arrivals.note(Sequence(number), 1.0)).collect();
        assert_eq!(early.iter().position(|early| *early), Some(MAX_PENDING - 1));
        assert_eq!(told(&mut arrivals).len(), 2 * MAX_PENDING);
    }

    proptest! {
        #[test]
        fn any_numbers_at_any_time_are_each_told_once(
            notes in vec((any::<u16>(), -1e6..1e9_f64), 1..100),
            every in 1..20_usize,
        ) {
            let mut arrivals = Arrivals::default();
            for some in notes.chunks(every) {
                let mut first: HashMap<u16, f64> = HashMap::new();
                for (number, arrived) in some {
                    arrivals.note(Sequence(*number), *arrived);
                    first.entry(*number).or_insert(*arrived);
                }
                let reports = arrivals.report(Ssrc(1), Ssrc(2));
                let mut received: Vec<u16> = reports
                    .iter()
                    .flat_map(TransportFeedback::arrivals)
                    .filter_map(|(sequence, us)| us.map(|_| sequence.0))
                    .collect();
                received.sort_unstable();
                received.dedup();
                let mut expected: Vec<u16> = first.into_keys().collect();
                expected.sort_unstable();
                prop_assert_eq!(received, expected);
            }
        }
    }
}
