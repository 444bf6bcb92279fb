//! Which packet answers a NACK, and as what.

use super::{DownTrack, ON_ITS_WAY, Placed};
use crate::counter::{Counter, Counters};
use crate::id::{Seq, Sequence};
use crate::rtp::{Header, Packet};
use crate::tracks::StreamKey;

impl DownTrack {
    /// Say which packet of which stream answers a NACK, and how it goes out; None beyond history and limits.
    pub fn resend(
        &mut self,
        sequence: Sequence,
        held: impl FnOnce(StreamKey, Seq) -> Option<(Packet, f64)>,
        counters: &Counters,
        now: f64,
    ) -> Option<(StreamKey, Seq, Placed)> {
        let rtx_ssrc = self.parameters.rtx_ssrc?;
        let seq = self.highest.unwrap_near(sequence);
        let found = self.stint_of(seq).and_then(|stint| {
            let source = stint.numbering.source_of(seq)?;
            let (packet, arrived) = held(stint.stream, source)?;
            Some((stint, source, packet, arrived, stint.rtx_payload_type?))
        });
        let Some((stint, source, packet, arrived, payload_type)) = found else {
            counters.add(Counter::NackNotHeld, 1);
            return None;
        };
        let header = Header {
            marker: packet.marker,
            payload_type,
            seq: self.rtx_seq,
            timestamp: stint.timestamp(packet.timestamp),
            ssrc: rtx_ssrc,
        };
        let (stream, format, shift) = (stint.stream, stint.format, stint.shift);
        let size = packet.end - packet.payload_at;
        if now - arrived < ON_ITS_WAY * self.round_trip_s.unwrap_or(0.0)
            || !self.limit.spend(seq, size, now, self.round_trip_s)
        {
            counters.add(Counter::NackLimited, 1);
            return None;
        }
        counters.add(Counter::RtxSent, 1);
        self.rtx_seq = self.rtx_seq + 1;
        self.counted.repaired += 1;
        Some((stream, source, Placed { header, format, shift, original: Some(sequence) }))
    }
}
