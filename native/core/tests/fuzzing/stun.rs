//! STUN: any datagram, and any attributes under a good signature.

use std::net::Ipv4Addr;

use medinova_core::address::Path;
use medinova_core::ice::IceAgent;
use medinova_core::mac::hmac_sha1;
use medinova_core::parameters::IceCredentials;
use medinova_core::stun::{Kind, Message, binding_success, parse, username_of};

const PASSWORD: &str = "pppppppppppppppppppppp"; // ours in the captures
const HEADER_BYTES: usize = 20;

/// As a datagram, then its attributes signed.
pub fn stun(data: &[u8]) {
    if let Some(message) = read(data) {
        let _ = message.authentic("");
        answer(&message, data.len(), message.authentic(PASSWORD));
    }
    let signed = signed(data.get(HEADER_BYTES..).unwrap_or(data));
    if let Some(message) = read(&signed) {
        // attributes may hold a MESSAGE-INTEGRITY of their own, and what is behind it counts no more
        answer(&message, signed.len(), message.authentic(PASSWORD));
    }
}

fn read(datagram: &[u8]) -> Option<Message<'_>> {
    let name = username_of(datagram);
    let message = parse(datagram).ok()?;
    assert!(name.is_none() || message.username.is_some());
    if let Some(address) = message.mapped_address {
        let mut out = Vec::new();
        binding_success(&mut out, message.transaction, address, PASSWORD);
        let again = parse(&out).expect("ours");
        assert_eq!((again.kind, again.transaction), (Kind::Success, message.transaction));
        assert_eq!(again.mapped_address, Some(address));
        assert!(again.authentic(PASSWORD) && again.has_fingerprint);
    }
    Some(message)
}

/// No answer to what is not signed, and none much longer than what it answers.
fn answer(message: &Message<'_>, size: usize, authentic: bool) {
    let Some((ours, theirs)) = message.username.and_then(|name| name.split_once(':')) else { return };
    let credentials = IceCredentials {
        local_ufrag: ours.to_owned(),
        local_password: PASSWORD.to_owned(),
        remote_ufrag: theirs.to_owned(),
    };
    let address = (Ipv4Addr::LOCALHOST.into(), 1).into();
    let path = Path { local: address, remote: address };
    let mut agent = IceAgent::new(credentials);
    let mut reply = Vec::new();
    let answer = agent.on_check(message, path, 1.0, &mut reply);
    assert_eq!(answer.is_some(), authentic && message.kind == Kind::Request);
    assert_eq!(answer.is_some(), !reply.is_empty());
    assert!(reply.len() <= size + 64);
    if answer.is_some() {
        let reply = parse(&reply).expect("ours");
        assert!(reply.authentic(PASSWORD) && reply.transaction == message.transaction);
        assert!(matches!(reply.kind, Kind::Success | Kind::Error));
    }
    let nominated = agent.path().is_some();
    assert_eq!(nominated, answer.is_some_and(|answer| answer.path_up.is_some()));
    assert!(!nominated || message.use_candidate);
}

fn signed(attributes: &[u8]) -> Vec<u8> {
    let attributes = &attributes[..attributes.len().min(1400) & !3];
    let mut out = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
    out.extend_from_slice(b"transaction!");
    out.extend_from_slice(attributes);
    set_length(&mut out, 24);
    let integrity = hmac_sha1(PASSWORD.as_bytes(), &[&out]);
    out.extend_from_slice(&[0, 8, 0, 20]);
    out.extend_from_slice(&integrity);
    set_length(&mut out, 0);
    out
}

fn set_length(out: &mut [u8], coming: usize) {
    let length = (out.len() - HEADER_BYTES + coming) as u16;
    out[2..4].copy_from_slice(&length.to_be_bytes());
}
