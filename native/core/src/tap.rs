//! Copies of packets for a recorder: bounded by bytes, in order of arrival, the newest dropped when nobody fetches them.

use crate::id::{Seq, UpId};

/// Held for the recorder: some seconds of every camera of a busy clinic.
pub const MAX_TAPPED_BYTES: usize = 32 << 20;

/// One packet as its sender sent it: plain RTP without padding, repairs put back.
#[derive(Clone, Debug, PartialEq)]
pub struct Tapped {
    /// Whose.
    pub up: UpId,
    /// The place of its rid among those offered; 0 without simulcast.
    pub rank: usize,
    /// Unwrapped.
    pub seq: Seq,
    /// When it came.
    pub arrived: f64,
    /// Header and payload.
    pub packet: Vec<u8>,
}

/// The queue of one engine.
#[derive(Debug, Default)]
pub struct Taps {
    queue: Vec<Tapped>,
    bytes: usize,
}

impl Taps {
    /// Add a copy; false if there is no room for it.
    pub fn put(&mut self, tapped: Tapped) -> bool {
        let fits = self.bytes + tapped.packet.len() <= MAX_TAPPED_BYTES;
        if fits {
            self.bytes += tapped.packet.len();
            self.queue.push(tapped);
        }
        fits
    }

    /// Take everything.
    pub fn take(&mut self) -> Vec<Tapped> {
        self.bytes = 0;
        std::mem::take(&mut self.queue)
    }

    /// Whether there is nothing to take.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
