//! What a participant sends: decrypted, found its stream, or read as reports.

use super::Endpoint;
use crate::counter::{Counter, Counters};
use crate::demux::Found;
use crate::id::{Seq, Sequence, Ssrc};
use crate::rtcp::{self, Packet, ReportBlock};
use crate::rtp;
use crate::srtp::Refusal;
use crate::tracks::{DownKey, StreamKey, Tracks, UpKey};
use crate::uptrack::{Incoming, Reported};

/// Numbers read from the NACKs of one compound.
const MAX_NACKED: usize = 256;

/// Where a received packet belongs, RTX unwrapped.
pub struct Received {
    /// Its line.
    pub up: UpKey,
    /// Its stream.
    pub stream: StreamKey,
    /// Where in the datagram it lies.
    pub range: (usize, usize),
    /// It is a repair.
    pub repaired: bool,
    /// Its fields.
    pub header: rtp::Packet,
}

/// What a compound asks of others than its sender.
#[derive(Default)]
pub struct Asked {
    /// Streams whose sender reports came, each once.
    pub reported: Vec<StreamKey>,
    /// Packets to be repaired in slots, in the order asked for.
    pub repairs: Vec<(DownKey, Sequence)>,
}

impl Endpoint {
    /// Decrypt a packet in place and find its stream; None if it is to go no further.
    pub fn receive_rtp(
        &mut self,
        datagram: &mut [u8],
        tracks: &mut Tracks,
        now: f64,
        arrived: f64,
    ) -> Option<Received> {
        let size = self.srtp.as_mut()?.unprotect(datagram).map_err(|refusal| refuse(&self.counters, refusal)).ok()?;
        if !self.packets.take(now) {
            self.counters.add(Counter::RtpFlood, 1);
            return None;
        }
        let data = datagram.get_mut(..size)?;
        let Ok(header) = rtp::Packet::parse(data) else {
            self.counters.add(Counter::RtpMalformed, 1);
            return None;
        };
        let found = self.demux.find(&header, data, &mut tracks.ups, &mut tracks.streams);
        self.counters.add(Counter::RtpIn, 1);
        if let Some(&[high, low]) = header.element(data, self.transport_id)
            && self.arrivals.note(Sequence(u16::from_be_bytes([high, low])), arrived)
        {
            self.feedback_at = 0.0;
        }
        let Some(found) = found else {
            self.counters.add(Counter::RtpUnknownStream, 1);
            return None;
        };
        let (Found::Stream(stream) | Found::Repair(stream)) = found;
        let known = tracks.streams.get(stream)?;
        let (up, ssrc) = (known.up, known.ssrc);
        let track = tracks.ups.get(up)?;
        if matches!(found, Found::Stream(_)) {
            if track.line(header.payload_type).is_none() {
                self.counters.add(Counter::RtpUnknownPayloadType, 1);
                return None;
            }
            return Some(Received { up, stream, range: (0, size), repaired: false, header });
        }
        self.counters.add(Counter::RtxIn, 1);
        let payload_type = track.repairs(header.payload_type)?;
        let range = rtp::repaired(&header, data, ssrc, payload_type)?;
        let Ok(header) = rtp::Packet::parse(&data[range.0..range.1]) else {
            self.counters.add(Counter::RtpMalformed, 1);
            return None;
        };
        Some(Received { up, stream, range, repaired: true, header })
    }

    /// Take in a compound; say what it asks for.
    pub fn receive_rtcp(&mut self, datagram: &mut [u8], tracks: &mut Tracks, now: f64) -> Option<Asked> {
        let size =
            self.srtp.as_mut()?.unprotect_rtcp(datagram).map_err(|refusal| refuse(&self.counters, refusal)).ok()?;
        if !self.reports.take(now) {
            self.counters.add(Counter::RtcpFlood, 1);
            return None;
        }
        let Ok(packets) = rtcp::parse(datagram.get(..size)?) else {
            self.counters.add(Counter::RtcpMalformed, 1);
            return None;
        };
        self.counters.add(Counter::RtcpIn, 1);
        let mut asked = Asked::default();
        for packet in packets {
            self.on_rtcp(packet, tracks, now, &mut asked);
        }
        Some(asked)
    }

    fn on_rtcp(&mut self, packet: Packet, tracks: &mut Tracks, now: f64, asked: &mut Asked) {
        match packet {
            Packet::SenderReport(report) => {
                self.on_blocks(&report.reports, tracks, now);
                if let Some(key) = self.demux.of_ssrc(report.sender)
                    && let Some(stream) = tracks.streams.get_mut(key)
                {
                    stream.report = Some(Reported { ntp_time: report.ntp_time, rtp_time: report.rtp_time, at: now });
                    if !asked.reported.contains(&key) {
                        asked.reported.push(key);
                    }
                }
            }
            Packet::ReceiverReport { reports, .. } => self.on_blocks(&reports, tracks, now),
            Packet::Nack { media, sequences, .. } => {
                if let Some(slot) = self.slot(media)
                    && self.gate_open
                {
                    let room = MAX_NACKED.saturating_sub(asked.repairs.len());
                    asked.repairs.extend(sequences.into_iter().take(room).map(|sequence| (slot, sequence)));
                }
            }
            Packet::PictureLoss { media, .. } => self.ask_key_frame(media, tracks),
            Packet::FullIntraRequest { requests, .. } => {
                for (ssrc, number) in requests {
                    self.on_intra_request(ssrc, number, tracks);
                }
            }
            Packet::Remb { bitrate_bps, .. } => (self.remb_bps, self.heard) = (bitrate_bps, true),
            Packet::TransportFeedback(feedback) => {
                if let Some(downlink) = &mut self.downlink {
                    downlink.feedback(&feedback, now);
                    self.heard = true;
                }
            }
            Packet::SourceDescription(_) | Packet::Goodbye(_) | Packet::Other => {}
        }
    }

    fn on_intra_request(&mut self, ssrc: Ssrc, number: u8, tracks: &mut Tracks) {
        if self.slot(ssrc).is_none() {
            return;
        }
        match self.intra_numbers.iter_mut().find(|(known, _)| *known == ssrc) {
            Some((_, last)) if *last == number => return,
            Some((_, last)) => *last = number,
            None => self.intra_numbers.push((ssrc, number)),
        }
        self.ask_key_frame(ssrc, tracks);
    }

    fn on_blocks(&mut self, blocks: &[ReportBlock], tracks: &mut Tracks, now: f64) {
        for block in blocks {
            if let Some(slot) = self.slot(block.ssrc).and_then(|key| tracks.downs.get_mut(key)) {
                slot.on_report(block, now);
                self.heard = true;
            }
        }
    }

    fn ask_key_frame(&self, ssrc: Ssrc, tracks: &mut Tracks) {
        if let Some(slot) = self.slot(ssrc).and_then(|key| tracks.downs.get(key))
            && self.gate_open
        {
            self.counters.add(Counter::KeyFramesWanted, 1);
            slot.ask_key_frame(&mut tracks.streams);
        }
    }
}

fn refuse(counters: &Counters, refusal: Refusal) {
    let what = match refusal {
        Refusal::NotAuthentic => Counter::SrtpNotAuthentic,
        Refusal::Replayed => Counter::SrtpReplayed,
        Refusal::TooLong => Counter::SrtpTooLong,
        Refusal::TooManySsrcs => Counter::SrtpTooManySsrcs,
    };
    counters.add(what, 1);
}

/// The packet as the slots see it.
#[must_use]
pub fn incoming<'a>(received: &Received, datagram: &'a [u8], tracks: &Tracks) -> Option<Incoming<'a>> {
    let format = tracks.ups.get(received.up)?.line(received.header.payload_type)?.format;
    Some(Incoming {
        data: datagram.get(received.range.0..received.range.1)?,
        header: received.header,
        format,
        seq: Seq(0),
        key_frame: None,
    })
}
