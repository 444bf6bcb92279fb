//! The loop: send what is due, read what came, sleep.

use std::io;
use std::time::{Duration, Instant};

use medinova_core::parameters::Kind;
use medinova_core::srtp::{MAX_OVERHEAD, Srtp};

use super::feedback::{self, Feedback};
use super::histogram::Histogram;
use super::leg::{Leg, Shape};
use super::peer::{Peer, Totals};
use super::ring::Ring;
use super::sink::Sink;
use super::source::Source;
use super::wire::{BATCH, Message, Wire};

const CHECK_NS: f64 = 5e9;
const REPORT_NS: f64 = 1e9;
const LATE_NS: f64 = 1e6;
const READS_AT_ONCE: usize = 8; // batches read before it is looked again what is due
const NOBODY: u32 = u32::MAX;
const ROOM: usize = 2048; // of one packet that is not of a source

/// Everybody, and the socket.
pub struct Generator {
    peers: Vec<Peer>,
    by_host: Vec<u32>, // the low half of an address → index among the peers
    sources: Vec<Source>,
    wire: Wire,
    cameras: (Vec<usize>, Ring),
    microphones: (Vec<usize>, Ring),
    checks: Ring,
    reports: Ring,
    told: (Vec<usize>, Ring), // those who tell when packets arrived
    told_early: Vec<usize>,   // of them, those who have much to tell
    arena: Vec<u8>,
    used: usize,
    batch: Vec<Message>,
    start: Instant,
    /// Counted since the reset.
    pub totals: Totals,
    /// One-way delays of the packets decrypted since the reset.
    pub delays: Histogram,
    overflowed_before: u32,
}

impl Generator {
    /// `checks` are the STUN requests of the legs, signed; each is sent every five seconds.
    pub fn new(legs: &[Leg], checks: Vec<Vec<u8>>, port: u16) -> Result<Self, String> {
        let (mut sources, mut peers, mut by_host) = (Vec::new(), Vec::new(), vec![NOBODY; 1 << 16]);
        for (at, (leg, check)) in legs.iter().zip(checks).enumerate() {
            let own: Vec<usize> = leg
                .sends
                .iter()
                .map(|sending| {
                    let number = sources.len();
                    sources.push(Source::new(sending, at, number as u32, mix(number as u64)));
                    number
                })
                .collect();
            let srtp = leg.keys()?.map(|keys| Srtp::new(&keys)).transpose()?;
            by_host[usize::from(leg.local()? as u16)] = at as u32;
            peers.push(Peer {
                local: leg.local()?,
                remote: leg.remote()?,
                srtp,
                check,
                sources: own,
                sinks: Vec::new(),
                transport: 0,
                feedback: None,
            });
        }
        let mut phase = 0;
        for (at, leg) in legs.iter().enumerate() {
            for receiving in &leg.receives {
                let of_leg = peers.get(receiving.source).map_or(&[][..], |peer: &Peer| &peer.sources);
                let source = of_leg.iter().copied().find(|&source| sources[source].kind == receiving.kind());
                peers[at].sinks.push(Sink::new(receiving, source, phase));
                phase += 1;
            }
            let numbered = leg.receives.iter().find(|receiving| receiving.transport_sequence_id > 0);
            peers[at].feedback = numbered.map(|one| Feedback::new(one.transport_sequence_id, one.ssrc));
        }
        let of_kind = |kind| {
            let members: Vec<usize> = (0..sources.len()).filter(|&at| sources[at].kind == kind).collect();
            let ring = Ring::new(members.len(), f64::INFINITY, 0);
            (members, ring)
        };
        let count = peers.len();
        let told: Vec<usize> = (0..count).filter(|&at| peers[at].feedback.is_some()).collect();
        Ok(Self {
            cameras: of_kind(Kind::Video),
            microphones: of_kind(Kind::Audio),
            checks: Ring::new(count, CHECK_NS, 0),
            reports: Ring::new(count, REPORT_NS, 0),
            told_early: Vec::with_capacity(told.len()),
            told: {
                let ring = Ring::new(told.len(), feedback::INTERVAL_NS, 0);
                (told, ring)
            },
            peers,
            by_host,
            sources,
            wire: Wire::bind(port).map_err(|error: io::Error| format!("port {port}: {error}"))?,
            arena: Vec::new(),
            used: 0,
            batch: Vec::with_capacity(BATCH),
            start: Instant::now(),
            totals: Totals::default(),
            delays: Histogram::default(),
            overflowed_before: 0,
        })
    }

    fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// Send at `rate` times the shape's pace, and receive, for so long; at rate 0 only what keeps the paths alive.
    pub fn run(&mut self, shape: &Shape, seconds: f64, rate: f64) {
        let (began, cpu_before) = (self.now_ns(), thread_cpu_ns());
        let until = began + (seconds * 1e9) as u64;
        self.sources.iter_mut().for_each(Source::begin);
        let of_frame = if shape.burst { f64::from(shape.frame_packets) } else { 1.0 };
        self.cameras.1.pace(of_frame * 1e9 / (shape.video_packets_s * rate), began);
        self.microphones.1.pace(1e9 / (shape.audio_packets_s * rate), began);
        loop {
            let now_ns = self.now_ns();
            if now_ns >= until {
                break;
            }
            self.send_due(shape, now_ns);
            let busy = !self.batch.is_empty();
            self.flush();
            for _ in 0..READS_AT_ONCE {
                if self.receive() < BATCH {
                    break;
                }
            }
            if !busy || self.next_due_ns() > self.now_ns() as f64 {
                self.rest(shape, until);
            }
        }
        self.totals.wall_ns += self.now_ns() - began;
        self.totals.cpu_ns += thread_cpu_ns() - cpu_before;
    }

    fn next_due_ns(&self) -> f64 {
        [&self.cameras.1, &self.microphones.1, &self.checks, &self.reports, &self.told.1]
            .iter()
            .map(|ring| ring.due_ns())
            .fold(f64::INFINITY, f64::min)
    }

    /// Sleep for the quantum, or as long as nothing is due but not for long: somebody must read.
    fn rest(&self, shape: &Shape, until: u64) {
        let now_ns = self.now_ns();
        let quantum = shape.quantum_us * 1000;
        let due = self.next_due_ns().min(until as f64) as u64;
        std::thread::sleep(Duration::from_nanos(due.saturating_sub(now_ns).clamp(quantum, 2 * quantum)));
    }

    /// Forget what was counted: the warm-up is over.
    pub fn reset(&mut self) {
        self.totals = Totals::default();
        self.delays = Histogram::default();
        self.overflowed_before = self.wire.overflowed;
        self.wire.refused = 0;
        for source in &mut self.sources {
            source.count_at_reset = source.count;
        }
        for sink in self.peers.iter_mut().flat_map(|peer| &mut peer.sinks) {
            sink.reset();
        }
        for ring in [&mut self.cameras.1, &mut self.microphones.1] {
            ring.skipped = 0;
        }
    }

    /// Datagrams that the kernel dropped since the reset because we didn't read in time.
    #[must_use]
    pub fn overflowed(&self) -> u32 {
        self.wire.overflowed.wrapping_sub(self.overflowed_before)
    }

    /// Messages that the kernel didn't take since the reset.
    #[must_use]
    pub fn unsent(&self) -> u64 {
        self.wire.refused
    }

    /// Turns left out since the reset because we were too far behind.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.cameras.1.skipped + self.microphones.1.skipped
    }

    /// Of all streams since the reset: expected, received, duplicates, reordered, and how many streams got nothing.
    #[must_use]
    pub fn streams(&self) -> [u64; 5] {
        let mut sums = [0; 5];
        for sink in self.peers.iter().flat_map(|peer| &peer.sinks) {
            let (sent, before) =
                sink.source.map_or((0, 0), |at| (self.sources[at].count, self.sources[at].count_at_reset));
            let expected = sink.expected(sent, before);
            let silent = u64::from(sink.received == 0 && expected > 0);
            for (sum, value) in sums.iter_mut().zip([expected, sink.received, sink.duplicates, sink.reordered, silent])
            {
                *sum += value;
            }
        }
        sums
    }

    // --- out

    fn send_due(&mut self, shape: &Shape, now_ns: u64) {
        // first, and not the whole batch: in a flood packets are always due
        while self.batch.len() < BATCH / 2
            && let Some(at) = self.told_early.pop().or_else(|| Some(self.told.0[self.told.1.take(now_ns)?.0]))
        {
            self.send_feedback(at);
        }
        while self.batch.len() < BATCH
            && let Some((member, behind_ns)) = self.microphones.1.take(now_ns)
        {
            self.send_media(shape, self.microphones.0[member], 1, behind_ns);
        }
        let packets = if shape.burst { shape.frame_packets } else { 1 };
        // a frame may be two messages
        while self.batch.len() + 1 < BATCH
            && let Some((member, behind_ns)) = self.cameras.1.take(now_ns)
        {
            self.send_media(shape, self.cameras.0[member], packets, behind_ns);
        }
        if self.batch.len() < BATCH
            && let Some((at, _)) = self.checks.take(now_ns)
        {
            let room = self.room(ROOM);
            let check = &self.peers[at].check;
            self.arena[room..room + check.len()].copy_from_slice(check);
            self.queue(at, room, check.len(), 0);
        }
        if self.batch.len() < BATCH
            && let Some((at, _)) = self.reports.take(now_ns)
        {
            self.send_report(at, now_ns);
        }
    }

    /// Send so many packets of one source as one message.
    fn send_media(&mut self, shape: &Shape, number: usize, packets: u32, behind_ns: f64) {
        let at = self.sources[number].leg;
        let size = shape.video_bytes.max(shape.audio_bytes) + 100 + MAX_OVERHEAD;
        let start = self.room(size * packets as usize);
        let (mut end, mut segment, mut rest) = (start, 0, start);
        let now_ns = self.now_ns();
        let (source, peer) = (&mut self.sources[number], &mut self.peers[at]);
        for _ in 0..packets {
            let room = &mut self.arena[end..];
            if let Some(length) = source.packet(shape, now_ns, &mut peer.transport, peer.srtp.as_mut(), room) {
                // what is longer than those before can't be cut from one message with them
                if segment == 0 || length <= segment {
                    (rest, segment) = (end + length, length);
                }
                end += length;
            }
        }
        self.totals.sent += u64::from(packets);
        self.totals.late += u64::from(packets) * u64::from(behind_ns > LATE_NS);
        self.queue(at, start, rest - start, if rest - start > segment { segment as u16 } else { 0 });
        if end > rest {
            self.queue(at, rest, end - rest, 0);
        }
    }

    fn send_report(&mut self, at: usize, now_ns: u64) {
        let start = self.room(ROOM);
        let room = &mut self.arena[start..start + ROOM];
        if let Some(length) = self.peers[at].report(&self.sources, now_ns, room) {
            self.queue(at, start, length, 0);
        }
    }

    /// Send what one leg has to tell of the packets that it got: mostly one datagram, none if nothing came.
    fn send_feedback(&mut self, at: usize) {
        for report in self.peers[at].feedback.as_mut().map(Feedback::reports).unwrap_or_default() {
            if self.batch.len() == BATCH {
                self.flush();
            }
            let start = self.room(ROOM);
            let (peer, room) = (&mut self.peers[at], &mut self.arena[start..start + ROOM]);
            let plain = feedback::write(report, room);
            let sealed = plain.and_then(|plain| match peer.srtp.as_mut() {
                Some(srtp) => srtp.protect_rtcp(room, plain),
                None => Some(plain),
            });
            if let Some(length) = sealed {
                self.totals.feedback_sent += 1;
                self.queue(at, start, length, 0);
            }
        }
    }

    /// Where the next message may be written, with `bytes` to spare.
    fn room(&mut self, bytes: usize) -> usize {
        if self.arena.len() < self.used + bytes {
            self.arena.resize(self.used + bytes, 0);
        }
        self.used
    }

    fn queue(&mut self, at: usize, start: usize, length: usize, segment: u16) {
        self.used = start + length;
        let peer = &self.peers[at];
        self.batch.push(Message { from: peer.local, to: peer.remote, start, length, segment });
    }

    fn flush(&mut self) {
        self.wire.send(&self.arena, &self.batch);
        self.batch.clear();
        self.used = 0;
    }

    // --- in

    fn receive(&mut self) -> usize {
        let Self { wire, peers, by_host, sources, told_early, totals, delays, start, .. } = self;
        let mut now_ns = None;
        wire.receive(|address, datagram| {
            let at = by_host[usize::from(address as u16)];
            let Some(peer) = peers.get_mut(at as usize) else { return };
            let now_ns = *now_ns.get_or_insert_with(|| start.elapsed().as_nanos() as u64);
            match datagram {
                [0..=3, ..] => totals.checks_answered += u64::from(datagram[0] == 1 && datagram.get(1) == Some(&1)),
                [128..=191, 192..=223, ..] => {
                    totals.rtcp += 1;
                    peer.read_rtcp(sources, datagram, totals);
                }
                [128..=191, ..] if datagram.len() > 12 => {
                    if peer.feedback.as_mut().is_some_and(|feedback| feedback.note(datagram, now_ns)) {
                        told_early.push(at as usize);
                    }
                    peer.read_rtp(datagram, now_ns, totals, delays);
                }
                _ => {}
            }
        })
    }
}

/// Numbers that look random and are the same in every run (`SplitMix64`).
fn mix(number: u64) -> u64 {
    let mut mixed = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

/// What this thread has used so far.
pub(super) fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` lives over the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
