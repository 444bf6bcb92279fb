//! The dataclasses of `media/engine.py`, read as what the core takes.

use std::hash::Hash;
use std::net::IpAddr;

use medinova_core::address::Address;
use medinova_core::id::{ExtensionId, PayloadType, Ssrc};
use medinova_core::parameters::{
    Codec, DownParameters, Extensions, IceCredentials, Kind, SrtpKeys, SrtpProfile, UpParameters,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyMapping;

/// `IceCredentials`.
#[derive(FromPyObject)]
pub struct Ice {
    local_ufrag: String,
    local_password: String,
    remote_ufrag: String,
}

impl From<Ice> for IceCredentials {
    fn from(Ice { local_ufrag, local_password, remote_ufrag }: Ice) -> Self {
        Self { local_ufrag, local_password, remote_ufrag }
    }
}

/// `SrtpKeys`.
#[derive(FromPyObject)]
pub struct Keys {
    profile: String,
    up: Vec<u8>,
    down: Vec<u8>,
}

impl TryFrom<Keys> for SrtpKeys {
    type Error = PyErr;

    /// `ValueError` for a profile that is none, or keys of another size than its.
    fn try_from(Keys { profile, up, down }: Keys) -> PyResult<Self> {
        let (profile, size) = match profile.as_str() {
            "SRTP_AEAD_AES_128_GCM" => (SrtpProfile::AeadAes128Gcm, 16 + 12),
            "SRTP_AEAD_AES_256_GCM" => (SrtpProfile::AeadAes256Gcm, 32 + 12),
            "SRTP_AES128_CM_SHA1_80" => (SrtpProfile::Aes128CmSha1_80, 16 + 14),
            _ => return Err(PyValueError::new_err("no such SRTP profile")),
        };
        if up.len() != size || down.len() != size {
            return Err(PyValueError::new_err("SRTP key and salt have another size"));
        }
        Ok(Self { profile, up, down })
    }
}

#[derive(FromPyObject, PartialEq, Eq, Hash)]
struct PythonCodec {
    name: String,
    variant: String,
}

impl From<PythonCodec> for Codec {
    fn from(PythonCodec { name, variant }: PythonCodec) -> Self {
        Self { name, variant }
    }
}

/// `UpParameters`.
#[derive(FromPyObject)]
pub struct Up {
    #[pyo3(from_py_with = kind)]
    kind: Kind,
    mid: String,
    #[pyo3(from_py_with = pairs)]
    codecs: Vec<(u8, PythonCodec)>,
    #[pyo3(from_py_with = pairs)]
    rtx: Vec<(u8, u8)>,
    #[pyo3(from_py_with = extensions)]
    extensions: Extensions,
    rids: Vec<String>,
    ssrcs: Vec<u32>,
    #[pyo3(from_py_with = pairs)]
    rtx_ssrcs: Vec<(u32, u32)>,
    #[pyo3(from_py_with = pairs)]
    clock_rates: Vec<(u8, u32)>,
}

impl From<Up> for UpParameters {
    fn from(up: Up) -> Self {
        Self {
            kind: up.kind,
            mid: up.mid,
            codecs: up.codecs.into_iter().map(|(number, codec)| (PayloadType(number), codec.into())).collect(),
            rtx: payload_types(up.rtx),
            extensions: up.extensions,
            rids: up.rids,
            ssrcs: up.ssrcs.into_iter().map(Ssrc).collect(),
            rtx_ssrcs: up.rtx_ssrcs.into_iter().map(|(rtx, ssrc)| (Ssrc(rtx), Ssrc(ssrc))).collect(),
            clock_rates: up.clock_rates.into_iter().map(|(number, hz)| (PayloadType(number), hz)).collect(),
        }
    }
}

/// `DownParameters`.
#[derive(FromPyObject)]
pub struct Down {
    #[pyo3(from_py_with = kind)]
    kind: Kind,
    mid: String,
    ssrc: u32,
    rtx_ssrc: Option<u32>,
    cname: String,
    #[pyo3(from_py_with = pairs)]
    codecs: Vec<(PythonCodec, u8)>,
    #[pyo3(from_py_with = pairs)]
    rtx: Vec<(u8, u8)>,
    #[pyo3(from_py_with = extensions)]
    extensions: Extensions,
    first_sequence: u16,
    first_timestamp: u32,
    clock_rate: u32,
}

impl From<Down> for DownParameters {
    fn from(down: Down) -> Self {
        Self {
            kind: down.kind,
            mid: down.mid,
            ssrc: Ssrc(down.ssrc),
            rtx_ssrc: down.rtx_ssrc.map(Ssrc),
            cname: down.cname,
            codecs: down.codecs.into_iter().map(|(codec, number)| (codec.into(), PayloadType(number))).collect(),
            rtx: payload_types(down.rtx),
            extensions: down.extensions,
            first_sequence: down.first_sequence,
            first_timestamp: down.first_timestamp,
            clock_rate: down.clock_rate,
        }
    }
}

/// An address as sockets have it: `(host, port)`, for IPv6 perhaps with flow and scope.
pub fn address(given: &Bound<'_, PyAny>) -> PyResult<Address> {
    let (host, port) = (given.get_item(0)?.extract::<String>()?, given.get_item(1)?.extract()?);
    let scope = given.get_item(3).ok().map_or(Ok(0), |scope| scope.extract())?;
    let plain = host.split('%').next().unwrap_or_default();
    let ip: IpAddr = plain.parse().map_err(|_| PyValueError::new_err("not an IP address"))?;
    Ok(Address { scope, ..Address::from((ip, port)) })
}

fn payload_types(pairs: Vec<(u8, u8)>) -> Vec<(PayloadType, PayloadType)> {
    pairs.into_iter().map(|(key, value)| (PayloadType(key), PayloadType(value))).collect()
}

fn kind(given: &Bound<'_, PyAny>) -> PyResult<Kind> {
    match given.extract::<&str>()? {
        "audio" => Ok(Kind::Audio),
        "video" => Ok(Kind::Video),
        _ => Err(PyValueError::new_err("a line is of audio or of video")),
    }
}

/// Any `Mapping`, in its order.
fn pairs<'py, K, V>(given: &Bound<'py, PyAny>) -> PyResult<Vec<(K, V)>>
where
    (K, V): for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    given.cast::<PyMapping>()?.items()?.iter().map(|item| item.extract()).collect()
}

fn extensions(given: &Bound<'_, PyAny>) -> PyResult<Extensions> {
    let mut found = Extensions::default();
    for (uri, id) in pairs::<String, u8>(given)? {
        let place = match uri.as_str() {
            "urn:ietf:params:rtp-hdrext:sdes:mid" => &mut found.mid,
            "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id" => &mut found.rid,
            "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id" => &mut found.repaired_rid,
            "urn:ietf:params:rtp-hdrext:ssrc-audio-level" => &mut found.audio_level,
            "urn:3gpp:video-orientation" => &mut found.orientation,
            "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time" => &mut found.abs_send_time,
            "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01" => {
                &mut found.transport_sequence
            }
            _ => continue,
        };
        *place = ExtensionId(id);
    }
    Ok(found)
}
