//! The whole engine: any bytes are a script of commands, checks, media, reports, noise and time, played by participants
//! who have keys and know what they were sent.

use medinova_core::feedback::TransportFeedback;
use medinova_core::id::{PayloadType, Seq, Sequence, Ssrc, UpId};
use medinova_core::rtcp::{Packet, ReportBlock, SenderReport, pack};
use medinova_core::rtp::{Header, write_element};

use super::Input;
use super::cast::{CODECS, LEVEL, MID, REPAIRED_RID, RID, RIDS, TRANSPORT, path, rtx_ssrc, slot_ssrc, ssrc};
use super::world::World;

const STEPS_S: [f64; 12] = [0.0, 0.001, 0.005, 0.015, 0.033, 0.05, 0.1, 0.25, 1.0, 2.5, 16.0, 3600.0];
/// Longer scripts say nothing new.
const MAX_STEPS: usize = 600;

/// What a step does; the octet in front of it says which.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Media,
    Tick,
    Take,
    Check,
    Rtp,
    Rtcp,
    Repair,
    Nack,
    Request,
    Report,
    Feedback,
    Noise,
    Again,
    Add,
    Remove,
    Restart,
    Gate,
    Route,
    Handshake,
    Ask,
    Up,
    Down,
    Rekey,
}

const STEPS: [Step; 23] = [
    Step::Media,
    Step::Tick,
    Step::Take,
    Step::Check,
    Step::Rtp,
    Step::Rtcp,
    Step::Repair,
    Step::Nack,
    Step::Request,
    Step::Report,
    Step::Feedback,
    Step::Noise,
    Step::Again,
    Step::Add,
    Step::Remove,
    Step::Restart,
    Step::Gate,
    Step::Route,
    Step::Handshake,
    Step::Ask,
    Step::Up,
    Step::Down,
    Step::Rekey,
];

/// A script; its first octet says who is there when it begins.
pub fn engine(data: &[u8]) {
    play(data);
}

/// As `engine`; returns how many packets were forwarded.
pub fn play(data: &[u8]) -> usize {
    let mut input = Input(data);
    let mut world = World { now: 1.0, ..World::default() };
    let setting = input.octet();
    world.begin(setting);
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        let step = STEPS[usize::from(input.octet()) % STEPS.len()];
        world.step(step, &mut input);
    }
    world.take(true);
    world.end(setting & 0x80 != 0);
    world.forwarded
}

impl World {
    /// So many participants (two bits), connected, each shown the next; simulcast, declared SSRCs, no extensions, ciphers.
    fn begin(&mut self, setting: u8) {
        for who in 0..setting & 3 {
            self.add();
            self.rekey(who, setting >> 5);
            self.gate(who, true);
            self.check(who, path(who), 1);
            self.add_up(who, 0);
            self.add_up(who, 1 | setting >> 1 & 0x0E);
            self.add_down(who, 0);
            self.add_down(who, 3);
            if setting & 3 == 3 {
                self.add_down(who, 1);
            }
        }
        for who in 0..self.people.len() {
            let next = &self.people[(who + 1) % self.people.len()];
            let before = &self.people[(who + self.people.len() - 1) % self.people.len()];
            let ups = [next.lines[0].id, next.lines[1].id, before.lines[1].id];
            let slots: Vec<u64> = self.people[who].slots.iter().map(|slot| slot.id).collect();
            for (slot, up) in slots.into_iter().zip(ups) {
                self.route(slot, Some(up), None);
            }
        }
        self.take(true);
    }

    fn step(&mut self, step: Step, input: &mut Input<'_>) {
        match step {
            Step::Media => self.send_media(input),
            Step::Repair => self.send_repair(input),
            Step::Tick => {
                self.now += STEPS_S[usize::from(input.octet()) % STEPS_S.len()];
                self.core.tick(self.now);
            }
            Step::Take => self.take(input.octet() & 1 == 0),
            Step::Check => self.check(input.octet(), path(input.octet()), input.octet()),
            Step::Rtp => {
                let who = input.octet();
                self.media(who, input.text(), false, None);
            }
            Step::Rtcp => {
                let who = input.octet();
                self.media(who, input.text(), true, None);
            }
            Step::Nack | Step::Request | Step::Report | Step::Feedback => self.send_report(step, input),
            Step::Noise => {
                let from = path(input.octet());
                self.arrive(input.text(), from, false);
            }
            Step::Again => {
                let (which, from, place, change) = (input.octet(), input.octet(), input.word(), input.octet());
                let Some(at) = usize::from(which).checked_rem(self.sent.len()) else { return };
                let (by, mut datagram) = self.sent[at].clone();
                if let Some(at) = usize::from(place).checked_rem(datagram.len()) {
                    datagram[at] ^= change;
                }
                self.arrive(&datagram, if from & 0x80 != 0 { path(from) } else { by }, false);
            }
            _ => self.command(step, input),
        }
    }

    fn command(&mut self, step: Step, input: &mut Input<'_>) {
        let who = input.octet();
        match step {
            Step::Add => self.add(),
            Step::Remove => {
                if let Some(at) = usize::from(who).checked_rem(self.ids.len()) {
                    self.remove(self.ids[at]);
                }
            }
            Step::Restart => self.restart(who),
            Step::Gate => self.gate(who, input.octet() & 1 == 0),
            Step::Route => {
                let (slot, from, up) = (input.octet(), input.octet(), input.octet());
                let rid = RIDS.get(usize::from(input.octet()) % 8).copied();
                let up = self.line(from, up);
                if let Some(slot) = self.slot(who, slot) {
                    self.route(slot, up, rid);
                }
            }
            Step::Handshake => {
                let Some(id) = self.who(who).map(|person| person.id) else { return };
                let datagram = [&[22], &id.0.to_be_bytes()[..], input.text()].concat();
                self.core.send_dtls(id, &datagram);
            }
            Step::Ask => {
                let (what, bits) = (input.octet(), input.octet());
                let Some(id) = self.who(who).map(|person| person.id) else { return };
                let up = UpId(self.line(who, bits).unwrap_or(0));
                match what % 4 {
                    0 => self.core.cap(id, (bits > 0).then(|| u64::from(bits) * 10_000)),
                    1 => self.core.ask_key_frame(up),
                    _ => self.core.tap(up, what & 4 == 0),
                }
            }
            Step::Up => self.add_up(who, input.octet()),
            Step::Down => self.add_down(who, input.octet()),
            _ => {
                // what is queued was numbered under the old keys
                self.take(true);
                self.rekey(who, input.octet());
            }
        }
    }

    fn line(&mut self, who: u8, number: u8) -> Option<u64> {
        let lines = &self.who(who)?.lines;
        Some(lines[usize::from(number).checked_rem(lines.len())?].id)
    }

    fn slot(&mut self, who: u8, number: u8) -> Option<u64> {
        let slots = &self.who(who)?.slots;
        Some(slots[usize::from(number).checked_rem(slots.len())?].id)
    }

    /// A packet of a line: whose, which line and rid, what is in it, how far its number is from the last.
    fn send_media(&mut self, input: &mut Input<'_>) {
        let (who, which, bits, step, kind) =
            (input.octet(), input.octet(), input.octet(), input.octet() as i8, input.octet());
        let step = if step == i8::MIN { input.word() } else { i16::from(step) as u16 };
        let now = self.now;
        let Some(person) = self.who(who) else { return };
        let Some(at) = usize::from(which & 7).checked_rem(person.lines.len()) else { return };
        let line = &mut person.lines[at];
        let rank = which >> 3 & 3;
        let ssrc = ssrc(line.id, rank);
        let sequence = line.sequences.entry(ssrc).or_insert(65_000);
        *sequence = sequence.wrapping_add(step);
        let codecs = &line.parameters.codecs;
        let (payload_type, codec) = &codecs[usize::from(kind & 3) % codecs.len()];
        let header = Header {
            marker: bits & 2 != 0,
            payload_type: *payload_type,
            seq: Seq(0x1_0000 + i64::from(*sequence)),
            timestamp: (now * 9e4) as u64 as u32,
            ssrc,
        };
        let mut plain = Vec::new();
        header.write(&mut plain, |out| {
            element(out, bits & 4 != 0, MID, line.parameters.mid.as_bytes());
            element(out, bits & 8 != 0, RID, RIDS.get(usize::from(rank)).unwrap_or(&"").as_bytes());
            element(out, bits & 16 != 0, TRANSPORT, &sequence.to_be_bytes());
            element(out, bits & 32 != 0, LEVEL, &[kind]);
        });
        plain.extend_from_slice(payload(&codec.name, bits & 1 != 0));
        plain.resize(plain.len() + usize::from(kind >> 2) * 20, kind);
        if bits & 64 != 0 {
            plain[0] |= 0x20;
            plain.extend_from_slice(&[0, 0, 3]);
        }
        let elsewhere = (bits & 128 != 0).then(|| path(which >> 5));
        self.media(who, &plain, false, elsewhere);
    }

    /// RTX of a packet of a line, so many back.
    fn send_repair(&mut self, input: &mut Input<'_>) {
        let (who, which, bits, back, kind) =
            (input.octet(), input.octet(), input.octet(), input.octet(), input.octet());
        let Some(person) = self.who(who) else { return };
        let Some(at) = usize::from(which & 7).checked_rem(person.lines.len()) else { return };
        let line = &mut person.lines[at];
        let rank = which >> 3 & 3;
        let repaired = ssrc(line.id, rank);
        let original = line.sequences.get(&repaired).copied().unwrap_or(0).wrapping_sub(back.into());
        let sequence = line.sequences.entry(rtx_ssrc(repaired)).or_insert(7);
        *sequence = sequence.wrapping_add(1);
        let (name, payload_type) = CODECS[1 + usize::from(kind & 3)];
        let header = Header {
            marker: bits & 2 != 0,
            payload_type: PayloadType(payload_type + 1),
            seq: Seq(i64::from(*sequence)),
            timestamp: u32::from(back),
            ssrc: rtx_ssrc(repaired),
        };
        let mut plain = Vec::new();
        header.write(&mut plain, |out| {
            element(out, bits & 4 != 0, MID, line.parameters.mid.as_bytes());
            element(out, bits & 8 != 0, REPAIRED_RID, RIDS.get(usize::from(rank)).unwrap_or(&"").as_bytes());
        });
        plain.extend_from_slice(&original.to_be_bytes());
        if bits & 16 == 0 {
            plain.extend_from_slice(payload(name, bits & 1 != 0));
        }
        self.media(who, &plain, false, None);
    }

    /// What a receiver, or a sender, says of what it knows.
    fn send_report(&mut self, step: Step, input: &mut Input<'_>) {
        let (who, which, value, more) = (input.octet(), input.octet(), input.word(), input.word());
        let now = self.now;
        let Some(person) = self.who(who) else { return };
        let sender = Ssrc(5);
        let packet = if let Step::Feedback = step {
            let size = 1 + usize::from(which);
            let delta = |at: usize| (more >> (at % 16) & 1 == 1).then_some(i32::from(value as i16) + at as i32);
            Packet::TransportFeedback(TransportFeedback {
                sender,
                media: sender,
                base_sequence: person.numbered.unwrap_or(0).wrapping_sub(u16::from(which)).wrapping_add(1),
                reference_time: (now * 15.625) as i32,
                count: value as u8,
                deltas: (0..size).map(|at| delta(at).map(|delta| i32::from(delta as i16))).collect(),
            })
        } else if let Step::Report = step {
            let Some(at) = usize::from(which & 7).checked_rem(person.lines.len()) else { return };
            Packet::SenderReport(SenderReport {
                sender: ssrc(person.lines[at].id, which >> 3 & 3),
                ntp_time: u64::from(value) << 32 | u64::from(more),
                rtp_time: (now * 9e4) as u64 as u32,
                packets: value.into(),
                octets: more.into(),
                reports: Vec::new(),
            })
        } else {
            let Some(at) = usize::from(which & 7).checked_rem(person.slots.len()) else { return };
            let slot = &person.slots[at];
            let media = slot_ssrc(slot.id);
            let newest = slot.newest.wrapping_sub(value);
            match (step, which >> 3 & 3) {
                (Step::Nack, _) => {
                    let asked = (0..16).filter(|bit| more >> bit & 1 == 1).map(|bit| newest.wrapping_sub(bit));
                    Packet::Nack { sender, media, sequences: asked.chain([newest]).map(Sequence).collect() }
                }
                (_, 0) => Packet::PictureLoss { sender, media },
                (_, 1) => Packet::FullIntraRequest { sender, requests: vec![(media, value as u8)] },
                (_, 2) => Packet::Remb { sender, bitrate_bps: u64::from(value) << (more & 63), ssrcs: vec![media] },
                _ => Packet::ReceiverReport { sender, reports: vec![block(media, newest, more, now)] },
            }
        };
        let mut plain = Vec::new();
        pack(&packet, &mut plain);
        self.media(who, &plain, true, None);
    }
}

fn block(ssrc: Ssrc, newest: u16, more: u16, now: f64) -> ReportBlock {
    ReportBlock {
        ssrc,
        fraction_lost: more as u8,
        packets_lost: more.into(),
        highest_sequence: newest.into(),
        jitter: more.into(),
        last_sender_report: (now * 65536.0) as u64 as u32,
        delay: more.into(),
    }
}

fn element(out: &mut Vec<u8>, there: bool, id: u8, value: &[u8]) {
    if there {
        write_element(out, medinova_core::id::ExtensionId(id), value);
    }
}

/// How a packet of a key frame begins, or of another.
fn payload(codec: &str, key: bool) -> &'static [u8] {
    match (codec, key) {
        ("VP8", true) => &[0x90, 0xF0, 0x81, 0x02, 0x03, 0x04, 0x00],
        ("VP8", false) => &[0x90, 0xF0, 0x81, 0x03, 0x03, 0x04, 0x01],
        ("VP9", true) => &[0xA8, 0x81, 0x02, 0x00, 0x03],
        ("VP9", false) => &[0xE8, 0x81, 0x03, 0x00, 0x03],
        ("H264", true) => &[0x67, 0x42],
        ("H264", false) => &[0x41, 0x9A],
        ("AV1", true) => &[0x18, 0x08],
        ("AV1", false) => &[0x10, 0x30],
        _ => &[0xFC, 0x01],
    }
}
