//! The estimate of a sender that obeys it, over a bottleneck in virtual time.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::id::Ssrc;

const STEP_S: f64 = 0.001;
const TICK_S: f64 = 250e-6;
const REFERENCE_TICKS: i64 = 256;
const DELAY_S: f64 = 0.03; // each way

/// A path and who sends over it; rates in kbit/s.
#[derive(Clone, Copy)]
struct Scenario {
    rate: fn(f64) -> f64, // the bottleneck's, by time
    queue_s: f64,         // its queue, at that rate; what doesn't fit is lost
    loss: f64,
    late: f64, // this share of the packets comes 30 ms later
    jitter_s: f64,
    feedback_s: f64, // between two
    feedback_loss: f64,
    camera: f64, // sends no more than that
    obeys: bool, // and no more than the estimate
    first: u16,
    seconds: f64,
}

const CALM: Scenario = Scenario {
    rate: |_| 1000.0,
    queue_s: 0.3,
    loss: 0.0,
    late: 0.0,
    jitter_s: 0.0,
    feedback_s: 0.05,
    feedback_loss: 0.0,
    camera: 3000.0,
    obeys: true,
    first: 1000,
    seconds: 60.0,
};

/// What the estimate was in each second, and how many packets the queue lost.
struct Outcome {
    estimates: Vec<f64>,
    overflown: u32,
    longest_queue_s: Vec<f64>,
    estimator: Estimator,
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

struct Path {
    scenario: Scenario,
    random: Random,
    free_at: f64,
    last_arrival: f64,
    arrivals: Vec<(i64, f64)>, // number, when; on their way to the receiver
    overflown: u32,
    longest_queue_s: f64,
}

impl Path {
    fn send(&mut self, number: i64, size: usize, now: f64) {
        let rate_bps = (self.scenario.rate)(now) * 1e3;
        let start = self.free_at.max(now);
        if start - now > self.scenario.queue_s {
            self.overflown += 1;
            return;
        }
        self.free_at = start + size as f64 * 8.0 / rate_bps;
        self.longest_queue_s = self.longest_queue_s.max(self.free_at - now);
        if self.random.next() < self.scenario.loss {
            return;
        }
        let jittered = self.free_at + DELAY_S + self.random.next() * self.scenario.jitter_s;
        self.last_arrival = self.last_arrival.max(jittered);
        let late_s = if self.random.next() < self.scenario.late { 0.03 } else { 0.0 };
        self.arrivals.push((number, self.last_arrival + late_s));
    }
}

/// The receiver's side: feedback about what arrived, as browsers and `media/arrivals.py` send it.
#[derive(Default)]
struct Receiver {
    following: i64,
    count: u8,
}

impl Receiver {
    fn report(&mut self, arrived: &mut Vec<(i64, f64)>) -> Option<TransportFeedback> {
        arrived.sort_unstable_by_key(|one| one.0);
        let base = self.following.min(arrived.first()?.0);
        let ticks = |at: f64| (at / TICK_S) as i64;
        let reference = ticks(arrived[0].1) / REFERENCE_TICKS;
        let mut deltas = Vec::new();
        let mut before = reference * REFERENCE_TICKS;
        for (number, at) in arrived.drain(..) {
            deltas.resize((number - base) as usize, None);
            deltas.push(Some((ticks(at) - before) as i32));
            before = ticks(at);
        }
        self.following = self.following.max(base + deltas.len() as i64);
        self.count = self.count.wrapping_add(1);
        Some(TransportFeedback {
            sender: Ssrc(1),
            media: Ssrc(2),
            base_sequence: base as u16,
            reference_time: (reference as i32) << 8 >> 8,
            count: self.count,
            deltas,
        })
    }
}

fn run(scenario: Scenario) -> Outcome {
    let mut estimator = Estimator::default();
    let mut path = Path {
        scenario,
        random: Random(0x9E37_79B9_7F4A_7C15),
        free_at: 0.0,
        last_arrival: 0.0,
        arrivals: Vec::new(),
        overflown: 0,
        longest_queue_s: 0.0,
    };
    let mut receiver = Receiver { following: i64::from(scenario.first), count: 250 };
    let mut number = i64::from(scenario.first);
    let mut underway: VecDeque<(f64, TransportFeedback)> = VecDeque::new();
    let (mut estimates, mut longest_queue_s) = (Vec::new(), Vec::new());
    for step in 1..=(scenario.seconds / STEP_S) as u64 {
        let now = step as f64 * STEP_S;
        let mut send = |size: usize, estimator: &mut Estimator| {
            estimator.sent(Sequence(number as u16), size, now);
            path.send(number, size, now);
            number += 1;
        };
        if step % 20 == 0 {
            send(120, &mut estimator);
        }
        if step % 33 == 0 {
            let allowed =
                if scenario.obeys { estimator.estimate_bps().unwrap_or(300_000) as f64 } else { f64::INFINITY };
            let video_bps = allowed.min(scenario.camera * 1e3) - 48_000.0;
            let mut rest = (video_bps.max(20_000.0) / 8.0 * 0.033) as usize;
            while rest > 0 {
                let size = rest.min(1100);
                send(size, &mut estimator);
                rest -= size;
            }
        }
        if step % (scenario.feedback_s / STEP_S) as u64 == 0 {
            let mut arrived = Vec::new();
            path.arrivals.retain(|one| {
                one.1 > now || {
                    arrived.push(*one);
                    false
                }
            });
            if let Some(report) = receiver.report(&mut arrived)
                && path.random.next() >= scenario.feedback_loss
            {
                underway.push_back((now + DELAY_S, report));
            }
        }
        while underway.front().is_some_and(|(at, _)| *at <= now) {
            estimator.feedback(&underway.pop_front().unwrap().1, now);
        }
        if step % 1000 == 0 {
            estimates.push(estimator.estimate_bps().unwrap_or(0) as f64 / 1e3);
            longest_queue_s.push(std::mem::take(&mut path.longest_queue_s));
        }
    }
    Outcome { estimates, overflown: path.overflown, longest_queue_s, estimator }
}

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn it_settles_just_under_the_bottleneck_and_keeps_its_queue_short() {
    for (name, rate, scenario) in [
        ("1 Mbit/s", 1000.0, CALM),
        ("200 kbit/s", 200.0, Scenario { rate: |_| 200.0, ..CALM }),
        ("2.5 Mbit/s", 2500.0, Scenario { rate: |_| 2500.0, ..CALM }),
        ("short queue", 1000.0, Scenario { queue_s: 0.06, ..CALM }),
        ("long queue", 1000.0, Scenario { queue_s: 1.0, ..CALM }),
        ("random loss", 1000.0, Scenario { loss: 0.02, ..CALM }),
        ("reordering", 1000.0, Scenario { late: 0.02, ..CALM }),
        ("jitter", 1000.0, Scenario { jitter_s: 0.02, ..CALM }),
        ("rare feedback", 1000.0, Scenario { feedback_s: 0.25, ..CALM }),
        ("lost feedback", 1000.0, Scenario { feedback_loss: 0.3, ..CALM }),
        ("numbers wrap", 1000.0, Scenario { first: 65_000, ..CALM }),
        ("all at once", 1000.0, Scenario { loss: 0.02, late: 0.05, jitter_s: 0.01, feedback_loss: 0.2, ..CALM }),
    ] {
        let outcome = run(scenario);
        let settled = &outcome.estimates[10..];
        let (mean, queue_s) = (average(settled) / rate, average(&outcome.longest_queue_s[10..]));
        assert!((0.8..1.0).contains(&mean), "{name}: {mean:.2} of the rate");
        assert!(settled.iter().all(|one| (0.7..1.2).contains(&(one / rate))), "{name}: {settled:.0?}");
        assert!(queue_s < 0.12, "{name}: {queue_s:.3} s");
    }
}

#[test]
fn without_a_bottleneck_it_rises_to_its_limit_and_stays() {
    let free = Scenario { rate: |_| 1e6, ..CALM };
    for (name, scenario, lowest) in [
        ("clean", free, 4500.0), // 1.5 of the camera's 3000, and 300
        ("random loss of 2 %", Scenario { loss: 0.02, ..free }, 4400.0),
        ("of 5 %", Scenario { loss: 0.05, ..free }, 4300.0),
        ("reordering", Scenario { late: 0.05, ..free }, 4500.0),
        ("jitter", Scenario { jitter_s: 0.02, ..free }, 4500.0),
        ("a still picture", Scenario { camera: 300.0, ..free }, 700.0),
        ("voice alone", Scenario { camera: 0.0, loss: 0.02, ..free }, 350.0),
    ] {
        let outcome = run(scenario);
        assert!(outcome.estimates[10..].iter().all(|one| *one > lowest), "{name}: {:.0?}", outcome.estimates);
        assert!((outcome.estimator.loss() - scenario.loss).abs() < 0.03, "{name}: {}", outcome.estimator.loss());
    }
}

#[test]
fn heavy_loss_brings_it_down() {
    let outcome = run(Scenario { rate: |_| 1e6, loss: 0.2, ..CALM });
    assert!(average(&outcome.estimates[20..]) < 100.0, "{:.0?}", outcome.estimates);
    assert!(outcome.estimates.iter().all(|one| *one * 1e3 >= FLOOR_BPS));
}

#[test]
fn with_some_loss_it_stays() {
    let outcome = run(Scenario { rate: |_| 1e6, loss: 0.08, ..CALM });
    assert!(outcome.estimates[2..].iter().all(|one| (300.0..1500.0).contains(one)), "{:.0?}", outcome.estimates);
}

#[test]
fn who_sends_too_much_all_the_same_is_told_the_rate_that_passes() {
    let outcome = run(Scenario { camera: 1500.0, obeys: false, ..CALM });
    assert!(outcome.overflown > 1000);
    assert!(outcome.estimates[2..].iter().all(|one| (800.0..900.0).contains(one)), "{:.0?}", outcome.estimates);
}

#[test]
fn it_follows_a_dip_within_seconds_and_recovers_after_it() {
    let rate = |now: f64| if (20.0..30.0).contains(&now) { 300.0 } else { 1500.0 };
    let estimates = run(Scenario { rate, ..CALM }).estimates;
    assert!(estimates[22..30].iter().all(|one| *one < 330.0), "{estimates:.0?}");
    assert!(estimates[50..].iter().all(|one| *one > 1200.0), "{estimates:.0?}");
}

#[test]
fn what_passes_without_trouble_is_proven_at_once() {
    let rate = |now: f64| if now < 20.0 { 300.0 } else { 1500.0 };
    let estimates = run(Scenario { rate, camera: 1000.0, obeys: false, ..CALM }).estimates;
    assert!(estimates[5..20].iter().all(|one| *one < 300.0), "{estimates:.0?}");
    assert!(estimates[24..].iter().all(|one| *one > 850.0), "{estimates:.0?}");
}

#[test]
fn a_loss_that_proves_late_is_taken_back() {
    let mut estimator = Estimator::default();
    let feedback = |base_sequence, count, deltas| TransportFeedback {
        sender: Ssrc(1),
        media: Ssrc(2),
        base_sequence,
        reference_time: 100,
        count,
        deltas,
    };
    (0..40).for_each(|number| estimator.sent(Sequence(number), 1000, 1.0));
    estimator.feedback(&feedback(0, 0, (0..40).map(|number| (number % 2 == 1).then_some(8)).collect()), 1.1);
    assert!((estimator.loss() - 0.5).abs() < 1e-9);
    (0..20).for_each(|late| estimator.feedback(&feedback(2 * late, late as u8 + 1, vec![Some(200)]), 1.1));
    assert!(estimator.loss().abs() < 1e-9);
}

#[test]
fn it_remembers_what_was_proven_while_little_is_sent() {
    let mut limited = run(CALM).estimator;
    let before = limited.estimate_bps().unwrap();
    // a word now and then, 20 ms after it was said
    for number in 0..200_u16 {
        let now = 100.0 + f64::from(number) * 0.1;
        limited.sent(Sequence(number), 120, now);
        limited.feedback(&received(number, number as u8, now + 0.02), now + 0.1);
    }
    assert!(limited.estimate_bps().unwrap() >= before);
}

/// Feedback about one packet.
fn received(number: u16, count: u8, at: f64) -> TransportFeedback {
    let ticks = (at / TICK_S) as i64;
    TransportFeedback {
        sender: Ssrc(1),
        media: Ssrc(2),
        base_sequence: number,
        reference_time: (ticks / REFERENCE_TICKS) as i32,
        count,
        deltas: vec![Some((ticks % REFERENCE_TICKS) as i32)],
    }
}

#[test]
fn nothing_is_known_before_feedback_and_nothing_learned_from_repeated_or_foreign_feedback() {
    let mut estimator = Estimator::default();
    estimator.feedback(&received(1, 0, 5.0), 5.0);
    estimator.sent(Sequence(1), 1000, 5.0);
    for count in 1..100 {
        estimator.feedback(&received(1, count, 5.0 + f64::from(count)), 5.0 + f64::from(count));
        estimator.feedback(&received(7, count, 5.0 + f64::from(count)), 5.0 + f64::from(count));
    }
    assert_eq!((estimator.estimate_bps(), estimator.loss()), (None, 0.0));
}

#[test]
fn the_receivers_clock_may_wrap() {
    let mut clock = ReceiverClock::default();
    let whole_us = 0x100_0000 * REFERENCE_US;
    let added = [0x7F_FFFE, 0x7F_FFFF, -0x80_0000, -0x7F_FFFF, 0x7F_FFFF].map(|told| clock.wrapped_us(told));
    assert_eq!(added, [0, 0, whole_us, whole_us, 0]);
}

fn any_feedback() -> impl Strategy<Value = TransportFeedback> {
    let delta = prop::option::weighted(0.8, prop_oneof![0..255, -0x8000..0x8000]);
    let deltas = prop::collection::vec(delta, 0..40);
    (any::<u16>(), -0x80_0000..0x80_0000, any::<u8>(), deltas).prop_map(
        |(base_sequence, reference_time, count, deltas)| TransportFeedback {
            sender: Ssrc(1),
            media: Ssrc(2),
            base_sequence,
            reference_time,
            count,
            deltas,
        },
    )
}

proptest! {
    #[test]
    fn any_feedback_is_survived(
        steps in prop::collection::vec((any_feedback(), 0..80_u16, any::<bool>(), -0.1..2.0), 1..30)
    ) {
        let mut estimator = Estimator::default();
        let (mut number, mut now) = (0, 1.0);
        for (mut feedback, packets, plausible, elapsed_s) in steps {
            now += elapsed_s;
            for _ in 0..packets {
                estimator.sent(Sequence(number), 1200, now);
                number = number.wrapping_add(1);
            }
            if plausible {
                feedback.base_sequence = number.wrapping_sub(packets);
            }
            estimator.feedback(&feedback, now);
            let bps = estimator.estimate_bps().unwrap_or(FLOOR_BPS as u64);
            prop_assert!((FLOOR_BPS as u64..1_000_000_000).contains(&bps), "{}", bps);
            prop_assert!((0.0..=1.0).contains(&estimator.loss()));
        }
    }
}

#[test]
fn a_clock_that_only_leaps_ahead_is_no_trouble() {
    let mut clock = ReceiverClock { reference: Some(i64::MAX / REFERENCE_US) };
    for leap in 0..4 {
        assert_eq!(clock.wrapped_us(leap * 0x7F_FFFF), i64::MAX);
    }
}
