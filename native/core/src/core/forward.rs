//! A packet's way from its stream to the slots that show it, and what receivers ask for back.

use super::Core;
use crate::counter::Counter;
use crate::endpoint::{Received, incoming};
use crate::event::Event;
use crate::history::Kept;
use crate::id::Sequence;
use crate::rtp::Packet;
use crate::tap::Tapped;
use crate::tracks::{DownKey, EndpointKey, StreamKey, Tracks, UpKey};
use crate::uptrack::Incoming;

impl Core {
    pub(super) fn on_rtp(&mut self, key: EndpointKey, datagram: &mut [u8], now: f64, arrived: f64) {
        let Some(endpoint) = self.endpoints.0.get_mut(key) else { return };
        let Some(received) = endpoint.receive_rtp(datagram, &mut self.tracks, now, arrived) else { return };
        let gate_open = endpoint.gate_open;
        let Some(mut packet) = incoming(&received, datagram, &self.tracks) else { return };
        let Tracks { ups, streams, pool, .. } = &mut self.tracks;
        let (Some(track), Some(stream)) = (ups.get_mut(received.up), streams.get_mut(received.stream)) else { return };
        if !stream.receive(&mut packet, track, pool, now, received.repaired) {
            endpoint.counters.add(Counter::RtpOutOfRange, 1);
            return;
        }
        if std::mem::replace(&mut track.lost, false) {
            self.events.put(Event::SourceLost { up: track.id, lost: false });
        }
        if !gate_open {
            return;
        }
        if track.tapped {
            self.tap_packet(&received, &packet, arrived);
        }
        self.show(&received, &mut packet, now);
    }

    /// Bring a packet to the slots that show its stream.
    fn show(&mut self, received: &Received, packet: &mut Incoming<'_>, now: f64) {
        let Tracks { ups, streams, pool, .. } = &mut self.tracks;
        let (Some(track), Some(stream)) = (ups.get_mut(received.up), streams.get_mut(received.stream)) else { return };
        if !track.video
            && let Some(&level) = packet.header.element(packet.data, track.level_id()).and_then(<[u8]>::first)
        {
            self.speakers.heard(track.id, level, now);
        }
        if track.slots.is_empty() {
            return;
        }
        if track.video {
            match stream.history.add(pool, packet.seq, now, packet.data) {
                Kept::Held => {}
                Kept::Again => return,
                Kept::Full => self.counters.add(Counter::HistoryFull, 1),
            }
        }
        if !std::mem::replace(&mut stream.shown, true) {
            for slot in track.slots.clone() {
                self.resettle(slot, now);
            }
        }
        let mut at = 0;
        while let Some(&slot) = self.tracks.ups.get(received.up).and_then(|track| track.slots.get(at)) {
            at += 1;
            self.forward(slot, (received.up, received.stream), packet, now);
        }
    }

    /// Queue a packet for one slot, and what had come before it if it was late.
    fn forward(&mut self, key: DownKey, source: (UpKey, StreamKey), packet: &mut Incoming<'_>, now: f64) {
        let Tracks { ups, streams, downs, pool } = &mut self.tracks;
        let Some(slot) = downs.get_mut(key) else { return };
        let Some(receiver) = self.endpoints.0.get_mut(slot.owner) else { return };
        if !receiver.gate_open || !receiver.sending() {
            return;
        }
        let Some(placed) = slot.place(packet, source, ups, streams, &receiver.counters, now) else { return };
        receiver.report_due |= slot.report_due;
        receiver.send_rtp(slot.owner, &placed.header, slot.numbered(), now, &mut self.outbox, |number, out| {
            slot.write(&placed, &packet.header, packet.data, now, number, out);
        });
        if !slot.overtaken {
            return;
        }
        let (mut seq, end) = slot.held_behind(streams);
        while seq < end {
            let held = streams.get(source.1).and_then(|stream| stream.history.get(pool, seq));
            if let Some((data, _)) = held
                && let Ok(header) = Packet::parse(data)
                && let Some(line) = ups.get(source.0).and_then(|track| track.line(header.payload_type))
            {
                let mut behind = Incoming { data, header, format: line.format, seq, key_frame: None };
                if let Some(placed) = slot.place(&mut behind, source, ups, streams, &receiver.counters, now) {
                    receiver.send_rtp(
                        slot.owner,
                        &placed.header,
                        slot.numbered(),
                        now,
                        &mut self.outbox,
                        |number, out| {
                            slot.write(&placed, &behind.header, behind.data, now, number, out);
                        },
                    );
                }
            }
            seq = seq + 1;
        }
    }

    fn tap_packet(&mut self, received: &Received, packet: &Incoming<'_>, arrived: f64) {
        let (Some(track), Some(stream)) = (self.tracks.ups.get(received.up), self.tracks.streams.get(received.stream))
        else {
            return;
        };
        let mut copy = packet.data[..packet.header.end].to_vec();
        copy[0] &= 0xDF; // its padding is cut off
        let tapped = Tapped { up: track.id, rank: stream.rank, seq: packet.seq, arrived, packet: copy };
        if !self.taps.put(tapped) {
            self.counters.add(Counter::TapDropped, 1);
        }
    }

    pub(super) fn on_rtcp(&mut self, key: EndpointKey, datagram: &mut [u8], now: f64) {
        let Some(endpoint) = self.endpoints.0.get_mut(key) else { return };
        let Some(asked) = endpoint.receive_rtcp(datagram, &mut self.tracks, now) else { return };
        for repair in asked.repairs {
            let endpoint = self.endpoints.0.get_mut(key);
            let Some(downlink) = endpoint.and_then(|endpoint| endpoint.downlink.as_deref_mut()) else {
                self.repair(key, repair, now);
                continue;
            };
            if downlink.repairs.ask(repair).is_some() {
                self.count(key, Counter::NackLimited);
            }
        }
        self.pay_out(key, now);
        for stream in asked.reported {
            let Some(track) = self.tracks.streams.get(stream).and_then(|known| self.tracks.ups.get(known.up)) else {
                continue;
            };
            for slot in track.slots.clone() {
                let Some(shown) = self.tracks.downs.get(slot) else { continue };
                if shown.stream() == Some(stream)
                    && let Some(receiver) = self.endpoints.0.get(shown.owner)
                {
                    receiver.send_report(shown.owner, slot, &mut self.tracks, &mut self.outbox, now);
                }
            }
        }
    }

    /// Send the repairs of a receiver whose turn has come.
    pub(super) fn pay_out(&mut self, key: EndpointKey, now: f64) {
        loop {
            let endpoint = self.endpoints.0.get_mut(key);
            let Some(downlink) = endpoint.and_then(|endpoint| endpoint.downlink.as_deref_mut()) else { return };
            let Some(repair) = downlink.repairs.next(now) else { return };
            let size = self.repair(key, repair, now);
            let endpoint = self.endpoints.0.get_mut(key);
            if let Some(downlink) = endpoint.and_then(|endpoint| endpoint.downlink.as_deref_mut()) {
                downlink.repairs.spent(size);
            }
        }
    }

    /// Answer one number of a NACK from the history; returns what was sent, in bytes.
    fn repair(&mut self, me: EndpointKey, (key, sequence): (DownKey, Sequence), now: f64) -> usize {
        let Tracks { streams, downs, pool, .. } = &mut self.tracks;
        let (Some(slot), Some(endpoint)) = (downs.get_mut(key), self.endpoints.0.get_mut(me)) else { return 0 };
        let held = |stream, seq| {
            let (data, arrived) = streams.get(stream)?.history.get(pool, seq)?;
            Some((Packet::parse(data).ok()?, arrived))
        };
        let Some((stream, seq, placed)) = slot.resend(sequence, held, &endpoint.counters, now) else { return 0 };
        let Some((data, _)) = streams.get(stream).and_then(|stream| stream.history.get(pool, seq)) else { return 0 };
        let Ok(header) = Packet::parse(data) else { return 0 };
        endpoint.send_rtp(me, &placed.header, slot.numbered(), now, &mut self.outbox, |number, out| {
            slot.write(&placed, &header, data, now, number, out);
        })
    }
}
