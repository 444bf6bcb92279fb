//! SRTP with AES in counter mode and HMAC-SHA1 cut to 80 bits (RFC 3711 §4.1.1, §4.2.1), for clients without GCM.

use aes::Aes128Enc;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper};
use ctr::CtrCore;
use ctr::flavors::Ctr32BE;
use hmac::{Hmac, Mac};
use sha1::Sha1;

use crate::id::Ssrc;
use crate::mac::same;
use crate::srtp::{ENCRYPTED, RTCP_HEADER};
use crate::srtp_keys::{Master, Purpose};

/// Bytes behind what is authenticated.
pub const TAG: usize = 10;
const WORD: usize = 4; // "encrypted" and the index of SRTCP, before the tag

/// One direction's cipher, for either SRTP or SRTCP.
pub struct Cm {
    cipher: Aes128Enc,
    mac: Hmac<Sha1>, // with the key in it, to be cloned
    salt: u128,
}

impl Cm {
    /// Derive its three keys.
    pub fn new(master: &Master, purpose: Purpose) -> Result<Self, &'static str> {
        let mut salt = [0; 16];
        salt[..14].copy_from_slice(&master.session_salt::<14>(purpose));
        Ok(Self {
            cipher: Aes128Enc::new(&master.cipher_key(purpose).into()),
            mac: Hmac::new_from_slice(&master.mac_key(purpose)).map_err(|_| "SRTP key is none of HMAC")?,
            salt: u128::from_be_bytes(salt),
        })
    }

    /// Encrypt or decrypt: both are the same.
    fn crypt(&self, payload: &mut [u8], ssrc: Ssrc, index: u64) {
        let counter = self.salt ^ u128::from(ssrc.0) << 64 ^ u128::from(index) << 16;
        // the low 16 bits count blocks from 0, so that 32 bits never carry
        let core = CtrCore::<_, Ctr32BE>::inner_iv_init(&self.cipher, &counter.to_be_bytes().into());
        StreamCipherCoreWrapper::from_core(core).apply_keystream(payload);
    }

    /// The tag over a packet and what is not in it.
    pub(crate) fn tag(&self, packet: &[u8], rollovers: &[u8]) -> [u8; TAG] {
        let mut mac = self.mac.clone();
        mac.update(packet);
        mac.update(rollovers);
        let whole: [u8; 20] = mac.finalize().into_bytes().into();
        std::array::from_fn(|at| whole[at])
    }

    /// Seal the packet of `length` bytes at the front of `room`; returns its new size.
    pub fn seal(&self, room: &mut [u8], header: usize, length: usize, ssrc: Ssrc, index: u64) -> Option<usize> {
        let (packet, rest) = room.split_at_mut_checked(length)?;
        let tag = rest.get_mut(..TAG)?;
        self.crypt(packet.get_mut(header..)?, ssrc, index);
        tag.copy_from_slice(&self.tag(packet, &rollovers(index)));
        Some(length + TAG)
    }

    /// Open a packet; returns the size of what is plain, or None if it is not authentic.
    pub fn open(&self, packet: &mut [u8], header: usize, ssrc: Ssrc, index: u64) -> Option<usize> {
        let (packet, tag) = packet.split_last_chunk_mut::<TAG>()?;
        let payload = packet.get(header..)?.len();
        if !same(&self.tag(packet, &rollovers(index)), tag) {
            return None;
        }
        self.crypt(&mut packet[header..], ssrc, index);
        Some(header + payload)
    }

    /// As `seal`, for an RTCP compound.
    pub fn seal_rtcp(&self, room: &mut [u8], length: usize, ssrc: Ssrc, index: u32) -> Option<usize> {
        let (packet, tag) = room.get_mut(..length + WORD + TAG)?.split_last_chunk_mut::<TAG>()?;
        let (payload, word) = packet.get_mut(RTCP_HEADER..)?.split_last_chunk_mut::<WORD>()?;
        self.crypt(payload, ssrc, index.into());
        *word = (ENCRYPTED | index).to_be_bytes();
        *tag = self.tag(packet, &[]);
        Some(length + WORD + TAG)
    }

    /// "Encrypted" and index of an SRTCP packet.
    #[must_use]
    pub fn rtcp_word(packet: &[u8]) -> Option<u32> {
        packet.split_last_chunk::<TAG>()?.0.last_chunk().map(|&word| u32::from_be_bytes(word))
    }

    /// As `open`, for an SRTCP packet whose index was read.
    pub fn open_rtcp(&self, packet: &mut [u8], ssrc: Ssrc, index: u32) -> Option<usize> {
        let (packet, tag) = packet.split_last_chunk_mut::<TAG>()?;
        if !same(&self.tag(packet, &[]), tag) {
            return None;
        }
        let length = packet.len().checked_sub(WORD)?;
        self.crypt(packet.get_mut(RTCP_HEADER..length)?, ssrc, index.into());
        Some(length)
    }
}

/// The index above its sequence number: not in the packet, but under its tag.
fn rollovers(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}
