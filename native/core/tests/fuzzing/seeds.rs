//! Where the fuzz targets begin: what real browsers sent, and short scripts.

use std::fs;
use std::path::Path;

use super::script::Step;

/// Inputs for one target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "stun" => captured("stun"),
        "rtp" => captured("rtp"),
        "rtcp" => captured("rtcp"),
        "feedback" => feedback(),
        "vp8" | "vp9" | "h264" | "av1" => captured(&format!("rtp-{target}")).iter().map(|data| payload(data)).collect(),
        "srtp" => (0..3).map(srtp).collect(),
        "srtcp" => (0..3).map(srtcp).collect(),
        "engine" => scripts(),
        _ => panic!("no such target"),
    }
}

/// The datagrams of every capture whose name has `kind` in it, each of them with its length before it in two bytes.
fn captured(kind: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(DATA);
    let mut found = Vec::new();
    for file in fs::read_dir(&folder).expect("tests/data") {
        let path = file.expect("readable").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.ends_with(".bin") || !name.contains(kind) {
            continue;
        }
        let capture = fs::read(&path).expect("readable");
        let mut rest = &capture[..];
        while let Some((length, following)) = rest.split_first_chunk() {
            let (datagram, following) = following.split_at(usize::from(u16::from_be_bytes(*length)));
            found.push(datagram.to_vec());
            rest = following;
        }
    }
    assert!(!found.is_empty());
    found
}

const DATA: &str = "../../tests/data"; // from native/core and from native/fuzz/..

fn payload(data: &[u8]) -> Vec<u8> {
    medinova_core::rtp::Packet::parse(data).expect("captured").payload(data).to_vec()
}

/// Out of compounds, and as arrivals.
fn feedback() -> Vec<Vec<u8>> {
    let mut found = vec![
        [1, 4, 1].repeat(60),
        [3, 4, 1, 0xFE, 2, 1].repeat(40),
        [1, 4, 1, 1, 255, 0, 0x80, 1, 0x40, 0, 1].repeat(9),
        [100, 1, 1].repeat(500),
    ];
    for compound in captured("rtcp") {
        let mut rest = &compound[..];
        while let &[first, kind, high, low, ..] = rest {
            let size = (4 + 4 * usize::from(u16::from_be_bytes([high, low]))).min(rest.len());
            if (first & 0x1F, kind) == (15, 205) {
                found.push(rest[4..size].to_vec());
            }
            rest = &rest[size..];
        }
    }
    found
}

fn srtp(profile: u8) -> Vec<u8> {
    let mut script = vec![profile];
    for (ssrc, step) in [(1, 1), (1, 1), (2, 0x7FF0), (1, 4), (1, 0xFFFF), (1, 0x7000), (1, 0x7000), (1, 0x7000)] {
        let [high, low] = u16::to_be_bytes(step);
        script.extend_from_slice(&[2, ssrc, high, low, 8, 0x80, 96, 1, 2, 3, 4, 5, 6]);
    }
    script.extend_from_slice(&[2, 1, 0, 1, 14, 0x90, 0x60, 0xBE, 0xDE, 0, 1, 0x10, 9, 0, 0, 7, 7, 7, 7]);
    script.extend_from_slice(&[1, 0, 1, 1, 0, 1, 0, 5, 1, 0, 0xFF, 0, 0, 0, 3, 1, 2, 3]);
    script
}

fn srtcp(profile: u8) -> Vec<u8> {
    let mut script = vec![profile];
    for sender in [1, 1, 2] {
        script.extend_from_slice(&[2, 0x80, 200, 0, 6, 0, 0, 0, sender, 4, 1, 2, 3, 4]);
    }
    script.extend_from_slice(&[1, 0, 1, 1, 0, 1, 0, 5, 1, 0, 0xFF, 0, 0, 0, 3, 1, 2, 3]);
    script
}

// --- scripts of the whole engine ----------------------------------------------------------------------------------

struct Script(Vec<u8>);

impl Script {
    fn step(&mut self, step: Step, with: &[u8]) -> &mut Self {
        self.0.push(step as u8);
        self.0.extend_from_slice(with);
        self
    }

    /// A word and a frame of three packets of everybody, then a tick.
    fn picture(&mut self, people: u8, key: bool, rank: u8, codec: u8) -> &mut Self {
        for who in 0..people {
            self.step(Step::Media, &[who, 0, 4 | 16 | 32, 1, 40]);
            for at in 0..3 {
                let bits = u8::from(key && at == 0) | u8::from(at == 2) << 1 | 4 | 8 | 16;
                self.step(Step::Media, &[who, 1 | rank << 3, bits, 1, codec | 20 << 2]);
            }
        }
        self.step(Step::Take, &[0]).step(Step::Tick, &[4])
    }
}

fn scripts() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for codec in 0..4 {
        for (setting, rank) in [(2, 0), (3, 0), (2 | 4 | codec << 5, 1), (3 | 4 | 8, 2), (0x82, 0)] {
            let mut script = Script(vec![setting]);
            let people = setting & 3;
            script.picture(people, true, rank, codec).picture(people, false, rank, codec);
            reports(&mut script, people);
            trouble(&mut script, rank, codec);
            script.picture(people, true, rank, codec);
            changes(&mut script);
            script.picture(people, true, 0, codec).picture(people, false, 0, codec);
            found.push(script.0);
        }
    }
    let mut late = Script(vec![2]);
    for at in 0..40 {
        late.picture(2, at % 13 == 0, 0, 0);
    }
    late.step(Step::Tick, &[10]).step(Step::Check, &[0, 0, 0]).picture(2, true, 0, 0);
    found.push(late.0);
    found
}

fn reports(script: &mut Script, people: u8) {
    for who in 0..people {
        script.step(Step::Report, &[who, 1, 1, 2, 3, 4]);
        script.step(Step::Nack, &[who, 1, 0, 0, 0, 7]);
        for kind in 0..4 {
            script.step(Step::Request, &[who, 1 | kind << 3, 0, kind, 0, 3]);
        }
        script.step(Step::Feedback, &[who, 6, 0, 1, 0xFF, 0xFD]);
    }
    script.step(Step::Take, &[0]).step(Step::Tick, &[5]).step(Step::Take, &[1]);
}

/// Loss, repair, a restart of the numbers, a replay, noise.
fn trouble(script: &mut Script, rank: u8, codec: u8) {
    script.step(Step::Media, &[0, 1 | rank << 3, 4 | 8 | 16, 3, codec]);
    script.step(Step::Tick, &[5]).step(Step::Take, &[0]);
    script.step(Step::Repair, &[0, 1 | rank << 3, 4 | 8, 1, codec]);
    script.step(Step::Media, &[0, 1 | rank << 3, 1, 0x80, codec, 0x60, 0]);
    script.step(Step::Media, &[0, 1 | rank << 3, 1 | 64, 1, codec]);
    script.step(Step::Again, &[3, 0, 0, 0, 0]).step(Step::Again, &[3, 0x82, 0, 20, 1]);
    script.step(Step::Noise, &[0, 4, 0x80, 96, 1, 2]).step(Step::Noise, &[5, 3, 22, 254, 253]);
    script.step(Step::Rtp, &[0, 14, 0x80, 96, 0, 1, 0, 0, 0, 1, 0, 1, 0, 3, 9, 9]);
    script.step(Step::Rtcp, &[0, 12, 0x81, 206, 0, 2, 0, 0, 0, 1, 1, 0, 0, 9]);
    script.step(Step::Take, &[0]);
}

/// Restart, gate, route, removal, a newcomer.
fn changes(script: &mut Script) {
    script.step(Step::Restart, &[0]).step(Step::Check, &[0, 4, 1]).step(Step::Check, &[0, 4, 0x0B]);
    script.step(Step::Gate, &[1, 1]).step(Step::Gate, &[1, 0]).step(Step::Handshake, &[0, 2, 1, 2]);
    script
        .step(Step::Ask, &[0, 0, 9])
        .step(Step::Ask, &[0, 1, 1])
        .step(Step::Ask, &[0, 2, 1])
        .step(Step::Ask, &[0, 4, 1]);
    script.step(Step::Route, &[0, 1, 0, 1, 2]).step(Step::Route, &[1, 1, 0, 1, 7]).step(Step::Tick, &[7]);
    script.step(Step::Add, &[0]).step(Step::Check, &[2, 5, 1]).step(Step::Rekey, &[2, 1]).step(Step::Gate, &[2, 0]);
    script.step(Step::Up, &[2, 1]).step(Step::Down, &[2, 19]).step(Step::Remove, &[4]).step(Step::Tick, &[8]);
}
