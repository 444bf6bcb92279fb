//! What a stranger's datagram costs in the core alone: `cargo run --release --example strangers`.
//!
//! 4096 addresses, 200 participants connected; the least of twenty rounds, so that a busy machine doesn't matter much.
#![allow(missing_docs)]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use medinova_core::address::Path;
use medinova_core::core::Core;
use medinova_core::counter::Counters;
use medinova_core::id::PeerId;
use medinova_core::parameters::IceCredentials;
use medinova_core::stun::{Check, binding_request};

const PEOPLE: u16 = 200;
const STRANGERS: u16 = 4096;
const ROUNDS: usize = 20;

fn path(network: u8, number: u16) -> Path {
    let [high, low] = number.to_be_bytes();
    let remote = Ipv4Addr::new(127, network, high, low);
    Path { local: (Ipv4Addr::LOCALHOST.into(), 5000).into(), remote: (remote.into(), 6000).into() }
}

fn check(ufrag: &str, password: &str) -> Vec<u8> {
    let username = format!("{ufrag}:client");
    let check = Check { username: &username, priority: 1, controlling: Some(1), controlled: None, use_candidate: true };
    let mut out = Vec::new();
    binding_request(&mut out, [0; 12], &check, password);
    out
}

fn main() {
    let mut core = Core::default();
    for number in 0..PEOPLE {
        let (ufrag, password) = (format!("server{number}"), "password-of-a-server");
        let ice = IceCredentials {
            local_ufrag: ufrag.clone(),
            local_password: password.to_owned(),
            remote_ufrag: "client".to_owned(),
        };
        core.add_peer(PeerId(u64::from(number)), ice, Counters::shared());
        core.handle(&mut check(&ufrag, password), path(1, number), 0.0, 0.0);
    }
    core.seal(true);
    core.clear();
    let kinds = [
        ("noise", vec![200; 300]),
        ("a check for nobody", check("nobody", "password")),
        ("RTP-like", [&[0x80, 96][..], &[7; 500]].concat()),
        ("a DTLS hello", [&[22, 0xFE, 0xFD][..], &[7; 200]].concat()),
        ("a check with a wrong password", check("server7", "wrong")), // beyond 100 a second only counted
    ];
    for (what, mut datagram) in kinds {
        let least = (0..ROUNDS).map(|_| {
            let start = Instant::now();
            for number in 0..STRANGERS {
                core.handle(black_box(&mut datagram), path(2, number), 1.0, 1.0);
            }
            start.elapsed()
        });
        let least = least.min().unwrap_or(Duration::ZERO);
        println!("{:.1} ns: {what}", least.as_secs_f64() * 1e9 / f64::from(STRANGERS));
    }
}
