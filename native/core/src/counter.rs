//! Counters by name: written by the one thread that moves packets, read by any other at any time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What is counted; `docs/architecture.md` lists them by `NAMES`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Counter { $($(#[$doc])* $variant,)* }

        /// As Python and `/metrics` name them, in the order of `Counter`.
        pub const NAMES: &[&str] = &[$($name,)*];
    };
}

counters! {
    /// RTP that passed decryption and parsing.
    RtpIn = "rtp_in",
    /// RTP sent, repairs included.
    RtpOut = "rtp_out",
    /// RTCP compounds taken.
    RtcpIn = "rtcp_in",
    /// RTCP compounds sent.
    RtcpOut = "rtcp_out",
    /// Repairs received.
    RtxIn = "rtx_in",
    /// Repairs sent.
    RtxSent = "rtx_sent",
    /// Packets asked a sender for again.
    NacksOut = "nacks_out",
    /// Packets a receiver asked for that are gone.
    NackNotHeld = "nack_not_held",
    /// Packets a receiver asked for beyond its limit.
    NackLimited = "nack_limited",
    /// Receivers' requests for key frames.
    KeyFramesWanted = "key_frames_wanted",
    /// Requests for key frames sent.
    KeyFramesAsked = "key_frames_asked",
    /// Participants without a check for 15 s.
    PathsDown = "paths_down",
    /// Checks for nobody here.
    StunUnknownUfrag = "stun_unknown_ufrag",
    /// Checks not signed with our password.
    StunNotAuthentic = "stun_not_authentic",
    /// Checks that can't be parsed.
    StunMalformed = "stun_malformed",
    /// Checks over the limit.
    StunFlood = "stun_flood",
    /// Checks from another's living path.
    StunPairTaken = "stun_pair_taken",
    /// Datagrams of nobody.
    UnknownAddress = "unknown_address",
    /// Datagrams of no kind we know.
    UnknownProtocol = "unknown_protocol",
    /// Handshake datagrams over the limit.
    DtlsFlood = "dtls_flood",
    /// Our handshake datagrams held for a path, over the bound.
    DtlsDropped = "dtls_dropped",
    /// Forged.
    SrtpNotAuthentic = "srtp_not_authentic",
    /// Seen before.
    SrtpReplayed = "srtp_replayed",
    /// Longer than a datagram may be.
    SrtpTooLong = "srtp_too_long",
    /// Of one SSRC too many.
    SrtpTooManySsrcs = "srtp_too_many_ssrcs",
    /// Of ours: the number was used before.
    SrtpUnprotectable = "srtp_unprotectable",
    /// Authentic and malformed.
    RtpMalformed = "rtp_malformed",
    /// Over the limit.
    RtpFlood = "rtp_flood",
    /// Of no line.
    RtpUnknownStream = "rtp_unknown_stream",
    /// Of no codec of its line.
    RtpUnknownPayloadType = "rtp_unknown_payload_type",
    /// Its number is out of all bounds.
    RtpOutOfRange = "rtp_out_of_range",
    /// Authentic and malformed.
    RtcpMalformed = "rtcp_malformed",
    /// Over the limit.
    RtcpFlood = "rtcp_flood",
    /// Not shown to a receiver who can't decode it.
    SlotCodecUnknown = "slot_codec_unknown",
    /// Not kept for repair: the engine's history is full.
    HistoryFull = "history_full",
    /// Copies for a recorder that nobody fetched in time.
    TapDropped = "tap_dropped",
    /// Shorter packets of a frame that got a byte of padding.
    RtpPadded = "rtp_padded",
}

/// One owner's counters. Only the owner adds; adding is a plain load and store, never a locked one.
#[derive(Debug)]
pub struct Counters([AtomicU64; NAMES.len()]);

impl Default for Counters {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Counters {
    /// Shared with whoever reads.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Count `n` more.
    pub fn add(&self, what: Counter, n: u64) {
        let place = &self.0[what as usize];
        place.store(place.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// The count so far.
    #[must_use]
    pub fn get(&self, what: Counter) -> u64 {
        self.0[what as usize].load(Relaxed)
    }

    /// All counts in the order of `NAMES`.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        NAMES.iter().zip(&self.0).map(|(name, count)| (*name, count.load(Relaxed)))
    }

    /// Add another owner's counts to these.
    pub fn absorb(&self, other: &Self) {
        for (mine, theirs) in self.0.iter().zip(&other.0) {
            mine.store(mine.load(Relaxed).wrapping_add(theirs.load(Relaxed)), Relaxed);
        }
    }
}
