//! What is due when, for everybody.

use super::Core;
use crate::counter::Counter;
use crate::downtrack::DownTrack;
use crate::event::Event;
use crate::speaker;
use crate::tracks::{DownKey, EndpointKey};
use crate::uptrack::LOST_S;

/// How often each participant's due work is looked at.
pub const TICK_S: f64 = 0.015;
/// How often slots look again at which stream to show.
pub const SETTLE_INTERVAL_S: f64 = 0.25;

impl Core {
    /// Do what is due. Each participant is looked at once in `TICK_S`, so calls that come more often share the work out.
    pub fn tick(&mut self, now: f64) {
        if now - self.settled_at >= SETTLE_INTERVAL_S {
            self.settled_at = now;
            self.settling += 1;
        }
        let share = ((now - self.ticked_at) / TICK_S).clamp(0.0, 1.0);
        self.ticked_at = now;
        for _ in 0..(share * self.rota.len() as f64).ceil() as usize {
            self.turn = if self.turn + 1 < self.rota.len() { self.turn + 1 } else { 0 };
            if let Some(&key) = self.rota.get(self.turn) {
                self.tick_peer(key, now);
            }
        }
        if now - self.looked_at >= speaker::INTERVAL_S {
            self.looked_at = now;
            if let Some(speakers) = self.speakers.look(now) {
                self.events.put(Event::Speakers(speakers));
            }
        }
    }

    fn tick_peer(&mut self, key: EndpointKey, now: f64) {
        let Some(endpoint) = self.endpoints.0.get_mut(key) else { return };
        if let Some(generation) = endpoint.agent.tick(now) {
            endpoint.counters.add(Counter::PathsDown, 1);
            self.events.put(Event::PathDown { peer: endpoint.id, generation });
        }
        endpoint.tick(key, &mut self.tracks, &mut self.outbox, now);
        let repairs = endpoint.downlink.as_ref().is_some_and(|downlink| !downlink.repairs.is_empty());
        if let Some(estimate) = endpoint.estimate(&self.tracks, now) {
            self.events.put(estimate);
        }
        if endpoint.settled != self.settling {
            endpoint.settled = self.settling;
            self.settle(key, now);
        }
        if repairs {
            self.pay_out(key, now);
        }
    }

    fn settle(&mut self, key: EndpointKey, now: f64) {
        self.forget_ufrags(key);
        let Some(endpoint) = self.endpoints.0.get(key) else { return };
        let slots: Vec<DownKey> = endpoint.slots.iter().map(|(_, slot)| *slot).collect();
        for up in &endpoint.demux.tracks {
            let Some(track) = self.tracks.ups.get_mut(*up) else { continue };
            for stream in &track.ever {
                if let Some(stream) = self.tracks.streams.get_mut(*stream) {
                    stream.history.expire(&mut self.tracks.pool, now);
                }
            }
            let shown = |slot: &DownKey| self.tracks.downs.get(*slot).and_then(DownTrack::shown) == Some(*up);
            let silent = now - track.last_at(&self.tracks.streams) >= LOST_S;
            if track.video && !track.lost && silent && track.slots.iter().any(shown) {
                track.lost = true;
                self.events.put(Event::SourceLost { up: track.id, lost: true });
            }
        }
        for slot in slots {
            self.resettle(slot, now);
        }
    }
}
