//! Session keys out of a master key and salt (RFC 3711 §4.3, key derivation rate 0; RFC 7714 §11).

use aes::cipher::{InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper};
use aes::{Aes128Enc, Aes256Enc};
use ctr::CtrCore;
use ctr::flavors::Ctr32BE;

use crate::parameters::SrtpProfile;

/// What is derived: the first of three numbers; salt and MAC key follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// SRTP.
    Rtp = 0,
    /// SRTCP.
    Rtcp = 3,
}

/// A master key with its salt.
pub struct Master<'a> {
    key: &'a [u8],
    salt: [u8; 14],
}

impl<'a> Master<'a> {
    /// Take what the handshake gives for one direction: the key, and the salt behind it.
    pub fn new(profile: SrtpProfile, key_and_salt: &'a [u8]) -> Result<Self, &'static str> {
        let (key, salt) = match profile {
            SrtpProfile::AeadAes128Gcm => (16, 12),
            SrtpProfile::AeadAes256Gcm => (32, 12),
            SrtpProfile::Aes128CmSha1_80 => (16, 14),
        };
        if key_and_salt.len() != key + salt {
            return Err("SRTP key and salt have not the length that the profile asks for");
        }
        let (key, given) = key_and_salt.split_at(key);
        let mut salt = [0; 14];
        salt[..given.len()].copy_from_slice(given);
        Ok(Self { key, salt })
    }

    /// The session key that encrypts; as long as the master key.
    #[must_use]
    pub fn cipher_key<const SIZE: usize>(&self, purpose: Purpose) -> [u8; SIZE] {
        self.derive(purpose as u8)
    }

    /// The session key of the MAC.
    #[must_use]
    pub fn mac_key(&self, purpose: Purpose) -> [u8; 20] {
        self.derive(purpose as u8 + 1)
    }

    /// The session salt.
    #[must_use]
    pub fn session_salt<const SIZE: usize>(&self, purpose: Purpose) -> [u8; SIZE] {
        self.derive(purpose as u8 + 2)
    }

    /// The key stream of AES in counter mode, from a place that the label names.
    fn derive<const SIZE: usize>(&self, label: u8) -> [u8; SIZE] {
        let mut counter = [0; 16];
        counter[..14].copy_from_slice(&self.salt);
        counter[7] ^= label;
        let mut derived = [0; SIZE];
        if let Ok(cipher) = Aes256Enc::new_from_slice(self.key) {
            let core = CtrCore::<_, Ctr32BE>::inner_iv_init(cipher, &counter.into());
            StreamCipherCoreWrapper::from_core(core).apply_keystream(&mut derived);
        } else if let Ok(cipher) = Aes128Enc::new_from_slice(self.key) {
            let core = CtrCore::<_, Ctr32BE>::inner_iv_init(cipher, &counter.into());
            StreamCipherCoreWrapper::from_core(core).apply_keystream(&mut derived);
        } else {
            unreachable!("`new` lets no other length pass");
        }
        derived
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::tests::bytes;

    #[test]
    fn agrees_with_rfc_3711_b_3() {
        let master = Master {
            key: &0xe1f9_7a0d_3e01_8be0_d64f_a32c_06de_4139_u128.to_be_bytes(),
            salt: [0x0e, 0xc6, 0x75, 0xad, 0x49, 0x8a, 0xfe, 0xeb, 0xb6, 0x96, 0x0b, 0x3a, 0xab, 0xe6],
        };
        assert_eq!(master.cipher_key::<16>(Purpose::Rtp)[..], bytes("c61e7a93744f39ee10734afe3ff7a087"));
        assert_eq!(master.session_salt::<14>(Purpose::Rtp)[..], bytes("30cbbc08863d8c85d49db34a9ae1"));
        assert_eq!(master.mac_key(Purpose::Rtp)[..], bytes("cebe321f6ff7716b6fd4ab49af256a156d38baa4"));
    }

    #[test]
    fn takes_no_other_length() {
        for (profile, size) in
            [(SrtpProfile::AeadAes128Gcm, 28), (SrtpProfile::AeadAes256Gcm, 44), (SrtpProfile::Aes128CmSha1_80, 30)]
        {
            for other in 0..64 {
                assert_eq!(Master::new(profile, &[0; 64][..other]).is_ok(), other == size, "{profile:?} {other}");
            }
        }
    }
}
