//! The core as the shell moves packets for it: commands in, events and tapped packets out, and what there is now.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use medinova_core::address::Path;
use medinova_core::core::{Core, Gauges};
use medinova_core::counter::Counters;
use medinova_core::event::Event;
use medinova_core::outbox::Outbox;
use medinova_core::tap::Tapped;
use medinova_core::tracks::EndpointKey;

use crate::command::Command;
use crate::plane::Plane;

/// What Python is told.
#[derive(Debug)]
pub enum Notice {
    /// Something happened.
    Event(Event),
    /// A copy for a recorder.
    Tapped(Tapped),
}

/// What there is now, by the names that `/metrics` has, in the order of `values`.
pub const GAUGES: [&str; 9] =
    ["peers", "ups", "downs", "streams", "ufrags", "paths", "voices", "history_bytes", "events_dropped"];

/// What there is now: written at each tick, read by any other thread at any time.
#[derive(Debug, Default)]
pub struct Board([AtomicU64; GAUGES.len()]);

impl Board {
    /// As it was at the last tick.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        GAUGES.into_iter().zip(self.0.iter().map(|value| value.load(Relaxed)))
    }

    fn write(&self, core: &Core) {
        for (place, value) in self.0.iter().zip(values(core)) {
            place.store(value, Relaxed);
        }
    }
}

/// What there is in a core now, in the order of `GAUGES`.
#[must_use]
pub fn values(core: &Core) -> [u64; GAUGES.len()] {
    let Gauges { peers, ups, downs, streams, ufrags, paths, voices, history_bytes } = core.gauges();
    let now = [peers, ups, downs, streams, ufrags, paths, voices, history_bytes];
    let mut values = [core.events.dropped(); GAUGES.len()];
    values.iter_mut().zip(now).for_each(|(value, now)| *value = now as u64);
    values
}

/// The core with what it is asked and what it has to tell.
#[derive(Default)]
pub struct Engine {
    core: Core,
    board: Arc<Board>,
}

impl Engine {
    /// What it counts of nobody and of those gone.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(self.core.counters())
    }

    /// Where it writes what there is now.
    #[must_use]
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }
}

impl Plane for Engine {
    type Key = EndpointKey;
    type Command = Command;
    type Event = Notice;

    fn obey(&mut self, command: Command, now: f64) {
        let done = command.carry_out(&mut self.core, now);
        debug_assert_eq!(done, Ok(()), "the sizes of keys are looked at before they get here");
    }

    fn foresee<'a>(&mut self, batch: impl Iterator<Item = (&'a [u8], Path)>) {
        self.core.foresee(batch);
    }

    fn handle(&mut self, datagram: &mut [u8], path: Path, now: f64, arrived: f64) {
        self.core.handle(datagram, path, now, arrived);
    }

    fn tick(&mut self, now: f64) {
        self.core.tick(now);
        self.board.write(&self.core);
    }

    fn queued(&self) -> usize {
        self.core.queued()
    }

    fn seal(&mut self, group: bool) -> &Outbox<EndpointKey> {
        self.core.seal(group)
    }

    fn clear(&mut self) {
        self.core.clear();
    }

    fn has_events(&self) -> bool {
        !self.core.events.is_empty() || !self.core.taps.is_empty()
    }

    fn report(&mut self, events: &mut Vec<Notice>) {
        events.extend(self.core.events.take().into_iter().map(Notice::Event));
        events.extend(self.core.taps.take().into_iter().map(Notice::Tapped));
    }
}
