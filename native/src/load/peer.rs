//! One leg: what it sends in reports, and what it makes of what it receives.

use std::net::SocketAddrV4;

use medinova_core::srtp::Srtp;

use super::feedback::Feedback;
use super::histogram::Histogram;
use super::sink::Sink;
use super::source::{Source, Stamp};

const NTP_AT_ZERO: u64 = 3_900_000_000; // seconds since 1900 when the generator started, in sender reports

/// Totals since the last reset.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// RTP packets handed to the kernel.
    pub sent: u64,
    /// Of these, more than a millisecond after they were due.
    pub late: u64,
    /// RTP packets of streams that somebody waits for; all of them, duplicates too.
    pub arrived: u64,
    /// RTP packets of other streams: repairs and probes.
    pub other: u64,
    /// Packets that were to be decrypted and are not authentic.
    pub refused: u64,
    /// Packets with a stamp of another source, or none.
    pub strange: u64,
    /// RTCP datagrams.
    pub rtcp: u64,
    /// Reports of when packets arrived.
    pub feedback_sent: u64,
    /// Key frames that were asked for.
    pub key_frames_asked: u64,
    /// Answers to our checks.
    pub checks_answered: u64,
    /// How long the loop ran.
    pub wall_ns: u64,
    /// What it used of its core.
    pub cpu_ns: u64,
}

/// One leg: its addresses, keys and streams.
pub struct Peer {
    /// Its own address.
    pub local: u32,
    /// The server.
    pub remote: SocketAddrV4,
    /// None: plain RTP.
    pub srtp: Option<Srtp>,
    /// A STUN request, signed.
    pub check: Vec<u8>,
    /// What it sends, as indices among all sources.
    pub sources: Vec<usize>,
    /// What it receives.
    pub sinks: Vec<Sink>,
    /// Transport-wide sequence number of its next packet.
    pub transport: u16,
    /// What it tells of the packets that it receives; None: they carry no transport-wide numbers.
    pub feedback: Option<Feedback>,
}

impl Peer {
    /// Count a packet of a stream, and look into one in so many.
    pub fn read_rtp(&mut self, datagram: &mut [u8], now_ns: u64, totals: &mut Totals, delays: &mut Histogram) {
        let ssrc = u32::from_be_bytes([datagram[8], datagram[9], datagram[10], datagram[11]]);
        let (sequence, payload_type) = (u16::from_be_bytes([datagram[2], datagram[3]]), datagram[1] & 0x7F);
        let found = self.sinks.iter().position(|sink| sink.ssrc == ssrc);
        let found =
            found.or_else(|| self.sinks.iter().position(|sink| sink.ssrc == 0 && sink.payload_type == payload_type));
        let Some(sink) = found.map(|at| &mut self.sinks[at]) else {
            totals.other += 1;
            return;
        };
        sink.ssrc = ssrc;
        totals.arrived += 1;
        if !sink.note(sequence) {
            return;
        }
        let plain = datagram.len();
        let Ok(length) = self.srtp.as_mut().map_or(Ok(plain), |srtp| srtp.unprotect(datagram)) else {
            totals.refused += 1;
            return;
        };
        match Stamp::read(&datagram[..length]) {
            Some(stamp) if Some(stamp.source as usize) == sink.source => {
                sink.stamped(sequence, stamp);
                delays.add(now_ns.saturating_sub(stamp.sent_ns));
            }
            _ => totals.strange += 1,
        }
    }

    /// Of what the server says only the wish for a key frame matters: PLI (RFC 4585 §6.3.1) and FIR (RFC 5104 §4.3.1).
    pub fn read_rtcp(&mut self, sources: &mut [Source], datagram: &mut [u8], totals: &mut Totals) {
        let plain = datagram.len();
        let Ok(length) = self.srtp.as_mut().map_or(Ok(plain), |srtp| srtp.unprotect_rtcp(datagram)) else {
            totals.refused += 1;
            return;
        };
        let mut rest = &datagram[..length];
        while let [head, kind, high, low, ..] = *rest {
            let size = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
            let wanted = match (kind, head & 0x1F) {
                (206, 1) => rest.get(8..12),
                (206, 4) => rest.get(12..16),
                _ => None,
            };
            for &number in wanted.map_or(&[][..], |_| &self.sources) {
                let source = &mut sources[number];
                if wanted == Some(&source.ssrc.to_be_bytes()[..]) {
                    source.wants_key = true;
                    totals.key_frames_asked += 1;
                }
            }
            rest = rest.get(size..).unwrap_or(&[]);
        }
    }

    /// Write sender reports of what it sends and a receiver report of what it receives, sealed; returns their size.
    pub fn report(&mut self, sources: &[Source], now_ns: u64, room: &mut [u8]) -> Option<usize> {
        let mut compound = Vec::with_capacity(room.len()); // once a second and participant
        for &number in &self.sources {
            let source = &sources[number];
            let ntp = ((u128::from(NTP_AT_ZERO) << 32) + (u128::from(now_ns) << 32) / 1_000_000_000) as u64;
            compound.extend([0x80, 200, 0, 6]);
            compound.extend(source.ssrc.to_be_bytes());
            compound.extend(ntp.to_be_bytes());
            for word in [source.rtp_time(now_ns), source.count, source.octets] {
                compound.extend(word.to_be_bytes());
            }
        }
        let blocks: Vec<_> = self.sinks.iter().filter_map(|sink| Some((sink.ssrc, sink.report()?))).take(31).collect();
        compound.extend([0x80 | blocks.len() as u8, 201, 0, 1 + 6 * blocks.len() as u8, 0, 0, 0, 1]);
        for (ssrc, (highest, lost)) in blocks {
            compound.extend(ssrc.to_be_bytes());
            compound.extend(lost.min(0x7F_FFFF).to_be_bytes());
            compound.extend(highest.to_be_bytes());
            compound.extend([0; 12]);
        }
        let plain = compound.len();
        room.get_mut(..plain)?.copy_from_slice(&compound);
        self.srtp.as_mut().map_or(Some(plain), |srtp| srtp.protect_rtcp(room, plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::leg::{Receiving, Sending};

    fn peer() -> (Peer, Vec<Source>) {
        let sources = vec![Source::new(&Sending::video(1000), 0, 0, 7), Source::new(&Sending::video(1001), 0, 1, 8)];
        let peer = Peer {
            local: 0,
            remote: SocketAddrV4::new([127, 0, 0, 1].into(), 9),
            srtp: None,
            check: Vec::new(),
            sources: vec![0, 1],
            sinks: vec![Sink::new(&Receiving::video(2000, 0), Some(0), 0)],
            transport: 0,
            feedback: None,
        };
        (peer, sources)
    }

    #[test]
    fn a_key_frame_is_made_when_it_is_asked_for() {
        // an empty receiver report, then what asks
        let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
        let picture_loss = [0x81, 206, 0, 2, 0, 0, 0, 9, 0, 0, 3, 0xE9];
        let full_intra = [0x84, 206, 0, 4, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 3, 0xE9, 1, 0, 0, 0];
        let of_nobody = [0x81, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0, 1];
        for (asks, wanted) in [(&picture_loss[..], 1), (&full_intra, 1), (&of_nobody, 0), (&picture_loss[..9], 0)] {
            let ((mut peer, mut sources), mut totals) = (peer(), Totals::default());
            for source in &mut sources {
                source.wants_key = false;
            }
            peer.read_rtcp(&mut sources, &mut [&report[..], asks].concat(), &mut totals);
            assert_eq!((sources[0].wants_key, u64::from(sources[1].wants_key)), (false, wanted), "{asks:?}");
            assert_eq!(totals.key_frames_asked, wanted);
        }
    }

    #[test]
    fn only_the_right_senders_stamp_will_do() {
        for (source, strange) in [(0, 0), (1, 1)] {
            let ((mut peer, _), mut totals, mut delays) = (peer(), Totals::default(), Histogram::default());
            for number in 0..16 {
                let mut packet = vec![0x80, 96, 0, number, 0, 0, 0, 0, 0, 0, 7, 0xD0];
                packet.extend([0, 0, 0, source, 0, 0, 0, number + 1]);
                packet.extend(1_000_000_u64.to_be_bytes());
                peer.read_rtp(&mut packet, 3_000_000, &mut totals, &mut delays);
            }
            assert_eq!((totals.arrived, totals.strange, delays.total()), (16, strange, 1 - strange));
        }
    }
}
