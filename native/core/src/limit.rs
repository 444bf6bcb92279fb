//! A token bucket: so many a second, and a burst saved up.

/// One limit; see `take`.
#[derive(Clone, Debug)]
pub struct RateLimit {
    rate: f64,
    burst: f64,
    tokens: f64,
    at: f64,
}

impl RateLimit {
    /// `rate` a second, `burst` at once; full at first.
    #[must_use]
    pub const fn new(rate: f64, burst: f64) -> Self {
        Self { rate, burst, tokens: burst, at: 0.0 }
    }

    /// Whether one more is allowed at `now`; if so, it is counted.
    pub fn take(&mut self, now: f64) -> bool {
        if self.tokens < self.burst {
            self.tokens = self.burst.min(self.tokens + (now - self.at) * self.rate);
        }
        self.at = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let refilled = [vec![0.0; 5], vec![0.5; 9]].concat();
        let steady = (0..101).map(|at| f64::from(at) / 100.0).collect();
        for (times, taken) in [
            (vec![0.0; 5], 3),    // the burst
            (refilled, 3 + 3),    // to the brim only
            (steady, 3 + 10_i32), // the rate
        ] {
            let mut limit = RateLimit::new(10.0, 3.0);
            let allowed = times.iter().filter(|&&now| limit.take(now)).count() as i32;
            assert!((allowed - taken).abs() <= 1, "{allowed} of {times:?}");
        }
    }
}
