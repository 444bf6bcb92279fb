//! What one line or slot has moved, read by any thread at any time.
//!
//! The packet path counts in plain numbers beside its other state. They are published when the participant's report is due,
//! about once a second, so that being read costs no packet anything.

use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Since the line or the slot was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackCounts {
    /// Packets, repairs aside.
    pub packets: u64,
    /// Of their payloads.
    pub octets: u64,
    /// Packets of a line that never came, other than as repairs.
    pub lost: u64,
    /// Repairs (RTX): received on a line, sent in a slot.
    pub repaired: u64,
}

impl AddAssign for TrackCounts {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.octets += other.octets;
        self.lost += other.lost;
        self.repaired += other.repaired;
    }
}

/// The counts as they were published last. Written by the one thread that moves packets.
#[derive(Debug, Default)]
pub struct TrackCounters {
    packets: AtomicU64,
    octets: AtomicU64,
    lost: AtomicU64,
    repaired: AtomicU64,
}

impl TrackCounters {
    /// Shared with whoever reads.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Have these read from now on.
    pub fn publish(&self, counts: TrackCounts) {
        self.packets.store(counts.packets, Relaxed);
        self.octets.store(counts.octets, Relaxed);
        self.lost.store(counts.lost, Relaxed);
        self.repaired.store(counts.repaired, Relaxed);
    }

    /// What was published last; each count by itself, as another thread may be publishing.
    #[must_use]
    pub fn read(&self) -> TrackCounts {
        TrackCounts {
            packets: self.packets.load(Relaxed),
            octets: self.octets.load(Relaxed),
            lost: self.lost.load(Relaxed),
            repaired: self.repaired.load(Relaxed),
        }
    }
}
