//! What of one stream arrived, told by the headers alone, and by the stamps of those packets that were decrypted.

use super::leg::Receiving;
use super::source::Stamp;

/// One packet in so many is authenticated, decrypted, and its stamp read.
pub const SAMPLED: u64 = 16;

/// One stream that somebody receives.
pub struct Sink {
    /// On the wire; 0: not known yet, whatever comes with the payload type.
    pub ssrc: u32,
    /// Taken where the SSRC is not known.
    pub payload_type: u8,
    /// Index among all sources of the one that it carries.
    pub source: Option<usize>,
    /// Arrived, duplicates apart.
    pub received: u64,
    /// Arrived once more.
    pub duplicates: u64,
    /// Arrived behind a packet with a higher number.
    pub reordered: u64,
    first: i64,
    highest: i64,
    window: u128,        // of the numbers at and below the highest: which came
    offset: Option<i64>, // from a number to the count that its stamp says
    seen: u64,           // ever, for sampling
}

impl Sink {
    /// `phase` keeps the sampling of neighbours apart.
    #[must_use]
    pub fn new(receiving: &Receiving, source: Option<usize>, phase: usize) -> Self {
        Self {
            ssrc: receiving.ssrc,
            payload_type: receiving.payload_type,
            source,
            received: 0,
            duplicates: 0,
            reordered: 0,
            first: -1,
            highest: -1,
            window: 0,
            offset: None,
            seen: phase as u64,
        }
    }

    /// Count from here; what is known of numbers stays.
    pub fn reset(&mut self) {
        (self.received, self.duplicates, self.reordered) = (0, 0, 0);
        self.first = self.highest + i64::from(self.highest >= 0);
    }

    /// Take one in; returns whether it is to be decrypted.
    pub fn note(&mut self, sequence: u16) -> bool {
        self.seen += 1;
        if self.highest < 0 {
            self.first = 0x1_0000 + i64::from(sequence);
            self.highest = self.first - 1;
        }
        let ahead = i64::from(sequence.wrapping_sub(self.highest as u16) as i16);
        if ahead > 0 {
            self.window = if ahead < 128 { self.window << ahead | 1 } else { 1 };
            self.highest += ahead;
            self.received += 1;
        } else {
            // older than the window can't be told from a duplicate; it is taken for a straggler
            let bit = 1_u128.checked_shl(-ahead as u32).unwrap_or(0);
            if self.window & bit != 0 {
                self.duplicates += 1;
                return false;
            }
            self.window |= bit;
            self.reordered += 1;
            if self.highest + ahead >= self.first {
                self.received += 1;
            }
        }
        self.seen.is_multiple_of(SAMPLED)
    }

    /// A stamp was read from the packet with this number.
    pub fn stamped(&mut self, sequence: u16, stamp: Stamp) {
        let number = self.highest + i64::from(sequence.wrapping_sub(self.highest as u16) as i16);
        self.offset = Some(i64::from(stamp.count) - number);
    }

    /// How many should have come since the reset, `sent` and `sent_before` being what its source had sent until now and
    /// until then. What is missing at the end is known from the stamps; of a stream that got none, all is missing.
    #[must_use]
    pub fn expected(&self, sent: u32, sent_before: u32) -> u64 {
        if self.received == 0 {
            return u64::from(sent - sent_before);
        }
        let tail = self.offset.map_or(0, |offset| i64::from(sent) - (self.highest + offset));
        (self.highest - self.first + 1 + tail.max(0)).max(0) as u64
    }

    /// What a receiver report says: highest number, and how many of those since the reset are missing.
    #[must_use]
    pub fn report(&self) -> Option<(u32, u32)> {
        let span = (self.highest - self.first + 1).max(0) as u64;
        (self.received > 0).then(|| ((self.highest - 0x1_0000) as u32, span.saturating_sub(self.received) as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink() -> Sink {
        Sink {
            ssrc: 1,
            payload_type: 96,
            source: Some(0),
            received: 0,
            duplicates: 0,
            reordered: 0,
            first: -1,
            highest: -1,
            window: 0,
            offset: None,
            seen: 0,
        }
    }

    #[test]
    fn loss_duplicates_and_order() {
        // numbers; then received, duplicates, reordered, expected
        let table: [(&[u16], [u64; 4]); 6] = [
            (&[1, 2, 3], [3, 0, 0, 3]),
            (&[65534, 65535, 0, 1], [4, 0, 0, 4]),
            (&[1, 2, 5], [3, 0, 0, 5]),
            (&[1, 3, 2, 4], [4, 0, 1, 4]),
            (&[1, 2, 2, 3, 1], [3, 2, 0, 3]),
            (&[65535, 1, 0, 0], [3, 1, 1, 3]),
        ];
        for (numbers, expected) in table {
            let mut sink = sink();
            for &number in numbers {
                sink.note(number);
            }
            let found = [sink.received, sink.duplicates, sink.reordered, sink.expected(100, 50)];
            assert_eq!(found, expected, "{numbers:?}");
        }
    }

    #[test]
    fn what_is_missing_at_the_end_is_told_by_the_stamps() {
        let mut sink = sink();
        assert_eq!(sink.expected(100, 50), 50);
        for number in 10..20 {
            sink.note(number);
        }
        sink.stamped(15, Stamp { source: 0, count: 6, sent_ns: 0 });
        assert_eq!(sink.expected(10, 0), 10);
        assert_eq!(sink.expected(13, 0), 13);
        sink.reset();
        assert_eq!(sink.expected(13, 10), 3);
        for number in 20..22 {
            sink.note(number);
        }
        assert_eq!((sink.received, sink.expected(13, 10)), (2, 3));
    }

    #[test]
    fn one_in_sixteen_is_sampled() {
        let mut sink = sink();
        assert_eq!((0..1600).filter(|&number| sink.note(number)).count(), 100);
    }
}
