//! Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1); see `media/feedback.py`.

use crate::id::Ssrc;

/// When packets of one transport arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportFeedback {
    /// Who speaks.
    pub sender: Ssrc,
    /// A stream that the other side sends: libwebrtc drops feedback about any other.
    pub media: Ssrc,
    /// Of the first packet spoken of.
    pub base_sequence: u16,
    /// Signed 24 bits, in 64 ms.
    pub reference_time: i32,
    /// Of feedback packets sent.
    pub count: u8,
    /// Per packet from base on: 250 µs since the one received before; None: not received.
    pub deltas: Vec<Option<i32>>,
}
