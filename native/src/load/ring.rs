//! Turns at even distances: everybody's phase differs from everybody else's, and no heap is needed to know who is next.

/// Whoever is more than this behind doesn't catch up: the load would come in bursts that no visit has.
const MAX_BEHIND_NS: f64 = 100e6;

/// `count` members, each with a turn every `interval`.
pub struct Ring {
    count: usize,
    next: usize,
    due_ns: f64,
    step_ns: f64,
    /// Turns left out because we were too far behind.
    pub skipped: u64,
}

impl Ring {
    /// Of `count` members, the first due at `now_ns`; `interval_ns` is from one member's turn to its next.
    #[must_use]
    pub fn new(count: usize, interval_ns: f64, now_ns: u64) -> Self {
        let step_ns = if count > 0 && interval_ns.is_finite() { interval_ns / count as f64 } else { f64::INFINITY };
        Self {
            count,
            next: 0,
            due_ns: if step_ns.is_finite() { now_ns as f64 } else { f64::INFINITY },
            step_ns,
            skipped: 0,
        }
    }

    /// When the next turn is.
    #[must_use]
    pub fn due_ns(&self) -> f64 {
        self.due_ns
    }

    /// Go on at another pace from now on, with whoever is next.
    pub fn pace(&mut self, interval_ns: f64, now_ns: u64) {
        let next = self.next;
        let skipped = self.skipped;
        *self = Self::new(self.count, interval_ns, now_ns);
        (self.next, self.skipped) = (next, skipped);
    }

    /// Take the next turn if it is due: who it is, and for how many nanoseconds it has been.
    pub fn take(&mut self, now_ns: u64) -> Option<(usize, f64)> {
        let behind = now_ns as f64 - self.due_ns;
        if behind < 0.0 {
            return None;
        }
        if behind > MAX_BEHIND_NS {
            let left_out = ((behind - MAX_BEHIND_NS) / self.step_ns).ceil();
            self.skipped += left_out as u64;
            self.due_ns += left_out * self.step_ns;
        }
        let member = self.next;
        self.next = (self.next + 1) % self.count;
        let behind = now_ns as f64 - self.due_ns;
        self.due_ns += self.step_ns;
        Some((member, behind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_evenly_apart() {
        let mut ring = Ring::new(4, 400.0, 1000);
        let mut taken = Vec::new();
        for now in 1000..1600 {
            while let Some((member, _)) = ring.take(now) {
                taken.push((now, member));
            }
        }
        assert_eq!(taken, [(1000, 0), (1100, 1), (1200, 2), (1300, 3), (1400, 0), (1500, 1)]);
    }

    #[test]
    fn nobody_catches_up_more_than_the_bound() {
        let mut ring = Ring::new(2, 2e6, 0); // a turn each millisecond
        let mut turns = 0;
        while ring.take(1_000_000_000).is_some() {
            turns += 1;
        }
        assert_eq!((turns, ring.skipped), (101, 900));
    }

    #[test]
    fn without_members_nothing_is_ever_due() {
        assert!(Ring::new(0, 1.0, 0).take(u64::MAX).is_none());
        assert!(Ring::new(1, f64::INFINITY, 0).take(u64::MAX).is_none());
    }
}
