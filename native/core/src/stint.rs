//! One source's time in a slot: how its packets are renumbered, from its first key frame until another took over.
//!
//! A slot looks like one endless stream to its receiver. Each stint adds a constant to the timestamps, to the VP8 or VP9
//! picture numbers, and (through `numbering`) to the sequence numbers, chosen at its start so that all go on without a
//! step. A late packet of the source before still gets the numbers of *its* stint.

use crate::id::{PayloadType, Seq};
use crate::numbering::Numbering;
use crate::parameters::Format;
use crate::payload::{self, Field, PictureId, Vp8, Vp9};
use crate::tracks::{StreamKey, UpKey};
use crate::uptrack::Incoming;

/// Picture id, TL0PICIDX, KEYIDX; as counted in the slot, not yet cut to their widths.
pub type Picture = [i64; 3];

enum Descriptor {
    Vp8(Vp8),
    Vp9(Vp9),
}

fn descriptor(format: Format, payload: &[u8]) -> Option<Descriptor> {
    match format {
        Format::Vp8 => payload::parse_vp8(payload).ok().map(Descriptor::Vp8),
        Format::Vp9 => payload::parse_vp9(payload).ok().map(Descriptor::Vp9),
        _ => None,
    }
}

fn picture_in(format: Format, payload: &[u8]) -> Option<Picture> {
    Some(match descriptor(format, payload)? {
        Descriptor::Vp8(found) => numbers(found.picture_id, found.tl0picidx, found.keyidx),
        Descriptor::Vp9(found) => numbers(found.picture_id, found.tl0picidx, None),
    })
}

fn numbers(picture_id: Option<PictureId>, tl0picidx: Option<Field<u8>>, keyidx: Option<Field<u8>>) -> Picture {
    let octet = |field: Option<Field<u8>>| field.map_or(0, |field| i64::from(field.value));
    [picture_id.map_or(0, |id| i64::from(id.value)), octet(tl0picidx), octet(keyidx)]
}

/// Write the picture numbers of a payload moved by `shift`; a malformed payload passes as it is.
pub fn move_picture(format: Format, payload: &mut [u8], shift: Picture) {
    let Some(found) = descriptor(format, payload) else { return };
    let Some(before) = picture_in(format, payload) else { return };
    let [picture_id, tl0picidx, keyidx] = std::array::from_fn(|at| before[at] + shift[at]);
    match found {
        Descriptor::Vp8(found) => found.rewrite(payload, picture_id, tl0picidx, keyidx),
        Descriptor::Vp9(found) => found.rewrite(payload, picture_id, tl0picidx),
    }
}

/// It begins with one packet, which goes out as number `first_seq`, one picture behind the stint before.
pub struct Stint {
    /// The source's line.
    pub up: UpKey,
    /// The source.
    pub stream: StreamKey,
    /// What it sends.
    pub source_payload_type: PayloadType,
    /// What the receiver calls that.
    pub payload_type: PayloadType,
    /// And its repairs.
    pub rtx_payload_type: Option<PayloadType>,
    /// How its payload is read.
    pub format: Format,
    /// Which number each packet gets.
    pub numbering: Numbering,
    /// The first number it gave.
    pub first_seq: Seq,
    /// Added to its timestamps.
    pub timestamp_offset: i64,
    /// Added to its picture numbers.
    pub shift: Picture,
    /// When another took over.
    pub closed_at: Option<f64>,
    newest: Option<Picture>,
}

impl Stint {
    /// Begin with `first`.
    #[must_use]
    pub fn new(
        source: (UpKey, StreamKey),
        first: &Incoming<'_>,
        payload_types: (PayloadType, Option<PayloadType>),
        seq: Seq,
        timestamp: u32,
        after: Option<Picture>,
    ) -> Self {
        let newest = picture_in(first.format, first.payload());
        let shift = match (after, newest) {
            (Some(after), Some(begins)) => std::array::from_fn(|at| after[at] + 1 - begins[at]),
            _ => [0; 3],
        };
        Self {
            up: source.0,
            stream: source.1,
            source_payload_type: first.header.payload_type,
            payload_type: payload_types.0,
            rtx_payload_type: payload_types.1,
            format: first.format,
            numbering: Numbering::new(first.seq, seq),
            first_seq: seq,
            timestamp_offset: i64::from(timestamp) - i64::from(first.header.timestamp),
            shift,
            closed_at: None,
            newest,
        }
    }

    /// Whether the packet belongs to it.
    #[must_use]
    pub fn covers(&self, packet: &Incoming<'_>, stream: StreamKey) -> bool {
        stream == self.stream
            && packet.header.payload_type == self.source_payload_type
            && packet.seq >= self.numbering.first()
    }

    /// Forward nothing newer from now on.
    pub fn close(&mut self, now: f64) {
        self.numbering.close();
        self.closed_at = Some(now);
    }

    /// `packet` is the newest one that went out.
    pub fn noted(&mut self, packet: &Incoming<'_>) {
        if matches!(self.format, Format::Vp8 | Format::Vp9) {
            self.newest = picture_in(self.format, packet.payload());
        }
    }

    /// The numbers that the newest packet went out with; None for a codec without them.
    #[must_use]
    pub fn picture(&self) -> Option<Picture> {
        self.newest.map(|newest| std::array::from_fn(|at| newest[at] + self.shift[at]))
    }

    /// The timestamp that a packet of the source goes out with.
    #[must_use]
    pub const fn timestamp(&self, source: u32) -> u32 {
        (source as i64 + self.timestamp_offset) as u32
    }
}
