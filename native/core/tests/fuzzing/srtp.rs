//! SRTP: what is sealed opens once, what is forged never.

use std::collections::{HashMap, HashSet};

use medinova_core::id::Ssrc;
use medinova_core::srtp::{MAX_BYTES, MAX_OVERHEAD, Refusal, Srtp};

use super::Input;
use super::cast::{PROFILES, keys, swapped};

/// Both ends of one direction, and what went before.
struct Pair {
    sender: Srtp,
    receiver: Srtp,
    before: Vec<Vec<u8>>,
    highest: HashMap<Ssrc, u64>, // opened
    rtcp: bool,
}

impl Pair {
    fn new(input: &mut Input<'_>, rtcp: bool) -> Self {
        let keys = keys(PROFILES[usize::from(input.octet()) % PROFILES.len()], 7);
        let end = |keys| Srtp::new(&keys).expect("good keys");
        Self { sender: end(swapped(&keys)), receiver: end(keys), before: Vec::new(), highest: HashMap::new(), rtcp }
    }

    fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut room = sealed.to_vec();
        let size = if self.rtcp { self.receiver.unprotect_rtcp(&mut room) } else { self.receiver.unprotect(&mut room) };
        size.map(|size| room[..size].to_vec())
    }

    /// What was never sealed doesn't open: any bytes, and sealed ones with a byte changed.
    fn forge(&mut self, input: &mut Input<'_>) {
        let (which, place, value) = (input.octet(), input.word(), input.octet());
        let mut datagram = match self.before.get(usize::from(which)) {
            Some(known) => known.clone(),
            None => input.text().to_vec(),
        };
        if let Some(at) = usize::from(place).checked_rem(datagram.len()) {
            datagram[at] ^= value.max(1);
        }
        assert!(self.open(&datagram).is_err());
    }

    fn replay(&mut self, input: &mut Input<'_>) {
        if let Some(known) = self.before.get(usize::from(input.octet())).cloned() {
            // one from long ago may be taken for one of the next cycle
            assert!(matches!(self.open(&known), Err(Refusal::Replayed | Refusal::NotAuthentic)));
        }
    }
}

/// A script of packets sealed, forged and replayed.
pub fn srtp(data: &[u8]) {
    let mut input = Input(data);
    let mut pair = Pair::new(&mut input, false);
    let (mut newest, mut reserved): (HashMap<Ssrc, u64>, _) = (HashMap::new(), HashSet::new());
    while !input.is_empty() {
        match input.octet() % 4 {
            0 => pair.forge(&mut input),
            1 => pair.replay(&mut input),
            _ => {
                let (ssrc, step) = (Ssrc(input.octet().into()), input.word() as i16);
                let last = newest.get(&ssrc).copied().unwrap_or(0);
                let index = last.saturating_add_signed(step.into());
                newest.insert(ssrc, last.max(index));
                let new = pair.sender.reserve(ssrc, index);
                assert!(!new || reserved.insert((ssrc, index)));
                if new {
                    packet(&mut pair, ssrc, index, input.text());
                }
            }
        }
    }
}

/// `given` becomes the packet's first two bytes and whatever stands behind its SSRC.
fn packet(pair: &mut Pair, ssrc: Ssrc, index: u64, given: &[u8]) {
    let (front, rest) = given.split_at(given.len().min(2));
    let mut plain = vec![0x80, 96];
    plain[..front.len()].copy_from_slice(front);
    plain.extend_from_slice(&(index as u16).to_be_bytes());
    plain.extend_from_slice(b"time");
    plain.extend_from_slice(&ssrc.0.to_be_bytes());
    plain.extend_from_slice(rest);
    let length = plain.len();
    let mut room = plain.clone();
    room.resize(length + MAX_OVERHEAD, 0);
    // it has no place for the extension that it claims
    let Some(size) = pair.sender.protect(&mut room, length, index) else { return };
    assert!(length < size && size <= length + MAX_OVERHEAD);
    let sealed = &room[..size];
    match pair.open(sealed) {
        Ok(opened) => {
            assert_eq!(opened, plain);
            pair.before.push(sealed.to_vec());
            let highest = pair.highest.entry(ssrc).or_default();
            *highest = index.max(*highest);
        }
        Err(Refusal::TooManySsrcs) => {}
        Err(refusal) => {
            // half a cycle further, the receiver guesses wrong
            let near = pair.highest.get(&ssrc).map_or(index < 0x1_0000, |highest| index.abs_diff(*highest) < 0x8000);
            assert!(!near, "{refusal:?} {index}");
        }
    }
}

/// A script of compounds sealed, forged and replayed.
pub fn srtcp(data: &[u8]) {
    let mut input = Input(data);
    let mut pair = Pair::new(&mut input, true);
    while !input.is_empty() {
        match input.octet() % 4 {
            0 => pair.forge(&mut input),
            1 => pair.replay(&mut input),
            _ => {
                let plain = [input.bytes(8), input.text()].concat();
                let mut room = plain.clone();
                room.resize(plain.len() + MAX_OVERHEAD, 0);
                let Some(size) = pair.sender.protect_rtcp(&mut room, plain.len()) else {
                    assert!(plain.len() < 8);
                    continue;
                };
                assert!(size <= plain.len() + MAX_OVERHEAD && size <= MAX_BYTES);
                let sealed = &room[..size];
                match pair.open(sealed) {
                    Ok(opened) => {
                        assert_eq!(opened, plain);
                        pair.before.push(sealed.to_vec());
                    }
                    Err(refusal) => assert_eq!(refusal, Refusal::TooManySsrcs),
                }
            }
        }
    }
}
