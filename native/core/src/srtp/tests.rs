use proptest::prelude::*;

use super::*;
use crate::mac::tests::bytes;
use crate::parameters::SrtpProfile::{self, AeadAes128Gcm, AeadAes256Gcm, Aes128CmSha1_80};

const PROFILES: [SrtpProfile; 3] = [AeadAes128Gcm, AeadAes256Gcm, Aes128CmSha1_80];

/// A participant and the server, as seen by each.
fn pair(profile: SrtpProfile) -> (Srtp, Srtp) {
    let size = match profile {
        AeadAes128Gcm => 28,
        AeadAes256Gcm => 44,
        Aes128CmSha1_80 => 30,
    };
    let (up, down) = ((1..=size).collect::<Vec<u8>>(), (101..=100 + size).collect::<Vec<u8>>());
    let theirs = SrtpKeys { profile, up: down.clone(), down: up.clone() };
    (Srtp::new(&theirs).unwrap(), Srtp::new(&SrtpKeys { profile, up, down }).unwrap())
}

/// With one CSRC, two words of header extension, and a payload that tells packets apart.
fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet =
        vec![0x91, 96, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 1, 2, 3, 4, 0xbe, 0xde, 0, 2, 0x10, 5, 0, 0, 0x20, 6, 0, 0];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&sequence.to_le_bytes());
    packet.extend_from_slice(b"payload");
    packet
}

fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
    packet
}

fn sealed(from: &mut Srtp, ssrc: u32, index: u64) -> Vec<u8> {
    let mut room = rtp(ssrc, index as u16);
    let length = room.len();
    room.resize(length + MAX_OVERHEAD, 0);
    assert!(from.reserve(Ssrc(ssrc), index));
    let size = from.protect(&mut room, length, index).unwrap();
    room.truncate(size);
    room
}

fn sealed_rtcp(from: &mut Srtp, ssrc: u32) -> Vec<u8> {
    let mut room = rtcp(ssrc);
    let length = room.len();
    room.resize(length + MAX_OVERHEAD, 0);
    let size = from.protect_rtcp(&mut room, length).unwrap();
    room.truncate(size);
    room
}

#[test]
fn what_is_protected_is_unprotected() {
    for profile in PROFILES {
        let (mut participant, mut server) = pair(profile);
        let tag = if profile == Aes128CmSha1_80 { 10 } else { 16 };
        for index in [7, 8, 6, 0x1_0000 - 1, 0x1_0000, 0x1_8000] {
            let mut packet = sealed(&mut participant, 5, index);
            let plain = rtp(5, index as u16);
            assert_eq!(packet.len(), plain.len() + tag);
            assert_eq!(packet[..28], plain[..28], "the header stays readable");
            assert_ne!(packet[28..plain.len()], plain[28..]);
            let size = server.unprotect(&mut packet).unwrap();
            assert_eq!(packet[..size], plain, "{profile:?} {index}");
        }
        for _ in 0..3 {
            let mut packet = sealed_rtcp(&mut participant, 5);
            assert_eq!(packet.len(), rtcp(5).len() + tag + 4);
            assert_ne!(packet[8..20], rtcp(5)[8..]);
            let size = server.unprotect_rtcp(&mut packet).unwrap();
            assert_eq!(packet[..size], rtcp(5));
        }
    }
}

/// What libsrtp 2.7 makes of numbers 65535 and 0 (in the next cycle) and of two reports, with `pair`'s first key.
const LIBSRTP: [(SrtpProfile, [&str; 4]); 3] = [
    (
        AeadAes128Gcm,
        [
            "9160ffff000000090000000501020304bede00021005000020060000b1cb7414594ad90c8845eed0993efd3e35785161f13be75dd5",
            "91600000000000090000000501020304bede000210050000200600003eaff0cb66bfc2eeb3f5c9dd505b359fabbd3d396d3f85fb96",
            "80c900010000000561b2bf8e9c9e83adc5f8044d3e8e2b6213f20ba580c98490749c81cb80000001",
            "80c900010000000535b841c029aee2f85f9f9a49f2354d8fbab35899c28d3888ce95927480000002",
        ],
    ),
    (
        AeadAes256Gcm,
        [
            "9160ffff000000090000000501020304bede00021005000020060000b43cf26451c02d0a1aa97ac28b5c833f60fbae2f45eefb09f3",
            "91600000000000090000000501020304bede000210050000200600008fe475df83ddbc2596eb49fd8595fbfd6ba2202e6876f7f529",
            "80c9000100000005a334409a166821a667c77adbb99d941f7303a2e01b9707bf0a67240480000001",
            "80c90001000000055e1058e23093f7d49e8dae9082f75e197215dfff86e81cd73b6a5c3180000002",
        ],
    ),
    (
        Aes128CmSha1_80,
        [
            "9160ffff000000090000000501020304bede00021005000020060000db141bc22d95f775f38ca142bd0c950f188c14",
            "91600000000000090000000501020304bede00021005000020060000acdd8fe4d2ab813550376c76433f60ae5d0f74",
            "80c9000100000005b8979b776901b90d7d9683fe80000001a25f6395737a61d6f2d1",
            "80c90001000000051b45de074228b9fc47ae8d4980000002b877b1131377019cd1fd",
        ],
    ),
];

#[test]
fn agrees_with_libsrtp() {
    for (profile, theirs) in LIBSRTP {
        let (mut participant, mut server) = pair(profile);
        sealed_rtcp(&mut participant, 5); // libsrtp's first number is 1
        let ours = [
            sealed(&mut participant, 5, 65_535),
            sealed(&mut participant, 5, 65_536),
            sealed_rtcp(&mut participant, 5),
            sealed_rtcp(&mut participant, 5),
        ];
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert_eq!(*ours, bytes(theirs), "{profile:?}");
        }
        let [mut first, mut second, mut report, _] = theirs.map(bytes);
        assert_eq!(server.unprotect(&mut first), Ok(rtp(5, 65_535).len()));
        assert_eq!(server.unprotect(&mut second), Ok(rtp(5, 0).len()));
        assert_eq!(server.unprotect_rtcp(&mut report), Ok(rtcp(5).len()));
    }
}

#[test]
fn each_number_passes_once_and_only_within_the_window() {
    for profile in PROFILES {
        let (mut participant, mut server) = pair(profile);
        let packets: Vec<_> = (0..=2049).map(|at| sealed(&mut participant, 5, 64_000 + at)).collect();
        let mut give = |at: usize| server.unprotect(&mut packets[at].clone()).map(|_| ());
        assert_eq!(give(0), Ok(()));
        assert_eq!(give(2048), Ok(()), "past the end of the cycle");
        assert_eq!(give(0), Err(Refusal::Replayed), "too old");
        assert_eq!(give(2048), Err(Refusal::Replayed));
        assert_eq!(give(1), Ok(()), "just within the window, of the cycle before");
        assert_eq!(give(1), Err(Refusal::Replayed));
        assert_eq!(give(2049), Ok(()));
        assert_eq!(give(1535), Ok(()), "the last of its cycle");
        assert_eq!(give(1536), Ok(()), "the first of the next");

        let mut report = sealed_rtcp(&mut participant, 5);
        let again = report.clone();
        assert!(server.unprotect_rtcp(&mut report).is_ok());
        assert_eq!(server.unprotect_rtcp(&mut again.clone()), Err(Refusal::Replayed));
    }
}

#[test]
fn the_cycle_is_guessed_as_rfc_3711_says() {
    for (highest, sequence, index) in [
        (0, 65_535, 65_535),
        (0x8000, 65_535, 65_535),
        (65_535, 0, 0x1_0000),
        (65_535, 0x7ffe, 0x1_7ffe),
        (65_535, 0x7fff, 0x7fff),
        (0x1_0000, 65_535, 65_535),
        (0x1_0000, 0x8000, 0x1_8000),
        (0x1_0000, 0x8001, 0x8001),
        (0x2_8000, 0, 0x2_0000),
        (0x2_8001, 0, 0x3_0000),
        (0x2_7fff, 0xffff, 0x2_ffff),
    ] {
        assert_eq!(likely_index(highest, sequence), index, "{sequence} after {highest}");
    }
}

#[test]
fn forged_packets_change_nothing() {
    for profile in PROFILES {
        let (mut participant, mut server) = pair(profile);
        let good = sealed(&mut participant, 5, 10);
        for at in 0..good.len() {
            let mut forged = good.clone();
            forged[at] ^= 1;
            assert_eq!(server.unprotect(&mut forged), Err(Refusal::NotAuthentic), "{profile:?} {at}");
        }
        for size in 0..good.len() {
            assert_eq!(server.unprotect(&mut good[..size].to_vec()), Err(Refusal::NotAuthentic), "{size} bytes");
        }
        let report = sealed_rtcp(&mut participant, 5);
        for at in 0..report.len() {
            let mut forged = report.clone();
            forged[at] ^= 1;
            assert_eq!(server.unprotect_rtcp(&mut forged), Err(Refusal::NotAuthentic), "{profile:?} {at}");
        }
        for size in 0..report.len() {
            assert_eq!(server.unprotect_rtcp(&mut report[..size].to_vec()), Err(Refusal::NotAuthentic));
        }
        assert!(server.received.is_empty());
        assert!(server.unprotect(&mut good.clone()).is_ok());
        assert!(server.unprotect_rtcp(&mut report.clone()).is_ok());
        assert_eq!(server.unprotect(&mut vec![0x80; MAX_BYTES + 1]), Err(Refusal::TooLong));
        assert_eq!(server.unprotect_rtcp(&mut vec![0x80; MAX_BYTES + 1]), Err(Refusal::TooLong));
    }
}

#[test]
fn a_report_that_is_not_encrypted_is_refused() {
    let (mut participant, mut server) = pair(Aes128CmSha1_80);
    let Ciphers::Cm { rtcp: cipher, .. } = &participant.down else { unreachable!() };
    let mut plain = rtcp(5);
    plain.extend_from_slice(&7_u32.to_be_bytes());
    plain.extend_from_slice(&cipher.tag(&plain, &[]));
    assert_eq!(server.unprotect_rtcp(&mut plain), Err(Refusal::NotAuthentic));
    assert!(server.unprotect_rtcp(&mut sealed_rtcp(&mut participant, 5)).is_ok());
}

#[test]
fn only_so_many_ssrcs_and_forged_ones_do_not_count() {
    let (mut participant, mut server) = pair(AeadAes128Gcm);
    for ssrc in 0..MAX_SSRCS as u32 {
        let mut forged = rtp(1000 + ssrc, 1);
        forged.extend_from_slice(&[0; 16]);
        assert_eq!(server.unprotect(&mut forged), Err(Refusal::NotAuthentic));
        let mut packet =
            if ssrc % 2 == 0 { sealed(&mut participant, ssrc, 1) } else { sealed_rtcp(&mut participant, ssrc) };
        let size = if ssrc % 2 == 0 { server.unprotect(&mut packet) } else { server.unprotect_rtcp(&mut packet) };
        assert!(size.is_ok(), "{ssrc}");
    }
    assert_eq!(server.unprotect(&mut sealed(&mut participant, 99, 1)), Err(Refusal::TooManySsrcs));
    assert_eq!(server.unprotect_rtcp(&mut sealed_rtcp(&mut participant, 99)), Err(Refusal::TooManySsrcs));
    assert!(server.unprotect(&mut sealed(&mut participant, 7, 1)).is_ok(), "known from its reports");
}

#[test]
fn no_index_is_given_twice() {
    let (mut srtp, _) = pair(AeadAes128Gcm);
    for (index, given) in [
        (0, true),
        (0, false),
        (5000, true),
        (5000 - 2047, true),
        (5000 - 2048, false),
        (5000 - 2047, false),
        (INDICES - 1, true),
        (INDICES, false),
        (u64::MAX, false),
    ] {
        assert_eq!(srtp.reserve(Ssrc(1), index), given, "{index}");
    }
    assert!(srtp.reserve(Ssrc(2), 0), "each SSRC has its own");
}

#[test]
fn what_has_no_room_or_no_header_is_not_sealed() {
    for profile in PROFILES {
        let (mut srtp, _) = pair(profile);
        let mut room = rtp(5, 3);
        let length = room.len();
        room.resize(length + MAX_OVERHEAD, 0);
        assert_eq!(srtp.protect(&mut room, length, 4), None, "not this packet's index");
        for short in 0..28 {
            assert_eq!(srtp.protect(&mut room, short, 3), None, "{short} bytes");
        }
        assert_eq!(srtp.protect(&mut room[..length + 9], length, 3), None);
        assert_eq!(srtp.protect(&mut room, usize::MAX, 3), None);
        for short in 0..RTCP_HEADER {
            assert_eq!(srtp.protect_rtcp(&mut room, short), None);
        }
        assert_eq!(srtp.protect_rtcp(&mut room, length + 1), None);
        assert_eq!(srtp.protect_rtcp(&mut room, usize::MAX), None);
        assert_eq!(room[..length], rtp(5, 3)[..], "left as it was");
        srtp.next_rtcp = ENCRYPTED;
        assert_eq!(srtp.protect_rtcp(&mut room, length), None, "all numbers are used up");
    }
}

proptest! {
    #[test]
    fn noise_is_refused(mut noise in prop::collection::vec(any::<u8>(), 0..1600)) {
        for profile in PROFILES {
            let (_, mut server) = pair(profile);
            prop_assert!(server.unprotect(&mut noise).is_err());
            prop_assert!(server.unprotect_rtcp(&mut noise).is_err());
        }
    }

    #[test]
    fn what_was_altered_is_refused(
        index in 0u64..60_000,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4),
        cut in 0usize..40,
        more in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        for profile in PROFILES {
            let (mut participant, mut server) = pair(profile);
            let (media, report) = (sealed(&mut participant, 5, index), sealed_rtcp(&mut participant, 5));
            for (good, is_media) in [(media, true), (report, false)] {
                let mut altered = good.clone();
                for (at, flip) in &flips {
                    let at = at.index(altered.len());
                    altered[at] ^= flip;
                }
                altered.truncate(good.len().saturating_sub(cut));
                altered.extend_from_slice(&more);
                if altered == good {
                    continue;
                }
                let size = if is_media { server.unprotect(&mut altered) } else { server.unprotect_rtcp(&mut altered) };
                prop_assert!(size.is_err());
            }
        }
    }

    #[test]
    fn protecting_anything_is_safe(mut noise in prop::collection::vec(any::<u8>(), 0..200), length in 0usize..220, index: u64) {
        for profile in PROFILES {
            let (mut participant, _) = pair(profile);
            let size = participant.protect(&mut noise, length, index);
            prop_assert!(size.is_none_or(|size| size <= length + MAX_OVERHEAD));
            let size = participant.protect_rtcp(&mut noise, length);
            prop_assert!(size.is_none_or(|size| size <= length + MAX_OVERHEAD));
        }
    }
}
