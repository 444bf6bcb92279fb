//! One direction's ciphers of any profile.

use crate::id::Ssrc;
use crate::parameters::SrtpProfile;
use crate::srtp_cm::Cm;
use crate::srtp_gcm::Gcm;
use crate::srtp_keys::{Master, Purpose};

/// For SRTP and for SRTCP: their keys differ. Boxed: those of one profile are twice as large as the other's.
pub enum Ciphers {
    /// RFC 7714.
    Gcm {
        /// Of media.
        rtp: Box<Gcm>,
        /// Of reports.
        rtcp: Box<Gcm>,
    },
    /// RFC 3711.
    Cm {
        /// Of media.
        rtp: Box<Cm>,
        /// Of reports.
        rtcp: Box<Cm>,
    },
}

impl Ciphers {
    /// Derive what the profile needs from one direction's master key and salt.
    pub fn new(profile: SrtpProfile, key_and_salt: &[u8]) -> Result<Self, &'static str> {
        let master = Master::new(profile, key_and_salt)?;
        Ok(match profile {
            SrtpProfile::AeadAes128Gcm => Self::Gcm {
                rtp: Box::new(Gcm::new_128(&master, Purpose::Rtp)?),
                rtcp: Box::new(Gcm::new_128(&master, Purpose::Rtcp)?),
            },
            SrtpProfile::AeadAes256Gcm => Self::Gcm {
                rtp: Box::new(Gcm::new_256(&master, Purpose::Rtp)?),
                rtcp: Box::new(Gcm::new_256(&master, Purpose::Rtcp)?),
            },
            SrtpProfile::Aes128CmSha1_80 => Self::Cm {
                rtp: Box::new(Cm::new(&master, Purpose::Rtp)?),
                rtcp: Box::new(Cm::new(&master, Purpose::Rtcp)?),
            },
        })
    }

    /// Read what ciphering media will need.
    #[must_use]
    pub fn touch(&self) -> u64 {
        match self {
            Self::Gcm { rtp, .. } => rtp.touch(),
            Self::Cm { .. } => 0,
        }
    }

    /// Open an RTP packet; returns the size of what is plain, or None if it is not authentic.
    pub fn open(&self, packet: &mut [u8], header: usize, ssrc: Ssrc, index: u64) -> Option<usize> {
        match self {
            Self::Gcm { rtp, .. } => rtp.open(packet, header, ssrc, index),
            Self::Cm { rtp, .. } => rtp.open(packet, header, ssrc, index),
        }
    }

    /// "Encrypted" and index of an SRTCP packet, as it claims.
    #[must_use]
    pub fn rtcp_word(&self, packet: &[u8]) -> Option<u32> {
        match self {
            Self::Gcm { .. } => Gcm::rtcp_word(packet),
            Self::Cm { .. } => Cm::rtcp_word(packet),
        }
    }

    /// As `open`, for an SRTCP packet whose index was read.
    pub fn open_rtcp(&self, packet: &mut [u8], ssrc: Ssrc, index: u32) -> Option<usize> {
        match self {
            Self::Gcm { rtcp, .. } => rtcp.open_rtcp(packet, ssrc, index),
            Self::Cm { rtcp, .. } => rtcp.open_rtcp(packet, ssrc, index),
        }
    }

    /// Seal the packet of `length` bytes at the front of `room`; returns its new size, None without room.
    pub fn seal(&self, room: &mut [u8], header: usize, length: usize, ssrc: Ssrc, index: u64) -> Option<usize> {
        match self {
            Self::Gcm { rtp, .. } => rtp.seal(room, header, length, ssrc, index),
            Self::Cm { rtp, .. } => rtp.seal(room, header, length, ssrc, index),
        }
    }

    /// As `seal`, for an RTCP compound.
    pub fn seal_rtcp(&self, room: &mut [u8], length: usize, ssrc: Ssrc, index: u32) -> Option<usize> {
        match self {
            Self::Gcm { rtcp, .. } => rtcp.seal_rtcp(room, length, ssrc, index),
            Self::Cm { rtcp, .. } => rtcp.seal_rtcp(room, length, ssrc, index),
        }
    }
}
