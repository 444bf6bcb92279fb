//! SRTP of one participant (RFC 3711, RFC 7714): unprotect what it sends, protect what is sent to it, both in place.

use crate::id::Ssrc;
use crate::parameters::SrtpKeys;

/// Bytes that sealing adds at most: a GCM tag, and the index of SRTCP.
pub const MAX_OVERHEAD: usize = 16 + 4;
/// Packets that an SSRC's replay window spans: NACK and RTX bring packets back long after their neighbours.
pub const WINDOW: u64 = 2048;
/// Of one participant, sent to us; each costs a replay window.
pub const MAX_SSRCS: usize = 64;
/// Of a datagram.
pub const MAX_BYTES: usize = 1500;

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

/// Both directions of one participant.
pub struct Srtp {}

impl Srtp {
    /// Set the ciphers up once; `Err` says what is wrong with the keys, in one fixed sentence.
    pub fn new(keys: &SrtpKeys) -> Result<Self, &'static str> {
        let _ = keys;
        todo!()
    }

    /// Turn an SRTP packet into RTP in place; returns the size of the plain packet at its front.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        let _ = packet;
        todo!()
    }

    /// As `unprotect`, for an SRTCP compound.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        let _ = packet;
        todo!()
    }

    /// Claim a packet index of a stream that we send; false if it was used before or is older than the window. No index
    /// is ever used twice under one key: with GCM that would give the key stream away.
    pub fn reserve(&mut self, ssrc: Ssrc, index: u64) -> bool {
        let _ = (ssrc, index);
        todo!()
    }

    /// Turn the `length` bytes of RTP at the front of `room` into SRTP in place; `room` has `MAX_OVERHEAD` to spare and
    /// `index` was reserved. Returns the new size, or None if the packet has no place for a header.
    pub fn protect(&mut self, room: &mut [u8], length: usize, index: u64) -> Option<usize> {
        let _ = (room, length, index);
        todo!()
    }

    /// As `protect`, for an RTCP compound; it numbers itself.
    pub fn protect_rtcp(&mut self, room: &mut [u8], length: usize) -> Option<usize> {
        let _ = (room, length);
        todo!()
    }
}
