//! What the engine has to tell, until Python takes it: bounded, in order, the newest dropped when it is full.

use crate::id::{Generation, PeerId, UpId};

/// The loop takes them at once; only a loop that hangs lets them pile up.
pub const MAX_EVENTS: usize = 4096;

/// See the dataclass of the same name in `media/engine.py`.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A handshake datagram of a participant.
    DtlsReceived {
        /// Whose.
        peer: PeerId,
        /// As it came.
        datagram: Vec<u8>,
    },
    /// A pair was nominated by an authenticated check; media and DTLS now leave by it.
    PathUp {
        /// Whose.
        peer: PeerId,
        /// By whose credentials.
        generation: Generation,
    },
    /// No authenticated check for 15 s.
    PathDown {
        /// Whose.
        peer: PeerId,
        /// By whose credentials it had come up.
        generation: Generation,
    },
    /// The ups heard speaking now, loudest first.
    Speakers(Vec<UpId>),
    /// A video up that somebody is shown has sent nothing for 2 s, or sends again.
    SourceLost {
        /// Which.
        up: UpId,
        /// False: it sends again.
        lost: bool,
    },
    /// What a receiver can take and what it loses; at most one a second and peer.
    DownEstimate {
        /// Whose.
        peer: PeerId,
        /// 0: not known yet.
        bitrate_bps: u64,
        /// Fraction of what we sent, over the last report interval.
        loss: f64,
        /// None before the first report that tells.
        round_trip_s: Option<f64>,
        /// What left for this receiver since the last estimate.
        sent_bps: u64,
    },
    /// Events were dropped at the bound of the queue.
    Overrun(
        /// How many since the last time this was said.
        u64,
    ),
}

/// The queue of one engine.
#[derive(Debug, Default)]
pub struct Events {
    queue: Vec<Event>,
    overrun: u64,
    dropped: u64,
}

impl Events {
    /// Add one; at the bound it is dropped and counted.
    pub fn put(&mut self, event: Event) {
        if self.queue.len() < MAX_EVENTS {
            self.queue.push(event);
        } else {
            self.overrun += 1;
            self.dropped += 1;
        }
    }

    /// Take what has happened since the last call; `Overrun` at the end says what was dropped.
    pub fn take(&mut self) -> Vec<Event> {
        if self.overrun > 0 {
            self.queue.push(Event::Overrun(std::mem::take(&mut self.overrun)));
        }
        std::mem::take(&mut self.queue)
    }

    /// Whether there is nothing to take.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.overrun == 0
    }

    /// Dropped since start.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}
