//! RTP: what is parsed lies inside, is written as it was read, and RTX gives back what it repairs.

use medinova_core::id::{ExtensionId, PayloadType, Seq, Ssrc};
use medinova_core::rtp::{Header, Packet, repaired, write_element};

const SSRC: Ssrc = Ssrc(0x0102_0304);

/// As a plain packet.
pub fn rtp(data: &[u8]) {
    let Ok(packet) = Packet::parse(data) else { return };
    assert!(12 <= packet.payload_at && packet.payload_at <= packet.end && packet.end <= data.len());
    assert_eq!(packet.is_empty(), packet.payload(data).is_empty());
    for id in 0..=255 {
        let value = packet.element(data, ExtensionId(id));
        assert!(value.is_none_or(|value| id < 15 && value.len() < 255));
    }
    write(&packet, data);
    repair(&packet, data);
}

fn write(packet: &Packet, data: &[u8]) {
    let header = Header {
        marker: packet.marker,
        payload_type: packet.payload_type,
        seq: Seq(0x1_0000 + i64::from(packet.sequence.0)),
        timestamp: packet.timestamp,
        ssrc: packet.ssrc,
    };
    let mut out = Vec::new();
    header.write(&mut out, |out| {
        for id in 1..15 {
            if let Some(value) = packet.element(data, ExtensionId(id)) {
                write_element(out, ExtensionId(id), value);
            }
        }
    });
    out.extend_from_slice(packet.payload(data));
    let again = Packet::parse(&out).expect("ours");
    assert_eq!(
        (again.marker, again.payload_type, again.sequence),
        (packet.marker, packet.payload_type, packet.sequence)
    );
    assert_eq!((again.timestamp, again.ssrc), (packet.timestamp, packet.ssrc));
    assert_eq!(again.payload(&out), packet.payload(data));
    for id in 1..15 {
        let before = packet.element(data, ExtensionId(id)).filter(|value| (1..=16).contains(&value.len()));
        assert_eq!(again.element(&out, ExtensionId(id)), before);
    }
}

fn repair(packet: &Packet, data: &[u8]) {
    let mut bytes = data.to_vec();
    let Some((from, to)) = repaired(packet, &mut bytes, SSRC, PayloadType(96)) else {
        assert!(packet.payload(data).len() <= 2);
        return;
    };
    let bytes = &bytes[from..to];
    let original = Packet::parse(bytes).expect("ours");
    let (number, payload) = packet.payload(data).split_at(2);
    assert_eq!((original.ssrc, original.payload_type), (SSRC, PayloadType(96)));
    assert_eq!((original.marker, original.timestamp), (packet.marker, packet.timestamp));
    assert_eq!(original.sequence.0.to_be_bytes(), number);
    assert_eq!(original.payload(bytes), payload);
    for id in 0..15 {
        assert_eq!(original.element(bytes, ExtensionId(id)), packet.element(data, ExtensionId(id)));
    }
}
