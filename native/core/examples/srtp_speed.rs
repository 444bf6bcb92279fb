//! What a packet costs to protect and to unprotect, for one participant and for 800 in turn, beside the bare cipher.
//!
//! `cargo run --release -p medinova-core --example srtp_speed`; µs a packet, the best of some rounds.

use std::hint::black_box;
use std::time::Instant;

use medinova_core::id::Ssrc;
use medinova_core::parameters::{SrtpKeys, SrtpProfile};
use medinova_core::srtp::{MAX_OVERHEAD, Srtp};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

const ROUNDS: usize = 15;
const PACKETS: usize = 8000; // in a round
const HEADER: usize = 28; // with three header extensions

fn best(mut round: impl FnMut() -> usize) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let packets = round();
        best = best.min(start.elapsed().as_secs_f64() / packets as f64 * 1e6);
    }
    best
}

fn packet(payload: usize) -> Vec<u8> {
    let mut packet = vec![0x90, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0xbe, 0xde, 0, 3];
    packet.resize(HEADER + payload, 0);
    packet
}

/// Protect one stream of each participant, then unprotect it; returns both times.
fn both(profile: SrtpProfile, participants: usize, payload: usize) -> (f64, f64) {
    let size = match profile {
        SrtpProfile::AeadAes128Gcm => 28,
        SrtpProfile::AeadAes256Gcm => 44,
        SrtpProfile::Aes128CmSha1_80 => 30,
    };
    let mut all: Vec<Srtp> = (0..participants)
        .map(|number| {
            let key: Vec<u8> = (0..size).map(|at| (number >> (at % 4 * 8)) as u8 ^ at as u8).collect();
            Srtp::new(&SrtpKeys { profile, up: key.clone(), down: key }).expect("the length is right")
        })
        .collect();
    let length = HEADER + payload;
    let mut room = packet(payload);
    room.resize(length + MAX_OVERHEAD, 0);
    let (mut next, mut protect, mut unprotect) = (0, f64::MAX, f64::MAX);
    let mut sealed = vec![room.clone(); 100];
    for _ in 0..ROUNDS * PACKETS / 100 {
        let first = next;
        let start = Instant::now();
        for room in &mut sealed {
            let (srtp, index) = (&mut all[next % participants], (next / participants) as u64);
            room[2..4].copy_from_slice(&(index as u16).to_be_bytes());
            assert!(srtp.reserve(Ssrc(5), index));
            assert!(srtp.protect(black_box(room), length, index).is_some());
            next += 1;
        }
        protect = protect.min(start.elapsed().as_secs_f64() / 100.0 * 1e6);
        let whole = if profile == SrtpProfile::Aes128CmSha1_80 { length + 10 } else { length + 16 };
        let start = Instant::now();
        for (at, room) in sealed.iter_mut().enumerate() {
            assert_eq!(all[(first + at) % participants].unprotect(black_box(&mut room[..whole])), Ok(length));
        }
        unprotect = unprotect.min(start.elapsed().as_secs_f64() / 100.0 * 1e6);
    }
    (protect, unprotect)
}

fn main() {
    for payload in [100, 200, 1000] {
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).expect("16 bytes"));
        let (mut bytes, mut number) = (packet(payload), 0_u128);
        let bare = best(|| {
            for _ in 0..PACKETS {
                number += 1;
                let nonce: [u8; 12] = std::array::from_fn(|at| number.to_le_bytes()[at]);
                let (header, rest) = bytes.split_at_mut(HEADER);
                let nonce = Nonce::assume_unique_for_key(nonce);
                black_box(key.seal_in_place_separate_tag(nonce, Aad::from(header), black_box(rest)).is_ok());
            }
            PACKETS
        });
        println!("{payload} bytes: bare AES-128-GCM {bare:.3}");
        for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::AeadAes256Gcm, SrtpProfile::Aes128CmSha1_80] {
            for participants in [1, 800] {
                let (protect, unprotect) = both(profile, participants, payload);
                println!("  {profile:?}, {participants} participants: protect {protect:.3}, unprotect {unprotect:.3}");
            }
        }
    }
    println!("{} bytes of a participant, besides its keys and windows", size_of::<Srtp>());
}
