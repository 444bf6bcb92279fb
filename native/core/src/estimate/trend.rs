//! Whether one-way delay grows: the over-use detector of draft-ietf-rmcat-gcc-02 §5.1, §5.2 and §5.4.
//!
//! Packets sent within 5 ms are one group, because the server forwards a frame at once and the bottleneck spreads it. A
//! group's delay is that of the one before, plus how much longer it took; the line through the last twenty, smoothed,
//! has a slope. It is compared with a threshold that follows it, fast down and slowly up, so that neither jitter nor a
//! rival that fills the queue on its own makes for an alarm without end.

const BURST_S: f64 = 0.005;
const MAX_BURST_S: f64 = 0.1;
const POINTS: usize = 20;
const SMOOTHING: f64 = 0.9; // weight of what was before
const GAIN: f64 = 4.0; // of the slope against the threshold
const MAX_DELTAS: u32 = 60; // the fewer there were, the less the slope counts
const OVER_S: f64 = 0.01; // above the threshold for so long
const FIRST_THRESHOLD_MS: f64 = 12.5;
const MIN_THRESHOLD_MS: f64 = 6.0;
const MAX_THRESHOLD_MS: f64 = 600.0;
const MAX_STEP_MS: f64 = 15.0; // beyond the threshold: a spike, which it doesn't follow
const FOLLOW_UP: f64 = 0.0087; // per ms
const FOLLOW_DOWN: f64 = 0.039;
const MAX_FOLLOW_MS: f64 = 100.0;
const PAUSE_S: f64 = 1.0; // between groups; after it, the line begins anew

/// What the path's queue does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Usage {
    /// It empties.
    Under,
    #[default]
    Normal,
    /// It fills.
    Over,
}

#[derive(Clone, Debug)]
pub(super) struct DelayTrend {
    group: Option<Group>, // that packets still join
    before: Option<Group>,
    deltas: u32,
    delay_ms: f64,
    smoothed_ms: f64,
    points: [(f64, f64); POINTS], // (arrival, smoothed delay) in ms, round and round
    held: usize,
    next: usize,
    slope: f64,
    threshold_ms: f64,
    over_s: Option<f64>,
    usage: Usage,
}

/// Times of its last packet, in seconds on the clock of each side.
#[derive(Clone, Copy, Debug)]
struct Group {
    began: f64,
    first_arrived: f64,
    sent: f64,
    arrived: f64,
}

impl Default for DelayTrend {
    fn default() -> Self {
        Self {
            group: None,
            before: None,
            deltas: 0,
            delay_ms: 0.0,
            smoothed_ms: 0.0,
            points: [(0.0, 0.0); POINTS],
            held: 0,
            next: 0,
            slope: 0.0,
            threshold_ms: FIRST_THRESHOLD_MS,
            over_s: None,
            usage: Usage::Normal,
        }
    }
}

impl DelayTrend {
    pub const fn usage(&self) -> Usage {
        self.usage
    }

    /// A packet sent then has arrived then; by rising number. One that belongs to an earlier group is ignored.
    pub fn packet(&mut self, sent: f64, arrived: f64) {
        let fresh = Group { began: sent, first_arrived: arrived, sent, arrived };
        match &mut self.group {
            None => self.group = Some(fresh),
            Some(group) if sent < group.began => {}
            Some(group) if group.takes(sent, arrived) => {
                group.sent = sent.max(group.sent);
                group.arrived = arrived.max(group.arrived);
            }
            Some(group) => {
                let ended = std::mem::replace(group, fresh);
                if let Some(before) = self.before.replace(ended) {
                    self.delta(ended.sent - before.sent, ended.arrived - before.arrived, ended.arrived);
                }
            }
        }
    }

    fn delta(&mut self, sent_s: f64, arrived_s: f64, at: f64) {
        if sent_s > PAUSE_S || arrived_s.abs() > PAUSE_S {
            let threshold_ms = self.threshold_ms;
            *self = Self { group: self.group, before: self.before, threshold_ms, ..Self::default() };
            return;
        }
        self.deltas = (self.deltas + 1).min(MAX_DELTAS);
        self.delay_ms += (arrived_s - sent_s) * 1e3;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.delay_ms;
        self.points[self.next] = (at * 1e3, self.smoothed_ms);
        self.next = (self.next + 1) % POINTS;
        self.held = (self.held + 1).min(POINTS);
        let slope = if self.held == POINTS { slope(&self.points) } else { 0.0 };
        let trend_ms = f64::from(self.deltas) * slope * GAIN;
        self.detect(trend_ms, slope, sent_s);
        self.follow(trend_ms, arrived_s * 1e3);
        self.slope = slope;
    }

    fn detect(&mut self, trend_ms: f64, slope: f64, sent_s: f64) {
        if trend_ms > self.threshold_ms {
            // of the first step, half is taken to be above
            let over_s = self.over_s.map_or(sent_s / 2.0, |over_s| over_s + sent_s);
            let lasting = self.over_s.is_some() && over_s > OVER_S && slope >= self.slope;
            self.over_s = if lasting { None } else { Some(over_s) };
            if lasting {
                self.usage = Usage::Over;
            }
            return;
        }
        self.over_s = None;
        self.usage = if trend_ms < -self.threshold_ms { Usage::Under } else { Usage::Normal };
    }

    fn follow(&mut self, trend_ms: f64, elapsed_ms: f64) {
        let beyond_ms = trend_ms.abs() - self.threshold_ms;
        if beyond_ms > MAX_STEP_MS {
            return;
        }
        let pace = if beyond_ms < 0.0 { FOLLOW_DOWN } else { FOLLOW_UP };
        let threshold_ms = self.threshold_ms + pace * beyond_ms * elapsed_ms.clamp(0.0, MAX_FOLLOW_MS);
        self.threshold_ms = threshold_ms.clamp(MIN_THRESHOLD_MS, MAX_THRESHOLD_MS);
    }
}

impl Group {
    /// Whether a packet belongs to the group: sent with it, or held up on the way and let go with it.
    fn takes(&self, sent: f64, arrived: f64) -> bool {
        let held_up = arrived - self.arrived < sent - self.sent
            && arrived - self.arrived <= BURST_S
            && arrived - self.first_arrived < MAX_BURST_S;
        sent - self.began <= BURST_S || held_up
    }
}

/// Of the line of least squares; 0 where all points lie at one time.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (sum_x, sum_y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (mut above, mut below) = (0.0, 0.0);
    for (x, y) in points {
        above += (x - mean_x) * (y - mean_y);
        below += (x - mean_x) * (x - mean_x);
    }
    if below > 0.0 { above / below } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of three packets, 30 a second, each `growth_ms` later than the one before.
    fn listen(trend: &mut DelayTrend, frames: std::ops::Range<i32>, growth_ms: impl Fn(i32) -> f64) -> Vec<Usage> {
        let mut delay_s = 0.02;
        let mut heard = Vec::new();
        for frame in frames {
            delay_s += growth_ms(frame) / 1e3;
            for packet in 0..3 {
                let sent = f64::from(frame) / 30.0 + f64::from(packet) * 1e-4;
                trend.packet(sent, sent + delay_s);
            }
            heard.push(trend.usage());
        }
        heard
    }

    #[test]
    fn a_filling_queue_is_noticed_and_a_steady_one_is_not() {
        for (name, growth_ms, expected) in [
            ("steady", (|_| 0.0) as fn(i32) -> f64, Usage::Normal),
            ("jitter", |frame| if frame % 2 == 0 { 8.0 } else { -8.0 }, Usage::Normal),
            ("drift of a clock", |_| 0.003, Usage::Normal), // 100 ppm
            ("filling", |_| 3.0, Usage::Over),
            ("emptying", |_| -3.0, Usage::Under),
        ] {
            let heard = listen(&mut DelayTrend::default(), 0..60, growth_ms);
            let others = heard.iter().filter(|usage| ![expected, Usage::Normal].contains(usage)).count();
            assert_eq!((heard.contains(&expected), others), (true, 0), "{name}");
        }
    }

    #[test]
    fn it_takes_less_than_a_second() {
        let mut trend = DelayTrend::default();
        listen(&mut trend, 0..60, |_| 0.0);
        let heard = listen(&mut trend, 60..120, |_| 3.0);
        let at = heard.iter().position(|usage| *usage == Usage::Over).unwrap();
        assert!(at < 30, "{at}");
    }

    #[test]
    fn after_a_pause_the_line_begins_anew() {
        let mut trend = DelayTrend::default();
        listen(&mut trend, 0..60, |_| 0.0);
        // the clocks have drifted by 300 ms meanwhile
        let heard = listen(&mut trend, 10_000..10_060, |frame| if frame == 10_000 { 300.0 } else { 0.0 });
        assert!(heard.iter().all(|usage| *usage == Usage::Normal));
    }

    #[test]
    fn a_packet_of_an_earlier_group_is_ignored() {
        let mut trend = DelayTrend::default();
        for (sent, arrived) in [(1.0, 1.02), (0.99, 1.05), (1.001, 1.021)] {
            trend.packet(sent, arrived);
        }
        let group = trend.group.unwrap();
        assert_eq!((group.began, group.arrived), (1.0, 1.021));
    }

    #[test]
    fn a_slope() {
        assert!((slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]) - 2.0).abs() < 1e-12);
        assert!(slope(&[(1.0, 1.0), (1.0, 3.0)]).abs() < 1e-12);
    }
}
