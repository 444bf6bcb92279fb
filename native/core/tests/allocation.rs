//! What comes from the wire takes no memory: strangers' datagrams never do, forwarded packets don't once a call runs.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::Ipv4Addr;

use medinova_core::address::Path;
use medinova_core::core::Core;
use medinova_core::counter::{Counter, Counters};
use medinova_core::id::{DownId, PayloadType, PeerId, Seq, Ssrc, UpId};
use medinova_core::parameters::{
    Codec, DownParameters, Extensions, IceCredentials, Kind, SrtpKeys, SrtpProfile, UpParameters,
};
use medinova_core::rtp::Header;
use medinova_core::srtp::{MAX_OVERHEAD, Srtp};
use medinova_core::stun::{Check, binding_request};
use medinova_core::track_counters::TrackCounters;

/// The system's, with a count for each thread: the harness has threads of its own.
struct Counting;

thread_local! {
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: everything is handed on to the system's allocator as it came; the count neither allocates nor has a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.set(TAKEN.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        TAKEN.set(TAKEN.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        TAKEN.set(TAKEN.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

/// How often this thread took memory in `work`.
fn taken(work: impl FnOnce()) -> u64 {
    let before = TAKEN.get();
    work();
    TAKEN.get() - before
}

const VP8: PayloadType = PayloadType(96);
const FIRST: i64 = 0x1_0000;

fn path(last: u8) -> Path {
    let remote = Ipv4Addr::new(127, 1, 0, last);
    Path { local: (Ipv4Addr::LOCALHOST.into(), 5000).into(), remote: (remote.into(), 6000).into() }
}

fn keys(number: u8) -> SrtpKeys {
    let key = |way: u8| (0..28).map(|at| at ^ way ^ number).collect();
    SrtpKeys { profile: SrtpProfile::AeadAes128Gcm, up: key(1), down: key(2) }
}

fn check(ufrag: &str, password: &str) -> Vec<u8> {
    let username = format!("{ufrag}:c");
    let check = Check { username: &username, priority: 1, controlling: Some(1), controlled: None, use_candidate: true };
    let mut out = Vec::new();
    binding_request(&mut out, [0; 12], &check, password);
    out
}

/// A camera of participant 1, as participant 2 is shown it.
struct Visit {
    core: Core,
    camera: Srtp,
    seq: i64,
    peers: [std::sync::Arc<Counters>; 2],
}

impl Visit {
    fn new() -> Self {
        let mut core = Core::default();
        let codec = Codec { name: "VP8".to_owned(), variant: String::new() };
        let peers = [1, 2].map(|number: u8| {
            let ice = IceCredentials {
                local_ufrag: format!("s{number}"),
                local_password: "password-of-a-server".to_owned(),
                remote_ufrag: "c".to_owned(),
            };
            let (peer, counters) = (PeerId(u64::from(number)), Counters::shared());
            core.add_peer(peer, ice, std::sync::Arc::clone(&counters));
            core.set_keys(peer, &keys(number)).expect("good keys");
            core.gate(peer, true, 0.0);
            core.handle(&mut check(&format!("s{number}"), "password-of-a-server"), path(number), 0.0, 0.0);
            counters
        });
        let up = UpParameters {
            kind: Kind::Video,
            mid: "0".to_owned(),
            codecs: vec![(VP8, codec.clone())],
            rtx: vec![],
            extensions: Extensions::default(),
            rids: vec![],
            ssrcs: vec![Ssrc(10)],
            rtx_ssrcs: vec![],
            clock_rates: vec![],
        };
        let down = DownParameters {
            kind: Kind::Video,
            mid: "1".to_owned(),
            ssrc: Ssrc(20),
            rtx_ssrc: None,
            cname: String::new(),
            codecs: vec![(codec, VP8)],
            rtx: vec![],
            extensions: Extensions::default(),
            first_sequence: 0,
            first_timestamp: 0,
            clock_rate: 90_000,
        };
        core.add_up(UpId(11), PeerId(1), up, TrackCounters::shared());
        core.add_down(DownId(21), PeerId(2), down, TrackCounters::shared());
        core.route(DownId(21), Some(UpId(11)), None, 0.0);
        core.seal(true);
        core.clear();
        core.events.take();
        let keys = keys(1);
        let camera = Srtp::new(&SrtpKeys { up: keys.down, down: keys.up, ..keys }).expect("good keys");
        Self { core, camera, seq: 0, peers }
    }

    /// Its next packet, sealed.
    fn packet(&mut self) -> Vec<u8> {
        let (seq, index) = (Seq(FIRST + self.seq), self.seq as u64);
        self.seq += 1;
        let mut room = Vec::new();
        let header = Header { marker: true, payload_type: VP8, seq, timestamp: self.seq as u32 * 3000, ssrc: Ssrc(10) };
        header.write(&mut room, |_| {});
        room.extend([0x10, u8::from(index > 0)]); // the first is a key frame
        room.resize(1000, 7);
        let length = room.len();
        room.resize(length + MAX_OVERHEAD, 0);
        let sealed = self.camera.protect(&mut room, length, index).expect("a packet");
        room.truncate(sealed);
        room
    }

    /// Take a packet in and send what it causes; returns how much that is.
    fn forward(&mut self, packet: &mut [u8], now: f64) -> usize {
        self.core.handle(packet, path(1), now, now);
        let sent = self.core.seal(true).runs().map(|(_, pieces)| pieces.len()).sum();
        self.core.clear();
        sent
    }
}

/// What, from where, and what counts its refusal: the participant or, without, the core.
type Case = (&'static str, Vec<u8>, Path, Option<Counter>, Counter);

#[test]
fn strangers_take_no_memory_and_get_no_answer() {
    let mut visit = Visit::new();
    let authentic = visit.packet();
    let mut forged = authentic.clone();
    *forged.last_mut().expect("a tag") ^= 1;
    let hello = [&[22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0][..], &[7; 200]].concat();
    let mut report = vec![0x80, 201, 0, 1, 0, 0, 0, 10];
    report.extend([7; 20]);
    let (stranger, known) = (path(99), path(1));
    let core = Counter::UnknownAddress;
    let cases: [Case; 13] = [
        ("noise", [&[200][..], &[9; 300]].concat(), stranger, None, core),
        ("nothing", vec![], stranger, None, core),
        ("RTP-like", forged.clone(), stranger, None, core),
        ("RTCP-like", report.clone(), stranger, None, core),
        ("a DTLS hello", hello, stranger, None, core),
        ("authentic, from elsewhere", authentic, stranger, None, core),
        ("a check for nobody", check("nobody", "password"), stranger, None, Counter::StunUnknownUfrag),
        ("half a check", check("nobody", "password")[..30].to_vec(), stranger, None, Counter::StunUnknownUfrag),
        ("a check with a wrong password", check("s1", "wrong"), stranger, Some(Counter::StunNotAuthentic), core),
        ("a check cut short", check("s1", "wrong")[..40].to_vec(), stranger, Some(Counter::StunMalformed), core),
        ("forged", forged, known, Some(Counter::SrtpNotAuthentic), core),
        ("a forged report", report, known, Some(Counter::SrtpNotAuthentic), core),
        ("noise on a known path", vec![200; 300], known, Some(Counter::UnknownProtocol), core),
    ];
    let mut now = 0.0;
    for (what, datagram, from, of_peer, of_core) in cases {
        let refused =
            |visit: &Visit| of_peer.map_or(visit.core.counters().get(of_core), |counter| visit.peers[0].get(counter));
        let before = refused(&visit);
        let mut room = datagram.clone();
        let count = taken(|| {
            for _ in 0..100 {
                now += 0.01;
                room.copy_from_slice(&datagram);
                visit.core.handle(&mut room, from, now, now);
            }
        });
        assert_eq!((count, refused(&visit) - before), (0, 100), "{what}");
        assert!(visit.core.queued() == 0 && visit.core.events.is_empty(), "{what}");
    }
}

#[test]
fn a_packet_that_is_forwarded_takes_no_memory_once_the_call_runs() {
    let mut visit = Visit::new();
    let mut packets: Vec<_> = (0..6000).map(|_| visit.packet()).collect();
    let (begin, steady) = packets.split_at_mut(3000); // until the history has its size
    let (mut now, mut sent) = (0.0, 0);
    for packet in begin {
        now += 0.01;
        sent += visit.forward(packet, now);
    }
    let count = taken(|| {
        for packet in steady.iter_mut() {
            now += 0.01;
            sent += visit.forward(packet, now);
        }
    });
    assert_eq!((count, sent), (0, 6000));
}
