//! RTCP packets in, bytes out: the same as from `media/rtcp.py`.

use super::{APPLICATION, BYE, CNAME, FIR, NACK, PLI, PSFB, Packet, RR, RTPFB, ReportBlock, SDES, SR, TRANSPORT};
use crate::feedback;
use crate::id::{Sequence, Ssrc};

/// What five bits of the header can say.
const MAX_COUNT: usize = 31;
const MAX_NAME_BYTES: usize = 255;
/// Of a compound: a sender whose numbers jump makes us say a lot at once.
pub const MAX_COMPOUND_BYTES: usize = 1200;

/// The packets in their order as datagrams that no network need cut, each as full as may be (RFC 5506).
#[must_use]
pub fn compounds(packets: &[Packet]) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for packet in packets {
        let mut data = Vec::new();
        pack(packet, &mut data);
        match found.last_mut() {
            Some(last) if last.len() + data.len() <= MAX_COMPOUND_BYTES => last.append(&mut data),
            _ => found.push(data),
        }
    }
    found
}

/// Append one packet to a compound. A `Nack` may become several FCI entries; nothing is split: what exceeds the count
/// in a header (31 reports, names or streams; 255 streams of a `Remb`) or 255 bytes of a name is left out.
pub fn pack(packet: &Packet, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let (kind, count) = match packet {
        Packet::SenderReport(report) => {
            pack_ssrc(report.sender, out);
            out.extend_from_slice(&report.ntp_time.to_be_bytes());
            for number in [report.rtp_time, report.packets, report.octets] {
                out.extend_from_slice(&number.to_be_bytes());
            }
            (SR, pack_blocks(&report.reports, out))
        }
        Packet::ReceiverReport { sender, reports } => {
            pack_ssrc(*sender, out);
            (RR, pack_blocks(reports, out))
        }
        Packet::SourceDescription(names) => (SDES, pack_names(names, out)),
        Packet::Goodbye(ssrcs) => {
            let ssrcs = ssrcs.get(..MAX_COUNT).unwrap_or(ssrcs);
            pack_ssrcs(ssrcs, out);
            (BYE, ssrcs.len() as u8)
        }
        Packet::Nack { sender, media, sequences } => {
            pack_pair(*sender, *media, out);
            pack_sequences(sequences, out);
            (RTPFB, NACK)
        }
        Packet::PictureLoss { sender, media } => {
            pack_pair(*sender, *media, out);
            (PSFB, PLI)
        }
        Packet::FullIntraRequest { sender, requests } => {
            pack_pair(*sender, Ssrc(0), out);
            for (ssrc, number) in requests {
                pack_ssrc(*ssrc, out);
                out.extend_from_slice(&[*number, 0, 0, 0]);
            }
            (PSFB, FIR)
        }
        Packet::Remb { sender, bitrate_bps, ssrcs } => {
            pack_pair(*sender, Ssrc(0), out);
            pack_remb(*bitrate_bps, ssrcs, out);
            (PSFB, APPLICATION)
        }
        Packet::TransportFeedback(report) => {
            feedback::write(report, out);
            (RTPFB, TRANSPORT)
        }
        Packet::Other => return out.truncate(start),
    };
    let padding = (out.len() - start).wrapping_neg() % 4;
    if padding > 0 {
        out.resize(out.len() + padding - 1, 0);
        out.push(padding as u8);
    }
    let first = 0x80 | if padding > 0 { 0x20 } else { 0 } | count;
    let [high, low] = (((out.len() - start) / 4 - 1) as u16).to_be_bytes();
    out[start..start + 4].copy_from_slice(&[first, kind, high, low]);
}

fn pack_ssrc(ssrc: Ssrc, out: &mut Vec<u8>) {
    out.extend_from_slice(&ssrc.0.to_be_bytes());
}

fn pack_ssrcs(ssrcs: &[Ssrc], out: &mut Vec<u8>) {
    for ssrc in ssrcs {
        pack_ssrc(*ssrc, out);
    }
}

fn pack_pair(sender: Ssrc, media: Ssrc, out: &mut Vec<u8>) {
    pack_ssrc(sender, out);
    pack_ssrc(media, out);
}

fn pack_blocks(blocks: &[ReportBlock], out: &mut Vec<u8>) -> u8 {
    let blocks = blocks.get(..MAX_COUNT).unwrap_or(blocks);
    for block in blocks {
        let lost = block.packets_lost.clamp(-0x80_0000, 0x7F_FFFF) as u32 & 0xFF_FFFF;
        pack_ssrc(block.ssrc, out);
        for number in [
            u32::from(block.fraction_lost) << 24 | lost,
            block.highest_sequence,
            block.jitter,
            block.last_sender_report,
            block.delay,
        ] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
    blocks.len() as u8
}

fn pack_names(names: &[(Ssrc, String)], out: &mut Vec<u8>) -> u8 {
    let names = names.get(..MAX_COUNT).unwrap_or(names);
    for (ssrc, name) in names {
        let name = beginning(name);
        let size = 4 + 2 + name.len();
        pack_ssrc(*ssrc, out);
        out.extend_from_slice(&[CNAME, name.len() as u8]);
        out.extend_from_slice(name.as_bytes());
        out.resize(out.len() + 4 - size % 4, 0);
    }
    names.len() as u8
}

fn beginning(name: &str) -> &str {
    let mut end = name.len().min(MAX_NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

fn pack_sequences(sequences: &[Sequence], out: &mut Vec<u8>) {
    let mut entry: Option<(Sequence, u16)> = None;
    for sequence in sequences {
        match &mut entry {
            Some((first, following)) if (1..=16).contains(&sequence.0.wrapping_sub(first.0)) => {
                *following |= 1 << (sequence.0.wrapping_sub(first.0) - 1);
            }
            _ => pack_entry(entry.replace((*sequence, 0)), out),
        }
    }
    pack_entry(entry, out);
}

fn pack_entry(entry: Option<(Sequence, u16)>, out: &mut Vec<u8>) {
    if let Some((first, following)) = entry {
        out.extend_from_slice(&first.0.to_be_bytes());
        out.extend_from_slice(&following.to_be_bytes());
    }
}

fn pack_remb(bitrate_bps: u64, ssrcs: &[Ssrc], out: &mut Vec<u8>) {
    let ssrcs = ssrcs.get(..255).unwrap_or(ssrcs);
    let exponent = (u64::BITS - bitrate_bps.leading_zeros()).saturating_sub(18);
    let [_, high, middle, low] = (exponent << 18 | (bitrate_bps >> exponent) as u32).to_be_bytes();
    out.extend_from_slice(b"REMB");
    out.extend_from_slice(&[ssrcs.len() as u8, high, middle, low]);
    pack_ssrcs(ssrcs, out);
}
