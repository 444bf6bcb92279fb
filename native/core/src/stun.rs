//! STUN binding messages as ICE uses them (RFC 8489, RFC 8445 §7): a view of a datagram in, and bytes out.
//!
//! Only what connectivity checks need. A message that carries a wrong FINGERPRINT is refused by `parse`; its
//! MESSAGE-INTEGRITY is checked by `authentic`, apart, because the password depends on the username inside. Attributes
//! behind MESSAGE-INTEGRITY are not covered by it and are ignored (RFC 8489 §14.5), FINGERPRINT excepted.

#[cfg(test)]
mod tests;
mod write;

pub use write::{Check, binding_error, binding_request, binding_success};

use std::net::{IpAddr, Ipv6Addr};

use crate::address::Address;
use crate::mac::{hmac_sha1, same};

/// In every header (RFC 8489 §5).
pub const COOKIE: u32 = 0x2112_A442;
/// A datagram; nothing longer is a connectivity check.
pub const MAX_BYTES: usize = 1500;
/// Attributes that `username_of` looks at; browsers write USERNAME first.
pub const MAX_BEFORE_USERNAME: usize = 16;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802A;

const HEADER_BYTES: usize = 20;
const INTEGRITY_BYTES: usize = 4 + 20;
const FINGERPRINT_BYTES: usize = 4 + 4;
const FINGERPRINT_MASK: u32 = 0x5354_554E;
const WRONG_LENGTH: &str = "STUN attribute has a wrong length";

/// Class and method in the 14 bits of the type field (RFC 8489 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A check.
    Request = 0x0001,
    /// Needs no answer.
    Indication = 0x0011,
    /// The answer to a check.
    Success = 0x0101,
    /// Its refusal.
    Error = 0x0111,
}

/// A binding message, lying in its datagram.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// Class and method.
    pub kind: Kind,
    /// To be repeated in the answer.
    pub transaction: [u8; 12],
    /// "ours:theirs".
    pub username: Option<&'a str>,
    /// Of the candidate it came from.
    pub priority: Option<u32>,
    /// It nominates.
    pub use_candidate: bool,
    /// Tie breaker of a controlling agent.
    pub controlling: Option<u64>,
    /// Tie breaker of a controlled agent.
    pub controlled: Option<u64>,
    /// Of a success.
    pub mapped_address: Option<Address>,
    /// Of an error.
    pub error_code: Option<u16>,
    /// Attributes that must be understood and are not (answer 420).
    pub unknown: Vec<u16>,
    /// It ends in one, and it fits.
    pub has_fingerprint: bool,
    /// What lies before MESSAGE-INTEGRITY.
    covered: &'a [u8],
    integrity: Option<[u8; 20]>,
}

/// Return USERNAME of what may be a request, at the least cost; checks nothing else. Ours is ASCII (RFC 8839 §5.4): to
/// see that a long one is none takes a tenth of the time that decoding it does.
#[must_use]
pub fn username_of(datagram: &[u8]) -> Option<&str> {
    let mut rest = datagram.get(HEADER_BYTES..)?;
    for _ in 0..MAX_BEFORE_USERNAME {
        let (kind, length, following) = attribute_head(rest)?;
        match kind {
            USERNAME => {
                let value = following.get(..length).unwrap_or(following);
                return if value.is_ascii() { str::from_utf8(value).ok() } else { None };
            }
            MESSAGE_INTEGRITY => return None,
            _ => rest = following.get(padded(length)..)?,
        }
    }
    None
}

/// Return the binding message in a datagram; `Err` is one fixed sentence. Allocates for `unknown` alone.
pub fn parse(datagram: &[u8]) -> Result<Message<'_>, &'static str> {
    let (header, attributes) = datagram.split_first_chunk::<HEADER_BYTES>().ok_or("STUN header is truncated")?;
    if datagram.len() > MAX_BYTES {
        return Err("STUN message is too long");
    }
    let [t0, t1, l0, l1, c0, c1, c2, c3, transaction @ ..] = *header;
    if t0 & 0xC0 != 0 || u32::from_be_bytes([c0, c1, c2, c3]) != COOKIE {
        return Err("STUN header is malformed");
    }
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if !length.is_multiple_of(4) || length != attributes.len() {
        return Err("STUN length does not fit the datagram");
    }
    let kind = match u16::from_be_bytes([t0, t1]) {
        0x0001 => Kind::Request,
        0x0011 => Kind::Indication,
        0x0101 => Kind::Success,
        0x0111 => Kind::Error,
        _ => return Err("STUN method is unknown"),
    };
    let mut message = Message {
        kind,
        transaction,
        username: None,
        priority: None,
        use_candidate: false,
        controlling: None,
        controlled: None,
        mapped_address: None,
        error_code: None,
        unknown: Vec::new(),
        has_fingerprint: false,
        covered: &[],
        integrity: None,
    };
    message.read_attributes(datagram, attributes)?;
    Ok(message)
}

impl<'a> Message<'a> {
    /// Whether MESSAGE-INTEGRITY is there and made with `password`; takes the same time for every wrong one.
    #[must_use]
    pub fn authentic(&self, password: &str) -> bool {
        let (Some(integrity), [t0, t1, _, _, rest @ ..]) = (&self.integrity, self.covered) else { return false };
        // the length that is signed counts MESSAGE-INTEGRITY and nothing behind it
        let [l0, l1] = ((self.covered.len() - HEADER_BYTES + INTEGRITY_BYTES) as u16).to_be_bytes();
        same(&hmac_sha1(password.as_bytes(), &[&[*t0, *t1, l0, l1], rest]), integrity)
    }

    fn read_attributes(&mut self, datagram: &'a [u8], attributes: &'a [u8]) -> Result<(), &'static str> {
        let mut rest = attributes;
        while !rest.is_empty() {
            let preceding = datagram.get(..datagram.len() - rest.len()).unwrap_or_default();
            let (kind, length, following) = attribute_head(rest).ok_or("STUN attribute is truncated")?;
            let (value, following) = following.split_at_checked(padded(length)).ok_or("STUN attribute is truncated")?;
            let value = value.get(..length).unwrap_or_default();
            rest = following;
            match kind {
                FINGERPRINT => {
                    let theirs = value.try_into().ok().filter(|_| rest.is_empty());
                    if u32::from_be_bytes(theirs.ok_or("STUN fingerprint is malformed")?) != fingerprint(preceding) {
                        return Err("STUN fingerprint is wrong");
                    }
                    self.has_fingerprint = true;
                }
                _ if self.integrity.is_some() => (),
                MESSAGE_INTEGRITY => {
                    let integrity = value.try_into().map_err(|_| "STUN message integrity is malformed")?;
                    (self.integrity, self.covered) = (Some(integrity), preceding);
                }
                _ => self.read_attribute(kind, value)?,
            }
        }
        Ok(())
    }

    fn read_attribute(&mut self, kind: u16, value: &'a [u8]) -> Result<(), &'static str> {
        match kind {
            USERNAME => self.username = Some(str::from_utf8(value).map_err(|_| "STUN username is malformed")?),
            PRIORITY => self.priority = Some(u32::from_be_bytes(exactly(value)?)),
            USE_CANDIDATE => self.use_candidate = true,
            ICE_CONTROLLING => self.controlling = Some(u64::from_be_bytes(exactly(value)?)),
            ICE_CONTROLLED => self.controlled = Some(u64::from_be_bytes(exactly(value)?)),
            XOR_MAPPED_ADDRESS => self.mapped_address = Some(read_address(value, self.transaction)?),
            ERROR_CODE => {
                let [_, _, hundreds, rest, ..] = value else { return Err(WRONG_LENGTH) };
                self.error_code = Some(u16::from(hundreds & 7) * 100 + u16::from(*rest));
            }
            0..0x8000 if kind != UNKNOWN_ATTRIBUTES => self.unknown.push(kind),
            _ => (),
        }
        Ok(())
    }
}

/// Kind, length and whatever follows the four bytes of an attribute's head.
fn attribute_head(rest: &[u8]) -> Option<(u16, usize, &[u8])> {
    let (&[k0, k1, l0, l1], following) = rest.split_first_chunk()?;
    Some((u16::from_be_bytes([k0, k1]), usize::from(u16::from_be_bytes([l0, l1])), following))
}

const fn padded(length: usize) -> usize {
    (length + 3) & !3
}

fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], &'static str> {
    value.try_into().map_err(|_| WRONG_LENGTH)
}

fn fingerprint(preceding: &[u8]) -> u32 {
    crc32fast::hash(preceding) ^ FINGERPRINT_MASK
}

/// The mask of XOR-MAPPED-ADDRESS: the cookie, for IPv6 followed by the transaction id (RFC 8489 §14.2).
fn mask(transaction: [u8; 12]) -> u128 {
    let [t0, t1, t2] = [0, 4, 8].map(|at| u32::from_be_bytes(std::array::from_fn(|byte| transaction[at + byte])));
    [COOKIE, t0, t1, t2].into_iter().fold(0, |mask, word| mask << 32 | u128::from(word))
}

fn read_address(value: &[u8], transaction: [u8; 12]) -> Result<Address, &'static str> {
    let [_, family, p0, p1, ip @ ..] = value else { return Err("STUN address is malformed") };
    let port = u16::from_be_bytes([*p0, *p1]) ^ (COOKIE >> 16) as u16;
    if let (1, Ok(four)) = (family, ip.try_into()) {
        let ip = u32::from_be_bytes(four) ^ COOKIE;
        return Ok(Address::from((IpAddr::V4(ip.into()), port)));
    }
    if let (2, Ok(six)) = (family, ip.try_into()) {
        let ip = Ipv6Addr::from(u128::from_be_bytes(six) ^ mask(transaction));
        return Ok(Address::from((IpAddr::V6(ip), port)));
    }
    Err("STUN address is malformed")
}
