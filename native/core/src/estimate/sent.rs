//! The packets sent to one receiver, until its feedback has spoken of them: a ring of 16 bytes each, oldest out.

use std::hint::black_box;

use crate::id::Sequence;

const MIN_PACKETS: usize = 64;
/// Feedback later than so many packets is of no use. A power of two, so that numbers wrap with the ring.
pub(super) const MAX_PACKETS: usize = 2048;
const AWAITED_S: f64 = 1.0; // a packet younger than that, not spoken of, makes the ring grow instead of leaving it

#[derive(Clone, Debug, Default)]
pub(super) struct SentPackets {
    ring: Vec<Sent>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: f64,
    sequence: Sequence,
    size: u16,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    NotSent,
    OnItsWay,
    Lost,
    Received,
}

const EMPTY: Sent = Sent { at: 0.0, sequence: Sequence(0), size: 0, fate: Fate::NotSent };

/// A packet that feedback says arrived, for the first time.
#[derive(Debug, PartialEq)]
pub(super) struct Received {
    pub at: f64,
    pub size: u16,
    pub reported_lost: bool,
}

impl SentPackets {
    /// Read what putting the next will need.
    pub fn touch(&self, next: Sequence) {
        let mask = self.ring.len().wrapping_sub(1);
        black_box(self.ring.get(usize::from(next.0) & mask).map(|sent| sent.at));
    }

    pub fn put(&mut self, sequence: Sequence, size: usize, now: f64) {
        if self.ring.is_empty() {
            self.ring.resize(MIN_PACKETS, EMPTY);
        }
        let oldest = *self.place(sequence);
        if self.ring.len() < MAX_PACKETS && oldest.fate == Fate::OnItsWay && now - oldest.at < AWAITED_S {
            self.grow();
        }
        let size = size.min(usize::from(u16::MAX)) as u16;
        *self.place(sequence) = Sent { at: now, sequence, size, fate: Fate::OnItsWay };
    }

    /// Whether a packet on its way is lost now.
    pub fn lose(&mut self, sequence: Sequence) -> bool {
        let lost = self.find(sequence).filter(|sent| sent.fate == Fate::OnItsWay);
        lost.map(|sent| sent.fate = Fate::Lost).is_some()
    }

    pub fn receive(&mut self, sequence: Sequence) -> Option<Received> {
        let sent = self.find(sequence).filter(|sent| matches!(sent.fate, Fate::OnItsWay | Fate::Lost))?;
        let reported_lost = std::mem::replace(&mut sent.fate, Fate::Received) == Fate::Lost;
        Some(Received { at: sent.at, size: sent.size, reported_lost })
    }

    fn find(&mut self, sequence: Sequence) -> Option<&mut Sent> {
        (!self.ring.is_empty()).then(|| self.place(sequence)).filter(|sent| sent.sequence == sequence)
    }

    fn place(&mut self, sequence: Sequence) -> &mut Sent {
        let last = self.ring.len() - 1;
        &mut self.ring[usize::from(sequence.0) & last]
    }

    fn grow(&mut self) {
        let twice = vec![EMPTY; 2 * self.ring.len()];
        for sent in std::mem::replace(&mut self.ring, twice) {
            if sent.fate != Fate::NotSent {
                *self.place(sent.sequence) = sent;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(packets: &mut SentPackets, sequences: impl Iterator<Item = u16>, interval_s: f64) {
        for (at, sequence) in sequences.enumerate() {
            packets.put(Sequence(sequence), 1000, at as f64 * interval_s);
        }
    }

    #[test]
    fn a_packet_is_received_once_and_may_be_called_lost_before() {
        let mut packets = SentPackets::default();
        assert_eq!(packets.receive(Sequence(0)), None); // nothing was sent yet
        assert!(!packets.lose(Sequence(0)));
        packets.put(Sequence(0), 70_000, 5.0);
        assert!(packets.lose(Sequence(0)));
        assert!(!packets.lose(Sequence(0)));
        assert_eq!(packets.receive(Sequence(0)), Some(Received { at: 5.0, size: u16::MAX, reported_lost: true }));
        assert_eq!(packets.receive(Sequence(0)), None);
        assert!(!packets.lose(Sequence(0)));
    }

    #[test]
    fn the_ring_holds_what_is_awaited_and_no_more() {
        for (packets_sent, interval_s, held) in [
            (10, 0.001, MIN_PACKETS),
            (1000, 0.1, MIN_PACKETS), // nobody answers: a second's worth is kept
            (1000, 0.005, 256),
            (60_000, 0.0001, MAX_PACKETS),
        ] {
            let mut packets = SentPackets::default();
            send(&mut packets, 0..packets_sent, interval_s);
            assert_eq!(packets.ring.len(), held, "{packets_sent}");
        }
        assert!(size_of::<Sent>() <= 16);
    }

    #[test]
    fn growing_and_wrapping_lose_nothing() {
        let mut packets = SentPackets::default();
        send(&mut packets, (0..200).map(|at: u16| at.wrapping_sub(100)), 0.001);
        assert!((0..200).all(|at: u16| packets.receive(Sequence(at.wrapping_sub(100))).is_some()));
        assert!(packets.receive(Sequence(200)).is_none());
    }
}
