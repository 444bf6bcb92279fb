//! What Python says of the fake participants (`bench/leg.py`) and of what they send (`bench/load.py`), read by attribute.

use std::net::{Ipv4Addr, SocketAddrV4};

use medinova_core::parameters::{Kind, SrtpKeys, SrtpProfile};

/// `bench.leg.Sending`.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "extension-module", derive(pyo3::FromPyObject))]
pub struct Sending {
    kind: String,
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
    pub(super) mid: String,
    pub(super) mid_id: u8,
    pub(super) level_id: u8,
    pub(super) send_time_id: u8,
    pub(super) transport_sequence_id: u8,
}

/// `bench.leg.Receiving`.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "extension-module", derive(pyo3::FromPyObject))]
pub struct Receiving {
    kind: String,
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
    pub(super) source: usize,
    pub(super) transport_sequence_id: u8,
}

/// `media.engine.SrtpKeys`, as the server sees them.
#[derive(Clone)]
#[cfg_attr(feature = "extension-module", derive(pyo3::FromPyObject))]
pub struct Keys {
    profile: String,
    up: Vec<u8>,
    down: Vec<u8>,
}

/// `bench.leg.Leg`.
#[derive(Clone)]
#[cfg_attr(feature = "extension-module", derive(pyo3::FromPyObject))]
pub struct Leg {
    local: (String, u16),
    remote: (String, u16),
    keys: Keys,
    sealed: bool,
    pub(super) sends: Vec<Sending>,
    pub(super) receives: Vec<Receiving>,
}

/// `bench.load.Shape`: what everybody sends.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "extension-module", derive(pyo3::FromPyObject))]
pub struct Shape {
    /// Of each camera, at rate 1.
    pub video_packets_s: f64,
    /// Of each microphone, at rate 1.
    pub audio_packets_s: f64,
    /// Of each payload.
    pub video_bytes: usize,
    /// Of each payload.
    pub audio_bytes: usize,
    /// Packets of each frame.
    pub frame_packets: u32,
    /// A frame leaves at once, as one message; else its packets are evenly apart.
    pub burst: bool,
    /// The last packet of a frame is a byte longer, as Chromium splits frames; a burst is two messages then.
    pub uneven: bool,
    /// From one key frame of a camera to the next.
    pub key_frame_s: f64,
    /// How long the generator sleeps at least when nothing is due.
    pub quantum_us: u64,
}

fn kind(name: &str) -> Kind {
    if name == "audio" { Kind::Audio } else { Kind::Video }
}

impl Sending {
    #[cfg(test)]
    pub(super) fn video(ssrc: u32) -> Self {
        let (kind, mid) = ("video".into(), "1".into());
        let (mid_id, level_id, send_time_id, transport_sequence_id) = (4, 0, 2, 3);
        Self { kind, ssrc, payload_type: 96, mid, mid_id, level_id, send_time_id, transport_sequence_id }
    }

    pub(super) fn kind(&self) -> Kind {
        kind(&self.kind)
    }
}

impl Receiving {
    #[cfg(test)]
    pub(super) fn video(ssrc: u32, source: usize) -> Self {
        Self { kind: "video".into(), ssrc, payload_type: 96, source, transport_sequence_id: 0 }
    }

    pub(super) fn kind(&self) -> Kind {
        kind(&self.kind)
    }
}

impl Keys {
    /// As the participant sees them: what goes up there is what it sends.
    fn own(&self) -> Result<SrtpKeys, String> {
        let profile = match self.profile.as_str() {
            "SRTP_AEAD_AES_128_GCM" => SrtpProfile::AeadAes128Gcm,
            "SRTP_AEAD_AES_256_GCM" => SrtpProfile::AeadAes256Gcm,
            "SRTP_AES128_CM_SHA1_80" => SrtpProfile::Aes128CmSha1_80,
            other => return Err(format!("no SRTP profile is called {other}")),
        };
        Ok(SrtpKeys { profile, up: self.down.clone(), down: self.up.clone() })
    }
}

impl Leg {
    /// None: it sends and receives plain RTP.
    pub(super) fn keys(&self) -> Result<Option<SrtpKeys>, String> {
        if self.sealed { self.keys.own().map(Some) } else { Ok(None) }
    }

    /// Its own address, as a number.
    pub(super) fn local(&self) -> Result<u32, String> {
        self.local.0.parse::<Ipv4Addr>().map(u32::from).map_err(|_| format!("{} is no IPv4 address", self.local.0))
    }

    pub(super) fn remote(&self) -> Result<SocketAddrV4, String> {
        let ip = self.remote.0.parse().map_err(|_| format!("{} is no IPv4 address", self.remote.0))?;
        Ok(SocketAddrV4::new(ip, self.remote.1))
    }
}
