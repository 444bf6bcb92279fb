//! RTCP packets: a compound datagram in, packets out, and back (RFC 3550 §6, RFC 4585, RFC 5104); see `media/rtcp.py`.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::parse;
pub use write::{MAX_COMPOUND_BYTES, compounds, pack};

use crate::feedback::TransportFeedback;
use crate::id::{Sequence, Ssrc};

// packet types, and formats of feedback in the place of the count
const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const RTPFB: u8 = 205;
const PSFB: u8 = 206;
const NACK: u8 = 1;
const TRANSPORT: u8 = 15;
const PLI: u8 = 1;
const FIR: u8 = 4;
const APPLICATION: u8 = 15;
/// An item of a source description.
const CNAME: u8 = 1;

/// What a receiver says of one stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// Of which stream.
    pub ssrc: Ssrc,
    /// Of 256, since the last report.
    pub fraction_lost: u8,
    /// Total, 24 bits on the wire.
    pub packets_lost: i32,
    /// With 16 bits of cycles in front.
    pub highest_sequence: u32,
    /// In timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of its NTP time; 0: none yet.
    pub last_sender_report: u32,
    /// Since that report, in 1/65536 s.
    pub delay: u32,
}

/// RFC 3550 §6.4.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderReport {
    /// Who speaks.
    pub sender: Ssrc,
    /// Seconds since 1900 and 32 bits of fraction.
    pub ntp_time: u64,
    /// The same instant on the stream's clock.
    pub rtp_time: u32,
    /// Sent so far.
    pub packets: u32,
    /// Of payload, sent so far.
    pub octets: u32,
    /// What it receives.
    pub reports: Vec<ReportBlock>,
}

/// One packet of a compound. What `media/rtcp.py` keeps as `Opaque` or we have no use for is `Other`.
#[derive(Clone, Debug, PartialEq)]
pub enum Packet {
    /// RFC 3550 §6.4.1.
    SenderReport(SenderReport),
    /// RFC 3550 §6.4.2.
    ReceiverReport {
        /// Who speaks.
        sender: Ssrc,
        /// Of what it receives.
        reports: Vec<ReportBlock>,
    },
    /// CNAMEs only (RFC 3550 §6.5).
    SourceDescription(Vec<(Ssrc, String)>),
    /// RFC 3550 §6.6.
    Goodbye(Vec<Ssrc>),
    /// RFC 4585 §6.2.1.
    Nack {
        /// Who speaks.
        sender: Ssrc,
        /// Of which stream.
        media: Ssrc,
        /// In the order asked for.
        sequences: Vec<Sequence>,
    },
    /// RFC 4585 §6.3.1.
    PictureLoss {
        /// Who speaks.
        sender: Ssrc,
        /// Of which stream.
        media: Ssrc,
    },
    /// RFC 5104 §4.3.1: stream and command number.
    FullIntraRequest {
        /// Who speaks.
        sender: Ssrc,
        /// A repeated number asks for nothing new.
        requests: Vec<(Ssrc, u8)>,
    },
    /// A receiver's estimate for all of `ssrcs` together (draft-alvestrand-rmcat-remb-03).
    Remb {
        /// Who speaks.
        sender: Ssrc,
        /// Rounded down to 18 bits on the wire.
        bitrate_bps: u64,
        /// Of which streams.
        ssrcs: Vec<Ssrc>,
    },
    /// When packets arrived.
    TransportFeedback(TransportFeedback),
    /// Anything else, parsed as far as its type asks and passed over.
    Other,
}

/// Tell RTCP from RTP on one port by the second byte (RFC 5761 §4).
#[must_use]
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.len() >= 8 && matches!(datagram.get(1), Some(192..=223))
}
