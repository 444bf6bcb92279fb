//! SRTP of one participant (RFC 3711, RFC 7714): unprotect what it sends, protect what is sent to it, both in place.
//!
//! Keys are set up once; of a packet only nonce and header differ. Nothing is allocated but a window for each new SSRC,
//! and nothing is noted of a packet before it has proved authentic.

use crate::id::Ssrc;
use crate::parameters::SrtpKeys;
use crate::replay::{Streams, Window};
use crate::srtp_cipher::Ciphers;

/// Bytes that sealing adds at most: a GCM tag, and the index of SRTCP.
pub const MAX_OVERHEAD: usize = 16 + 4;
/// Packets that an SSRC's replay window spans: NACK and RTX bring packets back long after their neighbours.
pub const WINDOW: u64 = 2048;
/// Of one participant, sent to us; each costs a replay window.
pub const MAX_SSRCS: usize = 64;
/// Of a datagram.
pub const MAX_BYTES: usize = 1500;

/// Bytes of an RTCP compound that stay readable: the first header and its SSRC.
pub const RTCP_HEADER: usize = 8;
/// In front of an SRTCP index: the compound is encrypted. WebRTC lets no other pass.
pub const ENCRYPTED: u32 = 1 << 31;

const RTP_HEADER: usize = 12;
const INDICES: u64 = 1 << 48; // of a stream; then its keys are used up (§9.2)

/// Why a packet is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Forged, or too short to be anything.
    NotAuthentic,
    /// Seen before, or older than the window.
    Replayed,
    /// Longer than a datagram may be.
    TooLong,
    /// Of one SSRC too many.
    TooManySsrcs,
}

/// Of one SSRC that the participant sends.
#[derive(Default)]
struct Received {
    rtp: Window<{ WINDOW as usize / 64 }>,
    rtcp: Window<2>, // compounds come once or twice a second and in order
}

/// Both directions of one participant.
pub struct Srtp {
    up: Ciphers,
    down: Ciphers,
    received: Streams<Received>,
    // as many as slots were negotiated, and their repairs; the participant can't add to them by sending
    sent: Streams<Window<{ WINDOW as usize / 64 }>>,
    next_rtcp: u32, // one number for all SSRCs: unique, and each of them sees it grow
}

impl Srtp {
    /// Set the ciphers up once; `Err` says what is wrong with the keys, in one fixed sentence.
    pub fn new(keys: &SrtpKeys) -> Result<Self, &'static str> {
        Ok(Self {
            up: Ciphers::new(keys.profile, &keys.up)?,
            down: Ciphers::new(keys.profile, &keys.down)?,
            received: Streams::default(),
            sent: Streams::default(),
            next_rtcp: 0,
        })
    }

    /// Turn an SRTP packet into RTP in place; returns the size of the plain packet at its front.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        if packet.len() > MAX_BYTES {
            return Err(Refusal::TooLong);
        }
        let header = header_size(packet).ok_or(Refusal::NotAuthentic)?;
        let (sequence, ssrc) = (u16_at(packet, 2), ssrc_at(packet, 8));
        let full = self.received.len() >= MAX_SSRCS;
        let index = match self.received.find(ssrc) {
            Some(stream) => {
                let index = likely_index(stream.rtp.highest(), sequence);
                if !stream.rtp.is_new(index) {
                    return Err(Refusal::Replayed);
                }
                index
            }
            None if full => return Err(Refusal::TooManySsrcs),
            None => sequence.into(),
        };
        if index >= INDICES {
            return Err(Refusal::NotAuthentic);
        }
        let size = self.up.open(packet, header, ssrc, index).ok_or(Refusal::NotAuthentic)?;
        self.received.find_or_add(ssrc).rtp.add(index);
        Ok(size)
    }

    /// As `unprotect`, for an SRTCP compound.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        if packet.len() > MAX_BYTES {
            return Err(Refusal::TooLong);
        }
        let word = self.up.rtcp_word(packet).ok_or(Refusal::NotAuthentic)?;
        let index = word & !ENCRYPTED;
        if packet.len() < RTCP_HEADER || word == index {
            return Err(Refusal::NotAuthentic);
        }
        let ssrc = ssrc_at(packet, 4);
        let full = self.received.len() >= MAX_SSRCS;
        match self.received.find(ssrc) {
            Some(stream) if !stream.rtcp.is_new(index.into()) => return Err(Refusal::Replayed),
            None if full => return Err(Refusal::TooManySsrcs),
            _ => {}
        }
        let size = self.up.open_rtcp(packet, ssrc, index).ok_or(Refusal::NotAuthentic)?;
        self.received.find_or_add(ssrc).rtcp.add(index.into());
        Ok(size)
    }

    /// Claim a packet index of a stream that we send; false if it was used before or is older than the window. No index
    /// is ever used twice under one key: with GCM that would give the key stream away.
    pub fn reserve(&mut self, ssrc: Ssrc, index: u64) -> bool {
        if index >= INDICES {
            return false;
        }
        let window = self.sent.find_or_add(ssrc);
        let new = window.is_new(index);
        if new {
            window.add(index);
        }
        new
    }

    /// Turn the `length` bytes of RTP at the front of `room` into SRTP in place; `room` has `MAX_OVERHEAD` to spare and
    /// `index` was reserved. Returns the new size, or None if the packet has no place for a header, or another number in
    /// it than the index says.
    pub fn protect(&mut self, room: &mut [u8], length: usize, index: u64) -> Option<usize> {
        let header = header_size(room.get(..length)?)?;
        if u16_at(room, 2) != index as u16 {
            return None;
        }
        let ssrc = ssrc_at(room, 8);
        self.down.seal(room, header, length, ssrc, index)
    }

    /// As `protect`, for an RTCP compound; it numbers itself.
    pub fn protect_rtcp(&mut self, room: &mut [u8], length: usize) -> Option<usize> {
        if length < RTCP_HEADER || room.len().saturating_sub(MAX_OVERHEAD) < length || self.next_rtcp >= ENCRYPTED {
            return None;
        }
        let index = self.next_rtcp;
        self.next_rtcp += 1;
        self.down.seal_rtcp(room, length, ssrc_at(room, 4), index)
    }
}

/// Bytes of an RTP packet that stay readable (RFC 3711 §3.1): with its CSRCs and header extensions.
fn header_size(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let mut size = RTP_HEADER + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let words: [u8; 2] = packet.get(size + 2..size + 4)?.try_into().ok()?;
        size += 4 + 4 * usize::from(u16::from_be_bytes(words));
    }
    (size <= packet.len()).then_some(size)
}

/// The index with this number that is nearest to the highest so far (RFC 3711 §3.3.1); none below the first cycle.
const fn likely_index(highest: u64, sequence: u16) -> u64 {
    let low = highest as u16;
    let same_cycle = (highest & !0xffff) | sequence as u64;
    if highest <= 0x8000 {
        sequence as u64
    } else if low < 0x8000 && sequence.saturating_sub(low) > 0x8000 {
        same_cycle - 0x1_0000
    } else if low >= 0x8000 && low - 0x8000 > sequence {
        same_cycle + 0x1_0000
    } else {
        same_cycle
    }
}

fn u16_at(packet: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([packet[at], packet[at + 1]])
}

fn ssrc_at(packet: &[u8], at: usize) -> Ssrc {
    Ssrc(u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::parameters::SrtpProfile::{self, AeadAes128Gcm, AeadAes256Gcm, Aes128CmSha1_80};

    const PROFILES: [SrtpProfile; 3] = [AeadAes128Gcm, AeadAes256Gcm, Aes128CmSha1_80];

    /// A participant and the server, as seen by each.
    fn pair(profile: SrtpProfile) -> (Srtp, Srtp) {
        let size = match profile {
            AeadAes128Gcm => 28,
            AeadAes256Gcm => 44,
            Aes128CmSha1_80 => 30,
        };
        let (up, down) = ((1..=size).collect::<Vec<u8>>(), (101..=100 + size).collect::<Vec<u8>>());
        let theirs = SrtpKeys { profile, up: down.clone(), down: up.clone() };
        (Srtp::new(&theirs).unwrap(), Srtp::new(&SrtpKeys { profile, up, down }).unwrap())
    }

    /// With one CSRC, two words of header extension, and a payload that tells packets apart.
    fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
        let mut packet =
            vec![0x91, 96, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 1, 2, 3, 4, 0xbe, 0xde, 0, 2, 0x10, 5, 0, 0, 0x20, 6, 0, 0];
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        packet.extend_from_slice(&sequence.to_le_bytes());
        packet.extend_from_slice(b"payload");
        packet
    }

    fn rtcp(ssrc: u32) -> Vec<u8> {
        let mut packet = vec![0x80, 201, 0, 1];
        packet.extend_from_slice(&ssrc.to_be_bytes());
        packet.extend_from_slice(&[0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
        packet
    }

    fn sealed(from: &mut Srtp, ssrc: u32, index: u64) -> Vec<u8> {
        let mut room = rtp(ssrc, index as u16);
        let length = room.len();
        room.resize(length + MAX_OVERHEAD, 0);
        assert!(from.reserve(Ssrc(ssrc), index));
        let size = from.protect(&mut room, length, index).unwrap();
        room.truncate(size);
        room
    }

    fn sealed_rtcp(from: &mut Srtp, ssrc: u32) -> Vec<u8> {
        let mut room = rtcp(ssrc);
        let length = room.len();
        room.resize(length + MAX_OVERHEAD, 0);
        let size = from.protect_rtcp(&mut room, length).unwrap();
        room.truncate(size);
        room
    }

    #[test]
    fn what_is_protected_is_unprotected() {
        for profile in PROFILES {
            let (mut participant, mut server) = pair(profile);
            let tag = if profile == Aes128CmSha1_80 { 10 } else { 16 };
            for index in [7, 8, 6, 0x1_0000 - 1, 0x1_0000, 0x1_8000] {
                let mut packet = sealed(&mut participant, 5, index);
                let plain = rtp(5, index as u16);
                assert_eq!(packet.len(), plain.len() + tag);
                assert_eq!(packet[..28], plain[..28], "the header stays readable");
                assert_ne!(packet[28..plain.len()], plain[28..]);
                let size = server.unprotect(&mut packet).unwrap();
                assert_eq!(packet[..size], plain, "{profile:?} {index}");
            }
            for _ in 0..3 {
                let mut packet = sealed_rtcp(&mut participant, 5);
                assert_eq!(packet.len(), rtcp(5).len() + tag + 4);
                assert_ne!(packet[8..20], rtcp(5)[8..]);
                let size = server.unprotect_rtcp(&mut packet).unwrap();
                assert_eq!(packet[..size], rtcp(5));
            }
        }
    }

    #[test]
    fn each_number_passes_once_and_only_within_the_window() {
        for profile in PROFILES {
            let (mut participant, mut server) = pair(profile);
            let packets: Vec<_> = (0..=2049).map(|at| sealed(&mut participant, 5, 64_000 + at)).collect();
            let mut give = |at: usize| server.unprotect(&mut packets[at].clone()).map(|_| ());
            assert_eq!(give(0), Ok(()));
            assert_eq!(give(2048), Ok(()), "past the end of the cycle");
            assert_eq!(give(0), Err(Refusal::Replayed), "too old");
            assert_eq!(give(2048), Err(Refusal::Replayed));
            assert_eq!(give(1), Ok(()), "just within the window, of the cycle before");
            assert_eq!(give(1), Err(Refusal::Replayed));
            assert_eq!(give(2049), Ok(()));
            assert_eq!(give(1535), Ok(()), "the last of its cycle");
            assert_eq!(give(1536), Ok(()), "the first of the next");

            let mut report = sealed_rtcp(&mut participant, 5);
            let again = report.clone();
            assert!(server.unprotect_rtcp(&mut report).is_ok());
            assert_eq!(server.unprotect_rtcp(&mut again.clone()), Err(Refusal::Replayed));
        }
    }

    #[test]
    fn the_cycle_is_guessed_as_rfc_3711_says() {
        for (highest, sequence, index) in [
            (0, 65_535, 65_535),
            (0x8000, 65_535, 65_535),
            (65_535, 0, 0x1_0000),
            (65_535, 0x7ffe, 0x1_7ffe),
            (65_535, 0x7fff, 0x7fff),
            (0x1_0000, 65_535, 65_535),
            (0x1_0000, 0x8000, 0x1_8000),
            (0x1_0000, 0x8001, 0x8001),
            (0x2_8000, 0, 0x2_0000),
            (0x2_8001, 0, 0x3_0000),
            (0x2_7fff, 0xffff, 0x2_ffff),
        ] {
            assert_eq!(likely_index(highest, sequence), index, "{sequence} after {highest}");
        }
    }

    #[test]
    fn forged_packets_change_nothing() {
        for profile in PROFILES {
            let (mut participant, mut server) = pair(profile);
            let good = sealed(&mut participant, 5, 10);
            for at in 0..good.len() {
                let mut forged = good.clone();
                forged[at] ^= 1;
                assert_eq!(server.unprotect(&mut forged), Err(Refusal::NotAuthentic), "{profile:?} {at}");
            }
            for size in 0..good.len() {
                assert_eq!(server.unprotect(&mut good[..size].to_vec()), Err(Refusal::NotAuthentic), "{size} bytes");
            }
            let report = sealed_rtcp(&mut participant, 5);
            for at in 0..report.len() {
                let mut forged = report.clone();
                forged[at] ^= 1;
                assert_eq!(server.unprotect_rtcp(&mut forged), Err(Refusal::NotAuthentic), "{profile:?} {at}");
            }
            for size in 0..report.len() {
                assert_eq!(server.unprotect_rtcp(&mut report[..size].to_vec()), Err(Refusal::NotAuthentic));
            }
            assert!(server.received.is_empty());
            assert!(server.unprotect(&mut good.clone()).is_ok());
            assert!(server.unprotect_rtcp(&mut report.clone()).is_ok());
            assert_eq!(server.unprotect(&mut vec![0x80; MAX_BYTES + 1]), Err(Refusal::TooLong));
            assert_eq!(server.unprotect_rtcp(&mut vec![0x80; MAX_BYTES + 1]), Err(Refusal::TooLong));
        }
    }

    #[test]
    fn a_report_that_is_not_encrypted_is_refused() {
        let (mut participant, mut server) = pair(Aes128CmSha1_80);
        let Ciphers::Cm { rtcp: cipher, .. } = &participant.down else { unreachable!() };
        let mut plain = rtcp(5);
        plain.extend_from_slice(&7_u32.to_be_bytes());
        plain.extend_from_slice(&cipher.tag(&plain, &[]));
        assert_eq!(server.unprotect_rtcp(&mut plain), Err(Refusal::NotAuthentic));
        assert!(server.unprotect_rtcp(&mut sealed_rtcp(&mut participant, 5)).is_ok());
    }

    #[test]
    fn only_so_many_ssrcs_and_forged_ones_do_not_count() {
        let (mut participant, mut server) = pair(AeadAes128Gcm);
        for ssrc in 0..MAX_SSRCS as u32 {
            let mut forged = rtp(1000 + ssrc, 1);
            forged.extend_from_slice(&[0; 16]);
            assert_eq!(server.unprotect(&mut forged), Err(Refusal::NotAuthentic));
            let mut packet =
                if ssrc % 2 == 0 { sealed(&mut participant, ssrc, 1) } else { sealed_rtcp(&mut participant, ssrc) };
            let size = if ssrc % 2 == 0 { server.unprotect(&mut packet) } else { server.unprotect_rtcp(&mut packet) };
            assert!(size.is_ok(), "{ssrc}");
        }
        assert_eq!(server.unprotect(&mut sealed(&mut participant, 99, 1)), Err(Refusal::TooManySsrcs));
        assert_eq!(server.unprotect_rtcp(&mut sealed_rtcp(&mut participant, 99)), Err(Refusal::TooManySsrcs));
        assert!(server.unprotect(&mut sealed(&mut participant, 7, 1)).is_ok(), "known from its reports");
    }

    #[test]
    fn no_index_is_given_twice() {
        let (mut srtp, _) = pair(AeadAes128Gcm);
        for (index, given) in [
            (0, true),
            (0, false),
            (5000, true),
            (5000 - 2047, true),
            (5000 - 2048, false),
            (5000 - 2047, false),
            (INDICES - 1, true),
            (INDICES, false),
            (u64::MAX, false),
        ] {
            assert_eq!(srtp.reserve(Ssrc(1), index), given, "{index}");
        }
        assert!(srtp.reserve(Ssrc(2), 0), "each SSRC has its own");
    }

    #[test]
    fn what_has_no_room_or_no_header_is_not_sealed() {
        for profile in PROFILES {
            let (mut srtp, _) = pair(profile);
            let mut room = rtp(5, 3);
            let length = room.len();
            room.resize(length + MAX_OVERHEAD, 0);
            assert_eq!(srtp.protect(&mut room, length, 4), None, "not this packet's index");
            for short in 0..28 {
                assert_eq!(srtp.protect(&mut room, short, 3), None, "{short} bytes");
            }
            assert_eq!(srtp.protect(&mut room[..length + 9], length, 3), None);
            assert_eq!(srtp.protect(&mut room, usize::MAX, 3), None);
            for short in 0..RTCP_HEADER {
                assert_eq!(srtp.protect_rtcp(&mut room, short), None);
            }
            assert_eq!(srtp.protect_rtcp(&mut room, length + 1), None);
            assert_eq!(srtp.protect_rtcp(&mut room, usize::MAX), None);
            assert_eq!(room[..length], rtp(5, 3)[..], "left as it was");
            srtp.next_rtcp = ENCRYPTED;
            assert_eq!(srtp.protect_rtcp(&mut room, length), None, "all numbers are used up");
        }
    }

    proptest! {
        #[test]
        fn noise_is_refused(mut noise in prop::collection::vec(any::<u8>(), 0..1600)) {
            for profile in PROFILES {
                let (_, mut server) = pair(profile);
                prop_assert!(server.unprotect(&mut noise).is_err());
                prop_assert!(server.unprotect_rtcp(&mut noise).is_err());
            }
        }

        #[test]
        fn what_was_altered_is_refused(
            index in 0u64..60_000,
            flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4),
            cut in 0usize..40,
            more in prop::collection::vec(any::<u8>(), 0..4),
        ) {
            for profile in PROFILES {
                let (mut participant, mut server) = pair(profile);
                let (media, report) = (sealed(&mut participant, 5, index), sealed_rtcp(&mut participant, 5));
                for (good, is_media) in [(media, true), (report, false)] {
                    let mut altered = good.clone();
                    for (at, flip) in &flips {
                        let at = at.index(altered.len());
                        altered[at] ^= flip;
                    }
                    altered.truncate(good.len().saturating_sub(cut));
                    altered.extend_from_slice(&more);
                    if altered == good {
                        continue;
                    }
                    let size = if is_media { server.unprotect(&mut altered) } else { server.unprotect_rtcp(&mut altered) };
                    prop_assert!(size.is_err());
                }
            }
        }

        #[test]
        fn protecting_anything_is_safe(mut noise in prop::collection::vec(any::<u8>(), 0..200), length in 0usize..220, index: u64) {
            for profile in PROFILES {
                let (mut participant, _) = pair(profile);
                let size = participant.protect(&mut noise, length, index);
                prop_assert!(size.is_none_or(|size| size <= length + MAX_OVERHEAD));
                let size = participant.protect_rtcp(&mut noise, length);
                prop_assert!(size.is_none_or(|size| size <= length + MAX_OVERHEAD));
            }
        }
    }
}
