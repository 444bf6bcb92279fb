//! What the shell counts: written by its thread, read by any other at any time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that one thread writes, without a locked instruction.
#[derive(Debug, Default)]
pub struct Number(AtomicU64);

impl Number {
    /// Count `n` more.
    pub fn add(&self, n: usize) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n as u64), Relaxed);
    }

    /// Raise a high-water mark.
    pub fn raise(&self, to: usize) {
        if to as u64 > self.0.load(Relaxed) {
            self.0.store(to as u64, Relaxed);
        }
    }

    /// Follow a count of the kernel's that is 32 bits wide and starts anew behind them.
    pub fn follow(&self, count: u32) {
        self.add(count.wrapping_sub(self.get() as u32) as usize);
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

macro_rules! tally {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One shell's counts, by the names that `/metrics` has.
        #[derive(Debug, Default)]
        pub struct Tally { $($(#[$doc])* pub $name: Number,)* }

        impl Tally {
            /// All of them, in the order above.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name.get()),)*].into_iter()
            }
        }
    };
}

tally! {
    /// Times that the thread went round: it does so at least every 15 ms, or it hangs.
    turns,
    /// Times that datagrams were taken from the kernel.
    batches,
    /// Times that the thread slept until something came or was due.
    wake_ups,
    /// Naps between batches.
    naps,
    /// Datagrams received, each of a GRO message counted.
    datagrams_in,
    /// Datagrams handed to the kernel, each of a run counted.
    datagrams_out,
    /// Messages handed to the kernel; a run is one.
    messages_out,
    /// Of these, runs of several datagrams (UDP GSO).
    gso_runs,
    /// Runs that the kernel refused and that left datagram by datagram.
    gso_refused,
    /// Errors in place of datagrams.
    receive_errors,
    /// Datagrams that came faster than they were taken; the kernel dropped them. Looked at once a second.
    receive_dropped,
    /// Datagrams that can't be sent: no route, forbidden.
    send_errors,
    /// Datagrams for which the kernel's queue had no room.
    send_dropped,
    /// Datagrams to an address that we don't listen on.
    other_address,
    /// The most commands that waited at once.
    commands_high_water,
    /// The most events that waited at once.
    events_high_water,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_32_bits_is_followed_beyond_them() {
        let number = Number::default();
        let followed = [0, 7, 7, u32::MAX, 3].map(|count| {
            number.follow(count);
            number.get()
        });
        assert_eq!(followed, [0, 7, 7, (1 << 32) - 1, (1 << 32) + 3]);
    }
}
