//! Payload descriptors: read, rewritten, read again.

use medinova_core::parameters::Format;
use medinova_core::payload::{PictureId, parse_vp8, parse_vp9, starts_key_frame};

const NUMBERS: [i64; 5] = [0, 0x7F, 0x7FFF, 0x1_2345, -1];

/// A VP8 payload.
pub fn vp8(data: &[u8]) {
    let read = parse_vp8(data);
    assert_eq!(starts_key_frame(Format::Vp8, data), read.map(|found| found.key_frame));
    let Ok(before) = read else { return };
    assert!(usize::from(before.size) <= data.len() && (before.frame_start || !before.key_frame));
    for number in NUMBERS {
        let mut payload = data.to_vec();
        before.rewrite(&mut payload, number, number + 1, number + 2);
        let after = parse_vp8(&payload).expect("the same layout");
        assert_eq!(
            (after.size, after.frame_start, after.key_frame),
            (before.size, before.frame_start, before.key_frame)
        );
        assert_eq!((after.temporal_id, after.layer_sync), (before.temporal_id, before.layer_sync));
        picture(before.picture_id, after.picture_id, number);
        assert_eq!(after.tl0picidx.map(|field| field.value), before.tl0picidx.map(|_| (number + 1) as u8));
        assert_eq!(after.keyidx.map(|field| field.value), before.keyidx.map(|_| (number + 2) as u8 & 0x1F));
        assert_eq!(payload[usize::from(before.size)..], data[usize::from(before.size)..]);
    }
}

/// A VP9 payload.
pub fn vp9(data: &[u8]) {
    let read = parse_vp9(data);
    assert_eq!(starts_key_frame(Format::Vp9, data), read.map(|found| found.key_frame));
    let Ok(before) = read else { return };
    for number in NUMBERS {
        let mut payload = data.to_vec();
        before.rewrite(&mut payload, number, number + 1);
        let after = parse_vp9(&payload).expect("the same layout");
        assert_eq!((after.frame_start, after.key_frame), (before.frame_start, before.key_frame));
        assert_eq!((after.temporal_id, after.spatial_id), (before.temporal_id, before.spatial_id));
        picture(before.picture_id, after.picture_id, number);
        assert_eq!(after.tl0picidx.map(|field| field.value), before.tl0picidx.map(|_| (number + 1) as u8));
        assert_eq!(payload.get(5..), data.get(5..)); // the longest that is written
    }
}

/// An H.264 payload.
pub fn h264(data: &[u8]) {
    let starts = starts_key_frame(Format::H264, data);
    assert!(!data.is_empty() || starts.is_err());
    if starts == Ok(true) {
        assert!(data.iter().any(|octet| octet & 0x1F == 7));
    }
}

/// An AV1 payload.
pub fn av1(data: &[u8]) {
    let starts = starts_key_frame(Format::Av1, data);
    assert!(!data.is_empty() || starts.is_err());
    if starts == Ok(true) {
        assert!(data[0] & 0x88 == 0x08 && data[1..].iter().take(9).any(|octet| octet >> 3 & 0x0F == 1));
    }
}

fn picture(before: Option<PictureId>, after: Option<PictureId>, number: i64) {
    assert_eq!(after.map(|field| field.bits), before.map(|field| field.bits));
    let mask = before.map_or(0, |field| (1_i64 << field.bits) - 1);
    assert_eq!(after.map(|field| i64::from(field.value)), before.map(|_| number & mask));
}
