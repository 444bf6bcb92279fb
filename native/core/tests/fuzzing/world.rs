//! An engine with its participants, as a script plays them: what they know, and what the engine was asked for.

use std::collections::{HashMap, HashSet};

use medinova_core::address::Path;
use medinova_core::core::{Core, Gauges};
use medinova_core::counter::Counters;
use medinova_core::id::{DownId, PeerId, Ssrc, UpId};
use medinova_core::parameters::{DownParameters, IceCredentials, UpParameters};
use medinova_core::srtp::{MAX_OVERHEAD, Srtp};
use medinova_core::stun::{self, Check, binding_request};
use medinova_core::track_counters::TrackCounters;

use super::cast::{PROFILES, credentials, keys, path, swapped};

/// At a time; more would only make scripts slow.
const MAX_PEERS: usize = 5;
const MAX_LINES: usize = 6;

pub struct Line {
    pub id: u64,
    pub parameters: UpParameters,
    pub sequences: HashMap<Ssrc, u16>,
}

pub struct Slot {
    pub id: u64,
    pub parameters: DownParameters,
    pub newest: u16,
}

pub struct Person {
    pub id: PeerId,
    pub here: bool,
    pub ice: Vec<IceCredentials>,
    pub at: Path,
    pub authentic: HashSet<Path>, // by checks of its own
    pub srtp: Option<Srtp>,
    pub indices: HashMap<Ssrc, u64>,
    pub lines: Vec<Line>,
    pub slots: Vec<Slot>,      // those given up included: their packets may still be on the way
    pub numbered: Option<u16>, // the newest transport-wide number
    pub open: bool,
    pub was_open: bool, // since packets were last taken
}

#[derive(Default)]
pub struct World {
    pub core: Core,
    pub people: Vec<Person>,
    pub now: f64,
    pub forwarded: usize,
    pub sent: Vec<(Path, Vec<u8>)>, // by participants, the last few
    pub ids: Vec<u64>,
    pub next: u16,
}

impl World {
    fn number(&mut self) -> u16 {
        self.next += 1;
        self.next
    }

    pub fn who(&mut self, number: u8) -> Option<&mut Person> {
        let place = usize::from(number).checked_rem(self.people.len())?;
        self.people.get_mut(place)
    }

    pub fn add(&mut self) {
        if self.people.iter().filter(|person| person.here).count() >= MAX_PEERS || self.people.len() > 20 {
            return;
        }
        let number = self.number();
        let (id, ice) = (PeerId(number.into()), credentials(number));
        self.core.add_peer(id, ice.clone(), Counters::shared());
        self.ids.push(id.0);
        self.people.push(Person {
            id,
            here: true,
            ice: vec![ice],
            at: path(0),
            authentic: HashSet::new(),
            srtp: None,
            indices: HashMap::new(),
            lines: Vec::new(),
            slots: Vec::new(),
            numbered: None,
            open: false,
            was_open: false,
        });
    }

    pub fn restart(&mut self, who: u8) {
        let ice = credentials(self.number());
        let Some(person) = self.who(who) else { return };
        person.ice.push(ice.clone());
        let id = person.id;
        self.core.restart(id, ice);
    }

    /// Each time with keys that were never used before.
    pub fn rekey(&mut self, who: u8, profile: u8) {
        let keys = keys(PROFILES[usize::from(profile) % PROFILES.len()], self.number());
        let Some(person) = self.who(who) else { return };
        person.srtp = Some(Srtp::new(&swapped(&keys)).expect("good keys"));
        person.indices.clear();
        let id = person.id;
        self.core.set_keys(id, &keys).expect("good keys");
    }

    pub fn gate(&mut self, who: u8, open: bool) {
        let now = self.now;
        let Some(person) = self.who(who) else { return };
        (person.open, person.was_open) = (open, person.was_open || open);
        let id = person.id;
        self.core.gate(id, open, now);
    }

    pub fn add_up(&mut self, who: u8, bits: u8) {
        let id = u64::from(self.number());
        let Some(person) = self.who(who).filter(|person| person.here && person.lines.len() < MAX_LINES) else { return };
        let parameters = super::cast::up(id, bits);
        person.lines.push(Line { id, parameters: parameters.clone(), sequences: HashMap::new() });
        let peer = person.id;
        self.core.add_up(UpId(id), peer, parameters, TrackCounters::shared());
        self.ids.push(id);
    }

    pub fn add_down(&mut self, who: u8, bits: u8) {
        let id = u64::from(self.number());
        let Some(person) = self.who(who).filter(|person| person.here && person.slots.len() < MAX_LINES) else { return };
        let parameters = super::cast::down(id, bits);
        person.slots.push(Slot { id, parameters: parameters.clone(), newest: 0 });
        let peer = person.id;
        self.core.add_down(DownId(id), peer, parameters, TrackCounters::shared());
        self.ids.push(id);
    }

    pub fn remove(&mut self, id: u64) {
        for person in self.people.iter_mut().filter(|person| person.id.0 == id) {
            person.here = false;
        }
        self.core.remove(id, self.now);
    }

    pub fn route(&mut self, slot: u64, up: Option<u64>, rid: Option<&str>) {
        self.core.route(DownId(slot), up.map(UpId), rid, self.now);
    }

    /// Have a datagram arrive, at most 20 ms ago.
    pub fn arrive(&mut self, datagram: &[u8], path: Path, late: bool) {
        let arrived = self.now - if late { 0.02 } else { 0.0 };
        if let Ok(message) = stun::parse(datagram) {
            // a check that was overheard is good from anywhere
            for person in &mut self.people {
                if person.ice.iter().any(|ice| message.authentic(&ice.local_password)) {
                    person.authentic.insert(path);
                }
            }
        }
        self.core.handle(&mut datagram.to_vec(), path, self.now, arrived);
        if self.sent.len() >= 32 {
            self.sent.remove(0);
        }
        self.sent.push((path, datagram.to_vec()));
    }

    /// A connectivity check. Bits: nominates, plays the controlled role, signed with a wrong password, and how many
    /// generations ago.
    pub fn check(&mut self, who: u8, from: Path, bits: u8) {
        let number = self.number();
        let Some(person) = self.who(who) else { return };
        let back = usize::from(bits >> 3) % person.ice.len();
        let ice = &person.ice[person.ice.len() - 1 - back];
        let (controlled, forged) = (bits & 2 != 0, bits & 4 != 0);
        let check = Check {
            username: &format!("{}:{}", ice.local_ufrag, ice.remote_ufrag),
            priority: 1,
            controlling: (!controlled).then_some(1),
            controlled: controlled.then_some(1),
            use_candidate: bits & 1 != 0,
        };
        let mut transaction = [0; 12];
        transaction[..2].copy_from_slice(&number.to_be_bytes());
        let mut datagram = Vec::new();
        let password = if forged { "wrong" } else { &ice.local_password };
        binding_request(&mut datagram, transaction, &check, password);
        if !forged && check.use_candidate {
            person.at = from;
        }
        self.arrive(&datagram, from, false);
    }

    /// Send plain RTP or RTCP with the participant's keys.
    pub fn media(&mut self, who: u8, plain: &[u8], rtcp: bool, from: Option<Path>) {
        let Some(person) = self.who(who) else { return };
        let from = from.unwrap_or(person.at);
        let Some(srtp) = &mut person.srtp else { return };
        let mut room = plain.to_vec();
        room.resize(plain.len() + MAX_OVERHEAD, 0);
        let sealed = if rtcp {
            srtp.protect_rtcp(&mut room, plain.len())
        } else if let Some(&[_, _, high, low, _, _, _, _, a, b, c, d]) = plain.first_chunk() {
            let highest = person.indices.entry(Ssrc(u32::from_be_bytes([a, b, c, d]))).or_insert(0);
            let index = nearest(*highest, u16::from_be_bytes([high, low]));
            *highest = index.max(*highest);
            srtp.protect(&mut room, plain.len(), index)
        } else {
            return;
        };
        if let Some(size) = sealed {
            self.arrive(&room[..size], from, who & 0x80 != 0);
        }
    }

    /// Everybody leaves, and nothing may stay.
    pub fn end(&mut self, backwards: bool) {
        let mut everybody: Vec<u64> = self.people.iter().map(|person| person.id.0).collect();
        if backwards {
            everybody.reverse();
        }
        for id in everybody {
            self.remove(id);
        }
        self.take(true);
        assert_eq!(self.core.gauges(), Gauges::default());
        for (path, mut datagram) in std::mem::take(&mut self.sent) {
            self.core.handle(&mut datagram, path, self.now, self.now);
        }
        self.core.tick(self.now + 1.0);
        assert_eq!(self.core.queued(), 0, "an answer to one who has left");
    }
}

/// The index with these low bits nearest to the highest, as a sender counts that began in the first cycle.
fn nearest(highest: u64, sequence: u16) -> u64 {
    let step = sequence.wrapping_sub(highest as u16) as i16;
    highest.checked_add_signed(step.into()).unwrap_or(sequence.into())
}
