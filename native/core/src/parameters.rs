//! What Python says of participants, lines and slots: `media/engine.py` in Rust's terms.

use crate::id::{ExtensionId, PayloadType, Ssrc};

/// One generation's username fragments and our password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceCredentials {
    /// By which a check finds its participant.
    pub local_ufrag: String,
    /// With which checks are signed, and our answers.
    pub local_password: String,
    /// Needed only to check USERNAME.
    pub remote_ufrag: String,
}

/// Which ciphers a participant's handshake agreed on (RFC 5764 §4.1.2, RFC 7714 §14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SrtpProfile {
    /// `SRTP_AEAD_AES_128_GCM`.
    AeadAes128Gcm,
    /// `SRTP_AEAD_AES_256_GCM`.
    AeadAes256Gcm,
    /// `SRTP_AES128_CM_SHA1_80`.
    Aes128CmSha1_80,
}

impl SrtpProfile {
    /// What a sealed packet is longer than a plain one.
    #[must_use]
    pub const fn tag_bytes(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::Aes128CmSha1_80 => 10,
        }
    }
}

/// What the DTLS handshake yields; key and salt are concatenated for each direction.
#[derive(Clone, PartialEq, Eq)]
pub struct SrtpKeys {
    /// The ciphers.
    pub profile: SrtpProfile,
    /// Of what participants send to us.
    pub up: Vec<u8>,
    /// Of what we send.
    pub down: Vec<u8>,
}

/// Sound or picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Never asked for again when lost.
    Audio,
    /// Kept for repair; begins at key frames.
    Video,
}

/// How a payload is read. Only the payloads that an SFU must look into have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// RFC 6184.
    H264,
    /// The AV1 RTP payload specification.
    Av1,
    /// Every packet can begin a stream: audio.
    Other,
}

/// A codec as its identity, without the payload number that each peer gives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Codec {
    /// Spelled as in SDP.
    pub name: String,
    /// What must be equal for a packet to pass untranscoded: profile, packetisation mode.
    pub variant: String,
}

impl Codec {
    /// How its payload is read.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.name.as_str() {
            "VP8" => Format::Vp8,
            "VP9" => Format::Vp9,
            "H264" => Format::H264,
            "AV1" => Format::Av1,
            _ => Format::Other,
        }
    }
}

/// The header extensions that the engine reads or writes, by their ids on one line; 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`.
    pub mid: ExtensionId,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`.
    pub rid: ExtensionId,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id`.
    pub repaired_rid: ExtensionId,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level`.
    pub audio_level: ExtensionId,
    /// `urn:3gpp:video-orientation`.
    pub orientation: ExtensionId,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`.
    pub abs_send_time: ExtensionId,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`.
    pub transport_sequence: ExtensionId,
}

/// One send line of a participant's offer, as the answer accepted it.
#[derive(Clone, Debug)]
pub struct UpParameters {
    /// Sound or picture.
    pub kind: Kind,
    /// The line's name.
    pub mid: String,
    /// What may be sent.
    pub codecs: Vec<(PayloadType, Codec)>,
    /// RTX payload type → payload type it repairs.
    pub rtx: Vec<(PayloadType, PayloadType)>,
    /// Their ids on this line.
    pub extensions: Extensions,
    /// As offered, lowest first; empty without simulcast.
    pub rids: Vec<String>,
    /// Declared; then found by SSRC even without extensions.
    pub ssrcs: Vec<Ssrc>,
    /// RTX SSRC → SSRC it repairs.
    pub rtx_ssrcs: Vec<(Ssrc, Ssrc)>,
    /// Payload type → Hz.
    pub clock_rates: Vec<(PayloadType, u32)>,
}

/// One slot: a receive line of a participant's offer. Its SSRCs never change; who is heard or seen in it does.
#[derive(Clone, Debug)]
pub struct DownParameters {
    /// Sound or picture.
    pub kind: Kind,
    /// The line's name.
    pub mid: String,
    /// Of what is sent in this slot, always.
    pub ssrc: Ssrc,
    /// Of its repairs.
    pub rtx_ssrc: Option<Ssrc>,
    /// In its sender reports.
    pub cname: String,
    /// Codec → this receiver's payload type.
    pub codecs: Vec<(Codec, PayloadType)>,
    /// Payload type → RTX payload type.
    pub rtx: Vec<(PayloadType, PayloadType)>,
    /// Their ids on this line.
    pub extensions: Extensions,
    /// Chosen by Python, so that two engines give the same bytes.
    pub first_sequence: u16,
    /// Likewise.
    pub first_timestamp: u32,
    /// Hz.
    pub clock_rate: u32,
}
