//! Transport-wide feedback: when each packet of a transport arrived, for the sender's bandwidth estimate.
//!
//! The packet of draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1, behind its RTCP header: a list of statuses
//! (lost, or received after a small or a large delta) packed into 16-bit chunks, then the deltas.

#[cfg(test)]
mod tests;

use std::iter::repeat_n;

use crate::id::{Seq, Sequence, Ssrc};

/// The unit of `TransportFeedback::deltas`.
pub const TICK_US: i64 = 250;
/// In one `TransportFeedback` that we build: about 1.1 kB at the worst.
pub const MAX_STATUSES: usize = 512;
/// Two bytes of a datagram can claim that many; more is no report but an attempt to make us allocate.
pub const MAX_STATUSES_READ: usize = 0x1FFF;

/// 64 ms.
const REFERENCE_TICKS: i64 = 256;
const TRUNCATED: &str = "transport feedback is truncated";
/// Also of a whole compound that claims more than `MAX_STATUSES_READ`.
pub const TOO_MANY: &str = "transport feedback has no or too many packets";

/// When packets of one transport arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportFeedback {
    /// Who speaks.
    pub sender: Ssrc,
    /// A stream that the other side sends: libwebrtc drops feedback about any other.
    pub media: Ssrc,
    /// Of the first packet spoken of.
    pub base_sequence: u16,
    /// Signed 24 bits, in 64 ms.
    pub reference_time: i32,
    /// Of feedback packets sent.
    pub count: u8,
    /// Per packet from base on: 250 µs since the one received before, in 16 signed bits; None: not received.
    pub deltas: Vec<Option<i32>>,
}

impl TransportFeedback {
    /// Per packet, when it arrived in µs on the clock of who reports, or None.
    pub fn arrivals(&self) -> impl Iterator<Item = (Sequence, Option<i64>)> + '_ {
        let mut tick = i64::from(self.reference_time) * REFERENCE_TICKS;
        let mut sequence = self.base_sequence;
        self.deltas.iter().map(move |delta| {
            let this = Sequence(sequence);
            sequence = sequence.wrapping_add(1);
            let arrival = delta.map(|delta| {
                tick += i64::from(delta);
                tick * TICK_US
            });
            (this, arrival)
        })
    }
}

/// Report `arrivals`: numbers rising, µs or None if lost; numbers left out count as lost.
///
/// Begin with the number after the last one reported, so that losses in front are said too. Several packets come back
/// where one can't hold it (a delta beyond ±8.19 s, more than `MAX_STATUSES`); the next `count` is the one given plus
/// their number. Losses at the end are not reported yet: what comes after may still prove them late.
pub fn transport_feedback(
    sender: Ssrc,
    media: Ssrc,
    count: u8,
    arrivals: impl IntoIterator<Item = (Seq, Option<i64>)>,
) -> Vec<TransportFeedback> {
    let mut reports: Vec<TransportFeedback> = Vec::new();
    let mut expected = None;
    let mut last_tick = 0;
    for (sequence, arrival_us) in arrivals {
        let mut missing = (sequence - *expected.get_or_insert(sequence)).max(0) as usize;
        let Some(arrival_us) = arrival_us else { continue };
        expected = Some(sequence + 1);
        let tick = arrival_us.div_euclid(TICK_US);
        let fits = |report: &&mut TransportFeedback| {
            report.deltas.len() + missing < MAX_STATUSES && i16::try_from(tick - last_tick).is_ok()
        };
        if let Some(report) = reports.last_mut().filter(fits) {
            report.deltas.extend(repeat_n(None, missing));
            report.deltas.push(Some((tick - last_tick) as i32));
        } else {
            if missing >= MAX_STATUSES {
                missing = 0; // a jump, not losses
            }
            let reference = tick.div_euclid(REFERENCE_TICKS);
            let mut deltas = vec![None; missing];
            deltas.push(Some((tick - reference * REFERENCE_TICKS) as i32));
            reports.push(TransportFeedback {
                sender,
                media,
                base_sequence: (sequence + -(missing as i64)).wire().0,
                reference_time: signed24(reference),
                count: count.wrapping_add(reports.len() as u8),
                deltas,
            });
        }
        last_tick = tick;
    }
    reports
}

/// Return what follows the RTCP header; `Err` is one fixed sentence.
pub fn read(body: &[u8]) -> Result<TransportFeedback, &'static str> {
    if body.len() < 18 {
        return Err(TRUNCATED);
    }
    let mut rest = body;
    let sender = Ssrc(u32::from_be_bytes(take(&mut rest)?));
    let media = Ssrc(u32::from_be_bytes(take(&mut rest)?));
    let base_sequence = u16::from_be_bytes(take(&mut rest)?);
    let total = usize::from(u16::from_be_bytes(take(&mut rest)?));
    let reference_and_count = u32::from_be_bytes(take(&mut rest)?);
    if !(1..=MAX_STATUSES_READ).contains(&total) {
        return Err(TOO_MANY);
    }
    let mut chunks = rest; // read once to find the deltas behind them, and again with the deltas
    let mut found = 0;
    while found < total {
        found += covered(u16::from_be_bytes(take(&mut rest)?));
    }
    let mut deltas = Vec::with_capacity(total);
    while deltas.len() < total {
        let chunk = u16::from_be_bytes(take(&mut chunks)?);
        for index in 0..covered(chunk).min(total - deltas.len()) {
            deltas.push(match symbol_at(chunk, index) {
                LOST => None,
                SMALL => Some(i32::from(u8::from_be_bytes(take(&mut rest)?))),
                LARGE => Some(i32::from(i16::from_be_bytes(take(&mut rest)?))),
                _ => return Err("transport feedback has a reserved symbol"),
            });
        }
    }
    Ok(TransportFeedback {
        sender,
        media,
        base_sequence,
        reference_time: signed24(i64::from(reference_and_count >> 8)),
        count: reference_and_count as u8,
        deltas,
    })
}

/// Append what follows the RTCP header, without padding. At most 65535 deltas, each of 16 signed bits.
pub fn write(feedback: &TransportFeedback, out: &mut Vec<u8>) {
    out.extend_from_slice(&feedback.sender.0.to_be_bytes());
    out.extend_from_slice(&feedback.media.0.to_be_bytes());
    out.extend_from_slice(&feedback.base_sequence.to_be_bytes());
    out.extend_from_slice(&(feedback.deltas.len() as u16).to_be_bytes());
    out.extend_from_slice(&((feedback.reference_time as u32) << 8 | u32::from(feedback.count)).to_be_bytes());
    let mut rest = feedback.deltas.as_slice();
    while !rest.is_empty() {
        let (chunk, size) = next_chunk(rest);
        out.extend_from_slice(&chunk.to_be_bytes());
        rest = rest.get(size..).unwrap_or_default();
    }
    for delta in feedback.deltas.iter().flatten() {
        match symbol_of(Some(*delta)) {
            SMALL => out.push(*delta as u8),
            _ => out.extend_from_slice(&(*delta as i16).to_be_bytes()),
        }
    }
}

// --- chunks (§3.1.3, §3.1.4): a run-length, 14 one-bit or 7 two-bit symbols -----------------------------------------

const LOST: u16 = 0;
const SMALL: u16 = 1;
const LARGE: u16 = 2;

const fn symbol_of(delta: Option<i32>) -> u16 {
    match delta {
        None => LOST,
        Some(0..=0xFF) => SMALL,
        Some(_) => LARGE,
    }
}

/// How many packets a chunk speaks of.
const fn covered(chunk: u16) -> usize {
    match chunk >> 14 {
        0 | 1 => (chunk & 0x1FFF) as usize,
        2 => 14,
        _ => 7,
    }
}

/// The symbol of one of the packets that a chunk covers.
const fn symbol_at(chunk: u16, index: usize) -> u16 {
    match chunk >> 14 {
        0 | 1 => chunk >> 13,
        2 => chunk >> (13 - index) & 1,
        _ => chunk >> (12 - 2 * index) & 3,
    }
}

/// Choose a chunk as libwebrtc does: a run where one fits best, else 14 one-bit or 7 two-bit symbols. Returns it and
/// how many of the deltas it covers, at least one of one.
fn next_chunk(rest: &[Option<i32>]) -> (u16, usize) {
    let symbols = || rest.iter().map(|delta| symbol_of(*delta));
    let first = symbols().next().unwrap_or(LOST);
    let run = symbols().take(0x1FFF).take_while(|symbol| *symbol == first).count();
    let small = symbols().take(14).take_while(|symbol| *symbol != LARGE).count();
    if run == rest.len() || run >= 14 || (run >= 7 && (small == 0 || small == run)) {
        (first << 13 | run as u16, run)
    } else if small == 14 || (small > 7 && small == rest.len()) {
        (0x8000 | bits(symbols().take(14), 1), small)
    } else {
        (0xC000 | bits(symbols().take(7), 2), rest.len().min(7))
    }
}

/// Up to 14 bits, the first symbol highest.
fn bits(symbols: impl Iterator<Item = u16>, width: u16) -> u16 {
    let (value, free) = symbols.fold((0, 14), |(value, free), symbol| (value << width | symbol, free - width));
    value << free
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (head, tail) = rest.split_first_chunk().ok_or(TRUNCATED)?;
    *rest = tail;
    Ok(*head)
}

const fn signed24(value: i64) -> i32 {
    (value as i32) << 8 >> 8
}
