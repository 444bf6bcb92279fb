//! What the shell moves packets for: the engine itself, or one of the bare relays that it is measured against.

use medinova_core::address::Path;
use medinova_core::outbox::Outbox;

/// Takes datagrams and leaves what is to be sent in its outbox. Never a clock, a socket or a thread inside.
pub trait Plane: Send + 'static {
    /// Names a receiver in the outbox.
    type Key: Copy + PartialEq;
    /// What other threads ask of it; they wait in a bounded queue.
    type Command: Send + 'static;
    /// What it has to tell other threads.
    type Event: Send + 'static;

    /// Do what another thread asked for.
    fn obey(&mut self, command: Self::Command, now: f64);

    /// A batch that begins so is about to be handled.
    fn foresee<'a>(&mut self, _batch: impl Iterator<Item = (&'a [u8], Path)>) {}

    /// Take in one datagram, whose bytes may be overwritten; never panics for what is in it.
    fn handle(&mut self, datagram: &mut [u8], path: Path, now: f64, arrived: f64);

    /// Do what is due; called every millisecond while datagrams come, and at least every 15 ms.
    fn tick(&mut self, now: f64);

    /// How many packets are to be sent.
    fn queued(&self) -> usize;

    /// Encrypt what is queued and return it; with `group`, as runs for UDP GSO.
    fn seal(&mut self, group: bool) -> &Outbox<Self::Key>;

    /// What `seal` returned has been sent.
    fn clear(&mut self);

    /// Whether there is something to tell.
    fn has_events(&self) -> bool {
        false
    }

    /// Move what there is to tell behind `events`. Not called while too many wait there: the plane needs a bound of its own.
    fn report(&mut self, _events: &mut Vec<Self::Event>) {}
}
