//! What a participant is told, when its time has come: feedback, requests, reports.

use super::{Endpoint, FEEDBACK_SSRC};
use crate::arrivals;
use crate::counter::Counter;
use crate::event::Event;
use crate::id::{Seq, Ssrc};
use crate::outbox::Outbox;
use crate::rtcp::Packet;
use crate::tracks::{DownKey, Downs, EndpointKey, Tracks};

const REPORT_INTERVAL_S: f64 = 1.0;
const MAX_BLOCKS: usize = 31; // in a receiver report
const UNCAPPED_BPS: u64 = 1_000_000_000;
const DEFAULT_ROUND_TRIP_S: f64 = 0.1;

impl Endpoint {
    /// Queue the feedback and the reports that are due.
    pub fn tick(&mut self, me: EndpointKey, tracks: &mut Tracks, outbox: &mut Outbox<EndpointKey>, now: f64) {
        if !self.sending() {
            return;
        }
        let mut due = Vec::new();
        let mut media = Ssrc(0);
        for key in &self.demux.tracks {
            let Some(track) = tracks.ups.get(*key) else { continue };
            for key in &track.streams {
                let Some(stream) = tracks.streams.get_mut(*key) else { continue };
                if media == Ssrc(0) {
                    media = stream.ssrc;
                }
                if !track.video {
                    continue;
                }
                if !stream.nacks.is_empty() {
                    let mut missing = Vec::new();
                    stream.nacks.due(now, round_trip_s(&self.slots, &tracks.downs), &mut missing);
                    if !missing.is_empty() {
                        self.counters.add(Counter::NacksOut, missing.len() as u64);
                        let sequences = missing.into_iter().map(Seq::wire).collect();
                        due.push(Packet::Nack { sender: FEEDBACK_SSRC, media: stream.ssrc, sequences });
                    }
                }
                if stream.sends(now) && stream.key_frames.due(now) {
                    self.counters.add(Counter::KeyFramesAsked, 1);
                    due.push(Packet::PictureLoss { sender: FEEDBACK_SSRC, media: stream.ssrc });
                }
            }
        }
        if now - self.feedback_at >= arrivals::INTERVAL_S {
            self.feedback_at = now;
            due.extend(self.arrivals.report(FEEDBACK_SSRC, media).into_iter().map(Packet::TransportFeedback));
        }
        if now - self.report_at >= REPORT_INTERVAL_S {
            self.report_at = now;
            self.report(tracks, &mut due, now);
            self.publish(tracks);
        }
        self.send_rtcp(me, outbox, &due);
        if std::mem::take(&mut self.report_due) {
            for (_, key) in &self.slots {
                if tracks.downs.get(*key).is_some_and(|slot| slot.report_due) {
                    self.send_report(me, *key, tracks, outbox, now);
                    // one whose source has made no report yet has to be asked again
                    self.report_due |= tracks.downs.get(*key).is_some_and(|slot| slot.report_due);
                }
            }
        }
    }

    /// What this receiver has said, if anything new and not more often than once a second.
    pub fn estimate(&mut self, tracks: &Tracks, now: f64) -> Option<Event> {
        let elapsed_s = now - self.estimate_at;
        if !self.heard || elapsed_s < REPORT_INTERVAL_S {
            return None;
        }
        let bits = (self.octets_out - self.octets_before) * 8;
        let sent_bps = if self.estimate_at == 0.0 { 0 } else { (bits as f64 / elapsed_s) as u64 };
        (self.heard, self.estimate_at, self.octets_before) = (false, now, self.octets_out);
        let recent = now - 2.0 * REPORT_INTERVAL_S;
        let slots = || self.slots.iter().filter_map(|(_, key)| tracks.downs.get(*key));
        // of all together: in a pause of Opus (DTX) one packet lost is a third of its slot's
        let (mut lost, mut expected) = (0.0, 0_u64); // receivers may claim any number
        for slot in slots().filter(|slot| slot.reported_at >= recent) {
            lost += slot.loss * f64::from(slot.expected);
            expected += u64::from(slot.expected);
        }
        Some(Event::DownEstimate {
            peer: self.id,
            bitrate_bps: self.downlink.as_ref().and_then(|own| own.estimate_bps()).unwrap_or(self.remb_bps),
            loss: lost / expected.max(1) as f64,
            round_trip_s: longest_round_trip(&self.slots, &tracks.downs),
            sent_bps,
        })
    }

    /// Have what its lines and slots have moved be read.
    fn publish(&self, tracks: &Tracks) {
        for track in self.demux.tracks.iter().filter_map(|key| tracks.ups.get(*key)) {
            track.publish(&tracks.streams);
        }
        for slot in self.slots.iter().filter_map(|(_, key)| tracks.downs.get(*key)) {
            slot.publish();
        }
    }

    fn report(&mut self, tracks: &mut Tracks, due: &mut Vec<Packet>, now: f64) {
        let mut reports = Vec::new();
        let mut video = Vec::new();
        for key in &self.demux.tracks {
            let Some(track) = tracks.ups.get(*key) else { continue };
            for key in &track.streams {
                let Some(stream) = tracks.streams.get_mut(*key) else { continue };
                if track.video {
                    video.push(stream.ssrc);
                }
                if stream.sends(now) {
                    reports.push(stream.report_block(now));
                }
            }
        }
        if !reports.is_empty() {
            reports.truncate(MAX_BLOCKS);
            due.insert(0, Packet::ReceiverReport { sender: FEEDBACK_SSRC, reports });
            due.insert(1, Packet::SourceDescription(vec![(FEEDBACK_SSRC, "medinova".to_owned())]));
        }
        if self.cap_bps.is_some() || self.releases > 0 {
            self.releases = self.releases.saturating_sub(1);
            let bitrate_bps = self.cap_bps.filter(|bps| *bps > 0).unwrap_or(UNCAPPED_BPS);
            due.push(Packet::Remb { sender: FEEDBACK_SSRC, bitrate_bps, ssrcs: video });
        }
    }
}

/// The longest of some slots'; None before a report has come back.
fn longest_round_trip(slots: &[(Ssrc, DownKey)], downs: &Downs) -> Option<f64> {
    slots.iter().filter_map(|(_, key)| downs.get(*key)?.round_trip_s).max_by(f64::total_cmp)
}

fn round_trip_s(slots: &[(Ssrc, DownKey)], downs: &Downs) -> f64 {
    longest_round_trip(slots, downs).filter(|s| *s > 0.0).unwrap_or(DEFAULT_ROUND_TRIP_S)
}
