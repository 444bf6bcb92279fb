//! What a participant sends on one line: its streams (one, or one per rid), with their statistics and their repair.
//!
//! A stream is one SSRC. The newest packets are kept in its history while somebody is shown it, and every packet,
//! RTX-repaired ones included, leaves `receive` with its unwrapped number.

use std::hint::black_box;
use std::sync::Arc;

use crate::history::{History, Pool};
use crate::id::{ExtensionId, PayloadType, Seq, Sequence, Ssrc, UpId};
use crate::keyframe::KeyFrameRequests;
use crate::nack::NackList;
use crate::parameters::{Codec, Format, Kind, UpParameters};
use crate::payload;
use crate::rtcp::ReportBlock;
use crate::rtp::Packet;
use crate::track_counters::{TrackCounters, TrackCounts};
use crate::tracks::{DownKey, EndpointKey, StreamKey, Streams, UpKey};

/// Without a packet for so long, a video source is lost.
pub const LOST_S: f64 = 2.0;
/// A number further from the newest is a restart of the sender, if the next one confirms it.
pub const MAX_DISORDER: i64 = 1024;

/// A packet on its way through: its bytes, and what was found out about them.
pub struct Incoming<'a> {
    /// Plain RTP.
    pub data: &'a [u8],
    /// Its fields.
    pub header: Packet,
    /// How its payload is read.
    pub format: Format,
    /// Unwrapped, by its stream.
    pub seq: Seq,
    /// It starts a key frame; None: nobody asked yet.
    pub key_frame: Option<bool>,
}

impl Incoming<'_> {
    /// The payload, padding cut off.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.header.payload(self.data)
    }

    /// Whether it is the first packet of a frame that needs no other, read once; malformed payloads start nothing.
    pub fn starts_key_frame(&mut self) -> bool {
        let (format, payload) = (self.format, self.header.payload(self.data));
        *self.key_frame.get_or_insert_with(|| payload::starts_key_frame(format, payload).unwrap_or(false))
    }
}

/// What the newest sender report said of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Reported {
    /// 64 bits: seconds since 1900 and 32 bits of fraction.
    pub ntp_time: u64,
    /// The same instant on the stream's clock.
    pub rtp_time: u32,
    /// When it came.
    pub at: f64,
}

/// One SSRC of a line.
pub struct UpStream {
    /// The line that it belongs to.
    pub up: UpKey,
    /// The place of its rid among those offered, lowest first; 0 without simulcast.
    pub rank: usize,
    /// On the wire.
    pub ssrc: Ssrc,
    /// What may be asked for again.
    pub history: History,
    /// What we ask for again.
    pub nacks: NackList,
    /// When a key frame is asked for.
    pub key_frames: KeyFrameRequests,
    /// The newest number received; None before the first packet.
    pub highest: Option<Seq>,
    /// The slots have been told that it is there.
    pub shown: bool,
    /// What its sender said last.
    pub report: Option<Reported>,
    last_at: f64,
    first: Seq,
    received: i64,
    jitter: f64, // timestamp units
    transit: f64,
    confirming: Option<Sequence>, // the number that would prove a restart
    expected_before: i64,         // at the last report block
    received_before: i64,
    counted: TrackCounts, // but for packets and losses since the sender last began anew
}

impl UpStream {
    /// Begin one that has sent nothing yet.
    #[must_use]
    pub fn new(up: UpKey, rank: usize, ssrc: Ssrc) -> Self {
        Self {
            up,
            rank,
            ssrc,
            history: History::default(),
            nacks: NackList::default(),
            key_frames: KeyFrameRequests::default(),
            highest: None,
            shown: false,
            report: None,
            last_at: f64::NEG_INFINITY,
            first: Seq(0),
            received: 0,
            jitter: 0.0,
            transit: 0.0,
            confirming: None,
            expected_before: 0,
            received_before: 0,
            counted: TrackCounts::default(),
        }
    }

    /// Number the packet and take it in; false if its number is out of all bounds and it is to be dropped.
    pub fn receive(
        &mut self,
        packet: &mut Incoming<'_>,
        track: &UpTrack,
        pool: &mut Pool,
        now: f64,
        repaired: bool,
    ) -> bool {
        let Some((seq, highest)) = self.number(packet.header.sequence, pool, repaired) else { return false };
        packet.seq = seq;
        if track.video && !track.slots.is_empty() && !self.nacks.received(seq, highest, now) {
            self.key_frames.ask();
        }
        if repaired {
            self.counted.repaired += 1;
        } else {
            self.measure(&packet.header, track, now);
        }
        self.highest = Some(highest.max(seq));
        if track.video && self.key_frames.wanted() && packet.starts_key_frame() {
            self.key_frames.seen();
        }
        true
    }

    /// Read what receiving will need.
    pub fn touch(&self) {
        black_box((self.highest, self.last_at, self.transit, self.counted.octets, self.shown, self.nacks.is_empty()));
        self.history.touch();
    }

    /// Whether a packet came lately.
    #[must_use]
    pub fn sends(&self, now: f64) -> bool {
        now - self.last_at < LOST_S
    }

    /// What has come so far.
    #[must_use]
    pub fn counts(&self) -> TrackCounts {
        let mut counts = self.counted;
        counts.packets += self.received as u64;
        counts.lost += (self.expected() - self.received).max(0) as u64; // some may have come twice
        counts
    }

    /// What a receiver report says of this stream since the last one (RFC 3550 §6.4.1, A.3).
    pub fn report_block(&mut self, now: f64) -> ReportBlock {
        let highest = self.highest.unwrap_or(Seq(-1));
        let expected = self.expected();
        let expected_now = expected - self.expected_before;
        let lost_now = expected_now - (self.received - self.received_before);
        (self.expected_before, self.received_before) = (expected, self.received);
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: if expected_now > 0 {
                (lost_now << 8).div_euclid(expected_now).clamp(0, 255) as u8
            } else {
                0
            },
            packets_lost: (expected - self.received).clamp(-0x80_0000, 0x7F_FFFF) as i32,
            highest_sequence: (highest.0 - 0x1_0000) as u32,
            jitter: self.jitter as u32,
            last_sender_report: self.report.map_or(0, |report| (report.ntp_time >> 16) as u32),
            delay: self.report.map_or(0, |report| ((now - report.at) * 65536.0) as u32),
        }
    }

    /// Packets sent since it began, or began anew, as their numbers tell.
    fn expected(&self) -> i64 {
        self.highest.map_or(0, |highest| highest - self.first + 1)
    }

    /// Return the unwrapped number, and the newest before it.
    fn number(&mut self, sequence: Sequence, pool: &mut Pool, repaired: bool) -> Option<(Seq, Seq)> {
        let Some(highest) = self.highest else {
            if repaired {
                return None;
            }
            // far from zero, so that what came before the first stays positive
            self.first = Seq(0x1_0000 + i64::from(sequence.0));
            return Some((self.first, self.first + -1));
        };
        let step = i64::from(sequence.distance_from(highest.wire()));
        if -MAX_DISORDER < step && step <= MAX_DISORDER {
            self.confirming = None;
            return Some((highest + step, highest));
        }
        if repaired {
            return None;
        }
        if self.confirming != Some(sequence) {
            self.confirming = Some(Sequence(sequence.0.wrapping_add(1)));
            return None;
        }
        self.confirming = None;
        Some(self.restart(sequence, highest, pool))
    }

    /// The sender began anew somewhere else: go on above everything seen, with fresh statistics.
    fn restart(&mut self, sequence: Sequence, highest: Seq, pool: &mut Pool) -> (Seq, Seq) {
        let seq = highest + i64::from(sequence.0.wrapping_sub(highest.wire().0));
        self.history.clear(pool);
        self.nacks = NackList::default();
        self.counted = self.counts();
        self.first = seq;
        (self.received, self.expected_before, self.received_before) = (0, 0, 0);
        (seq, seq + -1)
    }

    fn measure(&mut self, header: &Packet, track: &UpTrack, now: f64) {
        self.received += 1;
        self.counted.octets += (header.end - header.payload_at) as u64;
        self.last_at = now;
        let transit = now * f64::from(track.clock_rate(header.payload_type)) - f64::from(header.timestamp);
        if self.received > 1 {
            let step = (transit - self.transit).abs();
            // a wrapped or jumped timestamp says nothing of the network
            if step < 1e6 {
                self.jitter += (step - self.jitter) / 16.0;
            }
        }
        self.transit = transit;
    }
}

/// A payload type that a line may send.
#[derive(Clone, Debug)]
pub struct Line {
    /// On this line.
    pub payload_type: PayloadType,
    /// What it means.
    pub codec: Codec,
    /// How its payload is read.
    pub format: Format,
    clock_rate: u32,
}

/// One send line. `slots` are the down tracks that show it or wait to.
pub struct UpTrack {
    /// As Python knows it.
    pub id: UpId,
    /// Whose it is.
    pub owner: EndpointKey,
    /// Sound otherwise.
    pub video: bool,
    /// As the answer accepted it.
    pub parameters: UpParameters,
    /// Who sees it, or is to.
    pub slots: Vec<DownKey>,
    /// The stream of each rid met so far, the one it sends now.
    pub streams: Vec<StreamKey>,
    /// All streams it ever had.
    pub ever: Vec<StreamKey>,
    /// It has been silent for too long.
    pub lost: bool,
    /// Its packets are copied for a recorder.
    pub tapped: bool,
    /// Read by others at any time.
    pub counters: Arc<TrackCounters>,
    lines: Vec<Line>,
    default_clock_rate: u32,
}

impl UpTrack {
    /// Begin one without a stream.
    #[must_use]
    pub fn new(id: UpId, owner: EndpointKey, parameters: UpParameters, counters: Arc<TrackCounters>) -> Self {
        let video = parameters.kind == Kind::Video;
        let default_clock_rate = if video { 90_000 } else { 48_000 };
        let rate_of = |wanted: PayloadType| {
            parameters.clock_rates.iter().find(|(known, rate)| *known == wanted && *rate > 0).map(|(_, rate)| *rate)
        };
        let lines = parameters
            .codecs
            .iter()
            .map(|(payload_type, codec)| Line {
                payload_type: *payload_type,
                codec: codec.clone(),
                format: codec.format(),
                clock_rate: rate_of(*payload_type).unwrap_or(default_clock_rate),
            })
            .collect();
        Self {
            id,
            owner,
            video,
            parameters,
            slots: Vec::new(),
            streams: Vec::new(),
            ever: Vec::new(),
            lost: false,
            tapped: false,
            counters,
            lines,
            default_clock_rate,
        }
    }

    /// What a payload type means on this line.
    #[must_use]
    pub fn line(&self, payload_type: PayloadType) -> Option<&Line> {
        self.lines.iter().find(|line| line.payload_type == payload_type)
    }

    /// Hz.
    #[must_use]
    pub fn clock_rate(&self, payload_type: PayloadType) -> u32 {
        self.line(payload_type).map_or(self.default_clock_rate, |line| line.clock_rate)
    }

    /// The payload type that an RTX payload type repairs.
    #[must_use]
    pub fn repairs(&self, payload_type: PayloadType) -> Option<PayloadType> {
        self.parameters.rtx.iter().find(|(rtx, _)| *rtx == payload_type).map(|(_, repaired)| *repaired)
    }

    /// The id of the audio level, 0 for none.
    #[must_use]
    pub const fn level_id(&self) -> ExtensionId {
        self.parameters.extensions.audio_level
    }

    /// The place of a rid; of "" where there is no simulcast.
    #[must_use]
    pub fn rank(&self, rid: &str) -> Option<usize> {
        if self.parameters.rids.is_empty() && rid.is_empty() {
            return Some(0);
        }
        self.parameters.rids.iter().position(|known| known == rid)
    }

    /// The stream of a rank, if it has been met.
    #[must_use]
    pub fn stream(&self, rank: usize, streams: &Streams) -> Option<StreamKey> {
        self.streams.iter().copied().find(|key| streams.get(*key).is_some_and(|stream| stream.rank == rank))
    }

    /// Begin a stream; one of the same rid before it is over.
    pub fn latch(&mut self, key: StreamKey, rank: usize, streams: &Streams) {
        let before = self.streams.iter_mut().find(|key| streams.get(**key).is_some_and(|stream| stream.rank == rank));
        match before {
            Some(place) => *place = key,
            None => self.streams.push(key),
        }
        self.ever.push(key);
    }

    /// The stream of `rid`; for None the highest one that sends, else the highest there is.
    #[must_use]
    pub fn choose(&self, rid: Option<&str>, streams: &Streams, now: f64) -> Option<StreamKey> {
        if let Some(rid) = rid {
            return self.stream(self.rank(rid)?, streams);
        }
        let there = self.streams.iter().filter_map(|key| streams.get(*key).map(|stream| (*key, stream)));
        there.max_by_key(|(_, stream)| (stream.sends(now), stream.rank)).map(|(key, _)| key)
    }

    /// Have what has come on the line so far be read.
    pub fn publish(&self, streams: &Streams) {
        let mut counts = TrackCounts::default();
        for stream in self.ever.iter().filter_map(|key| streams.get(*key)) {
            counts += stream.counts();
        }
        self.counters.publish(counts);
    }

    /// When its newest packet came.
    #[must_use]
    pub fn last_at(&self, streams: &Streams) -> f64 {
        let known = self.streams.iter().filter_map(|key| streams.get(*key));
        known.map(|stream| stream.last_at).fold(f64::NEG_INFINITY, f64::max)
    }
}
