//! SRTP with AES-GCM (RFC 7714): the packet's header is authenticated, the rest is encrypted, 16 bytes of tag follow.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::id::Ssrc;
use crate::srtp::{ENCRYPTED, RTCP_HEADER};
use crate::srtp_keys::{Master, Purpose};

/// Bytes behind what is encrypted.
pub const TAG: usize = 16;
const WORD: usize = 4; // "encrypted" and the index of SRTCP, last of all

/// One direction's cipher, for either SRTP or SRTCP.
pub struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    /// Read what ciphering will need, as far as it can be reached.
    #[must_use]
    pub fn touch(&self) -> u64 {
        self.key.algorithm().tag_len() as u64 + u64::from(self.salt[0])
    }

    /// With AES-128.
    pub fn new_128(master: &Master, purpose: Purpose) -> Result<Self, &'static str> {
        Self::with(UnboundKey::new(&AES_128_GCM, &master.cipher_key::<16>(purpose)), master.session_salt(purpose))
    }

    /// With AES-256.
    pub fn new_256(master: &Master, purpose: Purpose) -> Result<Self, &'static str> {
        Self::with(UnboundKey::new(&AES_256_GCM, &master.cipher_key::<32>(purpose)), master.session_salt(purpose))
    }

    fn with(key: Result<UnboundKey, ring::error::Unspecified>, salt: [u8; 12]) -> Result<Self, &'static str> {
        let key = key.map_err(|_| "SRTP key is none of AES")?;
        Ok(Self { key: LessSafeKey::new(key), salt })
    }

    /// Of SRTP and SRTCP alike: both put the SSRC and up to 48 bits of index under the salt (§8.1, §9.1).
    fn nonce(&self, ssrc: Ssrc, index: u64) -> Nonce {
        let plain = u128::from(ssrc.0) << 48 | u128::from(index);
        let mut nonce = self.salt;
        for (byte, part) in nonce.iter_mut().zip(&plain.to_be_bytes()[4..]) {
            *byte ^= part;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// Seal the packet of `length` bytes at the front of `room`; returns its new size.
    pub fn seal(&self, room: &mut [u8], header: usize, length: usize, ssrc: Ssrc, index: u64) -> Option<usize> {
        let (packet, rest) = room.split_at_mut_checked(length)?;
        let (header, payload) = packet.split_at_mut_checked(header)?;
        let tag = rest.get_mut(..TAG)?;
        let nonce = self.nonce(ssrc, index);
        tag.copy_from_slice(self.key.seal_in_place_separate_tag(nonce, Aad::from(header), payload).ok()?.as_ref());
        Some(length + TAG)
    }

    /// Open a packet; returns the size of what is plain, or None if it is not authentic.
    pub fn open(&self, packet: &mut [u8], header: usize, ssrc: Ssrc, index: u64) -> Option<usize> {
        let (header, sealed) = packet.split_at_mut_checked(header)?;
        let plain = self.key.open_in_place(self.nonce(ssrc, index), Aad::from(&*header), sealed).ok()?;
        Some(header.len() + plain.len())
    }

    /// As `seal`, for an RTCP compound: what is authenticated is its first header and the last word.
    pub fn seal_rtcp(&self, room: &mut [u8], length: usize, ssrc: Ssrc, index: u32) -> Option<usize> {
        let (packet, rest) = room.split_at_mut_checked(length)?;
        let (header, payload) = packet.split_first_chunk_mut::<RTCP_HEADER>()?;
        let word = (ENCRYPTED | index).to_be_bytes();
        let nonce = self.nonce(ssrc, index.into());
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(covered(*header, word)), payload).ok()?;
        let (room, rest) = rest.split_at_mut_checked(TAG)?;
        room.copy_from_slice(tag.as_ref());
        rest.get_mut(..WORD)?.copy_from_slice(&word);
        Some(length + TAG + WORD)
    }

    /// "Encrypted" and index of an SRTCP packet.
    #[must_use]
    pub fn rtcp_word(packet: &[u8]) -> Option<u32> {
        packet.last_chunk().map(|&word| u32::from_be_bytes(word))
    }

    /// As `open`, for an SRTCP packet whose index was read.
    pub fn open_rtcp(&self, packet: &mut [u8], ssrc: Ssrc, index: u32) -> Option<usize> {
        let (packet, &mut word) = packet.split_last_chunk_mut::<WORD>()?;
        let (header, sealed) = packet.split_first_chunk_mut::<RTCP_HEADER>()?;
        let nonce = self.nonce(ssrc, index.into());
        let plain = self.key.open_in_place(nonce, Aad::from(covered(*header, word)), sealed).ok()?;
        Some(RTCP_HEADER + plain.len())
    }
}

fn covered(header: [u8; RTCP_HEADER], word: [u8; WORD]) -> [u8; RTCP_HEADER + WORD] {
    let mut covered = [0; RTCP_HEADER + WORD];
    covered[..RTCP_HEADER].copy_from_slice(&header);
    covered[RTCP_HEADER..].copy_from_slice(&word);
    covered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::tests::bytes;

    fn ciphers() -> [Gcm; 2] {
        let key: [u8; 32] = std::array::from_fn(|at| at as u8);
        [UnboundKey::new(&AES_128_GCM, &key[..16]), UnboundKey::new(&AES_256_GCM, &key)]
            .map(|key| Gcm::with(key, *b"Quid pro quo").unwrap())
    }

    const RTP: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070
        61727465 73207472 6573";
    const SRTP: [&str; 2] = [
        "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf
         8833899d 7f27beb1 6a9152cf 765ee439 0cce",
        "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799
         b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
    ];
    const RTCP: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef
        deadbeef deadbeef deadbeef";
    const SRTCP: [&str; 2] = [
        "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded
         0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
        "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be 8415f658 c61de047
         6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4",
    ];

    #[test]
    fn agrees_with_rfc_7714_16() {
        let ssrc = Ssrc(0x5501_a0b2);
        for (cipher, sealed) in ciphers().iter().zip(SRTP) {
            let mut room = bytes(RTP);
            let length = room.len();
            room.resize(length + TAG, 0);
            assert_eq!(cipher.seal(&mut room, 12, length, ssrc, 0xf17b), Some(length + TAG));
            assert_eq!(room, bytes(sealed));
            assert_eq!(cipher.open(&mut room, 12, ssrc, 0xf17b), Some(length));
            assert_eq!(room[..length], bytes(RTP));
        }
    }

    #[test]
    fn agrees_with_rfc_7714_17() {
        let (ssrc, index) = (Ssrc(0x4d61_7273), 0x5d4);
        for (cipher, sealed) in ciphers().iter().zip(SRTCP) {
            let mut room = bytes(RTCP);
            let length = room.len();
            room.resize(length + TAG + WORD, 0);
            assert_eq!(cipher.seal_rtcp(&mut room, length, ssrc, index), Some(length + TAG + WORD));
            assert_eq!(room, bytes(sealed));
            assert_eq!(Gcm::rtcp_word(&room), Some(ENCRYPTED | index));
            assert_eq!(cipher.open_rtcp(&mut room, ssrc, index), Some(length));
            assert_eq!(room[..length], bytes(RTCP));
        }
    }
}
