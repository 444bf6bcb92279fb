//! Datagrams of strangers: made once, sent again and again from thousands of addresses (127.2.x.y) on a thread of its own.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::generator::thread_cpu_ns;
use super::wire::{BATCH, Message, Wire};

/// Of the first; the others follow.
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 2, 0, 1);
/// As many as there are behind the first in 127.2.0.0/16.
pub const MAX_ADDRESSES: usize = 0xFFFF;
/// What one UDP message can carry.
const MAX_MESSAGE: usize = 65_507;
/// What the kernel cuts one message into at most.
const MAX_RUN: usize = 64;
/// Whoever is more than this behind doesn't catch up.
const MAX_BEHIND_S: f64 = 0.01;
const REST: Duration = Duration::from_micros(200);

/// Since it was made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account {
    /// Datagrams handed to the kernel, those that it refused included.
    pub sent: u64,
    /// Left out because we were too far behind.
    pub skipped: u64,
    /// Datagrams that came back.
    pub replies: u64,
    /// How long it ran.
    pub wall_s: f64,
    /// What its thread used.
    pub cpu_s: f64,
}

/// All strangers and their socket.
pub struct Flood {
    wire: Wire,
    arena: Vec<u8>,
    messages: Vec<Message>,
    run: u64,
    at: usize,
    account: Account,
}

impl Flood {
    /// Each of `addresses` strangers sends one of `datagrams` in turn to `to`, from `port`; `run` of it as one message
    /// that the kernel cuts, which a socket with GRO gets as one.
    pub fn new(
        datagrams: &[Vec<u8>],
        to: SocketAddrV4,
        port: u16,
        addresses: usize,
        run: usize,
    ) -> Result<Self, String> {
        if !(1..=MAX_ADDRESSES).contains(&addresses) || !(1..=MAX_RUN).contains(&run) || datagrams.is_empty() {
            return Err("a flood has datagrams, up to 65535 addresses, and runs of up to 64".to_owned());
        }
        let (mut arena, mut places) = (Vec::new(), Vec::new());
        for datagram in datagrams {
            if datagram.is_empty() || datagram.len() * run > MAX_MESSAGE {
                return Err(format!("{} bytes in runs of {run} are no message", datagram.len()));
            }
            places.push((arena.len(), datagram.len()));
            arena.extend(datagram.repeat(run));
        }
        let messages = (0..addresses)
            .map(|number| {
                let (start, size) = places[number % places.len()];
                let segment = if run > 1 { size as u16 } else { 0 };
                Message { from: u32::from(FIRST_ADDRESS) + number as u32, to, start, length: size * run, segment }
            })
            .collect();
        let wire = Wire::bind(port).map_err(|error| format!("port {port}: {error}"))?;
        Ok(Self { wire, arena, messages, run: run as u64, at: 0, account: Account::default() })
    }

    /// Send `rate` datagrams a second, or as many as go with infinity, until `stop` is set.
    pub fn send(&mut self, rate: f64, stop: &AtomicBool) {
        let (began, cpu_before) = (Instant::now(), thread_cpu_ns());
        let (rate, behind) = (rate / self.run as f64, (rate / self.run as f64 * MAX_BEHIND_S) as u64);
        let mut done = 0; // messages, those left out too
        while !stop.load(Relaxed) {
            let mut due = BATCH as u64;
            if rate.is_finite() {
                due = ((began.elapsed().as_secs_f64() * rate) as u64).saturating_sub(done);
                let left_out = due.saturating_sub(behind.max(BATCH as u64));
                self.account.skipped += left_out * self.run;
                (due, done) = (due - left_out, done + left_out);
            }
            done += due;
            while due > 0 {
                due -= self.send_some(due);
            }
            self.hear();
            if rate.is_finite() {
                std::thread::sleep(REST);
            }
        }
        self.account.wall_s += began.elapsed().as_secs_f64();
        self.account.cpu_s += (thread_cpu_ns() - cpu_before) as f64 / 1e9;
    }

    /// What was counted so far; what has come back and was not read yet too.
    pub fn account(&mut self) -> Account {
        while self.hear() > 0 {}
        self.account
    }

    fn send_some(&mut self, most: u64) -> u64 {
        let rest = &self.messages[self.at..];
        let count = rest.len().min(BATCH).min(most as usize);
        self.wire.send(&self.arena, &rest[..count]);
        self.at = (self.at + count) % self.messages.len();
        self.account.sent += count as u64 * self.run;
        count as u64
    }

    fn hear(&mut self) -> usize {
        let replies = &mut self.account.replies;
        self.wire.receive(|_, _| *replies += 1)
    }
}

/// A flood under way.
pub struct Flooding {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Flood>,
}

impl Flooding {
    /// Begin on a thread of its own, on the cores that the caller may use.
    pub fn start(mut flood: Flood, rate: f64) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = Builder::new().name("flood".into()).spawn(move || {
            flood.send(rate, &seen);
            flood
        })?;
        Ok(Self { stop, thread })
    }

    /// End it; None if it broke.
    #[must_use]
    pub fn stop(self) -> Option<Flood> {
        self.stop.store(true, Relaxed);
        self.thread.join().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::{SocketAddr, UdpSocket};

    use super::*;

    fn flood(run: usize) -> (UdpSocket, Flood) {
        let target = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        target.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
        let SocketAddr::V4(to) = target.local_addr().expect("bound") else { unreachable!() };
        let port = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        (target, Flood::new(&[b"one".to_vec(), b"other".to_vec()], to, port, 50, run).expect("a flood"))
    }

    #[test]
    fn strangers_send_from_addresses_of_their_own_at_a_pace_and_hear_what_comes_back() {
        for run in [1, 4] {
            let (target, flood) = flood(run);
            let flooding = Flooding::start(flood, 2000.0).expect("a thread");
            let (mut senders, mut room) = (HashSet::new(), [0; 100]);
            for _ in 0..100 {
                let (size, from) = target.recv_from(&mut room).expect("a datagram");
                assert!([&b"one"[..], b"other"].contains(&&room[..size]));
                senders.insert(from.ip());
                target.send_to(b"reply", from).expect("sent");
            }
            let account = flooding.stop().expect("it went well").account();
            assert_eq!((senders.len(), account.replies), (if run == 1 { 50 } else { 25 }, 100));
            assert!(account.sent >= 100 && account.sent as f64 <= 2000.0 * account.wall_s, "{account:?}");
        }
    }

    #[test]
    fn what_is_no_flood_is_refused() {
        let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9);
        for (datagrams, addresses, run) in [
            (vec![], 1, 1),
            (vec![vec![]], 1, 1),
            (vec![vec![1]], 0, 1),
            (vec![vec![1]], 1, 65),
            (vec![vec![1; 2000]], 1, 64),
        ] {
            assert!(Flood::new(&datagrams, to, 0, addresses, run).is_err());
        }
    }
}
