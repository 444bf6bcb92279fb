use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::captures::{self, hex};
use crate::rtcp::{self, Packet};

/// The reference time wraps after twelve days.
const WRAP_US: i64 = (1 << 24) * 64_000;
const MS: i64 = 1000;

fn reports(count: u8, arrivals: &[(i64, Option<i64>)]) -> Vec<TransportFeedback> {
    transport_feedback(Ssrc(1), Ssrc(2), count, arrivals.iter().map(|(seq, us)| (Seq(*seq), *us)))
}

fn packed(report: &TransportFeedback) -> Vec<u8> {
    let mut out = Vec::new();
    rtcp::pack(&Packet::TransportFeedback(report.clone()), &mut out);
    out
}

fn said(reports: &[TransportFeedback]) -> Vec<(u16, Option<i64>)> {
    for report in reports {
        assert_eq!(rtcp::parse(&packed(report)), Ok(vec![Packet::TransportFeedback(report.clone())]));
    }
    reports.iter().flat_map(|report| report.arrivals().map(|(sequence, us)| (sequence.0, us))).collect()
}

#[test]
fn says_what_arrived() {
    type Case<'a> = (&'a [(i64, Option<i64>)], &'a [(u16, Option<i64>)]);
    let cases: [Case<'_>; 9] = [
        (&[(1, Some(64 * MS)), (2, Some(65 * MS))], &[(1, Some(64 * MS)), (2, Some(65 * MS))]),
        (&[(1, Some(0)), (3, Some(20 * MS))], &[(1, Some(0)), (2, None), (3, Some(20 * MS))]),
        (&[(1, None), (2, Some(500))], &[(1, None), (2, Some(500))]),
        (&[(65535, Some(0)), (65536, Some(250))], &[(65535, Some(0)), (0, Some(250))]),
        (&[(7, Some(MS)), (8, Some(0))], &[(7, Some(MS)), (8, Some(0))]), // reordered: a negative delta
        (&[(7, Some(249))], &[(7, Some(0))]),
        (&[(7, Some(0)), (8, None)], &[(7, Some(0))]), // a loss at the end may still be late
        (&[(7, None)], &[]),
        (&[], &[]),
    ];
    for (arrivals, expected) in cases {
        assert_eq!(said(&reports(0, arrivals)), expected);
    }
}

#[test]
fn is_split_where_one_packet_cannot_hold_it() {
    let paced = |count: i64| (0..count).map(|n| (n, Some(n * MS))).collect::<Vec<_>>();
    let cases = [
        (vec![(1, Some(0)), (2, Some(8_191_750))], vec![2]),
        (vec![(1, Some(0)), (2, Some(8_192_000))], vec![1, 1]),
        (paced(MAX_STATUSES as i64), vec![MAX_STATUSES]),
        (paced(MAX_STATUSES as i64 + 1), vec![MAX_STATUSES, 1]),
        (vec![(1, Some(0)), (40_000, Some(MS))], vec![1, 1]), // a jump, not 39,998 losses
    ];
    for (arrivals, sizes) in cases {
        let reports = reports(255, &arrivals);
        assert_eq!(reports.iter().map(|report| report.deltas.len()).collect::<Vec<_>>(), sizes);
        assert_eq!(reports.iter().map(|report| report.count).collect::<Vec<_>>(), [255, 0][..sizes.len()]);
        assert!(reports.iter().all(|report| packed(report).len() < 1200));
    }
}

#[test]
fn chunks_are_chosen_as_libwebrtc_does() {
    let cases = [
        // lost, small, Large
        ("s", "2001"),
        ("L", "4001"),
        ("-s", "c400"),
        ("ssssssL", "d556"),
        ("sssssssL", "2007 4001"),
        ("LLLLLLLs", "4007 2001"),
        ("-------s-------L", "8040 c800"),
        ("-s-s-s-s", "9540"),
        ("-s-s-s-", "c444"),
        ("-s-s-s-sL", "c444 d800"),
        ("-s-s-s-s-s-s-sL", "9555 4001"),
        ("sssssssssssssL", "200d 4001"),
        ("----------------L", "0010 4001"),
        ("sssssssL-------", "2007 e000 0001"),
    ];
    for (symbols, chunks) in cases {
        let deltas = symbols.chars().map(|symbol| match symbol {
            's' => Some(1),
            'L' => Some(1000),
            _ => None,
        });
        let mut out = Vec::new();
        let (sender, media, deltas) = (Ssrc(1), Ssrc(2), deltas.collect());
        write(&TransportFeedback { sender, media, base_sequence: 3, reference_time: 4, count: 5, deltas }, &mut out);
        let times = symbols.replace('-', "").replace('s', "01").replace('L', "03e8");
        assert_eq!(out[16..], hex(&format!("{chunks}{times}")), "{symbols}");
    }
}

#[test]
fn captured_feedback_comes_back() {
    let mut lossy = false;
    for data in captures::rtcp() {
        for packet in rtcp::parse(data).unwrap() {
            let Packet::TransportFeedback(report) = packet else { continue };
            let mut out = Vec::new();
            write(&report, &mut out);
            lossy |= report.deltas.contains(&None);
            assert_eq!(read(&out), Ok(report));
        }
    }
    assert!(lossy);
}

#[test]
fn refusals() {
    let cases = [
        ("00000001 00000002 0001", "transport feedback is truncated"),
        ("00000001 00000002 0001 0000 00000000 0000", "transport feedback has no or too many packets"),
        ("00000001 00000002 0001 2000 00000000 1fff", "transport feedback has no or too many packets"),
        ("00000001 00000002 0001 0001 00000000 6001", "transport feedback has a reserved symbol"),
        ("00000001 00000002 0001 0002 00000000 2001", "transport feedback is truncated"),
        ("00000001 00000002 0001 0001 00000000 2001", "transport feedback is truncated"),
        ("00000001 00000002 0001 0001 00000000 4001 00", "transport feedback is truncated"),
        ("00000001 00000002 0001 0001 00000000 0000 0000", "transport feedback is truncated"),
    ];
    for (wire, sentence) in cases {
        assert_eq!(read(&hex(wire)), Err(sentence), "{wire}");
    }
}

fn steps() -> impl Strategy<Value = i64> {
    let usual = prop::sample::select(vec![0, 250, MS, 5 * MS, -2 * MS, 100 * MS]);
    prop_oneof![usual, 0..3_000_000_i64]
}

proptest! {
    #[test]
    fn any_pattern_comes_back(
        first in 0..1_i64 << 20,
        begin_us in 0..1_i64 << 43,
        pattern in vec((prop_oneof![1..4_i64, 1..41_i64], steps()), 1..80),
    ) {
        let (mut seq, mut now_us) = (first, begin_us);
        let arrivals: Vec<_> = pattern
            .into_iter()
            .map(|(gap, step)| {
                (seq, now_us) = (seq + gap, (now_us + step).max(0));
                (seq, Some(now_us))
            })
            .collect();
        let received: Vec<_> = said(&reports(0, &arrivals))
            .into_iter()
            .filter_map(|(sequence, us)| us.map(|us| (sequence, us.rem_euclid(WRAP_US))))
            .collect();
        let expected: Vec<_> = arrivals
            .iter()
            .filter_map(|(seq, us)| us.map(|us| (*seq as u16, (us / 250 * 250).rem_euclid(WRAP_US))))
            .collect();
        prop_assert_eq!(received, expected);
    }

    #[test]
    fn any_statuses_come_back(
        reference_time in -0x80_0000..0x80_0000_i32,
        deltas in vec(prop::option::of(prop_oneof![0..256_i32, -0x8000..0x8000_i32]), 1..200),
    ) {
        let (sender, media) = (Ssrc(1), Ssrc(2));
        let report = TransportFeedback { sender, media, base_sequence: 65500, reference_time, count: 9, deltas };
        let mut out = Vec::new();
        write(&report, &mut out);
        prop_assert_eq!(read(&out), Ok(report));
    }

    #[test]
    fn any_bytes_survive(head in any::<[u8; 10]>(), total in 0..40_u16, rest in vec(any::<u8>(), 0..80)) {
        let body = [&head[..], &total.to_be_bytes(), &rest].concat();
        if let Ok(report) = read(&body) {
            prop_assert_eq!(report.arrivals().count(), usize::from(total));
        }
    }
}
