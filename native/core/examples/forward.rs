//! What a forwarded packet costs in the core alone, without kernel and socket: `cargo run --release --example forward`.
//!
//! 400 two-party visits, packets of 1000 bytes one by one or in frames of four, AES-128-GCM, batches of 64 datagrams.
#![allow(missing_docs)]

use std::net::Ipv4Addr;
use std::time::Instant;

use medinova_core::address::Path;
use medinova_core::core::Core;
use medinova_core::counter::{Counter, Counters};
use medinova_core::id::{DownId, ExtensionId, PayloadType, PeerId, Seq, Ssrc, UpId};
use medinova_core::parameters::{
    Codec, DownParameters, Extensions, IceCredentials, Kind, SrtpKeys, SrtpProfile, UpParameters,
};
use medinova_core::rtp::{Header, write_element};
use medinova_core::srtp::{MAX_OVERHEAD, Srtp};
use medinova_core::stun::{Check, binding_request};
use medinova_core::track_counters::TrackCounters;

const PEOPLE: u64 = 800;
const BATCH: usize = 64;

fn path(number: u64) -> Path {
    let remote = Ipv4Addr::new(127, 1, (number >> 8) as u8, number as u8);
    Path { local: (Ipv4Addr::LOCALHOST.into(), 5000).into(), remote: (remote.into(), 6000).into() }
}

fn keys(number: u64) -> SrtpKeys {
    let key = |way: u8| (0..28).map(|at| at ^ way ^ number as u8 ^ (number >> 8) as u8).collect();
    SrtpKeys { profile: SrtpProfile::AeadAes128Gcm, up: key(1), down: key(2) }
}

fn extensions() -> Extensions {
    let id = ExtensionId;
    Extensions {
        mid: id(4),
        audio_level: id(1),
        abs_send_time: id(2),
        transport_sequence: id(3),
        ..Extensions::default()
    }
}

fn add(core: &mut Core, number: u64) {
    let ice = IceCredentials {
        local_ufrag: format!("s{number}"),
        local_password: "password-of-a-server".to_owned(),
        remote_ufrag: "c".to_owned(),
    };
    let peer = PeerId(number);
    core.add_peer(peer, ice.clone(), Counters::shared());
    core.set_keys(peer, &keys(number)).expect("good keys");
    core.gate(peer, true, 0.0);
    for (at, kind) in [Kind::Audio, Kind::Video].into_iter().enumerate() {
        let name = if kind == Kind::Audio { "opus" } else { "VP8" };
        let codec = Codec { name: name.to_owned(), variant: String::new() };
        let payload_type = PayloadType(96 + at as u8);
        let id = number * 10 + at as u64;
        let up = UpParameters {
            kind,
            mid: at.to_string(),
            codecs: vec![(payload_type, codec.clone())],
            rtx: vec![],
            extensions: extensions(),
            rids: vec![],
            ssrcs: vec![Ssrc(10 + at as u32)],
            rtx_ssrcs: vec![],
            clock_rates: vec![],
        };
        core.add_up(UpId(10_000 + id), peer, up, TrackCounters::shared());
        let down = DownParameters {
            kind,
            mid: (2 + at).to_string(),
            ssrc: Ssrc(20 + at as u32),
            rtx_ssrc: None,
            cname: String::new(),
            codecs: vec![(codec, payload_type)],
            rtx: vec![],
            extensions: Extensions { transport_sequence: ExtensionId(0), ..extensions() },
            first_sequence: 0,
            first_timestamp: 0,
            clock_rate: 90_000,
        };
        core.add_down(DownId(20_000 + id), peer, down, TrackCounters::shared());
    }
    let check = Check {
        username: &format!("{}:{}", ice.local_ufrag, ice.remote_ufrag),
        priority: 1,
        controlling: Some(1),
        controlled: None,
        use_candidate: true,
    };
    let mut datagram = Vec::new();
    binding_request(&mut datagram, [0; 12], &check, &ice.local_password);
    core.handle(&mut datagram, path(number), 0.0, 0.0);
}

/// One participant's sender.
struct Sender {
    srtp: Srtp,
    seqs: [i64; 2],
}

impl Sender {
    fn packet(&mut self, line: usize, key: bool, now: f64) -> Vec<u8> {
        let seq = Seq(0x1_0000 + self.seqs[line]);
        self.seqs[line] += 1;
        let ssrc = Ssrc(10 + line as u32);
        let header = Header {
            marker: false,
            payload_type: PayloadType(96 + line as u8),
            seq,
            timestamp: (now * 9e4) as u32,
            ssrc,
        };
        let mut room = Vec::with_capacity(1100);
        header.write(&mut room, |out| {
            write_element(out, ExtensionId(3), &seq.wire().0.to_be_bytes());
            write_element(out, ExtensionId(1), &[30]);
        });
        room.extend_from_slice(&[0x10, u8::from(!key)]);
        room.resize(if line == 0 { 120 } else { 1000 }, 7);
        let length = room.len();
        room.resize(length + MAX_OVERHEAD, 0);
        let sealed = self.srtp.protect(&mut room, length, self.seqs[line] as u64 - 1).expect("a packet");
        room.truncate(sealed);
        room
    }
}

fn main() {
    let mut core = Core::default();
    let mut people: Vec<Sender> = (0..PEOPLE)
        .map(|number| {
            add(&mut core, number);
            let keys = keys(number);
            let swapped = SrtpKeys { profile: keys.profile, up: keys.down, down: keys.up };
            Sender { srtp: Srtp::new(&swapped).expect("good keys"), seqs: [0, 0] }
        })
        .collect();
    for number in 0..PEOPLE {
        for line in 0..2 {
            let id = number * 10 + line;
            core.route(DownId(20_000 + id), Some(UpId(10_000 + (number ^ 1) * 10 + line)), None, 0.0);
        }
    }
    core.seal(true);
    core.clear();
    let mut now = 1.0;
    for (group, frame) in [(false, 4), (false, 4), (true, 4), (false, 1)] {
        let mut out = 0;
        let (mut handling, mut sealing) = (Vec::new(), Vec::new());
        for round in 0..60 {
            now += 0.01;
            let key = round == 0;
            for (number, few) in people.chunks_mut(BATCH / frame).enumerate() {
                let mut batch = Vec::new();
                for (at, sender) in few.iter_mut().enumerate() {
                    let from = path((number * (BATCH / frame) + at) as u64);
                    batch.extend((0..frame).map(|_| (sender.packet(1, key, now), from)));
                }
                let size = batch.len() as f64;
                let start = Instant::now();
                for (datagram, from) in &mut batch {
                    core.handle(datagram, *from, now, now);
                }
                let middle = Instant::now();
                out += core.seal(group).runs().map(|(_, pieces)| pieces.len()).sum::<usize>();
                core.clear();
                sealing.push(middle.elapsed().as_secs_f64() * 1e6 / size);
                handling.push((middle - start).as_secs_f64() * 1e6 / size);
            }
            core.tick(now);
            core.seal(group);
            core.clear();
        }
        println!(
            "group {group}, frames of {frame}: {:.3} µs to handle and {:.3} µs to seal a packet (medians), {out} forwarded, {} in history",
            median(&mut handling),
            median(&mut sealing),
            core.gauges().history_bytes,
        );
    }
    println!("not authentic: {}", core.counters().get(Counter::SrtpNotAuthentic));
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
