//! HMAC-SHA1 (RFC 2104): STUN's MESSAGE-INTEGRITY and SRTP's tag for clients without GCM.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// The MAC of `parts` as if they lay behind each other; any length of key is one.
#[must_use]
pub fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key) else { unreachable!("HMAC takes keys of any length") };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Whether both are the same, in a time that depends on the lengths alone: a MAC can't be guessed byte by byte.
#[must_use]
pub fn same(ours: &[u8], theirs: &[u8]) -> bool {
    ours.len() == theirs.len() && bool::from(subtle::ConstantTimeEq::ct_eq(ours, theirs))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// As a specification prints them.
    pub(crate) fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    #[test]
    fn agrees_with_rfc_2202() {
        for (key, parts, mac) in [
            (&[0x0b; 20][..], &[&b"Hi There"[..]][..], "b617318655057264e28bc0b6fb378c8ef146be00"),
            (b"Jefe", &[b"what do ya want ", b"for nothing?"], "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (
                &[0xaa; 80],
                &[b"Test Using Larger Than Block-Size Key - ", b"", b"Hash Key First"],
                "aa4ae5e15272d00e95705637ce8a3b55ed402112",
            ),
        ] {
            assert_eq!(hmac_sha1(key, parts)[..], bytes(mac));
        }
    }

    #[test]
    fn compares_every_byte() {
        assert!(same(b"abc", b"abc"));
        for other in [&b"abd"[..], b"bbc", b"ab", b"abcd", b""] {
            assert!(!same(b"abc", other));
        }
    }
}
