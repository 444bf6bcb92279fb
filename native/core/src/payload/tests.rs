//! Payload descriptors: key frames are found in real packets, numbers rewritten in place at their width.

use std::path::Path;

use proptest::prelude::*;

use super::*;

/// Capture, codec and payload type of the camera.
const CAMERAS: [(&str, Format, u8); 7] = [
    ("chromium-156-rtp-vp8", Format::Vp8, 96),
    ("chromium-156-rtp-h264", Format::H264, 108),
    ("chromium-156-rtp-vp9", Format::Vp9, 98),
    ("chromium-156-rtp-av1", Format::Av1, 45),
    ("firefox-153-rtp-vp8", Format::Vp8, 120),
    ("firefox-153-rtp-vp9", Format::Vp9, 121),
    ("firefox-153-rtp-av1", Format::Av1, 99),
];
const VIDEO: [Format; 4] = [Format::Vp8, Format::Vp9, Format::H264, Format::Av1];

/// The payloads of the camera's packets in a capture, without RTP header, extensions and padding.
fn camera(capture: &str) -> Vec<Vec<u8>> {
    let payload_type = CAMERAS.iter().find(|(name, ..)| *name == capture).unwrap().2;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
    let data = std::fs::read(folder.join(capture).with_extension("bin")).unwrap();
    let mut rest = &data[..];
    let mut found = Vec::new();
    while let Some((size, behind)) = rest.split_first_chunk() {
        let (packet, behind) = behind.split_at(u16::from_be_bytes(*size).into());
        rest = behind;
        if packet[1] & 0x7F != payload_type {
            continue;
        }
        let mut start = 12 + 4 * usize::from(packet[0] & 15);
        if packet[0] & 0x10 != 0 {
            start += 4 + 4 * usize::from(u16::from_be_bytes([packet[start + 2], packet[start + 3]]));
        }
        let padding = if packet[0] & 0x20 != 0 { usize::from(packet[packet.len() - 1]) } else { 0 };
        found.push(packet[start..packet.len() - padding].to_vec());
    }
    found
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|octet| *octet != b' ').collect();
    let pair = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

#[test]
fn a_camera_begins_with_its_only_key_frame() {
    for (capture, format, _) in CAMERAS {
        let starts: Vec<bool> = camera(capture).iter().map(|one| starts_key_frame(format, one).unwrap()).collect();
        assert_eq!(starts, [true, false, false, false, false, false, false, false, false], "{capture}");
    }
}

#[test]
fn key_frame() {
    for (format, wire, expected) in [
        (Format::Vp8, "10 00", true),
        (Format::Vp8, "10 01", false), // not a key frame
        (Format::Vp8, "00 00", false), // not the start of its partition
        (Format::Vp8, "11 00", false), // not the first partition
        (Format::Vp8, "90 e0 81 23 45 00 00", true),
        (Format::Vp8, "90 80 23 00", true),
        (Format::Vp8, "90 30 e3 01", false),
        (Format::Vp9, "88 81 23", true),
        (Format::Vp9, "c8 81 23", false), // predicted from another picture
        (Format::Vp9, "80 81 23", false), // not the start
        (Format::Vp9, "a8 23 00 05", true),
        (Format::Vp9, "a8 23 02 05", false), // a higher spatial layer
        (Format::H264, "67 42 e0 1f", true),
        (Format::H264, "65 b8", false), // IDR alone: its parameter sets are missing
        (Format::H264, "61 e0", false),
        (Format::H264, "78 0002 6742 0002 68ce", true),
        (Format::H264, "78 0002 68ce 0001 67", true),
        (Format::H264, "78 0002 68ce", false),
        (Format::H264, "7c 87 00", true),
        (Format::H264, "7c 07 00", false), // a later fragment
        (Format::H264, "7c 85 00", false),
        (Format::Av1, "18 0a 0b", true),
        (Format::Av1, "28 01 0a 0b", true),
        (Format::Av1, "08 8001 0a 0b", true), // a length in two bytes
        (Format::Av1, "10 0a", false),        // not a new sequence
        (Format::Av1, "98 0a", false),        // goes on from the packet before
        (Format::Av1, "18 32", false),        // a frame without sequence header
        (Format::Other, "78", true),
        (Format::Other, "", true),
    ] {
        assert_eq!(starts_key_frame(format, &bytes(wire)), Ok(expected), "{format:?} {wire}");
    }
}

#[test]
fn vp8_rewrite() {
    // flags; picture id 0x7fff → 0x1234, TL0PICIDX → 0x56, KEYIDX → 0x07
    for (wire, rewritten, size) in [
        ("10 01", "10 01", 1),
        ("90 00 01", "90 00 01", 2),
        ("90 80 7f 01", "90 80 34 01", 3),
        ("90 80 ffff 01", "90 80 9234 01", 4),
        ("90 c0 ffff aa 01", "90 c0 9234 56 01", 5),
        ("90 e0 ffff aa d1 01", "90 e0 9234 56 d1 01", 6),
        ("90 f0 ffff aa df 01", "90 f0 9234 56 c7 01", 6),
        ("90 10 df 01", "90 10 c7 01", 3),
        ("90 50 aa df 01", "90 50 56 c7 01", 4),
    ] {
        let mut payload = bytes(wire);
        let descriptor = parse_vp8(&payload).unwrap();
        descriptor.rewrite(&mut payload, 0x1234, 0x156, 0x27);
        assert_eq!(payload, bytes(rewritten), "{wire}");
        assert_eq!(descriptor.size, size, "{wire}");
    }
}

#[test]
fn vp9_rewrite() {
    for (wire, rewritten) in [
        ("08 00", "08 00"),
        ("88 7f 00", "88 34 00"),
        ("88 ffff 00", "88 9234 00"),
        ("a8 ffff 20 aa", "a8 9234 20 56"),
        ("b8 ffff 20 00", "b8 9234 20 00"), // flexible mode has no TL0PICIDX
        ("28 20 aa", "28 20 56"),
    ] {
        let mut payload = bytes(wire);
        parse_vp9(&payload).unwrap().rewrite(&mut payload, 0x1234, 0x156);
        assert_eq!(payload, bytes(rewritten), "{wire}");
    }
}

#[test]
fn numbers_below_zero_are_cut_to_their_widths_too() {
    let mut payload = bytes("90 f0 ffff aa df 01");
    parse_vp8(&payload).unwrap().rewrite(&mut payload, -2, -3, -4);
    assert_eq!(payload, bytes("90 f0 fffe fd dc 01"));
}

#[test]
fn numbers_of_real_cameras_go_up_by_one() {
    let frames8: Vec<Vp8> = camera("firefox-153-rtp-vp8").iter().map(|one| parse_vp8(one).unwrap()).collect();
    let frames9: Vec<Vp9> = camera("firefox-153-rtp-vp9").iter().map(|one| parse_vp9(one).unwrap()).collect();
    let pictures8: Vec<PictureId> = frames8.iter().filter_map(|one| one.picture_id).collect();
    let pictures9: Vec<PictureId> = frames9.iter().filter_map(|one| one.picture_id).collect();
    for pictures in [&pictures8, &pictures9] {
        assert_eq!(pictures.len(), 9);
        assert!(pictures.windows(2).all(|two| two[1].value == two[0].value + 1));
    }
    assert!(pictures8.iter().all(|one| one.bits == 15));
    assert_eq!([0, 1, 2, 3].map(|at| frames8[at].temporal_id), [Some(0), Some(1), Some(0), Some(1)]);
    assert_eq!([0, 1, 2].map(|at| frames9[at].tl0picidx.unwrap().value), [0x85, 0x85, 0x86]);
}

/// Parse, and write what was read.
fn rewrite(format: Format, payload: &mut [u8]) -> Result<(), &'static str> {
    let picture = |field: Option<PictureId>| field.map_or(0, |field| i64::from(field.value));
    let number = |field: Option<Field<u8>>| field.map_or(0, |field| i64::from(field.value));
    match format {
        Format::Vp8 => {
            let found = parse_vp8(payload)?;
            found.rewrite(payload, picture(found.picture_id), number(found.tl0picidx), number(found.keyidx));
        }
        Format::Vp9 => {
            let found = parse_vp9(payload)?;
            found.rewrite(payload, picture(found.picture_id), number(found.tl0picidx));
        }
        _ => {}
    }
    Ok(())
}

#[test]
fn writing_what_was_read_changes_nothing() {
    for (capture, format, _) in CAMERAS {
        for one in camera(capture) {
            let mut payload = one.clone();
            rewrite(format, &mut payload).unwrap();
            assert_eq!(payload, one, "{capture}");
        }
    }
}

#[test]
fn refused() {
    for (format, wire, sentence) in [
        (Format::Vp8, "", VP8_TRUNCATED),
        (Format::Vp8, "10", VP8_TRUNCATED),
        (Format::Vp8, "90 80 80", VP8_TRUNCATED),
        (Format::Vp8, "90 f0 81 23 45", VP8_TRUNCATED),
        (Format::Vp9, "", VP9_TRUNCATED),
        (Format::Vp9, "80 80", VP9_TRUNCATED),
        (Format::Vp9, "a8 23 00", VP9_TRUNCATED),
        (Format::H264, "", H264_TRUNCATED),
        (Format::H264, "7c", H264_TRUNCATED),
        (Format::H264, "78 0003 6742", H264_MALFORMED),
        (Format::H264, "78 0001 67 0003 6742", H264_MALFORMED), // though the parameter set was found
        (Format::H264, "78 0000", H264_MALFORMED),
        (Format::H264, "78 00", H264_MALFORMED),
        (Format::Av1, "", AV1_TRUNCATED),
        (Format::Av1, "18", AV1_TRUNCATED),
        (Format::Av1, "08 80 80 80 80 80 80 80 80 01 0a", AV1_TRUNCATED),
    ] {
        assert_eq!(starts_key_frame(format, &bytes(wire)), Err(sentence), "{wire}");
    }
}

fn survives(format: Format, payload: &[u8]) {
    let _ = starts_key_frame(format, payload);
    let mut copy = payload.to_vec();
    let _ = rewrite(format, &mut copy);
    assert_eq!(copy, payload);
    // a payload that was cut after it was read
    if let (Format::Vp8, Ok(found)) = (format, parse_vp8(payload)) {
        found.rewrite(&mut copy[..payload.len() / 2], -1, i64::MAX, i64::MIN);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(format in prop::sample::select(&VIDEO[..]), payload in prop::collection::vec(any::<u8>(), 0..30)) {
        survives(format, &payload);
    }

    #[test]
    fn damaged_captures_are_survived(
        (capture, format, _) in prop::sample::select(&CAMERAS[..]),
        at in 0..9_usize,
        cut in 0..12_usize,
        instead in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let payload = &camera(capture)[at];
        let cut = cut.min(payload.len());
        survives(format, &[&payload[..cut], &instead[..]].concat());
        let behind = payload.get(cut + instead.len()..).unwrap_or_default();
        survives(format, &[&payload[..cut], &instead[..], behind].concat());
    }
}
