//! Transport-wide feedback: bytes in and out again, arrivals told, and what an estimator makes of them.

use std::collections::BTreeMap;

use medinova_core::arrivals::Arrivals;
use medinova_core::estimate::Estimator;
use medinova_core::feedback::{MAX_STATUSES, MAX_STATUSES_READ, TransportFeedback, read, write};
use medinova_core::id::{Sequence, Ssrc};

use super::Input;

/// As what follows an RTCP header, then as a list of arrivals.
pub fn feedback(data: &[u8]) {
    let mut estimator = Estimator::default();
    if let Ok(report) = read(data) {
        assert!((1..=MAX_STATUSES_READ).contains(&report.deltas.len()));
        assert_eq!(report.arrivals().count(), report.deltas.len());
        assert_eq!(again(&report), report);
        estimate(&mut estimator, &report, data);
    }
    tell(data, &mut estimator);
}

fn again(report: &TransportFeedback) -> TransportFeedback {
    let mut out = Vec::new();
    write(report, &mut out);
    read(&out).expect("ours")
}

/// Have packets sent that the report speaks of, and then some.
fn estimate(estimator: &mut Estimator, report: &TransportFeedback, data: &[u8]) {
    for (at, size) in data.iter().enumerate() {
        let sequence = Sequence(report.base_sequence.wrapping_add(at as u16).wrapping_sub(8));
        estimator.sent(sequence, usize::from(*size) * 6, at as f64 * 0.01);
    }
    estimator.feedback(report, data.len() as f64 * 0.01);
    assert!(estimator.loss().is_finite() && estimator.loss() >= 0.0);
    assert!(estimator.estimate_bps().is_none_or(|bps| bps >= 50_000));
}

/// Three bytes for each packet: how far its number is from the one before, how much later it came, whether it is time
/// for a report. No more than a datagram of a second is told at once.
fn tell(data: &[u8], estimator: &mut Estimator) {
    let mut input = Input(data);
    let (mut arrivals, mut sequence, mut now) = (Arrivals::default(), Sequence(input.word()), 1.0);
    let mut came = BTreeMap::new();
    while !input.is_empty() {
        let (step, later, report) = (input.octet() as i8, input.octet(), input.octet());
        let step = if step == i8::MIN { input.word() } else { i16::from(step) as u16 };
        sequence = Sequence(sequence.0.wrapping_add(step));
        now += if later > 250 { 20.0 } else { f64::from(later) * 0.0005 };
        let early = arrivals.note(sequence, now);
        came.entry(sequence.0).or_insert_with(Vec::new).push((now * 1e6) as i64);
        if early || report.is_multiple_of(8) {
            for report in arrivals.report(Ssrc(1), Ssrc(2)) {
                assert!((1..=MAX_STATUSES).contains(&report.deltas.len()));
                assert_eq!(again(&report), report);
                for (sequence, at) in report.arrivals() {
                    let Some(at) = at else { continue };
                    let known = came.get(&sequence.0).expect("it came");
                    // 24 bits of 64 ms, and a tick of 250 µs
                    let told = |us: &i64| (us - at).rem_euclid(64_000 << 24) < 250;
                    assert!(known.iter().any(told), "{sequence}: {at} of {known:?}");
                }
                estimator.sent(sequence, 1000, now);
                estimator.feedback(&report, now);
            }
            came.retain(|_, times| times.last().is_some_and(|us| now * 1e6 - (*us as f64) < 100e6));
        }
    }
}
