//! STUN messages appended to a buffer, the same bytes as from `media/stun.py`.

use std::net::IpAddr;

use super::{
    COOKIE, ERROR_CODE, FINGERPRINT, FINGERPRINT_BYTES, HEADER_BYTES, ICE_CONTROLLED, ICE_CONTROLLING, INTEGRITY_BYTES,
    Kind, MESSAGE_INTEGRITY, PRIORITY, UNKNOWN_ATTRIBUTES, USE_CANDIDATE, USERNAME, XOR_MAPPED_ADDRESS, fingerprint,
    mask, padded,
};
use crate::address::Address;
use crate::mac::hmac_sha1;

/// What a check says; whoever plays a browser sends them (RFC 8445 §7.2.2).
#[derive(Clone, Copy, Debug, Default)]
pub struct Check<'a> {
    /// "theirs:ours".
    pub username: &'a str,
    /// Of the candidate it comes from.
    pub priority: u32,
    /// Tie breaker of a controlling agent.
    pub controlling: Option<u64>,
    /// Tie breaker of a controlled agent.
    pub controlled: Option<u64>,
    /// It nominates.
    pub use_candidate: bool,
}

/// Append a check signed with the other side's password.
pub fn binding_request(out: &mut Vec<u8>, transaction: [u8; 12], check: &Check<'_>, password: &str) {
    let start = begin(out, Kind::Request, transaction);
    attribute(out, USERNAME, &[check.username.as_bytes()]);
    attribute(out, PRIORITY, &[&check.priority.to_be_bytes()]);
    if let Some(tie_breaker) = check.controlling {
        attribute(out, ICE_CONTROLLING, &[&tie_breaker.to_be_bytes()]);
    }
    if let Some(tie_breaker) = check.controlled {
        attribute(out, ICE_CONTROLLED, &[&tie_breaker.to_be_bytes()]);
    }
    if check.use_candidate {
        attribute(out, USE_CANDIDATE, &[]);
    }
    seal(out, start, password);
}

/// Append the reply to a request from `address`, signed with the password that the request was signed with.
pub fn binding_success(out: &mut Vec<u8>, transaction: [u8; 12], address: Address, password: &str) {
    let start = begin(out, Kind::Success, transaction);
    let [p0, p1] = (address.port ^ (COOKIE >> 16) as u16).to_be_bytes();
    match address.socket_address().ip() {
        IpAddr::V4(ip) => {
            let masked = u32::from(ip) ^ COOKIE;
            attribute(out, XOR_MAPPED_ADDRESS, &[&[0, 1, p0, p1], &masked.to_be_bytes()]);
        }
        IpAddr::V6(ip) => {
            let masked = u128::from(ip) ^ mask(transaction);
            attribute(out, XOR_MAPPED_ADDRESS, &[&[0, 2, p0, p1], &masked.to_be_bytes()]);
        }
    }
    seal(out, start, password);
}

/// Append an error reply (RFC 8489 §14.8), signed. `unknown` comes from a datagram and is at most as long.
pub fn binding_error(
    out: &mut Vec<u8>,
    transaction: [u8; 12],
    code: u16,
    reason: &str,
    password: &str,
    unknown: &[u16],
) {
    let start = begin(out, Kind::Error, transaction);
    attribute(out, ERROR_CODE, &[&[0, 0, (code / 100) as u8, (code % 100) as u8], reason.as_bytes()]);
    if !unknown.is_empty() {
        head(out, UNKNOWN_ATTRIBUTES, 2 * unknown.len());
        for kind in unknown {
            out.extend_from_slice(&kind.to_be_bytes());
        }
        pad(out, 2 * unknown.len());
    }
    seal(out, start, password);
}

/// Append the header; returns where it begins.
fn begin(out: &mut Vec<u8>, kind: Kind, transaction: [u8; 12]) -> usize {
    let start = out.len();
    out.extend_from_slice(&(kind as u16).to_be_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&COOKIE.to_be_bytes());
    out.extend_from_slice(&transaction);
    start
}

/// Append MESSAGE-INTEGRITY and FINGERPRINT; each is made over a length that counts itself and nothing behind.
fn seal(out: &mut Vec<u8>, start: usize, password: &str) {
    set_length(out, start, INTEGRITY_BYTES);
    let integrity = hmac_sha1(password.as_bytes(), &[&out[start..]]);
    attribute(out, MESSAGE_INTEGRITY, &[&integrity]);
    set_length(out, start, FINGERPRINT_BYTES);
    let fingerprint = fingerprint(&out[start..]);
    attribute(out, FINGERPRINT, &[&fingerprint.to_be_bytes()]);
}

fn set_length(out: &mut [u8], start: usize, coming: usize) {
    let length = out.len() - start - HEADER_BYTES + coming;
    out[start + 2..start + 4].copy_from_slice(&(length as u16).to_be_bytes());
}

fn attribute(out: &mut Vec<u8>, kind: u16, parts: &[&[u8]]) {
    let length = parts.iter().map(|part| part.len()).sum();
    head(out, kind, length);
    for part in parts {
        out.extend_from_slice(part);
    }
    pad(out, length);
}

fn head(out: &mut Vec<u8>, kind: u16, length: usize) {
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&(length as u16).to_be_bytes());
}

fn pad(out: &mut Vec<u8>, length: usize) {
    out.resize(out.len() + padded(length) - length, 0);
}
