//! The way to one receiver that numbers what it gets: its estimate, and repairs paced by it.

use crate::estimate::Estimator;
use crate::feedback::TransportFeedback;
use crate::id::Sequence;
use crate::pacer::Pacer;
use crate::tracks::DownKey;

/// There is one where a slot agreed to transport-wide numbers.
#[derive(Default)]
pub struct Downlink {
    /// Repairs asked for and not sent yet.
    pub repairs: Pacer<(DownKey, Sequence)>,
    estimator: Estimator,
    next: Sequence,
}

impl Downlink {
    /// The number that the next packet carries.
    #[must_use]
    pub const fn number(&self) -> Sequence {
        self.next
    }

    /// Read what noting the next packet will need.
    pub fn touch(&self) {
        self.estimator.touch(self.next);
    }

    /// A packet of `size` bytes left with that number.
    pub fn sent(&mut self, size: usize, now: f64) {
        self.estimator.sent(self.next, size, now);
        self.next = Sequence(self.next.0.wrapping_add(1));
    }

    /// The receiver says what arrived when.
    pub fn feedback(&mut self, feedback: &TransportFeedback, now: f64) {
        self.estimator.feedback(feedback, now);
        self.repairs.follow(self.estimator.estimate_bps());
    }

    /// What it can take; None before it has said anything.
    #[must_use]
    pub fn estimate_bps(&self) -> Option<u64> {
        self.estimator.estimate_bps()
    }
}
