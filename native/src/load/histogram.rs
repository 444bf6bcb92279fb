//! Durations by size, in buckets of two per cent each.

const SMALLEST_NS: f64 = 1000.0;
const RATIO: f64 = 1.02;
const BUCKETS: usize = 900; // to 55 s

/// Takes nanoseconds, answers quantiles that are right to one per cent.
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    /// Count one.
    pub fn add(&mut self, ns: u64) {
        let place = (ns as f64 / SMALLEST_NS).max(1.0).ln() / RATIO.ln();
        self.counts[(place as usize).min(BUCKETS - 1)] += 1;
        self.total += 1;
    }

    /// Counted so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// What `share` (0…1) of all stay below, in nanoseconds; 0 if there is none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let wanted = (share * self.total as f64).ceil().max(1.0) as u64;
        let mut below = 0;
        for (place, count) in self.counts.iter().enumerate() {
            below += count;
            if below >= wanted {
                return SMALLEST_NS * RATIO.powf(place as f64 + 0.5);
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_one_per_cent() {
        let mut histogram = Histogram::default();
        assert!(histogram.quantile(0.5).abs() < f64::EPSILON);
        for us in 1..=10_000 {
            histogram.add(us * 1000);
        }
        histogram.add(u64::MAX); // and nothing is out of bounds
        for (share, us) in [(0.1, 1000.0), (0.5, 5000.0), (0.99, 9900.0), (0.999, 9990.0)] {
            let ratio = histogram.quantile(share) / (us * 1000.0);
            assert!((0.98..1.02).contains(&ratio), "{share}: {ratio}");
        }
    }
}
