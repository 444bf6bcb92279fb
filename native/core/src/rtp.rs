//! RTP packets (RFC 3550 §5.1) with their header extensions (RFC 8285): a view of one datagram, and writing headers.

use crate::id::{ExtensionId, PayloadType, Seq, Sequence, Ssrc};

const ONE_BYTE: u16 = 0xBEDE;
const TWO_BYTE: u16 = 0x1000; // the low four bits are the sender's to use
const IDS: usize = 15; // 0…14; no line agrees to others

/// A packet's fields and the places of its parts, without its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// The end of a frame, or the start of a talk spurt.
    pub marker: bool,
    /// Seven bits that say the codec.
    pub payload_type: PayloadType,
    /// As on the wire.
    pub sequence: Sequence,
    /// On the stream's clock.
    pub timestamp: u32,
    /// Whose it is.
    pub ssrc: Ssrc,
    /// Where the payload begins.
    pub payload_at: usize,
    /// Where it ends; padding may follow.
    pub end: usize,
    elements: [(u16, u8); IDS], // (place, size + 1; 0: not there)
}

impl Packet {
    /// Parse header and extensions; `Err` is one fixed sentence.
    pub fn parse(data: &[u8]) -> Result<Self, &'static str> {
        const SHORT: &str = "RTP header is truncated";
        let size = data.len();
        let header: &[u8; 12] = data.first_chunk().ok_or(SHORT)?;
        if header[0] & 0xC0 != 0x80 {
            return Err("RTP version is not 2");
        }
        let mut at = 12 + 4 * usize::from(header[0] & 0x0F);
        let mut elements = [(0, 0); IDS];
        if header[0] & 0x10 != 0 {
            const SHORT: &str = "RTP header extension is truncated";
            let &[a, b, c, d] = data.get(at..).and_then(|rest| rest.first_chunk()).ok_or(SHORT)?;
            let (from, to) = (at + 4, at + 4 + 4 * usize::from(u16::from_be_bytes([c, d])));
            let block = data.get(..to).ok_or("RTP header is truncated")?;
            match u16::from_be_bytes([a, b]) {
                ONE_BYTE => read_one_byte(block, from, &mut elements)?,
                profile if profile & 0xFFF0 == TWO_BYTE => read_two_byte(block, from, &mut elements)?,
                _ => {}
            }
            at = to;
        }
        if at > size {
            return Err(SHORT);
        }
        let mut end = size;
        if header[0] & 0x20 != 0 {
            // the last octet counts itself; SRTP leaves it in the plain packet
            let padding = usize::from(data[size - 1]);
            if padding == 0 || padding > size - at {
                return Err("RTP padding is malformed");
            }
            end -= padding;
        }
        Ok(Self {
            marker: header[1] & 0x80 != 0,
            payload_type: PayloadType(header[1] & 0x7F),
            sequence: Sequence(u16::from_be_bytes([header[2], header[3]])),
            timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            ssrc: Ssrc(u32::from_be_bytes([header[8], header[9], header[10], header[11]])),
            payload_at: at,
            end,
            elements,
        })
    }

    /// The payload, padding cut off; `data` is what was parsed.
    #[must_use]
    pub fn payload<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        data.get(self.payload_at..self.end).unwrap_or_default()
    }

    /// Whether there is nothing but padding behind the header.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.payload_at == self.end
    }

    /// The value of an extension element, if it is there; of several with one id the last.
    #[must_use]
    pub fn element<'a>(&self, data: &'a [u8], id: ExtensionId) -> Option<&'a [u8]> {
        let &(place, size) = self.elements.get(usize::from(id.0))?;
        let from = usize::from(place);
        data.get(from..from + usize::from(size.checked_sub(1)?))
    }
}

fn read_one_byte(block: &[u8], from: usize, elements: &mut [(u16, u8); IDS]) -> Result<(), &'static str> {
    let mut at = from;
    while let Some(&octet) = block.get(at) {
        at += 1;
        if octet == 0 {
            continue;
        }
        if !(0x10..0xF0).contains(&octet) {
            break; // ids 0, with a length, and 15 are nobody's: whatever follows is not to be read (RFC 8285 §4.2)
        }
        let size = (octet & 0x0F) + 1;
        note(elements, octet >> 4, at, size);
        at += usize::from(size);
        if at > block.len() {
            return Err("RTP header extension is truncated");
        }
    }
    Ok(())
}

fn read_two_byte(block: &[u8], from: usize, elements: &mut [(u16, u8); IDS]) -> Result<(), &'static str> {
    let mut at = from;
    while let Some(&id) = block.get(at) {
        at += 1;
        if id == 0 {
            continue;
        }
        let &size = block.get(at).ok_or("RTP header extension is truncated")?;
        at += 1;
        note(elements, id, at, size);
        at += usize::from(size);
        if at > block.len() {
            return Err("RTP header extension is truncated");
        }
    }
    Ok(())
}

fn note(elements: &mut [(u16, u8); IDS], id: u8, at: usize, size: u8) {
    if let Some(place) = elements.get_mut(usize::from(id)) {
        *place = (at as u16, size.saturating_add(1)); // no element that we read is longer than 16
    }
}

/// What a header says, extensions apart.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// As in `Packet`.
    pub marker: bool,
    /// As in `Packet`.
    pub payload_type: PayloadType,
    /// Its low 16 bits are written.
    pub seq: Seq,
    /// On the stream's clock.
    pub timestamp: u32,
    /// Whose it is.
    pub ssrc: Ssrc,
}

impl Header {
    /// Append the header, with what `elements` appends as its extension block in the one-byte form, if anything.
    pub fn write(&self, out: &mut Vec<u8>, elements: impl FnOnce(&mut Vec<u8>)) {
        let start = out.len();
        out.extend_from_slice(&[0x90, u8::from(self.marker) << 7 | self.payload_type.0]);
        out.extend_from_slice(&self.seq.wire().0.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.0.to_be_bytes());
        out.extend_from_slice(&[0xBE, 0xDE, 0, 0]);
        let from = out.len();
        elements(out);
        let size = out.len() - from;
        if size == 0 {
            out.truncate(start + 12);
            out[start] = 0x80;
            return;
        }
        let words = size.div_ceil(4);
        out.resize(from + 4 * words, 0);
        out[from - 2..from].copy_from_slice(&(words as u16).to_be_bytes());
    }
}

/// Append one extension element in the one-byte form; nothing for what doesn't fit there (ids 1…14, 1…16 bytes).
pub fn write_element(out: &mut Vec<u8>, id: ExtensionId, value: &[u8]) {
    if (1..15).contains(&id.0) && (1..=16).contains(&value.len()) {
        out.push(id.0 << 4 | (value.len() - 1) as u8);
        out.extend_from_slice(value);
    }
}

/// Turn an RTX packet into the packet that it repairs (RFC 4588 §4), in place; None if it carries none (a probe).
/// Returns where in `data` it now lies.
pub fn repaired(packet: &Packet, data: &mut [u8], ssrc: Ssrc, payload_type: PayloadType) -> Option<(usize, usize)> {
    let (at, end) = (packet.payload_at, packet.end);
    if end - at <= 2 {
        return None;
    }
    let original = [data[at], data[at + 1]];
    data.copy_within(0..at, 2);
    data[2] &= 0xDF; // what padding there was is cut off
    data[3] = data[3] & 0x80 | payload_type.0;
    data[4..6].copy_from_slice(&original);
    data[10..14].copy_from_slice(&ssrc.0.to_be_bytes());
    Some((2, end))
}

/// Seconds as 6.18 fixed point on a 64 s circle: what REMB receivers measure delay by.
#[must_use]
pub fn abs_send_time(now: f64) -> [u8; 3] {
    let [.., a, b, c] = ((now * 262_144.0) as u64).to_be_bytes();
    [a, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read() {
        let header =
            Header { marker: true, payload_type: PayloadType(96), seq: Seq(0x1_0007), timestamp: 9, ssrc: Ssrc(5) };
        let mut out = Vec::new();
        header.write(&mut out, |out| {
            write_element(out, ExtensionId(4), b"1");
            write_element(out, ExtensionId(2), b"abc");
        });
        out.extend_from_slice(b"payload");
        let packet = Packet::parse(&out).unwrap();
        assert!(packet.marker);
        assert_eq!(packet.sequence, Sequence(7));
        assert_eq!((packet.payload_type, packet.timestamp, packet.ssrc), (PayloadType(96), 9, Ssrc(5)));
        assert_eq!(packet.payload(&out), b"payload");
        assert_eq!(packet.element(&out, ExtensionId(4)), Some(&b"1"[..]));
        assert_eq!(packet.element(&out, ExtensionId(2)), Some(&b"abc"[..]));
        assert_eq!(packet.element(&out, ExtensionId(3)), None);
    }

    #[test]
    fn an_rtx_packet_becomes_what_it_repairs() {
        let mut data = b"\x80\xe1\x00\x05TIMESSRC\x12\x34payload".to_vec();
        let packet = Packet::parse(&data).unwrap();
        let (from, to) = repaired(&packet, &mut data, Ssrc(0x0102_0304), PayloadType(96)).unwrap();
        assert_eq!(&data[from..to], b"\x80\xe0\x12\x34TIME\x01\x02\x03\x04payload");
    }

    #[test]
    fn a_probe_repairs_nothing() {
        let mut data = b"\x80\xe1\x00\x05TIMESSRC\x12\x34".to_vec();
        let packet = Packet::parse(&data).unwrap();
        assert_eq!(repaired(&packet, &mut data, Ssrc(1), PayloadType(96)), None);
    }

    #[test]
    fn ids_of_nobody_end_the_reading() {
        for (block, second) in
            [(*b"\x10\xaa\x20\xbb", true), (*b"\x10\xaa\xf0\xbb", false), (*b"\x01\xaa\xaa\xaa", false)]
        {
            let mut data = b"\x90\xe0\x00\x05TIMESSRC\xbe\xde\x00\x02".to_vec();
            data.extend(block);
            data.extend(*b"\x30\xcc\x00\x00");
            let packet = Packet::parse(&data).unwrap();
            assert_eq!(packet.element(&data, ExtensionId(0)), None);
            assert_eq!(packet.element(&data, ExtensionId(3)).is_some(), second, "{block:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(mut data: Vec<u8>, bits: u8) {
            if let Some(first) = data.first_mut() {
                *first = 0x80 | bits & 0x3F;
            }
            if let Ok(packet) = Packet::parse(&data) {
                prop_assert!(packet.payload_at <= packet.end && packet.end <= data.len());
                for id in 0..=255 {
                    let _ = packet.element(&data, ExtensionId(id));
                }
                let _ = repaired(&packet, &mut data, Ssrc(1), PayloadType(1));
            }
        }
    }
}
