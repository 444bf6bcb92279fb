//! A slot: one endless stream to one receiver, whoever is shown in it.
//!
//! Its SSRC never changes. A new source comes in at a key frame (audio: at its next packet), with sequence, timestamp and
//! picture numbers going on without a step; until then the old one stays. Lost packets are answered from the source's
//! history as RTX, because a plain resend would spoil the receiver's loss count (RFC 4588 §3).

mod repair;
mod reports;

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;

use crate::counter::{Counter, Counters};
use crate::id::{DownId, ExtensionId, Seq, Sequence};
use crate::parameters::{DownParameters, Kind};
use crate::repair::RepairLimit;
use crate::rtcp::ReportBlock;
use crate::rtp::{Header, Packet, abs_send_time, write_element};
use crate::stint::{Picture, Stint, move_picture};
use crate::track_counters::{TrackCounters, TrackCounts};
use crate::tracks::{EndpointKey, StreamKey, Streams, UpKey, Ups};
use crate::uptrack::{Incoming, MAX_DISORDER, UpTrack};

const MAX_STINTS: usize = 8; // oldest out
const STINT_KEPT_S: f64 = 2.0; // after its end, for late packets and repair
const ON_ITS_WAY: f64 = 0.8; // of a round trip since it left: nobody can have missed it yet
const MIN_STEP_S: f64 = 0.02; // between the timestamps of two sources
const MAX_REPORTED: usize = 8;

/// The stint that a packet belongs to.
#[derive(Clone, Copy)]
enum Place {
    Now,
    Past(usize),
}

/// What a packet goes out with.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    /// Its fields, but for the extensions.
    pub header: Header,
    format: crate::parameters::Format,
    shift: Picture,
    original: Option<Sequence>, // of a repair: the number it repairs
}

/// One slot. `place` and `resend` say how packets go out; whoever owns the keys has them written and sealed.
pub struct DownTrack {
    /// As Python knows it.
    pub id: DownId,
    /// Whose it is.
    pub owner: EndpointKey,
    /// As the answer says.
    pub parameters: DownParameters,
    /// Sound otherwise.
    pub video: bool,
    /// Who is to be shown.
    pub wanted: Option<UpKey>,
    /// Comes in with its next key frame.
    pub switching: Option<StreamKey>,
    /// The source has changed: a sender report is to go out at once.
    pub report_due: bool,
    /// It came in at a late packet: `held_behind`.
    pub overtaken: bool,
    /// When the receiver last spoke of this slot.
    pub reported_at: f64,
    /// Fraction of what we sent, over the receiver's last report interval.
    pub loss: f64,
    /// Packets in that interval.
    pub expected: u32,
    /// Known once a report has come back.
    pub round_trip_s: Option<f64>,
    /// The lines that have this slot in their list.
    pub listed: Vec<UpKey>,
    counted: TrackCounts,
    counters: Arc<TrackCounters>, // read by others at any time
    rid: Option<String>,
    stint: Option<Stint>,
    past: VecDeque<Stint>,
    picture: Option<Picture>, // where the last stint with picture numbers ended
    highest: Seq,
    timestamp: u32, // of the packet with the highest number
    sent_at: Option<f64>,
    holes: i64, // numbers passed over because the source's packet never came
    rtx_seq: Seq,
    limit: RepairLimit,
    reported: VecDeque<(u32, f64)>, // (middle of the NTP time, sent at)
    last_block: Option<ReportBlock>,
    holes_before: i64,                       // at that block
    mid: Vec<u8>,                            // its extension element
    copied: [(ExtensionId, ExtensionId); 2], // (the source's id, ours)
}

impl DownTrack {
    /// Begin an empty one.
    #[must_use]
    pub fn new(id: DownId, owner: EndpointKey, parameters: DownParameters, counters: Arc<TrackCounters>) -> Self {
        let mut mid = Vec::new();
        write_element(&mut mid, parameters.extensions.mid, parameters.mid.as_bytes());
        let first = i64::from(parameters.first_sequence);
        Self {
            id,
            owner,
            video: parameters.kind == Kind::Video,
            wanted: None,
            switching: None,
            report_due: false,
            overtaken: false,
            reported_at: f64::NEG_INFINITY,
            loss: 0.0,
            expected: 0,
            round_trip_s: None,
            listed: Vec::new(),
            counted: TrackCounts::default(),
            counters,
            rid: None,
            stint: None,
            past: VecDeque::new(),
            picture: None,
            highest: Seq(0x1_0000 + first - 1),
            timestamp: parameters.first_timestamp,
            sent_at: None,
            holes: 0,
            rtx_seq: Seq(0x1_0000 + first),
            limit: RepairLimit::default(),
            reported: VecDeque::new(),
            last_block: None,
            holes_before: 0,
            mid,
            copied: [(ExtensionId(0), ExtensionId(0)); 2],
            parameters,
        }
    }

    /// Who is in the slot now.
    #[must_use]
    pub fn stream(&self) -> Option<StreamKey> {
        self.stint.as_ref().map(|stint| stint.stream)
    }

    /// The line that is in the slot now.
    #[must_use]
    pub fn shown(&self) -> Option<UpKey> {
        self.stint.as_ref().map(|stint| stint.up)
    }

    /// The lines whose packets the slot has to see: shown, waited for, or only just gone.
    pub fn sources(&self) -> impl Iterator<Item = UpKey> {
        self.past.iter().chain(&self.stint).map(|stint| stint.up).chain(self.wanted)
    }

    /// Read what placing and writing will need.
    pub fn touch(&self) {
        let stint = self.stint.as_ref().map(|stint| (stint.numbering.highest(), stint.shift, stint.closed_at));
        black_box((stint, self.highest, self.counted.octets, self.switching, self.mid.first(), self.copied));
        black_box((self.parameters.ssrc, self.parameters.extensions, self.owner, self.overtaken));
    }

    /// Whether its packets carry transport-wide numbers.
    #[must_use]
    pub const fn numbered(&self) -> bool {
        self.parameters.extensions.transport_sequence.0 != 0
    }

    /// Whether a line is among `sources`.
    #[must_use]
    pub fn sees(&self, up: UpKey) -> bool {
        self.sources().any(|source| source == up)
    }

    // --- who is shown -------------------------------------------------------------------------------------------

    /// Show `up` from its next key frame on; None empties the slot at once, late packets and repairs included.
    pub fn route(&mut self, up: Option<UpKey>, rid: Option<&str>, ups: &Ups, streams: &Streams, now: f64) {
        self.wanted = up;
        self.rid = rid.map(str::to_owned);
        if up.is_none() {
            self.close(now);
            self.past.clear();
        }
        self.settle(ups, streams, now);
    }

    /// `up` is no more.
    pub fn leave(&mut self, up: UpKey, ups: &Ups, streams: &Streams, now: f64) {
        if self.wanted == Some(up) {
            self.route(None, None, ups, streams, now);
            return;
        }
        if self.shown() == Some(up) {
            self.close(now);
        }
        self.past.retain(|past| past.up != up);
    }

    /// Look again at which stream is to be shown, and let go of stints long over.
    pub fn settle(&mut self, ups: &Ups, streams: &Streams, now: f64) {
        while self.past.front().is_some_and(|past| now - past.closed_at.unwrap_or(0.0) > STINT_KEPT_S) {
            self.past.pop_front();
        }
        let track = self.wanted.and_then(|up| ups.get(up));
        let chosen = track.and_then(|track| track.choose(self.rid.as_deref(), streams, now));
        self.switching = chosen.filter(|chosen| Some(*chosen) != self.stream());
    }

    /// Nothing went out for a while, or may any more: go on from the next key frame, without a gap.
    pub fn renew(&mut self, ups: &Ups, streams: &Streams, now: f64) {
        self.close(now);
        self.past.clear();
        self.settle(ups, streams, now);
    }

    /// The receiver can't decode what it has.
    pub fn ask_key_frame(&self, streams: &mut Streams) {
        for key in [self.stream(), self.switching].into_iter().flatten() {
            if let Some(stream) = streams.get_mut(key) {
                stream.key_frames.ask();
            }
        }
    }

    // --- packets ------------------------------------------------------------------------------------------------

    /// Say how a packet of a source shown, or waited for, goes out; None: not at all.
    pub fn place(
        &mut self,
        packet: &mut Incoming<'_>,
        source: (UpKey, StreamKey),
        ups: &Ups,
        streams: &mut Streams,
        counters: &Counters,
        now: f64,
    ) -> Option<Placed> {
        let continues = self.stint.as_ref().is_some_and(|stint| {
            let step = packet.seq - stint.numbering.highest();
            stint.covers(packet, source.1) && -MAX_DISORDER < step && step <= MAX_DISORDER
        });
        if continues {
            return self.place_in(Place::Now, packet, now);
        }
        let stint = self.find_stint(packet, source, ups, streams, counters, now)?;
        self.place_in(stint, packet, now)
    }

    fn place_in(&mut self, place: Place, packet: &Incoming<'_>, now: f64) -> Option<Placed> {
        let stint = match place {
            Place::Now => self.stint.as_mut()?,
            Place::Past(at) => self.past.get_mut(at)?,
        };
        let seq = if packet.header.is_empty() {
            stint.numbering.drop(packet.seq)?
        } else {
            stint.numbering.forward(packet.seq)?
        };
        let timestamp = stint.timestamp(packet.header.timestamp);
        let size = packet.header.end - packet.header.payload_at;
        if seq > self.highest {
            self.holes += seq - self.highest - 1;
            (self.highest, self.timestamp, self.sent_at) = (seq, timestamp, Some(now));
            stint.noted(packet);
        } else {
            self.holes -= 1;
        }
        self.counted.packets += 1;
        self.counted.octets += size as u64;
        self.limit.earn(size);
        let header = Header {
            marker: packet.header.marker,
            payload_type: stint.payload_type,
            seq,
            timestamp,
            ssrc: self.parameters.ssrc,
        };
        Some(Placed { header, format: stint.format, shift: stint.shift, original: None })
    }

    /// Append a packet as it was placed.
    pub fn write(
        &self,
        placed: &Placed,
        packet: &Packet,
        data: &[u8],
        now: f64,
        transport_sequence: Option<Sequence>,
        out: &mut Vec<u8>,
    ) {
        let ids = &self.parameters.extensions;
        placed.header.write(out, |out| {
            out.extend_from_slice(&self.mid);
            if ids.abs_send_time.0 != 0 {
                write_element(out, ids.abs_send_time, &abs_send_time(now));
            }
            for (theirs, ours) in self.copied {
                if let Some(value) = packet.element(data, theirs) {
                    write_element(out, ours, value);
                }
            }
            if let Some(sequence) = transport_sequence {
                write_element(out, ids.transport_sequence, &sequence.0.to_be_bytes());
            }
        });
        if let Some(original) = placed.original {
            out.extend_from_slice(&original.0.to_be_bytes());
        }
        let from = out.len();
        out.extend_from_slice(packet.payload(data));
        if placed.shift != [0; 3] {
            move_picture(placed.format, &mut out[from..], placed.shift);
        }
    }

    /// The numbers of the new source that came before its key frame's first packet, which was late or repaired.
    pub fn held_behind(&mut self, streams: &Streams) -> (Seq, Seq) {
        self.overtaken = false;
        let Some(stint) = &self.stint else { return (Seq(0), Seq(0)) };
        let highest = streams.get(stint.stream).and_then(|stream| stream.highest).unwrap_or_default();
        (stint.numbering.first() + 1, highest + 1)
    }

    // --- inside -------------------------------------------------------------------------------------------------

    /// For a packet that doesn't simply continue: a new source or codec, a sender that began anew, or a late one.
    fn find_stint(
        &mut self,
        packet: &mut Incoming<'_>,
        source: (UpKey, StreamKey),
        ups: &Ups,
        streams: &mut Streams,
        counters: &Counters,
        now: f64,
    ) -> Option<Place> {
        let beyond =
            self.stint.as_ref().is_some_and(|stint| stint.stream == source.1 && packet.seq > stint.numbering.highest());
        if beyond {
            // another codec, or a gap too wide to be repaired: nothing of the past helps to decode it
            if self.switching.is_some() {
                return None;
            }
            self.close(now);
            self.settle(ups, streams, now);
            streams.get_mut(source.1)?.key_frames.ask();
        }
        // a key frame may be late or repaired; a late word begins nothing, but may belong to an earlier stint
        let late_at_most = if self.video { MAX_DISORDER } else { 1 };
        let highest = streams.get(source.1)?.highest.unwrap_or_default();
        if self.switching == Some(source.1) && !packet.header.is_empty() && packet.seq > highest + -late_at_most {
            if self.video && !packet.starts_key_frame() {
                return None;
            }
            return self.begin(packet, source, ups.get(source.0)?, highest, counters, now).then_some(Place::Now);
        }
        self.past.iter().rposition(|past| past.covers(packet, source.1)).map(Place::Past)
    }

    fn begin(
        &mut self,
        packet: &Incoming<'_>,
        source: (UpKey, StreamKey),
        track: &UpTrack,
        highest: Seq,
        counters: &Counters,
        now: f64,
    ) -> bool {
        let codec = track.line(packet.header.payload_type).map(|line| &line.codec);
        let known = self.parameters.codecs.iter().find(|(known, _)| Some(known) == codec);
        let Some((_, payload_type)) = known else {
            counters.add(Counter::SlotCodecUnknown, 1);
            return false;
        };
        let rtx = self.parameters.rtx.iter().find(|(repaired, _)| repaired == payload_type).map(|(_, rtx)| *rtx);
        let payload_types = (*payload_type, rtx);
        self.close(now);
        let timestamp = match self.sent_at {
            None => self.parameters.first_timestamp,
            Some(sent_at) => {
                let step = (now - sent_at).max(MIN_STEP_S) * f64::from(self.parameters.clock_rate);
                self.timestamp.wrapping_add(step as u64 as u32)
            }
        };
        self.stint = Some(Stint::new(source, packet, payload_types, self.highest + 1, timestamp, self.picture));
        let (theirs, ours) = (&track.parameters.extensions, &self.parameters.extensions);
        self.copied = [(theirs.audio_level, ours.audio_level), (theirs.orientation, ours.orientation)];
        self.switching = None;
        self.report_due = true;
        self.overtaken = packet.seq < highest;
        true
    }

    fn close(&mut self, now: f64) {
        let Some(mut stint) = self.stint.take() else { return };
        stint.close(now);
        self.picture = stint.picture().or(self.picture);
        if self.past.len() == MAX_STINTS {
            self.past.pop_front();
        }
        self.past.push_back(stint);
    }

    fn stint_of(&self, seq: Seq) -> Option<&Stint> {
        self.past.iter().chain(&self.stint).rfind(|stint| seq >= stint.first_seq)
    }
}
