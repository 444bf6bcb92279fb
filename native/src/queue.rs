//! The two queues between the thread that moves packets and the others: commands in, events out.
//!
//! The packet thread never waits for a lock: it looks at a flag first, and when another thread holds the lock it comes
//! back with its next batch.

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{
    AtomicBool, AtomicUsize, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use crate::system::Bell;

/// Commands that may wait: a storm of some thousand joins. One more is refused.
pub const MAX_COMMANDS: usize = 1 << 16;
/// Events that may wait here before the rest waits in the plane, which has its own bound.
pub const MAX_EVENTS: usize = 4096;

/// What other threads ask for.
#[derive(Debug)]
pub struct Commands<T> {
    queue: Mutex<VecDeque<T>>,
    flag: AtomicBool,   // the queue holds something
    depth: AtomicUsize, // asked for and not done yet
    bound: usize,
    bell: Bell,
}

impl<T> Commands<T> {
    /// An empty queue that refuses more than `bound`.
    pub fn new(bound: usize) -> io::Result<Self> {
        let queue = Mutex::new(VecDeque::new());
        Ok(Self { queue, flag: AtomicBool::new(false), depth: AtomicUsize::new(0), bound, bell: Bell::new()? })
    }

    /// Ask for something, from any thread; at the bound it comes back.
    pub fn put(&self, command: T) -> Result<(), T> {
        let mut queue = lock(&self.queue);
        if self.depth.load(Relaxed) >= self.bound {
            return Err(command);
        }
        self.push(&mut queue, command);
        Ok(())
    }

    /// Ask for something beyond the bound, too.
    pub fn insist(&self, command: T) {
        self.push(&mut lock(&self.queue), command);
    }

    fn push(&self, queue: &mut VecDeque<T>, command: T) {
        self.depth.fetch_add(1, Relaxed);
        queue.push_back(command);
        if !self.flag.swap(true, AcqRel) {
            self.bell.ring();
        }
    }

    /// Wake the packet thread without a command.
    pub fn ring(&self) {
        self.bell.ring();
    }

    /// How many wait or are being done.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth.load(Relaxed)
    }

    /// Readable while the packet thread should not sleep.
    pub(crate) const fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Whether something waits to be taken.
    pub(crate) fn waiting(&self) -> bool {
        self.flag.load(Acquire)
    }

    /// Swap what waits for `empty`, without waiting for the lock; by the packet thread.
    pub(crate) fn take(&self, empty: &mut VecDeque<T>) {
        if !self.waiting() {
            return;
        }
        if let Some(mut queue) = try_lock(&self.queue) {
            self.flag.store(false, Release);
            std::mem::swap(&mut *queue, empty);
        }
    }

    /// One that was taken is done.
    pub(crate) fn done(&self) {
        self.depth.fetch_sub(1, Relaxed);
    }
}

/// What the plane has to tell.
#[derive(Debug)]
pub struct Mailbox<T> {
    queue: Mutex<Vec<T>>,
    bell: Bell,
}

impl<T> Mailbox<T> {
    /// An empty one.
    pub fn new() -> io::Result<Self> {
        Ok(Self { queue: Mutex::new(Vec::new()), bell: Bell::new()? })
    }

    /// Readable when there is something to take.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.bell.fd()
    }

    /// Take all, from any thread.
    #[must_use]
    pub fn take(&self) -> Vec<T> {
        self.bell.silence();
        std::mem::take(&mut *lock(&self.queue))
    }

    /// Have `report` add to the queue and return its length; by the packet thread. None, and nothing done, if the lock is
    /// held by another or the queue is full.
    pub(crate) fn offer(&self, report: impl FnOnce(&mut Vec<T>)) -> Option<usize> {
        let mut queue = try_lock(&self.queue)?;
        if queue.len() >= MAX_EVENTS {
            return None;
        }
        let silent = queue.is_empty();
        report(&mut queue);
        if silent && !queue.is_empty() {
            self.bell.ring();
        }
        Some(queue.len())
    }

    /// Wake whoever takes, though nothing may be there.
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }
}

// a thread that panicked while it held the lock left a whole queue: nothing here stops halfway
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_beyond_the_bound_come_back_until_one_is_done() {
        let commands = Commands::new(2).unwrap();
        assert_eq!([commands.put(1), commands.put(2), commands.put(3)], [Ok(()), Ok(()), Err(3)]);
        let mut taken = VecDeque::new();
        commands.take(&mut taken);
        assert_eq!((&taken, commands.put(4)), (&VecDeque::from([1, 2]), Err(4))); // taken is not done
        commands.done();
        assert_eq!((commands.put(5), commands.depth()), (Ok(()), 2));
        commands.insist(6);
        assert_eq!((commands.put(7), commands.depth()), (Err(7), 3));
    }

    #[test]
    fn commands_are_not_waited_for_while_another_thread_holds_the_lock() {
        let commands = Commands::new(2).unwrap();
        commands.put(1).unwrap();
        let mut taken = VecDeque::new();
        let held = commands.queue.lock().unwrap();
        commands.take(&mut taken);
        assert!(taken.is_empty());
        drop(held);
        commands.take(&mut taken);
        assert_eq!(taken, [1]);
    }

    #[test]
    fn a_full_mailbox_takes_no_more() {
        let mailbox = Mailbox::new().unwrap();
        assert_eq!(mailbox.offer(|events| events.extend(0..MAX_EVENTS)), Some(MAX_EVENTS));
        assert_eq!(mailbox.offer(|events| events.push(0)), None);
        assert_eq!(mailbox.take().len(), MAX_EVENTS);
        assert_eq!(mailbox.offer(|events| events.push(0)), Some(1));
    }
}
