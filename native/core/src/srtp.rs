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

    /// Read what unprotecting will need.
    #[must_use]
    pub fn touch_receiving(&self, ssrc: Ssrc) -> u64 {
        self.up.touch() + self.received.peek(ssrc).map_or(0, |stream| stream.rtp.touch())
    }

    /// Read what reserving and protecting will need.
    #[must_use]
    pub fn touch_sending(&self, ssrc: Ssrc) -> u64 {
        self.down.touch() + self.sent.peek(ssrc).map_or(0, Window::touch)
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
mod tests;
