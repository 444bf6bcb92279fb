//! Where Python's calls become commands: it gives the ids, and knows whose is what without asking the engine's thread.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{Ordering::Acquire, fence};

use medinova_core::counter::Counters;
use medinova_core::id::{DownId, Generation, PeerId, UpId};
use medinova_core::parameters::{DownParameters, IceCredentials, SrtpKeys, UpParameters};
use medinova_core::track_counters::{TrackCounters, TrackCounts};

use crate::command::Command;

/// An id that is nobody's, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown(
    /// As Python gave it.
    pub u64,
);

struct Seat {
    counters: Arc<Counters>,
    generation: Generation,
    lines: Vec<u64>,
}

/// A send line, or a slot.
struct Line {
    peer: u64,
    rids: Option<Vec<String>>, // None: a slot
    counters: Arc<TrackCounters>,
}

/// Each method returns the command to carry out, and what the caller is to be told at once.
pub struct Desk {
    last: u64,
    seats: HashMap<u64, Seat>,
    lines: HashMap<u64, Line>,
    gone: Vec<Arc<Counters>>, // of participants removed here and perhaps not yet there
    total: Arc<Counters>,     // the core's own, those of who has left included
}

impl Desk {
    /// `total` is written by the core: of nobody, and of those gone.
    #[must_use]
    pub fn new(total: Arc<Counters>) -> Self {
        Self { last: 0, seats: HashMap::new(), lines: HashMap::new(), gone: Vec::new(), total }
    }

    /// A participant, its gate closed.
    pub fn add_peer(&mut self, ice: IceCredentials) -> (PeerId, Command) {
        let peer = PeerId(self.next());
        let counters = Counters::shared();
        let seat = Seat { counters: counters.clone(), generation: Generation(0), lines: Vec::new() };
        self.seats.insert(peer.0, seat);
        (peer, Command::AddPeer(peer, Box::new(ice), counters))
    }

    /// New credentials beside the old.
    pub fn restart(&mut self, peer: PeerId, ice: IceCredentials) -> Result<(Generation, Command), Unknown> {
        let seat = self.seat(peer)?;
        seat.generation.0 += 1;
        Ok((seat.generation, Command::Restart(peer, Box::new(ice))))
    }

    /// None where there is nothing (any more).
    pub fn remove(&mut self, what: u64) -> Option<Command> {
        if let Some(seat) = self.seats.remove(&what) {
            for line in seat.lines {
                self.lines.remove(&line);
            }
            self.gone.retain(is_held);
            self.gone.push(seat.counters);
        } else {
            let line = self.lines.remove(&what)?;
            if let Some(seat) = self.seats.get_mut(&line.peer) {
                seat.lines.retain(|&line| line != what);
            }
        }
        Some(Command::Remove(what))
    }

    /// What the handshake yielded.
    pub fn set_keys(&mut self, peer: PeerId, keys: SrtpKeys) -> Result<Command, Unknown> {
        self.seat(peer)?;
        Ok(Command::SetKeys(peer, Box::new(keys)))
    }

    /// A send line.
    pub fn add_up(&mut self, peer: PeerId, track: UpParameters) -> Result<(UpId, Command), Unknown> {
        let (number, counters) = self.add_line(peer, Some(track.rids.clone()))?;
        let up = UpId(number);
        Ok((up, Command::AddUp(up, peer, Box::new(track), counters)))
    }

    /// A slot.
    pub fn add_down(&mut self, peer: PeerId, slot: DownParameters) -> Result<(DownId, Command), Unknown> {
        let (number, counters) = self.add_line(peer, None)?;
        let down = DownId(number);
        Ok((down, Command::AddDown(down, peer, Box::new(slot), counters)))
    }

    /// What a stream of a send line is called there: empty without simulcast, None when the line is gone.
    #[must_use]
    pub fn rid(&self, up: UpId, rank: usize) -> Option<&str> {
        let line = self.lines.get(&up.0)?;
        Some(line.rids.as_ref()?.get(rank).map_or("", String::as_str))
    }

    /// What a participant has counted so far, without stopping the engine.
    pub fn peer_counters(&self, peer: PeerId) -> Result<&Counters, Unknown> {
        self.seats.get(&peer.0).map(|seat| &*seat.counters).ok_or(Unknown(peer.0))
    }

    /// What a send line or a slot has moved, by name, without stopping the engine.
    pub fn track_counters(&self, id: u64) -> Result<impl Iterator<Item = (&'static str, u64)> + use<>, Unknown> {
        let line = self.lines.get(&id).ok_or(Unknown(id))?;
        let TrackCounts { packets, octets, lost, repaired } = line.counters.read();
        let counts = [("packets", packets), ("octets", octets), ("repaired", repaired)];
        Ok(counts.into_iter().chain(line.rids.is_some().then_some(("lost", lost))))
    }

    /// The sums of everyone, those gone included, without stopping the engine.
    pub fn counters(&mut self) -> Counters {
        loop {
            self.gone.retain(is_held);
            let sum = Counters::default();
            sum.absorb(&self.total);
            let present = self.seats.values().map(|seat| &seat.counters);
            present.chain(&self.gone).for_each(|counters| sum.absorb(counters));
            // who was let go meanwhile is in the total, before or after it was read
            if self.gone.iter().all(is_held) {
                return sum;
            }
        }
    }

    fn seat(&mut self, peer: PeerId) -> Result<&mut Seat, Unknown> {
        self.seats.get_mut(&peer.0).ok_or(Unknown(peer.0))
    }

    fn add_line(&mut self, peer: PeerId, rids: Option<Vec<String>>) -> Result<(u64, Arc<TrackCounters>), Unknown> {
        let number = self.last + 1;
        self.seat(peer)?.lines.push(number);
        let counters = TrackCounters::shared();
        self.lines.insert(number, Line { peer: peer.0, rids, counters: Arc::clone(&counters) });
        self.last = number;
        Ok((number, counters))
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

/// Whether the core still counts there; when it lets go, it has added the counts to the total.
fn is_held(counters: &Arc<Counters>) -> bool {
    let held = Arc::strong_count(counters) > 1;
    fence(Acquire); // what was written before it let go is seen from here on
    held
}

#[cfg(test)]
mod tests {
    use medinova_core::counter::Counter;

    use super::*;

    fn ice() -> IceCredentials {
        IceCredentials { local_ufrag: "a".into(), local_password: "b".into(), remote_ufrag: "c".into() }
    }

    fn desk() -> (Desk, Arc<Counters>) {
        let total = Counters::shared();
        (Desk::new(Arc::clone(&total)), total)
    }

    #[test]
    fn ids_are_of_one_sequence_and_unknown_ones_are_told() {
        let (mut desk, _) = desk();
        let (one, _) = desk.add_peer(ice());
        let (other, _) = desk.add_peer(ice());
        assert_eq!((one, other), (PeerId(1), PeerId(2)));
        assert_eq!(desk.restart(one, ice()).map(|(generation, _)| generation), Ok(Generation(1)));
        assert_eq!(desk.restart(one, ice()).map(|(generation, _)| generation), Ok(Generation(2)));
        assert!(desk.remove(one.0).is_some() && desk.remove(one.0).is_none());
        assert_eq!(desk.restart(one, ice()).map(|(generation, _)| generation), Err(Unknown(1)));
        assert_eq!(desk.peer_counters(one).err(), Some(Unknown(1)));
        assert_eq!(desk.add_peer(ice()).0, PeerId(3));
    }

    #[test]
    fn who_leaves_is_counted_once_before_and_after_the_engine_has_seen_it() {
        let (mut desk, total) = desk();
        let (peer, command) = desk.add_peer(ice());
        let Command::AddPeer(_, _, held) = command else { panic!("another command") };
        held.add(Counter::RtpIn, 7);
        let rtp_in = |desk: &mut Desk| desk.counters().get(Counter::RtpIn);
        assert_eq!(rtp_in(&mut desk), 7);
        desk.remove(peer.0);
        assert_eq!(rtp_in(&mut desk), 7);
        total.absorb(&held);
        drop(held);
        assert_eq!((rtp_in(&mut desk), desk.gone.len()), (7, 0));
    }

    #[test]
    fn what_was_published_last_is_read_until_the_line_or_its_participant_is_removed() {
        let (mut desk, _) = desk();
        let (peer, _) = desk.add_peer(ice());
        let (up, held) = desk.add_line(peer, Some(Vec::new())).unwrap();
        let (down, theirs) = desk.add_line(peer, None).unwrap();
        held.publish(TrackCounts { packets: 4, octets: 3, lost: 2, repaired: 1 });
        theirs.publish(TrackCounts { packets: 8, octets: 7, lost: 0, repaired: 5 });
        let read = |desk: &Desk, id| desk.track_counters(id).map(Vec::from_iter);
        assert_eq!(read(&desk, up), Ok(vec![("packets", 4), ("octets", 3), ("repaired", 1), ("lost", 2)]));
        assert_eq!(read(&desk, down), Ok(vec![("packets", 8), ("octets", 7), ("repaired", 5)]));
        assert_eq!(read(&desk, peer.0), Err(Unknown(peer.0)));
        desk.remove(up);
        assert_eq!(read(&desk, up), Err(Unknown(up)));
        assert!(read(&desk, down).is_ok());
        desk.remove(peer.0);
        assert_eq!(read(&desk, down), Err(Unknown(down)));
        assert_eq!(Arc::strong_count(&held) + Arc::strong_count(&theirs), 2);
    }
}
