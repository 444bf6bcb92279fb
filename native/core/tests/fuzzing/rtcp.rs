//! RTCP: whatever is read can be written and read again.

use medinova_core::rtcp::{Packet, pack, parse};

/// As a plain compound.
pub fn rtcp(data: &[u8]) {
    let Ok(packets) = parse(data) else { return };
    assert!(!packets.is_empty() && packets.len() <= data.len() / 4);
    let mut compound = Vec::new();
    for packet in &packets {
        let from = compound.len();
        pack(packet, &mut compound);
        assert!(compound.len().is_multiple_of(4));
        let written = &compound[from..];
        if matches!(packet, Packet::Other) {
            assert!(written.is_empty());
            continue;
        }
        let again = parse(written).expect("ours");
        assert_eq!(again.len(), 1);
        assert_eq!(comparable(&again[0]), comparable(packet));
    }
    assert_eq!(parse(&compound).is_ok(), !compound.is_empty());
}

/// What is written of a packet: of names no more than a header can count, and numbers asked for in rising order.
fn comparable(packet: &Packet) -> Packet {
    let mut packet = packet.clone();
    match &mut packet {
        Packet::Nack { sequences, .. } => {
            sequences.sort_unstable();
            sequences.dedup();
        }
        Packet::SourceDescription(names) => names.truncate(31),
        _ => {}
    }
    packet
}
