//! What the shell moves packets for: the engine itself, or one of the bare relays that it is measured against.

use medinova_core::address::Path;
use medinova_core::outbox::Outbox;

/// Takes datagrams and leaves what is to be sent in its outbox. Never a clock, a socket or a thread inside.
pub trait Plane: Send {
    /// Names a receiver in the outbox.
    type Key: Copy + PartialEq;

    /// Take in one datagram, whose bytes may be overwritten; never panics for what is in it.
    fn handle(&mut self, datagram: &mut [u8], path: Path, now: f64, arrived: f64);

    /// Do what is due; called every millisecond or less often, and at least every 15 ms.
    fn tick(&mut self, now: f64);

    /// Encrypt what is queued and return it; with `group`, as runs for UDP GSO.
    fn seal(&mut self, group: bool) -> &Outbox<Self::Key>;

    /// What `seal` returned has been sent.
    fn clear(&mut self);
}
