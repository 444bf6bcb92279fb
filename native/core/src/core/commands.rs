//! What Python asks for; see `media/engine.py`.

use std::sync::Arc;

use super::Core;
use crate::counter::Counters;
use crate::downtrack::DownTrack;
use crate::endpoint::Endpoint;
use crate::id::{DownId, PeerId, UpId};
use crate::parameters::{DownParameters, IceCredentials, SrtpKeys, UpParameters};
use crate::track_counters::TrackCounters;
use crate::tracks::{DownKey, EndpointKey, Tracks, UpKey};
use crate::uptrack::UpTrack;

impl Core {
    /// `counters` are its own, for whoever reads them.
    pub fn add_peer(&mut self, peer: PeerId, ice: IceCredentials, counters: Arc<Counters>) {
        let ufrag = ice.local_ufrag.clone();
        let key = self.endpoints.0.insert(Endpoint::new(peer, ice, counters));
        self.peers.insert(peer, key);
        self.by_ufrag.insert(ufrag, key);
        self.rota.push(key);
    }

    /// Open a second generation of credentials beside the first.
    pub fn restart(&mut self, peer: PeerId, ice: IceCredentials) {
        let Some((key, endpoint)) = self.endpoint(peer) else { return };
        let ufrag = ice.local_ufrag.clone();
        endpoint.agent.restart(ice);
        self.forget_ufrags(key);
        self.by_ufrag.insert(ufrag, key);
    }

    /// A participant, with its lines and slots, or one of those.
    pub fn remove(&mut self, id: u64, now: f64) {
        if let Some(key) = self.peers.remove(&PeerId(id)) {
            self.remove_peer(key, now);
        } else if let Some(key) = self.ups.remove(&UpId(id)) {
            self.remove_up(key, now);
        } else if let Some(key) = self.downs.remove(&DownId(id)) {
            self.remove_down(key);
        }
    }

    /// Closed (as it begins), the participant is connected and nothing of it or to it is forwarded.
    pub fn gate(&mut self, peer: PeerId, open: bool, now: f64) {
        let Some((key, endpoint)) = self.endpoint(peer) else { return };
        if endpoint.gate_open != open {
            endpoint.gate_open = open;
            self.renew(key, now);
        }
    }

    /// Held until there is a path.
    pub fn send_dtls(&mut self, peer: PeerId, datagram: &[u8]) {
        if let Some(key) = self.peers.get(&peer)
            && let Some(endpoint) = self.endpoints.0.get_mut(*key)
        {
            endpoint.send_dtls(datagram, &mut self.outbox);
        }
    }

    /// `Err` says what is wrong with them.
    pub fn set_keys(&mut self, peer: PeerId, keys: &SrtpKeys) -> Result<(), &'static str> {
        if let Some((_, endpoint)) = self.endpoint(peer) {
            endpoint.set_keys(keys)?;
            self.settled_at = f64::NEG_INFINITY; // its slots need key frames now, not at the next look
        }
        Ok(())
    }

    /// Add a send line; `counters` are its own, for whoever reads them.
    pub fn add_up(&mut self, up: UpId, peer: PeerId, track: UpParameters, counters: Arc<TrackCounters>) {
        let Some(&owner) = self.peers.get(&peer) else { return };
        let transport_sequence = track.extensions.transport_sequence;
        let key = self.tracks.ups.insert(UpTrack::new(up, owner, track, counters));
        self.ups.insert(up, key);
        if let Some(endpoint) = self.endpoints.0.get_mut(owner) {
            endpoint.add_up(key, transport_sequence);
        }
    }

    /// Add a slot; `counters` are its own, for whoever reads them.
    pub fn add_down(&mut self, down: DownId, peer: PeerId, slot: DownParameters, counters: Arc<TrackCounters>) {
        let Some(&owner) = self.peers.get(&peer) else { return };
        let (ssrc, transport_sequence) = (slot.ssrc, slot.extensions.transport_sequence);
        let key = self.tracks.downs.insert(DownTrack::new(down, owner, slot, counters));
        self.downs.insert(down, key);
        if let Some(endpoint) = self.endpoints.0.get_mut(owner) {
            endpoint.add_down(ssrc, key, transport_sequence);
        }
    }

    /// Show `up` in the slot from its next key frame on; None empties the slot at once.
    pub fn route(&mut self, down: DownId, up: Option<UpId>, rid: Option<&str>, now: f64) {
        let Some(&key) = self.downs.get(&down) else { return };
        let up = up.and_then(|up| self.ups.get(&up).copied());
        let Tracks { ups, streams, downs, .. } = &mut self.tracks;
        if let Some(slot) = downs.get_mut(key) {
            slot.route(up, rid, ups, streams, now);
            self.attend(key);
        }
    }

    /// Ask for one that nobody is known to wait for.
    pub fn ask_key_frame(&mut self, up: UpId) {
        let Some(track) = self.ups.get(&up).and_then(|key| self.tracks.ups.get(*key)) else { return };
        let owner = |slot: &DownKey| self.tracks.downs.get(*slot).and_then(|slot| self.endpoints.0.get(slot.owner));
        if !track.slots.iter().any(|slot| owner(slot).is_some_and(Endpoint::sending)) {
            return; // it would be spent on nobody, and a slot that can be shown something a moment later had to wait
        }
        for key in &track.streams {
            if let Some(stream) = self.tracks.streams.get_mut(*key) {
                stream.key_frames.ask();
            }
        }
    }

    /// Ask the sender to stay below; None lets it go.
    pub fn cap(&mut self, peer: PeerId, bitrate_bps: Option<u64>) {
        if let Some((_, endpoint)) = self.endpoint(peer) {
            endpoint.cap(bitrate_bps);
        }
    }

    /// Copy every packet of `up` to `taps`, or no more.
    pub fn tap(&mut self, up: UpId, on: bool) {
        if let Some(track) = self.ups.get(&up).and_then(|key| self.tracks.ups.get_mut(*key)) {
            track.tapped = on;
        }
    }

    fn remove_peer(&mut self, key: EndpointKey, now: f64) {
        let Some(endpoint) = self.endpoints.0.get(key) else { return };
        let (ups, slots) = (endpoint.demux.tracks.clone(), endpoint.slots.clone());
        for up in ups {
            self.remove_up(up, now);
        }
        for (_, slot) in slots {
            self.remove_down(slot);
        }
        let Some(endpoint) = self.endpoints.0.remove(key) else { return };
        for path in &endpoint.paths {
            self.by_path.remove(path);
        }
        for ufrag in &endpoint.ufrags {
            self.by_ufrag.remove(ufrag);
        }
        self.rota.retain(|known| *known != key);
        self.counters.absorb(&endpoint.counters);
    }

    fn remove_up(&mut self, key: UpKey, now: f64) {
        let Some(track) = self.tracks.ups.get(key) else { return };
        let (id, owner, slots) = (track.id, track.owner, track.slots.clone());
        self.ups.remove(&id);
        if let Some(endpoint) = self.endpoints.0.get_mut(owner) {
            endpoint.demux.remove(key, &self.tracks.streams);
        }
        self.speakers.forget(id);
        for slot in slots {
            let Tracks { ups, streams, downs, .. } = &mut self.tracks;
            if let Some(shown) = downs.get_mut(slot) {
                shown.leave(key, ups, streams, now);
                self.attend(slot);
            }
        }
        if let Some(track) = self.tracks.ups.remove(key) {
            self.tracks.forget_streams(&track.ever);
        }
    }

    fn remove_down(&mut self, key: DownKey) {
        let Some(slot) = self.tracks.downs.remove(key) else { return };
        self.downs.remove(&slot.id);
        for up in &slot.listed {
            if let Some(track) = self.tracks.ups.get_mut(*up) {
                track.slots.retain(|known| *known != key);
            }
        }
        if let Some(endpoint) = self.endpoints.0.get_mut(slot.owner) {
            endpoint.slots.retain(|(_, known)| *known != key);
        }
    }
}
