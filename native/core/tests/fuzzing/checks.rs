//! What must hold of everything that an engine sends.

use medinova_core::address::Path;
use medinova_core::event::MAX_EVENTS;
use medinova_core::id::{ExtensionId, Ssrc};
use medinova_core::{rtcp, rtp, stun};

use super::cast::{MID, TRANSPORT, rtx_ssrc};
use super::world::{Person, World};

/// For one batch; whoever asks for repairs is limited by what was sent before.
const MAX_BATCH: usize = 4096;
/// A datagram, whatever the sizes that came.
const MAX_BYTES: usize = 1600;

impl World {
    /// Take what is to be sent, as runs or not, and what is to be told.
    pub fn take(&mut self, group: bool) {
        let outbox = self.core.seal(group);
        assert!(outbox.len() <= MAX_BATCH, "{} datagrams in one batch", outbox.len());
        let mut datagrams = Vec::new();
        for (run, pieces) in outbox.runs() {
            assert!(!pieces.is_empty() && pieces.len() <= if group { 64 } else { 1 });
            let mut total = 0;
            for (at, piece) in pieces.iter().enumerate() {
                assert!(piece.length > 0 && (piece.length == run.segment || at + 1 == pieces.len()));
                assert!(piece.length <= run.segment);
                total += piece.length;
                datagrams.push((run.path, outbox.arena()[piece.start..piece.start + piece.length].to_vec()));
            }
            assert!(total <= 65_507, "a run of {total} bytes");
        }
        self.core.clear();
        assert_eq!(self.core.queued(), 0);
        for (path, datagram) in datagrams {
            self.check_sent(path, &datagram);
        }
        assert!(self.core.events.take().len() <= MAX_EVENTS + 1);
        self.core.taps.take();
        for person in &mut self.people {
            person.was_open = person.open;
        }
    }

    fn check_sent(&mut self, path: Path, datagram: &[u8]) {
        assert!(datagram.len() <= MAX_BYTES, "{} bytes in a datagram", datagram.len());
        let mut known = self.people.iter_mut().filter(|person| person.authentic.contains(&path)).peekable();
        assert!(known.peek().is_some(), "a datagram to an address that never authenticated");
        match datagram[0] {
            0..4 => {
                let message = stun::parse(datagram).expect("ours");
                let mut passwords = known.flat_map(|person| &person.ice).map(|ice| &ice.local_password);
                assert!(passwords.any(|password| message.authentic(password)));
            }
            20..64 => assert!(known.any(|person| datagram[1..9] == person.id.0.to_be_bytes()), "another's handshake"),
            _ => {
                let rtcp = rtcp::is_rtcp(datagram);
                let opened = known.find_map(|person| Some((open(person, datagram, rtcp)?, person)));
                let (plain, person) = opened.expect("a packet that its receiver can open, once");
                if rtcp {
                    check_rtcp(&plain);
                } else {
                    check_rtp(person, &plain);
                    self.forwarded += 1;
                }
            }
        }
    }
}

fn open(person: &mut Person, datagram: &[u8], rtcp: bool) -> Option<Vec<u8>> {
    let srtp = person.srtp.as_mut()?;
    let mut room = datagram.to_vec();
    let size = if rtcp { srtp.unprotect_rtcp(&mut room) } else { srtp.unprotect(&mut room) };
    room.truncate(size.ok()?);
    Some(room)
}

fn check_rtcp(plain: &[u8]) {
    let packets = rtcp::parse(plain).expect("ours");
    assert!(!packets.iter().any(|packet| matches!(packet, rtcp::Packet::Other)));
}

fn check_rtp(person: &mut Person, plain: &[u8]) {
    assert!(person.was_open, "media through a closed gate");
    let packet = rtp::Packet::parse(plain).expect("ours");
    assert!(!packet.is_empty());
    let owned = |ssrc: Ssrc| packet.ssrc == ssrc || packet.ssrc == rtx_ssrc(ssrc);
    let slot = person.slots.iter_mut().find(|slot| owned(slot.parameters.ssrc)).expect("a slot of its own");
    let parameters = &slot.parameters;
    if packet.ssrc == parameters.ssrc {
        assert!(parameters.codecs.iter().any(|(_, payload_type)| *payload_type == packet.payload_type));
        slot.newest = packet.sequence.0;
    } else {
        assert!(parameters.rtx.iter().any(|(_, payload_type)| *payload_type == packet.payload_type));
        assert!(packet.payload(plain).len() > 2);
    }
    let mid = packet.element(plain, ExtensionId(MID));
    assert_eq!(mid, (parameters.extensions.mid.0 == MID).then_some(parameters.mid.as_bytes()));
    let number = packet.element(plain, ExtensionId(TRANSPORT)).map(|number| [number[0], number[1]]);
    assert_eq!(number.is_some(), parameters.extensions.transport_sequence.0 == TRANSPORT);
    if let Some(number) = number.map(u16::from_be_bytes) {
        assert!(person.numbered.is_none_or(|before| number == before.wrapping_add(1)), "a number left out");
        person.numbered = Some(number);
    }
}
