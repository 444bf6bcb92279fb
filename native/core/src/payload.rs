//! What an SFU must know of a video payload: where a key frame starts, and the picture numbers that must not jump.
//!
//! Nothing is decoded. A receiver may be switched to another source only at a packet for which `starts_key_frame` is
//! true. VP8 and VP9 also number their pictures in the payload descriptor, and these numbers have to go on without a
//! step when a slot changes its source, written at the width that the sender chose.

use crate::parameters::Format;

const VP8_TRUNCATED: &str = "VP8 payload is truncated";
const VP9_TRUNCATED: &str = "VP9 payload is truncated";
const H264_TRUNCATED: &str = "H.264 payload is truncated";
const H264_MALFORMED: &str = "H.264 aggregation packet is malformed";
const AV1_TRUNCATED: &str = "AV1 payload is truncated";

/// Whether this payload is the first packet of a frame that needs no other; always true where nothing is known of the
/// format.
pub fn starts_key_frame(format: Format, payload: &[u8]) -> Result<bool, &'static str> {
    match format {
        Format::Vp8 => parse_vp8(payload).map(|descriptor| descriptor.key_frame),
        Format::Vp9 => parse_vp9(payload).map(|descriptor| descriptor.key_frame),
        Format::H264 => h264_starts(payload),
        Format::Av1 => av1_starts(payload),
        Format::Other => Ok(true),
    }
}

/// A number in a descriptor, and where it stands: bytes from the payload's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<T> {
    /// As read.
    pub value: T,
    at: u8,
}

/// A number of pictures that is 7 or 15 bits wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureId {
    /// As read.
    pub value: u16,
    /// 7 or 15.
    pub bits: u8,
    at: u8,
}

/// A VP8 payload descriptor (RFC 7741 §4.2). What is not there is None.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp8 {
    /// Of the descriptor, bytes.
    pub size: u8,
    /// S bit with partition 0.
    pub frame_start: bool,
    /// Known only at the start of a frame.
    pub key_frame: bool,
    /// Of the frame.
    pub picture_id: Option<PictureId>,
    /// Of the newest frame of the lowest temporal layer.
    pub tl0picidx: Option<Field<u8>>,
    /// 0 is the lowest layer.
    pub temporal_id: Option<u8>,
    /// The frame depends on nothing but the lowest temporal layer.
    pub layer_sync: bool,
    /// Of the key frame that it follows, five bits.
    pub keyidx: Option<Field<u8>>,
}

/// A VP9 payload descriptor (RFC 9628 §4.2), as far as TL0PICIDX, which is there in non-flexible mode only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp9 {
    /// B bit of the lowest spatial layer.
    pub frame_start: bool,
    /// A frame of the lowest spatial layer that predicts from no other picture.
    pub key_frame: bool,
    /// Of the picture.
    pub picture_id: Option<PictureId>,
    /// Of the newest picture of the lowest temporal layer.
    pub tl0picidx: Option<Field<u8>>,
    /// 0 is the lowest layer.
    pub temporal_id: Option<u8>,
    /// 0 is the lowest layer.
    pub spatial_id: Option<u8>,
}

impl Vp8 {
    /// Write the numbers, cut to their widths, into the payload that was read or its copy; absent ones stay absent.
    pub fn rewrite(&self, payload: &mut [u8], picture_id: i64, tl0picidx: i64, keyidx: i64) {
        write_picture_id(payload, self.picture_id, picture_id);
        write(payload, self.tl0picidx, 0xFF, tl0picidx);
        write(payload, self.keyidx, 0x1F, keyidx);
    }
}

impl Vp9 {
    /// As `Vp8::rewrite`.
    pub fn rewrite(&self, payload: &mut [u8], picture_id: i64, tl0picidx: i64) {
        write_picture_id(payload, self.picture_id, picture_id);
        write(payload, self.tl0picidx, 0xFF, tl0picidx);
    }
}

/// Fails where the descriptor or the payload header behind it is truncated.
pub fn parse_vp8(payload: &[u8]) -> Result<Vp8, &'static str> {
    read_vp8(&mut Reader { payload, at: 0 }).ok_or(VP8_TRUNCATED)
}

/// Fails where the part of the descriptor up to TL0PICIDX is truncated.
pub fn parse_vp9(payload: &[u8]) -> Result<Vp9, &'static str> {
    read_vp9(&mut Reader { payload, at: 0 }).ok_or(VP9_TRUNCATED)
}

/// Reads the few octets of a descriptor.
struct Reader<'a> {
    payload: &'a [u8],
    at: u8,
}

impl Reader<'_> {
    fn octet(&mut self) -> Option<Field<u8>> {
        let at = self.at;
        let value = *self.payload.get(usize::from(at))?;
        self.at += 1;
        Some(Field { value, at })
    }

    fn picture_id(&mut self) -> Option<PictureId> {
        let Field { value, at } = self.octet()?;
        if value & 0x80 == 0 {
            return Some(PictureId { value: u16::from(value), bits: 7, at });
        }
        let low = self.octet()?.value;
        Some(PictureId { value: u16::from_be_bytes([value & 0x7F, low]), bits: 15, at })
    }
}

fn read_vp8(reader: &mut Reader) -> Option<Vp8> {
    let first = reader.octet()?.value;
    let mut found = Vp8 {
        size: 0,
        frame_start: first & 0x17 == 0x10, // S, and the partition is the first
        key_frame: false,
        picture_id: None,
        tl0picidx: None,
        temporal_id: None,
        layer_sync: false,
        keyidx: None,
    };
    if first & 0x80 != 0 {
        let flags = reader.octet()?.value;
        if flags & 0x80 != 0 {
            found.picture_id = Some(reader.picture_id()?);
        }
        if flags & 0x40 != 0 {
            found.tl0picidx = Some(reader.octet()?);
        }
        if flags & 0x30 != 0 {
            let Field { value, at } = reader.octet()?;
            if flags & 0x20 != 0 {
                found.temporal_id = Some(value >> 6);
                found.layer_sync = value & 0x20 != 0;
            }
            if flags & 0x10 != 0 {
                found.keyidx = Some(Field { value: value & 0x1F, at });
            }
        }
    }
    found.size = reader.at;
    // bit 0 of the VP8 frame header is the *inverse* key frame flag (RFC 7741 §4.3)
    found.key_frame = found.frame_start && reader.octet()?.value & 0x01 == 0;
    Some(found)
}

fn read_vp9(reader: &mut Reader) -> Option<Vp9> {
    let first = reader.octet()?.value;
    let (mut picture_id, mut tl0picidx, mut temporal_id, mut spatial_id) = (None, None, None, None);
    if first & 0x80 != 0 {
        picture_id = Some(reader.picture_id()?);
    }
    if first & 0x20 != 0 {
        let layer = reader.octet()?.value;
        temporal_id = Some(layer >> 5);
        spatial_id = Some(layer >> 1 & 0x07);
        if first & 0x10 == 0 {
            tl0picidx = Some(reader.octet()?);
        }
    }
    let frame_start = first & 0x08 != 0 && spatial_id.unwrap_or(0) == 0;
    let key_frame = frame_start && first & 0x40 == 0;
    Some(Vp9 { frame_start, key_frame, picture_id, tl0picidx, temporal_id, spatial_id })
}

fn write_picture_id(payload: &mut [u8], field: Option<PictureId>, picture_id: i64) {
    match field {
        Some(PictureId { bits: 15, at, .. }) => {
            let at = usize::from(at);
            if let Some(room) = payload.get_mut(at..at + 2) {
                room.copy_from_slice(&(0x8000 | picture_id as u16).to_be_bytes());
            }
        }
        Some(PictureId { value, at, .. }) => write(payload, Some(Field { value: value as u8, at }), 0x7F, picture_id),
        None => {}
    }
}

/// Write the bits of `mask`; the others of the octet stay.
fn write(payload: &mut [u8], field: Option<Field<u8>>, mask: u8, value: i64) {
    if let Some(octet) = field.and_then(|field| payload.get_mut(usize::from(field.at))) {
        *octet = *octet & !mask | value as u8 & mask;
    }
}

const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// A sequence parameter set, alone, in an aggregate or as a first fragment (RFC 6184 §5.6 to 5.8).
///
/// Not the IDR slice behind it: whoever is switched to the stream there has no parameter sets to decode it with, and
/// every browser repeats them before each IDR.
fn h264_starts(payload: &[u8]) -> Result<bool, &'static str> {
    let (&first, rest) = payload.split_first().ok_or(H264_TRUNCATED)?;
    match first & 0x1F {
        STAP_A => aggregates_sps(rest),
        FU_A => {
            let header = rest.first().ok_or(H264_TRUNCATED)?;
            Ok(header & 0x80 != 0 && header & 0x1F == SPS)
        }
        nal_type => Ok(nal_type == SPS),
    }
}

/// Look at every unit of a STAP-A, so that a malformed one is refused wherever the parameter set stands.
fn aggregates_sps(mut units: &[u8]) -> Result<bool, &'static str> {
    let mut found = false;
    while !units.is_empty() {
        let (size, rest) = units.split_first_chunk().ok_or(H264_MALFORMED)?;
        let (unit, rest) = rest.split_at_checked(u16::from_be_bytes(*size).into()).ok_or(H264_MALFORMED)?;
        found |= unit.first().ok_or(H264_MALFORMED)? & 0x1F == SPS;
        units = rest;
    }
    Ok(found)
}

const OBU_SEQUENCE_HEADER: u8 = 1;
const MAX_LENGTH_BYTES: usize = 8; // of a leb128

/// N: the first packet of a coded video sequence, with the sequence header as first OBU (AV1 RTP §4.4).
fn av1_starts(payload: &[u8]) -> Result<bool, &'static str> {
    let (&first, mut rest) = payload.split_first().ok_or(AV1_TRUNCATED)?;
    let (continues, count, new_sequence) = (first & 0x80 != 0, first >> 4 & 0x03, first & 0x08 != 0);
    if !new_sequence || continues {
        return Ok(false);
    }
    if count != 1 {
        // the first element carries its length (leb128) unless it is the only one
        let last = rest.iter().take(MAX_LENGTH_BYTES).position(|octet| octet & 0x80 == 0).ok_or(AV1_TRUNCATED)?;
        rest = &rest[last + 1..];
    }
    let header = rest.first().ok_or(AV1_TRUNCATED)?;
    Ok(header >> 3 & 0x0F == OBU_SEQUENCE_HEADER)
}

#[cfg(test)]
mod tests;
