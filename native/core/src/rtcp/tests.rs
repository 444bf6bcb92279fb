use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::captures::{self, damaged, hex};

const ONE: Ssrc = Ssrc(1);
const TWO: Ssrc = Ssrc(2);

fn packed(packets: &[Packet]) -> Vec<u8> {
    let mut out = Vec::new();
    for packet in packets {
        pack(packet, &mut out);
    }
    out
}

fn nack(sequences: &[u16]) -> Packet {
    Packet::Nack { sender: ONE, media: TWO, sequences: sequences.iter().map(|number| Sequence(*number)).collect() }
}

fn names(names: &[(u32, &str)]) -> Packet {
    Packet::SourceDescription(names.iter().map(|(ssrc, name)| (Ssrc(*ssrc), (*name).to_owned())).collect())
}

fn remb(bitrate_bps: u64) -> Packet {
    Packet::Remb { sender: ONE, bitrate_bps, ssrcs: vec![TWO] }
}

fn reports(packets_lost: i32) -> Packet {
    let block = ReportBlock {
        ssrc: Ssrc(0xAABB_CCDD),
        fraction_lost: 12,
        packets_lost,
        highest_sequence: 0x1FFFF,
        jitter: 99,
        last_sender_report: 0x1234_5678,
        delay: 65536,
    };
    Packet::ReceiverReport { sender: ONE, reports: vec![block] }
}

#[test]
fn wire_forms() {
    let sender_report = SenderReport {
        sender: ONE,
        ntp_time: 0x83AA_7E80_8000_0000,
        rtp_time: 3000,
        packets: 2,
        octets: 1200,
        reports: Vec::new(),
    };
    let cases = [
        ("80c90001 00000001", Packet::ReceiverReport { sender: ONE, reports: Vec::new() }),
        ("81c90007 00000001 aabbccdd 0cfffffd 0001ffff 00000063 12345678 00010000", reports(-3)),
        ("80c80006 00000001 83aa7e8080000000 00000bb8 00000002 000004b0", Packet::SenderReport(sender_report)),
        ("81ca0003 00000001 0103 616263 000000", names(&[(1, "abc")])),
        ("81ca0003 00000001 0104 61626364 0000", names(&[(1, "abcd")])),
        ("82ca0004 00000001 01000000 00000002 01000000", names(&[(1, ""), (2, "")])),
        ("82cb0002 00000001 00000002", Packet::Goodbye(vec![ONE, TWO])),
        ("81cd0003 00000001 00000002 00640005", nack(&[100, 101, 103])),
        ("81cd0004 00000001 00000002 ffff0001 00640000", nack(&[65535, 0, 100])),
        ("81cd0003 00000001 00000002 00640000", nack(&[100])),
        ("81ce0002 00000001 00000002", Packet::PictureLoss { sender: ONE, media: TWO }),
        (
            "84ce0004 00000001 00000000 00000002 09000000",
            Packet::FullIntraRequest { sender: ONE, requests: vec![(TWO, 9)] },
        ),
        ("8fce0005 00000001 00000000 52454d42 01000064 00000002", remb(100)),
        ("8fce0005 00000001 00000000 52454d42 010bffff 00000002", remb(0x3FFFF << 2)),
        ("8fce0005 00000001 00000000 52454d42 01bbffff 00000002", remb(0x3FFFF << 46)),
    ];
    for (wire, packet) in cases {
        let data = hex(wire);
        assert_eq!(packed(std::slice::from_ref(&packet)), data);
        assert_eq!(parse(&data), Ok(vec![packet]));
    }
}

#[test]
fn what_is_not_read_is_passed_over() {
    for wire in ["80cf0001 00000001", "8fce0003 00000001 00000000 41414141", "80ce0000"] {
        assert_eq!(parse(&hex(wire)), Ok(vec![Packet::Other]));
    }
    assert_eq!(packed(&[Packet::Other]), []);
}

#[test]
fn captured_compounds_come_back_as_the_same_bytes() {
    let mut kinds = Vec::new();
    for data in captures::rtcp() {
        let packets = parse(data).unwrap();
        kinds.extend(packets.iter().map(std::mem::discriminant));
        assert_eq!(packed(&packets), data);
        assert!(is_rtcp(data));
        assert!(!packets.contains(&Packet::Other));
    }
    let pli = Packet::PictureLoss { sender: ONE, media: TWO };
    for expected in [reports(0), names(&[]), nack(&[]), pli, remb(0), Packet::Goodbye(Vec::new())] {
        assert!(kinds.contains(&std::mem::discriminant(&expected)));
    }
}

#[test]
fn numbers_are_kept_within_their_bits() {
    assert_eq!(parse(&packed(&[remb(0xFFF_FFFF)])), Ok(vec![remb(0xFFF_FC00)]));
    assert_eq!(parse(&packed(&[remb(u64::MAX)])), Ok(vec![remb(0x3FFFF << 46)]));
    for (lost, said) in [(1 << 30, 0x7F_FFFF), (-(1 << 30), -0x80_0000), (-1, -1)] {
        assert_eq!(parse(&packed(&[reports(lost)])), Ok(vec![reports(said)]));
    }
}

#[test]
fn what_a_header_cannot_count_is_left_out() {
    let many = packed(&[Packet::Goodbye(vec![ONE; 40])]);
    assert_eq!(parse(&many), Ok(vec![Packet::Goodbye(vec![ONE; 31])]));
    let long = packed(&[names(&[(1, &"é".repeat(200))])]);
    assert_eq!(parse(&long), Ok(vec![names(&[(1, &"é".repeat(127))])]));
}

#[test]
fn padding_and_other_items_are_dropped() {
    let padded = hex("a1ce0003 00000001 00000002 00000004");
    assert_eq!(parse(&padded), Ok(vec![Packet::PictureLoss { sender: ONE, media: TWO }]));
    let items = hex("81ca0004 00000001 0203 787878 0101 61 00000000");
    assert_eq!(parse(&items), Ok(vec![names(&[(1, "a")])]));
}

#[test]
fn refusals() {
    let cases = [
        ("", "RTCP header is truncated"),
        ("80c9", "RTCP header is truncated"),
        ("40c90001 00000001", "RTCP version is not 2"),
        ("80c90002 00000001", "RTCP packet is truncated"),
        ("81c90001 00000001", "RTCP packet is too short for its type"),
        ("80c80001 00000001", "RTCP packet is too short for its type"),
        ("81ca0002 00000001 01ff6162", "RTCP packet is too short for its type"),
        ("81ca0002 00000001 01026162", "RTCP packet is too short for its type"),
        ("81ca0002 00000001 0102ffff", "RTCP packet is too short for its type"),
        ("81ca0002 00000001 0101ff00", "RTCP source description is not UTF-8"),
        ("82cb0001 00000001", "RTCP packet is too short for its type"),
        ("81cd0001 00000001", "RTCP packet is too short for its type"),
        ("81cd0002 00000001 00000002", "RTCP packet is too short for its type"),
        ("a1cd0004 00000001 00000002 00640005 00000003", "RTCP packet is too short for its type"),
        ("84ce0003 00000001 00000000 00000002", "RTCP packet is too short for its type"),
        ("8fce0003 00000001 00000000 52454d42", "RTCP packet is too short for its type"),
        ("8fce0005 00000001 00000000 52454d42 02000064 00000002", "RTCP packet is too short for its type"),
        ("8fce0005 00000001 00000000 52454d42 01fc0001 00000002", "REMB bitrate does not fit 64 bits"),
        ("8fcd0003 00000001 00000002 00010001", "transport feedback is truncated"),
        ("a1ce0003 00000001 00000002 000000ff", "RTCP padding is malformed"),
        ("a0c90001 00000000", "RTCP padding is malformed"),
        ("a0c90000", "RTCP padding is malformed"),
    ];
    for (wire, sentence) in cases {
        assert_eq!(parse(&hex(wire)), Err(sentence), "{wire}");
    }
}

/// Whatever the type asks, over any body.
fn made_up() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop::sample::select(vec![SR, RR, SDES, BYE, RTPFB, PSFB, 204, 207]);
    let counts = prop_oneof![0..=31_u8, prop::sample::select(vec![NACK, FIR, APPLICATION])];
    (counts, kinds, any::<bool>(), vec(any::<[u8; 4]>(), 0..40)).prop_map(|(count, kind, padded, words)| {
        let first = 0x80 | if padded { 0x20 } else { 0 } | count;
        [[first, kind, 0, words.len() as u8]].into_iter().chain(words).flatten().collect()
    })
}

/// Either refused, or packets that come back as they are.
fn survives(data: &[u8]) {
    let Ok(packets) = parse(data) else { return };
    let too_many_names = |packet: &Packet| matches!(packet, Packet::SourceDescription(names) if names.len() > 31);
    if !packets.iter().any(too_many_names) {
        let known: Vec<_> = packets.into_iter().filter(|packet| *packet != Packet::Other).collect();
        assert_eq!(parse(&packed(&known)).unwrap_or_default(), known);
    }
}

#[test]
fn captures_cut_anywhere_survive() {
    for data in captures::rtcp() {
        (0..data.len()).for_each(|end| survives(&data[..end]));
    }
}

proptest! {
    #[test]
    fn damaged_captures_survive(data in damaged(captures::rtcp())) {
        survives(&data);
    }

    #[test]
    fn made_up_packets_survive(data in made_up()) {
        survives(&data);
    }

    #[test]
    fn any_bytes_survive(data in vec(any::<u8>(), 0..200)) {
        survives(&data);
    }
}
