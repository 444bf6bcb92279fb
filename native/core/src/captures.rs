//! For tests: what real browsers sent (`tests/data`), whole and damaged.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// The RTCP compounds of both browsers.
pub fn rtcp() -> Vec<&'static [u8]> {
    [
        &include_bytes!("../../../tests/data/chromium-156-rtcp.bin")[..],
        include_bytes!("../../../tests/data/firefox-153-rtcp.bin"),
    ]
    .into_iter()
    .flat_map(datagrams)
    .collect()
}

/// The connectivity checks of both browsers, and our replies.
pub fn stun() -> Vec<&'static [u8]> {
    [
        &include_bytes!("../../../tests/data/chromium-156-stun.bin")[..],
        include_bytes!("../../../tests/data/firefox-153-stun.bin"),
    ]
    .into_iter()
    .flat_map(datagrams)
    .collect()
}

/// The datagrams of a capture, each with its length before it in two bytes.
pub fn datagrams(mut capture: &'static [u8]) -> Vec<&'static [u8]> {
    let mut found = Vec::new();
    while let Some((length, rest)) = capture.split_first_chunk() {
        let (datagram, following) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        found.push(datagram);
        capture = following;
    }
    assert!(!found.is_empty() && capture.is_empty());
    found
}

/// One of them with some bytes changed, and cut somewhere or not.
pub fn damaged(originals: Vec<&'static [u8]>) -> impl Strategy<Value = Vec<u8>> {
    (
        select(originals),
        vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        prop::option::weighted(0.2, any::<prop::sample::Index>()),
    )
        .prop_map(|(original, damage, end)| {
            let mut broken = original.to_vec();
            for (place, value) in damage {
                let place = place.index(broken.len());
                broken[place] = value;
            }
            if let Some(end) = end {
                broken.truncate(end.index(broken.len()));
            }
            broken
        })
}

/// Bytes from hexadecimal digits, spaces apart as one likes.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|digit| !digit.is_ascii_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2));
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
