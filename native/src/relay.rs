//! What the engine is measured against, behind the same shell: datagrams go from one address to another and nothing else.
//!
//! The bare relay passes them on as they are: the limit without crypto. With keys it unprotects and protects RTP, without
//! RTCP, history, feedback or any lookup beyond the address: the limit with crypto.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use medinova_core::address::{Address, Path};
use medinova_core::id::{Seq, Sequence, Ssrc};
use medinova_core::outbox::{Keys, Outbox, packet_index};
use medinova_core::srtp::Srtp;

use crate::plane::Plane;
use crate::tally::Number;

#[cfg(feature = "extension-module")]
pub mod python;

const RTP_HEADER: usize = 12;
const RTCP_TYPES: std::ops::RangeInclusive<u8> = 192..=223; // RFC 5761 §4
const FIRST: i64 = 1 << 16; // so that a stream's first number has one before it

/// Two addresses that are passed each other's datagrams, with the ciphers of both or of none.
pub struct Pair {
    /// Where both are, as we see them.
    pub addresses: [Address; 2],
    /// Each one's.
    pub keys: Option<Box<[Srtp; 2]>>,
}

/// What was not passed on.
#[derive(Debug, Default)]
pub struct Refused {
    /// From addresses of no pair.
    pub unknown: Number,
    /// Not authentic, replayed, or no RTP; with keys alone.
    pub refused: Number,
}

/// One address of a pair.
struct Side {
    other: usize,
    address: Address,
    srtp: Option<Srtp>,
    streams: Vec<(Ssrc, Seq)>, // that it sends: the highest number
}

impl Side {
    /// The index of a packet of one of its streams (RFC 3711 §3.3.1); None before the stream's first cycle.
    fn index(&mut self, ssrc: Ssrc, sequence: Sequence) -> Option<u64> {
        let at = self.streams.iter().position(|(known, _)| *known == ssrc).unwrap_or_else(|| {
            self.streams.push((ssrc, Seq(FIRST + i64::from(sequence.0))));
            self.streams.len() - 1
        });
        let highest = &mut self.streams[at].1;
        let seq = highest.unwrap_near(sequence);
        *highest = seq.max(*highest);
        (seq.0 >= FIRST).then_some(packet_index(seq.0))
    }
}

/// All pairs.
#[derive(Default)]
pub struct Relay {
    sides: Sides,
    by_address: HashMap<(u128, u16), usize, RandomState>,
    outbox: Outbox<usize>,
    refused: Arc<Refused>,
}

#[derive(Default)]
struct Sides(Vec<Side>);

impl Keys for Sides {
    type Key = usize;

    fn number(key: usize) -> usize {
        key
    }

    fn srtp(&mut self, key: usize) -> Option<&mut Srtp> {
        self.0[key].srtp.as_mut()
    }
}

impl Relay {
    /// With these pairs from the start; `refused` is counted into.
    pub fn new(refused: Arc<Refused>, pairs: impl IntoIterator<Item = Pair>) -> Self {
        let mut relay = Self { refused, ..Self::default() };
        for pair in pairs {
            relay.obey(pair, 0.0);
        }
        relay
    }

    /// Unprotect a packet and queue it for its receiver; None if it is not let through.
    fn pass(&mut self, from: usize, datagram: &mut [u8], path: Path) -> Option<()> {
        let kind = *datagram.get(1)?;
        if datagram.len() < RTP_HEADER || RTCP_TYPES.contains(&kind) {
            return None;
        }
        let side = self.sides.0.get_mut(from)?;
        let length = side.srtp.as_mut()?.unprotect(datagram).ok()?;
        let plain = datagram.get(..length).filter(|plain| plain.len() >= RTP_HEADER)?;
        let ssrc = Ssrc(u32::from_be_bytes([plain[8], plain[9], plain[10], plain[11]]));
        let index = side.index(ssrc, Sequence(u16::from_be_bytes([plain[2], plain[3]])))?;
        let to = side.other;
        if !self.sides.srtp(to)?.reserve(ssrc, index) {
            return None;
        }
        self.outbox.rtp(path, to, index, |room| room.extend_from_slice(plain));
        Some(())
    }
}

impl Plane for Relay {
    type Key = usize;
    type Command = Pair;
    type Event = ();

    fn obey(&mut self, pair: Pair, _now: f64) {
        let first = self.sides.0.len();
        let keys = pair.keys.map_or([None, None], |keys| keys.map(Some));
        for ((place, address), srtp) in pair.addresses.into_iter().enumerate().zip(keys) {
            self.sides.0.push(Side { other: first + 1 - place, address, srtp, streams: Vec::new() });
            self.by_address.insert((address.ip, address.port), first + place);
        }
    }

    fn handle(&mut self, datagram: &mut [u8], path: Path, _now: f64, _arrived: f64) {
        let Some(&from) = self.by_address.get(&(path.remote.ip, path.remote.port)) else {
            self.refused.unknown.add(1);
            return;
        };
        let side = &self.sides.0[from];
        let path = Path { local: path.local, remote: self.sides.0[side.other].address };
        if side.srtp.is_none() {
            self.outbox.open(path, side.other, |room| room.extend_from_slice(datagram));
        } else if self.pass(from, datagram, path).is_none() {
            self.refused.refused.add(1);
        }
    }

    fn tick(&mut self, _now: f64) {}

    fn queued(&self) -> usize {
        self.outbox.len()
    }

    fn seal(&mut self, group: bool) -> &Outbox<usize> {
        self.outbox.seal(group, &mut self.sides);
        &self.outbox
    }

    fn clear(&mut self) {
        self.outbox.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};
    use std::time::Duration;

    use medinova_core::parameters::{SrtpKeys, SrtpProfile};
    use medinova_core::srtp::MAX_OVERHEAD;

    use super::*;
    use crate::run::{Running, Settings};
    use crate::socket::{Options, Socket};

    #[test]
    fn datagrams_go_to_the_other_address_as_they_are() {
        let socket = Socket::open(&["127.0.0.1".parse().unwrap()], 0, Options::default()).unwrap();
        let port = socket.port();
        let refused = Arc::<Refused>::default();
        let [first, second, stranger] = [(), (), ()].map(|()| {
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            client.connect(("127.0.0.1", port)).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            client
        });
        let addresses = [&first, &second].map(|client| client.local_addr().unwrap().into());
        let relay = Relay::new(Arc::clone(&refused), [Pair { addresses, keys: None }]);
        let running = Running::start(relay, socket, Settings::default()).unwrap();
        stranger.send(b"of nobody").unwrap();
        for (from, to) in [(&first, &second), (&second, &first)] {
            // of one size and of several, with the bit set that would be padding in RTP
            for size in [1, 900, 900, 899, 1200] {
                from.send(&vec![0xff; size]).unwrap();
            }
            for size in [1, 900, 900, 899, 1200] {
                let mut room = [0; 2000];
                let got = to.recv(&mut room).unwrap();
                assert_eq!(room[..got], vec![0xff; size]);
            }
        }
        assert_eq!((refused.unknown.get(), refused.refused.get(), running.failed()), (1, 0, None));
    }

    fn address(last: u8) -> Address {
        SocketAddr::from(([127, 1, 0, last], 9)).into()
    }

    fn keys(first: u8) -> SrtpKeys {
        SrtpKeys { profile: SrtpProfile::AeadAes128Gcm, up: vec![first; 28], down: vec![first + 1; 28] }
    }

    /// As the participant sees them.
    fn turned(keys: SrtpKeys) -> SrtpKeys {
        SrtpKeys { up: keys.down, down: keys.up, ..keys }
    }

    #[test]
    fn rtp_is_unprotected_and_protected_and_nothing_else_passes() {
        let refused = Arc::<Refused>::default();
        let srtp = Box::new([keys(1), keys(5)].map(|keys| Srtp::new(&keys).unwrap()));
        let mut relay =
            Relay::new(Arc::clone(&refused), [Pair { addresses: [address(1), address(2)], keys: Some(srtp) }]);
        let [mut first, mut second] = [keys(1), keys(5)].map(|keys| Srtp::new(&turned(keys)).unwrap());
        let path = Path { local: address(9), remote: address(1) };
        // over the end of the cycle, with a straggler behind it
        for (number, index) in [(65534_u16, 65534), (0, 65536), (65535, 65535), (1, 65537)] {
            let mut packet = vec![0x80, 96, 0, 0, 0, 0, 0, 7, 0, 0, 0, 9, 1, 2, 3];
            packet[2..4].copy_from_slice(&number.to_be_bytes());
            let plain = packet.clone();
            packet.resize(plain.len() + MAX_OVERHEAD, 0);
            assert!(first.reserve(Ssrc(9), index));
            let length = first.protect(&mut packet, plain.len(), index).unwrap();
            for _ in 0..2 {
                relay.handle(&mut packet.clone()[..length], path, 0.0, 0.0); // the second time it is replayed
            }
            let outbox = relay.seal(true);
            let sent: Vec<_> = outbox.runs().collect();
            let &[(run, &[piece])] = sent.as_slice() else { panic!("not one datagram") };
            assert_eq!(run.path, Path { local: address(9), remote: address(2) });
            let mut got = outbox.arena()[piece.start..piece.start + piece.length].to_vec();
            let size = second.unprotect(&mut got).unwrap();
            assert_eq!(got[..size], plain, "{number}");
            relay.clear();
        }
        for strange in [&[][..], &[0x80, 200], &[0x80; 40], &[0x80, 96, 0, 0, 0, 0, 0, 7, 0, 0, 0, 9]] {
            relay.handle(&mut strange.to_vec(), path, 0.0, 0.0);
        }
        assert_eq!((relay.queued(), refused.refused.get()), (0, 8));
    }
}
