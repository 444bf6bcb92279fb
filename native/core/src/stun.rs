//! STUN binding messages as ICE uses them (RFC 8489, RFC 8445 §7); see `media/stun.py`.

use crate::address::Address;

/// A datagram; nothing longer is a connectivity check.
pub const MAX_BYTES: usize = 1500;

/// Class and method of the messages that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A check.
    Request,
    /// Needs no answer.
    Indication,
    /// The answer to a check.
    Success,
    /// Its refusal.
    Error,
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
    covered: &'a [u8],
    integrity: Option<&'a [u8]>,
}

/// Return USERNAME of what may be a request, at the least cost; checks nothing else.
#[must_use]
pub fn username_of(datagram: &[u8]) -> Option<&str> {
    let _ = datagram;
    todo!()
}

/// Return the binding message in a datagram; `Err` is one fixed sentence.
pub fn parse(datagram: &[u8]) -> Result<Message<'_>, &'static str> {
    let _ = datagram;
    todo!()
}

impl Message<'_> {
    /// Whether MESSAGE-INTEGRITY is there and made with `password`; takes the same time for every wrong one.
    #[must_use]
    pub fn authentic(&self, password: &str) -> bool {
        let _ = (password, self.covered, self.integrity);
        todo!()
    }
}

/// Append the reply to a request from `address`, signed with the password that the request was signed with.
pub fn binding_success(out: &mut Vec<u8>, transaction: [u8; 12], address: Address, password: &str) {
    let _ = (out, transaction, address, password);
    todo!()
}

/// Append an error reply (RFC 8489 §14.8), signed.
pub fn binding_error(
    out: &mut Vec<u8>,
    transaction: [u8; 12],
    code: u16,
    reason: &str,
    password: &str,
    unknown: &[u16],
) {
    let _ = (out, transaction, code, reason, password, unknown);
    todo!()
}
