//! A camera or a microphone: RTP packets that look like what Chromium sends, with a stamp at each payload's end.

use medinova_core::parameters::Kind;
use medinova_core::srtp::{MAX_OVERHEAD, Srtp};

use super::leg::{Sending, Shape};

/// Source, how many packets it had sent, and when: at the end of every payload.
pub const STAMP_BYTES: usize = 4 + 4 + 8;
const NAMED_FRAMES: u32 = 8; // that carry a MID, as in a browser until the first receiver report
const CLOCK_HZ: [u64; 2] = [90_000, 48_000];

/// What a payload's end says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Index among all sources.
    pub source: u32,
    /// The how manieth packet of its source.
    pub count: u32,
    /// When it was written.
    pub sent_ns: u64,
}

impl Stamp {
    fn write(self, end: &mut [u8]) {
        end[..4].copy_from_slice(&self.source.to_be_bytes());
        end[4..8].copy_from_slice(&self.count.to_be_bytes());
        end[8..].copy_from_slice(&self.sent_ns.to_be_bytes());
    }

    /// Read it from a plain RTP packet, whose padding may hide it.
    #[must_use]
    pub fn read(packet: &[u8]) -> Option<Self> {
        let padding = if packet.first()? & 0x20 != 0 { usize::from(*packet.last()?) } else { 0 };
        let end = packet.len().checked_sub(padding)?;
        let stamp = packet.get(end.checked_sub(STAMP_BYTES)?..end)?;
        Some(Self {
            source: u32::from_be_bytes(stamp[..4].try_into().ok()?),
            count: u32::from_be_bytes(stamp[4..8].try_into().ok()?),
            sent_ns: u64::from_be_bytes(stamp[8..].try_into().ok()?),
        })
    }
}

/// RTP header and extensions with the places of what changes.
struct Head {
    bytes: Vec<u8>,
    transport_at: Option<usize>,
    send_time_at: Option<usize>,
}

impl Head {
    fn new(sending: &Sending, named: bool) -> Self {
        let mut bytes = vec![0x90, sending.payload_type];
        bytes.extend([0; 6]);
        bytes.extend(sending.ssrc.to_be_bytes());
        bytes.extend([0xBE, 0xDE, 0, 0]);
        let mut put = |id: u8, value: &[u8]| {
            (id > 0).then(|| {
                bytes.push(id << 4 | (value.len() - 1) as u8);
                bytes.extend(value);
                bytes.len() - value.len()
            })
        };
        let send_time_at = put(sending.send_time_id, &[0; 3]);
        let transport_at = put(sending.transport_sequence_id, &[0; 2]);
        if sending.kind() == Kind::Audio {
            put(sending.level_id, &[30]);
        }
        if named && !sending.mid.is_empty() {
            put(sending.mid_id, sending.mid.as_bytes());
        }
        while !bytes.len().is_multiple_of(4) {
            bytes.push(0);
        }
        let words = (bytes.len() / 4 - 4) as u16;
        if words == 0 {
            bytes.truncate(12); // no extension was agreed on
            bytes[0] = 0x80;
        } else {
            bytes[14..16].copy_from_slice(&words.to_be_bytes());
        }
        Self { bytes, transport_at, send_time_at }
    }
}

/// One stream that somebody sends.
pub struct Source {
    /// Whose it is, as an index among the legs.
    pub leg: usize,
    /// Sound or picture.
    pub kind: Kind,
    /// On the wire.
    pub ssrc: u32,
    /// Packets so far.
    pub count: u32,
    /// Of these, before the counters were reset.
    pub count_at_reset: u32,
    /// Octets of payload so far.
    pub octets: u32,
    /// The next frame is to be a key frame.
    pub wants_key: bool,
    number: u32,
    named: Head,
    plain: Head,
    index: u64,
    frames: u32,
    frames_named: u32,
    place: u32,
    rtp_time: u32,
    next_key_ns: u64,
}

impl Source {
    /// `number` is its index among all sources; `seed` makes its first numbers.
    #[must_use]
    pub fn new(sending: &Sending, leg: usize, number: u32, seed: u64) -> Self {
        Self {
            leg,
            kind: sending.kind(),
            ssrc: sending.ssrc,
            count: 0,
            count_at_reset: 0,
            octets: 0,
            wants_key: true,
            number,
            named: Head::new(sending, true),
            plain: Head::new(sending, false),
            index: seed & 0x7FFF, // the cycles begin at 0, so the first numbers are below the half (RFC 3711 §3.3.1)
            frames: (seed >> 16) as u32 & 0x3FFF,
            frames_named: 0,
            place: 0,
            rtp_time: (seed >> 32) as u32,
            next_key_ns: 0,
        }
    }

    /// The RTP timestamp of now.
    #[must_use]
    pub fn rtp_time(&self, now_ns: u64) -> u32 {
        let hz = CLOCK_HZ[usize::from(self.kind == Kind::Audio)];
        self.rtp_time.wrapping_add((u128::from(now_ns) * u128::from(hz) / 1_000_000_000) as u32)
    }

    /// Begin a new frame with the next packet, whatever there was of the last.
    pub fn begin(&mut self) {
        self.place = 0;
    }

    /// Write the next packet at the front of `room`, sealed if there are keys; returns its size. Of the payload only what an SFU reads
    /// and the stamp are written: the rest is whatever lies there.
    pub fn packet(
        &mut self,
        shape: &Shape,
        now_ns: u64,
        transport: &mut u16,
        srtp: Option<&mut Srtp>,
        room: &mut [u8],
    ) -> Option<usize> {
        let audio = self.kind == Kind::Audio;
        let (first, last) = (audio || self.place == 0, audio || self.place + 1 == shape.frame_packets);
        if first {
            self.begin_frame(shape, now_ns);
        }
        let head = if self.frames_named <= NAMED_FRAMES { &self.named } else { &self.plain };
        let begin = head.bytes.len();
        let longer = usize::from(last && !audio && shape.uneven);
        let size = (if audio { shape.audio_bytes } else { shape.video_bytes + longer }).max(STAMP_BYTES + 8);
        let length = begin + size;
        let packet = &mut room[..length + MAX_OVERHEAD];
        packet[..begin].copy_from_slice(&head.bytes);
        if last != audio {
            packet[1] |= 0x80; // the end of a frame; sound marks only where it begins
        }
        packet[2..4].copy_from_slice(&(self.index as u16).to_be_bytes());
        let rtp_time = self.rtp_time(now_ns);
        packet[4..8].copy_from_slice(&rtp_time.to_be_bytes());
        if let Some(at) = head.transport_at {
            packet[at..at + 2].copy_from_slice(&transport.to_be_bytes());
            *transport = transport.wrapping_add(1);
        }
        if let Some(at) = head.send_time_at {
            // seconds with 18 bits of fraction, 24 bits in all
            let time = (u128::from(now_ns) << 18) / 1_000_000_000;
            packet[at..at + 3].copy_from_slice(&(time as u32).to_be_bytes()[1..]);
        }
        if !audio {
            self.describe(first, &mut packet[begin..]);
        }
        self.count += 1;
        self.octets = self.octets.wrapping_add(size as u32);
        let stamp = Stamp { source: self.number, count: self.count, sent_ns: now_ns };
        stamp.write(&mut packet[length - STAMP_BYTES..length]);
        let index = self.index;
        self.index += 1;
        self.place = if last { 0 } else { self.place + 1 };
        srtp.map_or(Some(length), |srtp| srtp.protect(packet, length, index))
    }

    fn begin_frame(&mut self, shape: &Shape, now_ns: u64) {
        self.frames = self.frames.wrapping_add(1);
        // by frames, as all packets of one must be of one size
        self.frames_named = self.frames_named.saturating_add(1);
        if now_ns >= self.next_key_ns {
            // half of an interval apart at first, so that not everybody's come at once
            let apart = if self.next_key_ns == 0 { 0.5 + f64::from(self.number % 64) / 64.0 } else { 1.0 };
            self.next_key_ns = now_ns + (shape.key_frame_s * apart * 1e9) as u64;
            self.wants_key = true;
        }
    }

    /// RFC 7741 §4.2, as libwebrtc writes it: picture id of 15 bits, TL0PICIDX, TID and KEYIDX.
    fn describe(&mut self, first: bool, payload: &mut [u8]) {
        let identity = (0x8000 | self.frames as u16 & 0x7FFF).to_be_bytes();
        payload[0] = if first { 0x90 } else { 0x80 };
        payload[1] = 0xF0;
        payload[2..4].copy_from_slice(&identity);
        payload[4] = self.frames as u8;
        payload[5] = self.frames as u8 & 0x1F;
        payload[6] = if first { u8::from(!std::mem::take(&mut self.wants_key)) } else { 0xAA };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_behind_padding() {
        let stamp = Stamp { source: 7, count: 9, sent_ns: 1 << 40 };
        let mut packet = vec![0x80; 20];
        packet.extend([0; STAMP_BYTES]);
        stamp.write(&mut packet[20..]);
        assert_eq!(Stamp::read(&packet), Some(stamp));
        packet[0] |= 0x20;
        packet.extend([0, 2]);
        assert_eq!(Stamp::read(&packet), Some(stamp));
        assert_eq!(Stamp::read(&packet[..9]), None);
        assert_eq!(Stamp::read(&[]), None);
    }

    #[test]
    fn packets_look_like_a_cameras() {
        let shape = Shape {
            video_packets_s: 100.0,
            audio_packets_s: 50.0,
            video_bytes: 100,
            audio_bytes: 50,
            frame_packets: 3,
            burst: true,
            uneven: true,
            key_frame_s: 1.0,
            quantum_us: 50,
        };
        let mut source = Source::new(&Sending::video(1000), 0, 5, 65_534);
        let (mut transport, mut room) = (65_535, vec![0; 500]);
        let mut seen = Vec::new();
        for place in 0..6_u64 {
            let length = source.packet(&shape, 1 << 30, &mut transport, None, &mut room).expect("room");
            let (packet, payload) = (&room[..length], length - 100 - usize::from(place % 3 == 2));
            assert_eq!((packet[0], packet[1] & 0x7F, &packet[8..12]), (0x90, 96, &[0, 0, 3, 232][..]));
            assert_eq!(packet[21..23], (65_535_u16.wrapping_add(place as u16)).to_be_bytes());
            assert_eq!(packet[24], b'1'); // its line
            assert_eq!(Stamp::read(packet), Some(Stamp { source: 5, count: place as u32 + 1, sent_ns: 1 << 30 }));
            seen.push((packet[1] >> 7, packet[payload], packet[payload + 6]));
        }
        // marker, whether it begins a frame, and of those that do whether it is no key frame
        let of_frame = |key| [(0, 0x90, key), (0, 0x80, 0xAA), (1, 0x80, 0xAA)];
        assert_eq!(seen, [of_frame(0), of_frame(1)].concat());
    }
}
