//! The engine without socket, clock and thread: datagrams and `now` go in, transmits and events come out.
//!
//! Everything here is a pure function of its inputs, so a whole call replays in virtual time. Datagrams are told apart by
//! their first byte (RFC 9443): STUN finds its participant by username fragment, everything else by the pair of addresses
//! that an authenticated check came by. What nobody authenticated gets no answer at all.

mod commands;
mod due;
mod foresee;
mod forward;
mod routing;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use slotmap::{Key, SlotMap};

use crate::address::Path;
use crate::counter::{Counter, Counters};
use crate::endpoint::Endpoint;
use crate::event::{Event, Events};
use crate::id::{DownId, PeerId, UpId};
use crate::outbox::{Keys, Outbox};
use crate::rtcp::is_rtcp;
use crate::speaker::SpeakerDetector;
use crate::srtp::{MAX_BYTES, Srtp};
use crate::stun;
use crate::tap::Taps;
use crate::tracks::{DownKey, EndpointKey, Tracks, UpKey};

/// Authenticated pairs of one participant; oldest out.
pub const MAX_PATHS: usize = 16;

/// What there is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Participants.
    pub peers: usize,
    /// Send lines.
    pub ups: usize,
    /// Slots.
    pub downs: usize,
    /// Streams, those given up included.
    pub streams: usize,
    /// Username fragments that are answered.
    pub ufrags: usize,
    /// Pairs of addresses that are known.
    pub paths: usize,
    /// Lines that were heard speaking.
    pub voices: usize,
    /// Of packets kept for repair.
    pub history_bytes: usize,
}

/// Ids are given by the caller, from one sequence for all kinds. What is asked of an unknown one is let go.
#[derive(Default)]
pub struct Core {
    /// To be taken by the caller.
    pub events: Events,
    /// Likewise.
    pub taps: Taps,
    endpoints: Endpoints,
    tracks: Tracks,
    outbox: Outbox<EndpointKey>,
    peers: HashMap<PeerId, EndpointKey, RandomState>,
    ups: HashMap<UpId, UpKey, RandomState>,
    downs: HashMap<DownId, DownKey, RandomState>,
    by_ufrag: HashMap<String, EndpointKey, RandomState>,
    by_path: HashMap<Path, EndpointKey, RandomState>,
    counters: Arc<Counters>,
    speakers: SpeakerDetector,
    looked_at: f64,
    settled_at: f64,
    settling: u64,
    ticked_at: f64,
    foreseen: foresee::Foreseen,
    rota: Vec<EndpointKey>, // in whose order due work is looked at
    turn: usize,
}

#[derive(Default)]
struct Endpoints(SlotMap<EndpointKey, Endpoint>);

impl Keys for Endpoints {
    type Key = EndpointKey;

    fn number(key: EndpointKey) -> usize {
        key.data().as_ffi() as u32 as usize
    }

    fn srtp(&mut self, key: EndpointKey) -> Option<&mut Srtp> {
        self.0.get_mut(key)?.srtp()
    }
}

impl Core {
    /// Of what belongs to nobody, and of those who have left.
    #[must_use]
    pub const fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// What there is now.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        Gauges {
            peers: self.endpoints.0.len(),
            ups: self.tracks.ups.len(),
            downs: self.tracks.downs.len(),
            streams: self.tracks.streams.len(),
            ufrags: self.by_ufrag.len(),
            paths: self.by_path.len(),
            voices: self.speakers.voices(),
            history_bytes: self.tracks.pool.bytes(),
        }
    }

    /// Take in one datagram, overwriting it; never panics for what is in it.
    ///
    /// `arrived` is when the machine got it, at most `now`: feedback to senders tells that.
    pub fn handle(&mut self, datagram: &mut [u8], path: Path, now: f64, arrived: f64) {
        let first = datagram.first().copied().unwrap_or(0xFF);
        if first < 4 {
            self.on_stun(datagram, path, now);
            return;
        }
        let Some(&key) = self.by_path.get(&path) else {
            self.counters.add(Counter::UnknownAddress, 1);
            return;
        };
        match first {
            128..192 if is_rtcp(datagram) => self.on_rtcp(key, datagram, now),
            128..192 => self.on_rtp(key, datagram, now, arrived),
            20..64 => self.on_dtls(key, datagram, now),
            _ => self.count(key, Counter::UnknownProtocol),
        }
    }

    /// How many packets are to be sent.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.outbox.len()
    }

    /// Encrypt what is to be sent and return it; with `group`, as runs for UDP GSO.
    pub fn seal(&mut self, group: bool) -> &Outbox<EndpointKey> {
        let padded = self.outbox.seal(group, &mut self.endpoints);
        self.counters.add(Counter::RtpPadded, padded);
        &self.outbox
    }

    /// What `seal` returned has been sent.
    pub fn clear(&mut self) {
        self.outbox.clear();
    }

    fn on_stun(&mut self, datagram: &[u8], path: Path, now: f64) {
        let ufrag = stun::username_of(datagram).and_then(|name| name.split(':').next()).unwrap_or_default();
        let Some(&key) = self.by_ufrag.get(ufrag) else {
            self.counters.add(Counter::StunUnknownUfrag, 1);
            return;
        };
        // media to and from a participant's living path is not to be drawn away by another's forged source
        if let Some(&owner) = self.by_path.get(&path)
            && owner != key
            && self.endpoints.0.get(owner).is_some_and(|owner| owner.agent.path() == Some(path))
        {
            self.count(key, Counter::StunPairTaken);
            return;
        }
        let Some(endpoint) = self.endpoints.0.get_mut(key) else { return };
        if !endpoint.checks.take(now) {
            endpoint.counters.add(Counter::StunFlood, 1);
            return;
        }
        let Ok(message) = stun::parse(datagram) else {
            endpoint.counters.add(Counter::StunMalformed, 1);
            return;
        };
        let was_down = endpoint.agent.path().is_none();
        let mut answer = None;
        let agent = &mut endpoint.agent;
        let mut reply = Vec::new();
        if let Some(meant) = agent.on_check(&message, path, now, &mut reply) {
            answer = Some(meant);
            self.outbox.plain(path, |out| out.extend_from_slice(&reply));
        }
        let Some(answer) = answer else {
            endpoint.counters.add(Counter::StunNotAuthentic, 1);
            return;
        };
        if answer.authenticated {
            self.authenticated(key, path);
        }
        if let Some(generation) = answer.path_up
            && let Some(endpoint) = self.endpoints.0.get_mut(key)
        {
            endpoint.flush_dtls(&mut self.outbox);
            self.events.put(Event::PathUp { peer: endpoint.id, generation });
            if was_down {
                self.renew(key, now);
            }
        }
    }

    fn on_dtls(&mut self, key: EndpointKey, datagram: &[u8], now: f64) {
        let Some(endpoint) = self.endpoints.0.get_mut(key) else { return };
        if datagram.len() > MAX_BYTES || !endpoint.dtls.take(now) {
            endpoint.counters.add(Counter::DtlsFlood, 1);
            return;
        }
        self.events.put(Event::DtlsReceived { peer: endpoint.id, datagram: datagram.to_vec() });
    }

    fn endpoint(&mut self, peer: PeerId) -> Option<(EndpointKey, &mut Endpoint)> {
        let key = *self.peers.get(&peer)?;
        self.endpoints.0.get_mut(key).map(|endpoint| (key, endpoint))
    }

    fn count(&self, key: EndpointKey, what: Counter) {
        if let Some(endpoint) = self.endpoints.0.get(key) {
            endpoint.counters.add(what, 1);
        }
    }

    /// Whatever else comes by this pair of addresses is this participant's from now on.
    fn authenticated(&mut self, key: EndpointKey, path: Path) {
        let owner = self.by_path.insert(path, key);
        if owner == Some(key) {
            return;
        }
        if let Some(owner) = owner.and_then(|owner| self.endpoints.0.get_mut(owner)) {
            owner.paths.retain(|known| *known != path);
        }
        let Some(endpoint) = self.endpoints.0.get_mut(key) else { return };
        endpoint.paths.push_back(path);
        if endpoint.paths.len() > MAX_PATHS {
            let used = endpoint.agent.path();
            if let Some(at) = endpoint.paths.iter().position(|known| Some(*known) != used)
                && let Some(oldest) = endpoint.paths.remove(at)
            {
                self.by_path.remove(&oldest);
            }
        }
    }

    fn forget_ufrags(&mut self, key: EndpointKey) {
        let Some(endpoint) = self.endpoints.0.get_mut(key) else { return };
        let good = |ufrag: &String| endpoint.agent.ufrags().any(|known| known == ufrag);
        for ufrag in endpoint.ufrags.iter().filter(|ufrag| !good(ufrag)) {
            self.by_ufrag.remove(ufrag);
        }
        if !endpoint.agent.ufrags().eq(endpoint.ufrags.iter().map(String::as_str)) {
            endpoint.ufrags = endpoint.agent.ufrags().map(str::to_owned).collect();
        }
    }
}
