//! What a slot says of itself to its receiver, and what the receiver says of it.

use super::{DownTrack, MAX_REPORTED};
use crate::rtcp::{ReportBlock, SenderReport};
use crate::tracks::Streams;

impl DownTrack {
    /// The source's last report in the slot's terms, told forward to now; None while it has made none.
    ///
    /// The NTP time stays on the source's clock, so that its microphone and its camera are shown in step.
    pub fn sender_report(&mut self, streams: &Streams, now: f64) -> Option<SenderReport> {
        let stint = self.stint.as_ref()?;
        let report = streams.get(stint.stream)?.report?;
        let elapsed_s = now - report.at;
        let ntp_time = report.ntp_time.wrapping_add((elapsed_s * 4_294_967_296.0) as i64 as u64);
        let steps = (elapsed_s * f64::from(self.parameters.clock_rate)) as i64;
        let rtp_time = (i64::from(report.rtp_time) + steps + stint.timestamp_offset) as u32;
        if self.reported.len() == MAX_REPORTED {
            self.reported.pop_front();
        }
        self.reported.push_back(((ntp_time >> 16) as u32, now));
        self.report_due = false;
        Some(SenderReport {
            sender: self.parameters.ssrc,
            ntp_time,
            rtp_time,
            packets: self.counted.packets as u32,
            octets: self.counted.octets as u32,
            reports: Vec::new(),
        })
    }

    /// Have what went out so far be read.
    pub fn publish(&self) {
        self.counters.publish(self.counted);
    }

    /// Take in what the receiver says of this slot. What never reached us is not counted as its loss.
    pub fn on_report(&mut self, block: &ReportBlock, now: f64) {
        for (middle, sent_at) in &self.reported {
            if *middle == block.last_sender_report {
                self.round_trip_s = Some((now - sent_at - f64::from(block.delay) / 65536.0).max(0.0));
            }
        }
        self.reported_at = now;
        let holes_before = std::mem::replace(&mut self.holes_before, self.holes);
        let Some(before) = self.last_block.replace(*block) else { return };
        let expected = block.highest_sequence.wrapping_sub(before.highest_sequence);
        self.expected = if expected < 0x8000_0000 { expected } else { 0 };
        let lost = i64::from(block.packets_lost) - i64::from(before.packets_lost) - (self.holes - holes_before);
        self.loss = if self.expected > 0 { (lost as f64 / f64::from(self.expected)).clamp(0.0, 1.0) } else { 0.0 };
    }
}
