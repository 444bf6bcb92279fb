//! The loop: commands, a batch of datagrams in, what they cause out, the tick, and rest as long as the load allows.
//!
//! One thread and one socket for each, nothing global. The thread never touches Python and never waits for a lock; others
//! reach it by two bounded queues and read its counts as they are.

use std::any::Any;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::pace::{MAX_NAP, Ticks, nap};
use crate::plane::Plane;
use crate::queue::{Commands, MAX_COMMANDS, Mailbox};
use crate::receive::Receiver;
use crate::send::Sender;
use crate::socket::Socket;
use crate::system;
use crate::tally::Tally;

/// Commands done between two batches, so that a storm of them holds no packet up.
const COMMANDS_AT_ONCE: usize = 256;
/// Packets that are sent in the middle of a batch: some milliseconds' work.
const MAX_QUEUED: usize = 2048;
/// Between looks at what the kernel dropped: it costs a call.
const LOOK_S: f64 = 1.0;
/// Before events are offered again that could not be handed over.
const RETRY: Duration = Duration::from_millis(1);

/// How the loop goes about its work.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Messages taken from the kernel at once.
    pub batch: usize,
    /// Have the kernel cut runs into datagrams (UDP GSO) where it can.
    pub gso: bool,
    /// The longest nap between batches; zero for none.
    pub nap: Duration,
    /// Commands that may wait.
    pub commands: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { batch: 128, gso: true, nap: MAX_NAP, commands: MAX_COMMANDS }
    }
}

/// What other threads have of the packet thread.
struct Shared<P: Plane> {
    commands: Commands<P::Command>,
    events: Mailbox<P::Event>,
    tally: Tally,
    stop: AtomicBool,
    thread_id: AtomicI32,
    failed: OnceLock<String>,
}

/// A plane at work on a thread of its own; dropped, it stops.
pub struct Running<P: Plane> {
    shared: Arc<Shared<P>>,
    thread: Option<JoinHandle<()>>,
}

impl<P: Plane> Running<P> {
    /// Start the thread. The socket lives until it ends.
    pub fn start(plane: P, socket: Socket, settings: Settings) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            commands: Commands::new(settings.commands)?,
            events: Mailbox::new()?,
            tally: Tally::default(),
            stop: AtomicBool::new(false),
            thread_id: AtomicI32::new(0),
            failed: OnceLock::new(),
        });
        let theirs = Arc::clone(&shared);
        let thread = Builder::new().name("medinova-media".into()).spawn(move || {
            system::sharpen_sleeps();
            theirs.thread_id.store(system::thread_id(), Release);
            // what a panic leaves of the plane and the socket is dropped here and never looked at
            let ended = catch_unwind(AssertUnwindSafe(|| Loop::new(plane, socket, settings, &theirs).run()));
            if let Err(panic) = ended {
                let _ = theirs.failed.set(said(&*panic));
                theirs.events.ring();
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Ask the plane for something; comes back when too much waits already.
    pub fn command(&self, command: P::Command) -> Result<(), P::Command> {
        self.shared.commands.put(command)
    }

    /// Ask the plane for something that must not be left undone, however much waits. The caller bounds how often.
    pub fn insist(&self, command: P::Command) {
        self.shared.commands.insist(command);
    }

    /// What the plane has to tell, with the descriptor to poll.
    #[must_use]
    pub fn events(&self) -> &Mailbox<P::Event> {
        &self.shared.events
    }

    /// Commands that wait.
    #[must_use]
    pub fn commands_waiting(&self) -> usize {
        self.shared.commands.depth()
    }

    /// Its counts, at any time.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.shared.tally
    }

    /// What the thread died of, if it did. Its events' descriptor becomes readable then.
    #[must_use]
    pub fn failed(&self) -> Option<&str> {
        self.shared.failed.get().map(String::as_str)
    }

    /// As in `/proc/self/task`; 0 until the thread has begun.
    #[must_use]
    pub fn thread_id(&self) -> i32 {
        self.shared.thread_id.load(Acquire)
    }

    /// End the thread and close the socket; returns when that is done. What was asked for before is done first, and sent:
    /// goodbyes are among it. What comes meanwhile is dropped.
    pub fn stop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        self.shared.commands.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic inside was caught
        }
    }
}

impl<P: Plane> Drop for Running<P> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Encrypt what a plane has queued and hand it to the kernel.
fn send<P: Plane>(plane: &mut P, sender: &mut Sender, socket: &Socket, tally: &Tally) {
    let outbox = plane.seal(sender.gso());
    sender.send(socket, outbox, tally);
    plane.clear();
}

/// What a panic says; a text of our own code, never bytes of a packet.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panic").to_owned()
}

struct Loop<'a, P: Plane> {
    plane: P,
    socket: Socket,
    shared: &'a Shared<P>,
    receiver: Receiver,
    sender: Sender,
    ticks: Ticks,
    commands: VecDeque<P::Command>,
    nap: Duration,
    next_look: f64,
}

impl<'a, P: Plane> Loop<'a, P> {
    fn new(plane: P, socket: Socket, settings: Settings, shared: &'a Shared<P>) -> Self {
        Self {
            receiver: Receiver::new(&socket, settings.batch),
            sender: Sender::new(&socket, settings.gso),
            ticks: Ticks::new(system::monotonic()),
            commands: VecDeque::new(),
            nap: settings.nap,
            next_look: 0.0,
            plane,
            socket,
            shared,
        }
    }

    fn run(&mut self) {
        while !self.shared.stop.load(Relaxed) {
            self.shared.tally.turns.add(1);
            let came = self.receive();
            let now = self.receiver.now();
            // before the datagrams: one that answers what Python has said must find what Python had asked for first
            let mut work = self.obey(now);
            if came {
                work += self.handle(now);
            }
            if self.ticks.due(now) {
                self.plane.tick(now);
                self.look(now);
            }
            self.send();
            let told = self.report();
            // a full batch means that more is there
            if self.receiver.is_full() || !self.commands.is_empty() {
                continue;
            }
            self.rest(work, told);
        }
        while self.obey(self.receiver.now()) > 0 {
            self.send();
        }
    }

    /// Take one batch from the kernel; false if nothing came.
    fn receive(&mut self) -> bool {
        let tally = &self.shared.tally;
        let Ok(messages) = self.receiver.receive(&self.socket) else {
            // an ICMP error of an earlier datagram: UDP has none to answer for
            tally.receive_errors.add(1);
            return false;
        };
        tally.batches.add(usize::from(messages > 0));
        messages > 0
    }

    /// Have the plane take in the batch; returns its datagrams.
    fn handle(&mut self, now: f64) -> usize {
        let mut datagrams = 0;
        let Self { plane, sender, socket, receiver, shared, .. } = self;
        plane.foresee(receiver.heads(socket));
        receiver.each(socket, &shared.tally, |datagram, path, arrived| {
            datagrams += 1;
            plane.handle(datagram, path, now, arrived);
            // whoever fills a batch of runs must not have everybody else wait for its end
            if plane.queued() >= MAX_QUEUED {
                send(plane, sender, socket, &shared.tally);
            }
        });
        self.ticks.busy(now);
        datagrams
    }

    /// Do some of what other threads asked for; returns how much.
    fn obey(&mut self, now: f64) -> usize {
        let commands = &self.shared.commands;
        if self.commands.is_empty() {
            commands.take(&mut self.commands);
            if self.commands.is_empty() {
                return 0;
            }
            self.shared.tally.commands_high_water.raise(commands.depth());
        }
        let some = self.commands.len().min(COMMANDS_AT_ONCE);
        for command in self.commands.drain(..some) {
            self.plane.obey(command, now);
            commands.done();
        }
        some
    }

    /// Count what the kernel dropped.
    fn look(&mut self, now: f64) {
        if now >= self.next_look {
            self.next_look = now + LOOK_S;
            if let Some(drops) = self.socket.drops() {
                self.shared.tally.receive_dropped.follow(drops);
            }
        }
    }

    fn send(&mut self) {
        if self.plane.queued() > 0 {
            send(&mut self.plane, &mut self.sender, &self.socket, &self.shared.tally);
        }
    }

    /// Hand over what there is to tell; false if it has to wait.
    fn report(&mut self) -> bool {
        if !self.plane.has_events() {
            return true;
        }
        let plane = &mut self.plane;
        let waiting = self.shared.events.offer(|events| plane.report(events));
        self.shared.tally.events_high_water.raise(waiting.unwrap_or(0));
        waiting.is_some()
    }

    /// After some work nap, so that the next is worth a wake-up; when there was none sleep until something comes or is
    /// due. `work` is datagrams and commands together: a join's commands come one by one, too.
    fn rest(&mut self, work: usize, told: bool) {
        let (tally, commands) = (&self.shared.tally, &self.shared.commands);
        let length = nap(self.nap, work);
        if work > 0 {
            if !length.is_zero() {
                tally.naps.add(1);
                system::nap(length);
            }
            return;
        }
        if commands.waiting() {
            return; // another thread held the lock; its bell was silenced before
        }
        let until_tick = self.ticks.wait(self.receiver.now());
        let limit = if told { until_tick } else { until_tick.min(RETRY) };
        tally.wake_ups.add(1);
        let bell = commands.bell();
        let [_, rung] = system::wait_readable([self.socket.fd(), bell.fd()], limit);
        if rung {
            bell.silence();
        }
    }
}
