//! RTCP bytes in, packets out.

use super::{
    APPLICATION, BYE, CNAME, FIR, NACK, PLI, PSFB, Packet, RR, RTPFB, ReportBlock, SDES, SR, SenderReport, TRANSPORT,
};
use crate::feedback;
use crate::id::{Sequence, Ssrc};

const HEADER_TRUNCATED: &str = "RTCP header is truncated";
const TOO_SHORT: &str = "RTCP packet is too short for its type";

/// Return the packets of a compound; `Err` is one fixed sentence, the same as in `media/rtcp.py`. Reduced-size compounds
/// (RFC 5506) are fine; padding is dropped.
pub fn parse(compound: &[u8]) -> Result<Vec<Packet>, &'static str> {
    let mut packets = Vec::new();
    let mut rest = compound;
    let mut statuses = 0; // two bytes claim thousands of them, and a compound has room for many such pairs
    while !rest.is_empty() {
        let Some(&[first, kind, high, low]) = rest.first_chunk() else { return Err(HEADER_TRUNCATED) };
        if first >> 6 != 2 {
            return Err("RTCP version is not 2");
        }
        let size = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        let (packet, following) = rest.split_at_checked(size).ok_or("RTCP packet is truncated")?;
        let mut body = packet.get(4..).unwrap_or_default();
        if first & 0x20 != 0 {
            body = without_padding(body)?;
        }
        let packet = read(kind, first & 0x1F, body)?;
        if let Packet::TransportFeedback(feedback) = &packet {
            statuses += feedback.deltas.len();
            if statuses > feedback::MAX_STATUSES_READ {
                return Err(feedback::TOO_MANY);
            }
        }
        packets.push(packet);
        rest = following;
    }
    if packets.is_empty() { Err(HEADER_TRUNCATED) } else { Ok(packets) }
}

fn read(kind: u8, count: u8, body: &[u8]) -> Result<Packet, &'static str> {
    match (kind, count) {
        (SR, _) => read_sender_report(body, count),
        (RR, _) => read_receiver_report(body, count),
        (SDES, _) => read_source_description(body, count),
        (BYE, _) => Ok(Packet::Goodbye(read_ssrcs(&mut { body }, count)?)),
        (RTPFB, NACK) => read_nack(body),
        (RTPFB, TRANSPORT) => feedback::read(body).map(Packet::TransportFeedback),
        (PSFB, PLI) => read_picture_loss(body),
        (PSFB, FIR) => read_full_intra_request(body),
        (PSFB, APPLICATION) if body.get(8..12) == Some(b"REMB") => read_remb(body),
        _ => Ok(Packet::Other),
    }
}

fn without_padding(body: &[u8]) -> Result<&[u8], &'static str> {
    // no multiple of 4 demanded: libwebrtc pads feedback by 1 to 3
    let size = body.last().filter(|size| **size > 0).and_then(|size| body.len().checked_sub(usize::from(*size)));
    size.and_then(|size| body.get(..size)).ok_or("RTCP padding is malformed")
}

fn read_sender_report(mut body: &[u8], count: u8) -> Result<Packet, &'static str> {
    Ok(Packet::SenderReport(SenderReport {
        sender: read_ssrc(&mut body)?,
        ntp_time: u64::from_be_bytes(take(&mut body)?),
        rtp_time: u32::from_be_bytes(take(&mut body)?),
        packets: u32::from_be_bytes(take(&mut body)?),
        octets: u32::from_be_bytes(take(&mut body)?),
        reports: read_blocks(&mut body, count)?,
    }))
}

fn read_receiver_report(mut body: &[u8], count: u8) -> Result<Packet, &'static str> {
    Ok(Packet::ReceiverReport { sender: read_ssrc(&mut body)?, reports: read_blocks(&mut body, count)? })
}

fn read_blocks(body: &mut &[u8], count: u8) -> Result<Vec<ReportBlock>, &'static str> {
    (0..count).map(|_| read_block(body)).collect()
}

fn read_block(body: &mut &[u8]) -> Result<ReportBlock, &'static str> {
    let ssrc = read_ssrc(body)?;
    let loss = u32::from_be_bytes(take(body)?);
    Ok(ReportBlock {
        ssrc,
        fraction_lost: (loss >> 24) as u8,
        packets_lost: (loss as i32) << 8 >> 8,
        highest_sequence: u32::from_be_bytes(take(body)?),
        jitter: u32::from_be_bytes(take(body)?),
        last_sender_report: u32::from_be_bytes(take(body)?),
        delay: u32::from_be_bytes(take(body)?),
    })
}

fn read_source_description(body: &[u8], count: u8) -> Result<Packet, &'static str> {
    let mut names = Vec::new();
    let mut position = 0;
    for _ in 0..count {
        let mut chunk = body.get(position..).filter(|chunk| chunk.len() >= 8).ok_or(TOO_SHORT)?;
        let ssrc = read_ssrc(&mut chunk)?;
        while let [kind @ 1..=255, size, rest @ ..] = chunk {
            let size = usize::from(*size);
            // a byte is behind each item: the next one's kind, or the zero that ends the chunk
            let (text, following) =
                rest.split_at_checked(size).filter(|(_, after)| !after.is_empty()).ok_or(TOO_SHORT)?;
            if *kind == CNAME {
                let name = std::str::from_utf8(text).map_err(|_| "RTCP source description is not UTF-8")?;
                names.push((ssrc, name.to_owned()));
            }
            chunk = following;
        }
        if chunk.first() != Some(&0) {
            return Err(TOO_SHORT);
        }
        position = (body.len() - chunk.len() + 4) & !3; // one to four zero bytes end a chunk
    }
    Ok(Packet::SourceDescription(names))
}

fn read_nack(mut body: &[u8]) -> Result<Packet, &'static str> {
    let (sender, media) = (read_ssrc(&mut body)?, read_ssrc(&mut body)?);
    if body.is_empty() || !body.len().is_multiple_of(4) {
        return Err(TOO_SHORT);
    }
    let mut sequences = Vec::new();
    while !body.is_empty() {
        let first = u16::from_be_bytes(take(&mut body)?);
        let following = u16::from_be_bytes(take(&mut body)?);
        sequences.push(Sequence(first));
        let asked = (0..16).filter(|bit| following >> bit & 1 == 1);
        sequences.extend(asked.map(|bit| Sequence(first.wrapping_add(bit + 1))));
    }
    Ok(Packet::Nack { sender, media, sequences })
}

fn read_picture_loss(mut body: &[u8]) -> Result<Packet, &'static str> {
    Ok(Packet::PictureLoss { sender: read_ssrc(&mut body)?, media: read_ssrc(&mut body)? })
}

fn read_full_intra_request(mut body: &[u8]) -> Result<Packet, &'static str> {
    let (sender, _) = (read_ssrc(&mut body)?, read_ssrc(&mut body)?);
    let mut requests = Vec::new();
    while !body.is_empty() {
        let ssrc = read_ssrc(&mut body)?;
        let [number, _, _, _] = take(&mut body)?;
        requests.push((ssrc, number));
    }
    Ok(Packet::FullIntraRequest { sender, requests })
}

fn read_remb(mut body: &[u8]) -> Result<Packet, &'static str> {
    let sender = read_ssrc(&mut body)?;
    let _media_and_name: [u8; 8] = take(&mut body)?;
    let [count, high, middle, low] = take(&mut body)?;
    let exponent = high >> 2;
    if exponent > 46 {
        return Err("REMB bitrate does not fit 64 bits");
    }
    let mantissa = u32::from_be_bytes([0, high & 3, middle, low]);
    Ok(Packet::Remb { sender, bitrate_bps: u64::from(mantissa) << exponent, ssrcs: read_ssrcs(&mut body, count)? })
}

fn read_ssrcs(body: &mut &[u8], count: u8) -> Result<Vec<Ssrc>, &'static str> {
    (0..count).map(|_| read_ssrc(body)).collect()
}

fn read_ssrc(body: &mut &[u8]) -> Result<Ssrc, &'static str> {
    take(body).map(|bytes| Ssrc(u32::from_be_bytes(bytes)))
}

fn take<const N: usize>(body: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (head, rest) = body.split_first_chunk().ok_or(TOO_SHORT)?;
    *body = rest;
    Ok(*head)
}
