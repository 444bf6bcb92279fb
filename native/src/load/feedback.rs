//! Transport-wide feedback of what one leg receives, as browsers send it: the server estimates by it what the leg can take.

use medinova_core::arrivals::Arrivals;
use medinova_core::feedback::TransportFeedback;
use medinova_core::id::{Sequence, Ssrc};
use medinova_core::rtcp::{Packet, pack};

/// From one report of a leg to its next; what libwebrtc begins with.
pub const INTERVAL_NS: f64 = 100e6;
const SENDER: u32 = 1; // as in receiver reports

/// When the numbered packets of one leg arrived, repairs and probes among them.
pub struct Feedback {
    extension: u8,
    media: Ssrc,
    arrivals: Arrivals, // bounded; keeps its room from report to report
    early: bool,
}

impl Feedback {
    /// The number is in header extension `extension`; `media` is a stream that the leg receives.
    #[must_use]
    pub fn new(extension: u8, media: u32) -> Self {
        Self { extension, media: Ssrc(media), arrivals: Arrivals::default(), early: false }
    }

    /// Take in a packet, encrypted or not; true, once, when a report should not wait for its turn.
    pub fn note(&mut self, packet: &[u8], now_ns: u64) -> bool {
        let Some(sequence) = sequence(packet, self.extension) else { return false };
        let full = self.arrivals.note(Sequence(sequence), now_ns as f64 / 1e9);
        let first = full && !self.early;
        self.early |= full;
        first
    }

    /// What came since the last report: one report, or more where one can't say it.
    pub fn reports(&mut self) -> Vec<TransportFeedback> {
        self.early = false;
        self.arrivals.report(Ssrc(SENDER), self.media)
    }
}

/// Write one report as a datagram, plain; None if it has no room.
pub fn write(report: TransportFeedback, room: &mut [u8]) -> Option<usize> {
    let mut datagram = Vec::with_capacity(room.len());
    pack(&Packet::TransportFeedback(report), &mut datagram);
    room.get_mut(..datagram.len())?.copy_from_slice(&datagram);
    Some(datagram.len())
}

/// A number of two bytes among the one-byte extension elements (RFC 8285 §4.2), which SRTP leaves readable.
///
/// The engine's own parser won't do: it looks at the padding behind the payload, which is encrypted here.
fn sequence(packet: &[u8], extension: u8) -> Option<u16> {
    let first = *packet.first()?;
    let at = 12 + 4 * usize::from(first & 0x0F);
    let &[0xBE, 0xDE, high, low] = packet.get(at..at + 4).filter(|_| first & 0x10 != 0)? else { return None };
    let mut rest = packet.get(at + 4..)?.get(..4 * usize::from(u16::from_be_bytes([high, low])))?;
    while let [head, after @ ..] = rest {
        let size = if *head == 0 { 0 } else { usize::from(head & 0x0F) + 1 };
        match *after {
            [high, low, ..] if head >> 4 == extension && size == 2 => return Some(u16::from_be_bytes([high, low])),
            _ => rest = after.get(size..)?,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use medinova_core::arrivals::MAX_PENDING;
    use medinova_core::rtcp;

    use super::*;

    fn packet(number: u16) -> Vec<u8> {
        let [high, low] = number.to_be_bytes();
        let head = [0xB0, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
        [&head[..], &[0xBE, 0xDE, 0, 2, 0x40, b'1', 0x31, high, low, 0, 0, 0, 99, 99]].concat() // padding encrypted
    }

    #[test]
    fn what_came_is_told_and_what_did_not_come_too() {
        let mut feedback = Feedback::new(3, 7);
        for (number, at_ms) in [(65_534, 1000), (65_535, 1125), (1, 1500)] {
            assert!(!feedback.note(&packet(number), at_ms * 1_000_000));
        }
        let reports = feedback.reports();
        let mut room = [0; 200];
        let size = write(reports[0].clone(), &mut room).expect("room");
        let [Packet::TransportFeedback(read)] = &rtcp::parse(&room[..size]).expect("RTCP")[..] else { panic!("one") };
        assert_eq!((read.sender, read.media, reports.len()), (Ssrc(1), Ssrc(7), 1));
        let told: Vec<_> = read.arrivals().map(|(sequence, us)| (sequence.0, us)).collect();
        assert_eq!(told, [(65_534, Some(1_000_000)), (65_535, Some(1_125_000)), (0, None), (1, Some(1_500_000))]);
        assert_eq!(feedback.reports(), []);
        assert_eq!(write(read.clone(), &mut [0; 20]), None);
    }

    #[test]
    fn much_is_told_before_its_turn_once() {
        let mut feedback = Feedback::new(3, 7);
        for _ in 0..2 {
            let early: Vec<_> = (0..500).filter(|number| feedback.note(&packet(*number), 0)).collect();
            assert_eq!(early, [MAX_PENDING as u16 - 1]);
            assert_eq!(feedback.reports().iter().map(|report| report.deltas.len()).sum::<usize>(), 500);
            feedback = Feedback::new(3, 7);
        }
    }

    #[test]
    fn a_packet_without_a_number_is_not_told_of() {
        let whole = packet(5);
        assert_eq!((sequence(&whole, 3), sequence(&whole, 4), sequence(&whole, 9)), (Some(5), None, None));
        assert!((0..21).all(|size| sequence(&whole[..size], 3).is_none()));
        let plain = [&[0x80][..], &whole[1..]].concat();
        assert_eq!(sequence(&plain, 3), None);
    }
}
