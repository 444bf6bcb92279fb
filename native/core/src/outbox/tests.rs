//! Which packets leave together, and which of them are padded.

use std::net::Ipv4Addr;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::id::Ssrc;
use crate::parameters::{SrtpKeys, SrtpProfile};
use crate::rtp::Packet as Rtp;

struct Two([Srtp; 2]);

impl Keys for Two {
    type Key = usize;

    fn number(key: usize) -> usize {
        key
    }

    fn srtp(&mut self, key: usize) -> Option<&mut Srtp> {
        self.0.get_mut(key)
    }
}

fn keys() -> Two {
    let one = |key: u8| {
        Srtp::new(&SrtpKeys { profile: SrtpProfile::AeadAes128Gcm, up: vec![key; 28], down: vec![key; 28] }).unwrap()
    };
    Two([one(1), one(2)])
}

fn path(number: usize) -> Path {
    let at = |port: usize| (Ipv4Addr::LOCALHOST.into(), port as u16).into();
    Path { local: at(1), remote: at(100 + number) }
}

/// Queue RTP packets of these sizes for receiver `to`, numbered on.
fn queue(outbox: &mut Outbox<usize>, to: usize, sizes: &[usize], first: u64) {
    for (at, size) in sizes.iter().enumerate() {
        let index = first + at as u64;
        outbox.rtp(path(to), to, index, |out| {
            out.extend_from_slice(&[0x80, 96, (index >> 8) as u8, index as u8, 0, 0, 0, 0, 0, 0, 0, 7]);
            out.resize(out.len() + size - 12, 0xAB);
        });
    }
}

/// The sizes of each run, sealing included.
fn runs(outbox: &Outbox<usize>) -> Vec<Vec<usize>> {
    outbox.runs().map(|(_, pieces)| pieces.iter().map(|piece| piece.length).collect()).collect()
}

const TAG: usize = 16;

/// Sizes queued; sizes of each run, sealing apart; how many were padded.
type Grouped = (&'static [usize], &'static [&'static [usize]], u64);

fn sealed(sizes: &[&[usize]]) -> Vec<Vec<usize>> {
    sizes.iter().map(|run| run.iter().map(|size| size + TAG).collect()).collect()
}

#[test]
fn which_packets_make_one_run_and_how_many_are_padded() {
    let table: &[Grouped] = &[
        (&[700], &[&[700]], 0),
        (&[700, 700, 700], &[&[700, 700, 700]], 0),
        (&[652, 653], &[&[653, 653]], 1),
        (&[652, 652, 653, 653], &[&[653, 653, 653, 653]], 2),
        (&[653, 652, 652], &[&[653, 653, 652]], 1), // the last may be shorter as it is
        (&[653, 652, 653], &[&[653, 653, 653]], 1),
        (&[653, 90, 653], &[&[653, 90], &[653]], 0),
        (&[90, 653, 653], &[&[90], &[653, 653]], 0),
        (&[652, 653, 654], &[&[653, 653], &[654]], 1), // one byte of padding at most
        (&[653, 651, 653], &[&[653, 651], &[653]], 0),
        (&[1067; 70], &[&[1067; 59], &[1067; 11]], 0), // a datagram's worth
        (&[100; 70], &[&[100; 64], &[100; 6]], 0),
    ];
    for (sizes, expected, padded) in table {
        let (mut outbox, mut keys) = (Outbox::default(), keys());
        queue(&mut outbox, 0, sizes, 5);
        assert_eq!(outbox.seal(true, &mut keys), *padded, "{sizes:?}");
        assert_eq!(runs(&outbox), sealed(expected), "{sizes:?}");
    }
}

#[test]
fn what_was_padded_is_the_same_packet_to_its_receiver() {
    let (mut outbox, mut theirs) = (Outbox::default(), keys());
    queue(&mut outbox, 0, &[652, 652, 653], 5);
    outbox.seal(true, &mut theirs);
    let mut receiver = keys();
    for (at, piece) in outbox.runs().flat_map(|(_, pieces)| pieces).enumerate() {
        let mut datagram = outbox.arena()[piece.start..piece.start + piece.length].to_vec();
        let size = receiver.0[0].unprotect(&mut datagram).unwrap();
        let packet = Rtp::parse(&datagram[..size]).unwrap();
        assert_eq!(packet.ssrc, Ssrc(7));
        assert_eq!(packet.payload(&datagram).len(), [640, 640, 641][at]);
        assert!(packet.payload(&datagram).iter().all(|octet| *octet == 0xAB));
    }
}

#[test]
fn receivers_are_told_apart_and_batches_too() {
    let (mut outbox, mut keys) = (Outbox::default(), keys());
    for batch in 0..3 {
        for at in 0..4 {
            queue(&mut outbox, at % 2, &[500], batch * 4 + at as u64);
        }
        outbox.plain(path(0), |out| out.extend_from_slice(b"STUN"));
        outbox.rtcp(path(1), 1, |out| out.extend_from_slice(&[0x80, 201, 0, 1, 0, 0, 0, 1]));
        outbox.seal(true, &mut keys);
        let sizes = [vec![516, 516], vec![516, 516], vec![4], vec![8 + TAG + 4]];
        assert_eq!(runs(&outbox), sizes);
        assert_eq!(outbox.runs().map(|(run, _)| run.path).collect::<Vec<_>>(), [path(0), path(1), path(0), path(1)]);
        outbox.clear();
        assert!(outbox.is_empty() && outbox.runs().next().is_none());
    }
}

#[test]
fn a_receiver_that_moved_in_between_ends_the_run() {
    let (mut outbox, mut keys) = (Outbox::default(), keys());
    queue(&mut outbox, 0, &[500], 1);
    outbox.rtp(path(9), 0, 2, |out| {
        out.extend_from_slice(&[0x80, 96, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7]);
        out.resize(out.len() + 488, 0xAB);
    });
    outbox.seal(true, &mut keys);
    assert_eq!(runs(&outbox), sealed(&[&[500], &[500]]));
}

#[test]
fn without_grouping_each_goes_alone_unpadded_and_in_order() {
    let (mut outbox, mut keys) = (Outbox::default(), keys());
    queue(&mut outbox, 0, &[652, 653], 1);
    queue(&mut outbox, 1, &[400], 1);
    assert_eq!(outbox.seal(false, &mut keys), 0);
    assert_eq!(runs(&outbox), sealed(&[&[652], &[653], &[400]]));
}

#[test]
fn what_has_lost_its_keys_is_left_out() {
    let (mut outbox, mut keys) = (Outbox::default(), keys());
    queue(&mut outbox, 7, &[500, 500], 1);
    queue(&mut outbox, 0, &[500], 1);
    outbox.seal(true, &mut keys);
    assert_eq!(runs(&outbox), sealed(&[&[500]]));
}

struct Nobody;

impl Keys for Nobody {
    type Key = usize;

    fn number(key: usize) -> usize {
        key
    }

    fn srtp(&mut self, _key: usize) -> Option<&mut Srtp> {
        None
    }
}

/// (receiver, size) as queued; the sizes of each run.
type Case = (&'static [(usize, usize)], &'static [&'static [usize]]);

#[test]
fn open_datagrams_of_one_receiver_and_one_size_share_a_run_and_stay_as_they_are() {
    let path = path(0);
    let cases: &[Case] = &[
        (&[(0, 9), (0, 9), (0, 9)], &[&[9, 9, 9]]),
        (&[(0, 9), (1, 9), (0, 9), (1, 9)], &[&[9, 9], &[9, 9]]),
        (&[(0, 9), (0, 8), (0, 9)], &[&[9, 8], &[9]]),
        (&[(0, 8), (0, 9), (0, 9)], &[&[8], &[9, 9]]),
        (&[(0, 0), (0, 1)], &[&[0], &[1]]),
    ];
    let mut outbox = Outbox::<usize>::default();
    for group in [true, false] {
        for (queued, runs) in cases {
            for &(to, size) in *queued {
                outbox.open(path, to, |room| room.resize(room.len() + size, 7));
            }
            assert_eq!(outbox.seal(group, &mut Nobody), 0);
            let sealed: Vec<Vec<usize>> =
                outbox.runs().map(|(_, pieces)| pieces.iter().map(|piece| piece.length).collect()).collect();
            let alone: Vec<Vec<usize>> = queued.iter().map(|&(_, size)| vec![size]).collect();
            assert_eq!(sealed, if group { runs.iter().map(|run| run.to_vec()).collect() } else { alone });
            assert!(outbox.runs().all(|(_, pieces)| pieces.iter().all(|piece| {
                outbox.arena()[piece.start..piece.start + piece.length].iter().all(|&byte| byte == 7)
            })));
            outbox.clear();
        }
    }
}

/// RTP to `to`, its payload telling its number; `padded`: it ends with a byte of padding already.
fn numbered(number: usize, to: usize, extra: usize, padded: bool) -> Vec<u8> {
    let mut packet = vec![0x80, 96, 0, number as u8, 0, 0, 0, 0, 0, 0, 0, to as u8, number as u8];
    packet.resize(packet.len() + extra, 3);
    if padded {
        packet[0] |= PADDING;
        packet.push(1);
    }
    packet
}

proptest! {
    /// Whatever is queued, the kernel can cut each run at its segment size, and every packet arrives once, in order and as
    /// it was but for a byte of padding that RTP says is there.
    #[test]
    fn runs_can_be_cut_and_hold_what_was_queued(
        queued in vec((0..2_usize, 0..4_usize, any::<bool>(), prop::bool::weighted(0.1)), 0..100),
        group in any::<bool>(),
    ) {
        let (mut outbox, mut senders, mut readers) = (Outbox::<usize>::default(), keys(), keys());
        let packet = |(number, &(to, extra, padded, moved)): (usize, &(usize, usize, bool, bool))| {
            (path(to + 10 * usize::from(moved)), to, numbered(number, to, extra, padded))
        };
        let packets: Vec<_> = queued.iter().enumerate().map(packet).collect();
        for (number, (path, to, packet)) in packets.iter().enumerate() {
            prop_assert!(senders.0[*to].reserve(Ssrc(*to as u32), number as u64));
            outbox.rtp(*path, *to, number as u64, |room| room.extend_from_slice(packet));
        }
        let padded = outbox.seal(group, &mut senders);
        let (mut came, mut grown) = (vec![Vec::new(); 2], 0);
        for (run, pieces) in outbox.runs() {
            let (last, others) = pieces.split_last().unwrap();
            prop_assert!(others.iter().all(|piece| piece.length == run.segment) && last.length <= run.segment);
            prop_assert!(pieces.len() == 1 || (group && pieces.len() <= MAX_SEGMENTS));
            for piece in pieces {
                let mut plain = outbox.arena()[piece.start..piece.start + piece.length].to_vec();
                let to = usize::from(plain[11]);
                let length = readers.0[to].unprotect(&mut plain).unwrap();
                plain.truncate(length);
                let number = usize::from(plain[12]);
                let (way, receiver, packet) = &packets[number];
                prop_assert_eq!((*way, *receiver), (run.path, to));
                if plain.len() > packet.len() {
                    prop_assert_eq!((plain.pop(), plain[0] & PADDING, packet[0] & PADDING), (Some(1), PADDING, 0));
                    plain[0] &= !PADDING;
                    grown += 1;
                }
                prop_assert_eq!(&plain, packet);
                came[to].push(number);
            }
        }
        prop_assert_eq!(grown, padded);
        for (to, numbers) in came.iter().enumerate() {
            let sent: Vec<_> = (0..packets.len()).filter(|&number| packets[number].1 == to).collect();
            prop_assert_eq!(numbers, &sent);
        }
    }
}

#[test]
fn what_a_burst_has_taken_is_given_back() {
    let mut outbox = Outbox::<usize>::default();
    for (megabytes, kept) in [(1, 1 << 20), (40, MAX_KEPT_BYTES), (1, MAX_KEPT_BYTES)] {
        for _ in 0..megabytes << 10 {
            outbox.plain(path(0), |out| out.resize(out.len() + 1024, 0));
        }
        outbox.seal(true, &mut keys());
        outbox.clear();
        let capacity = outbox.arena.capacity();
        assert!((kept..=2 * kept).contains(&capacity), "{megabytes} MB: {capacity}");
    }
}
