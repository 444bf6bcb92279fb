use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::captures::{self, damaged, hex};

const OUR_PASSWORD: &str = "pppppppppppppppppppppp";
const TRANSACTION: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
// RFC 5769 §2.1 and §2.2: the vectors of the standard
const RFC_PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
const RFC_REQUEST: &str = "\
    000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b1\
    51263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
const RFC_RESPONSE: &str = "\
    0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599\
    fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";

fn address(text: &str) -> Address {
    Address::from(text.parse::<std::net::SocketAddr>().unwrap())
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = b"before".to_vec();
    write(&mut out);
    out.split_off(6)
}

fn request(check: &Check<'_>) -> Vec<u8> {
    written(|out| binding_request(out, TRANSACTION, check, "secret"))
}

fn success(transaction: [u8; 12], address: Address, password: &str) -> Vec<u8> {
    written(|out| binding_success(out, transaction, address, password))
}

fn with_attributes(attributes: &[u8]) -> Vec<u8> {
    let length = (attributes.len() as u16).to_be_bytes();
    [&[0, 1], &length[..], &COOKIE.to_be_bytes(), &TRANSACTION, attributes].concat()
}

#[test]
fn request_of_the_standard() {
    let data = hex(RFC_REQUEST);
    let message = parse(&data).unwrap();
    assert_eq!((message.kind, message.username), (Kind::Request, Some("evtj:h6vY")));
    assert_eq!((message.priority, message.controlled), (Some(0x6E00_01FF), Some(0x932F_F9B1_5126_3B36)));
    assert!(message.has_fingerprint && message.authentic(RFC_PASSWORD));
    assert!(!message.authentic(&RFC_PASSWORD[..21]));
}

#[test]
fn response_of_the_standard() {
    let data = hex(RFC_RESPONSE);
    let message = parse(&data).unwrap();
    assert_eq!((message.kind, message.mapped_address), (Kind::Success, Some(address("192.0.2.1:32853"))));
    assert!(message.authentic(RFC_PASSWORD));
}

#[test]
fn captured_checks_are_authentic_and_replies_are_the_same_bytes() {
    let (mut requests, mut replies) = (0, 0);
    for data in captures::stun() {
        let message = parse(data).unwrap();
        assert!(message.has_fingerprint && message.authentic(OUR_PASSWORD));
        if message.kind == Kind::Request {
            requests += 1;
            assert!(message.controlling.is_some() && message.unknown.is_empty());
            assert!(message.username.is_some() && message.username == username_of(data));
        } else {
            replies += 1;
            assert_eq!(success(message.transaction, message.mapped_address.unwrap(), OUR_PASSWORD), data);
        }
    }
    assert!(requests > 0 && replies > 0);
}

#[test]
fn success_says_where_the_request_came_from() {
    for text in ["192.0.2.1:1", "[2001:db8::9]:65535", "[::1]:3478", "[::ffff:192.0.2.1]:9"] {
        let data = success(TRANSACTION, address(text), "secret");
        let message = parse(&data).unwrap();
        let said = (message.kind, message.transaction, message.mapped_address);
        assert_eq!(said, (Kind::Success, TRANSACTION, Some(address(text))));
        assert!(message.authentic("secret") && message.has_fingerprint);
    }
    let mapped = success(TRANSACTION, address("[::ffff:192.0.2.1]:9"), "secret");
    assert_eq!(mapped, success(TRANSACTION, address("192.0.2.1:9"), "secret"));
}

#[test]
fn request_carries() {
    for (controlling, controlled, use_candidate) in
        [(Some(7), None, true), (None, Some(u64::MAX), false), (Some(0), None, false)]
    {
        let check = Check { username: "ab:cd", priority: u32::MAX, controlling, controlled, use_candidate };
        let data = request(&check);
        let message = parse(&data).unwrap();
        assert_eq!((message.username, message.priority), (Some("ab:cd"), Some(u32::MAX)));
        assert_eq!((message.controlling, message.controlled), (controlling, controlled));
        assert_eq!(message.use_candidate, use_candidate);
        assert!(message.authentic("secret"));
    }
}

#[test]
fn error_names_what_it_did_not_understand() {
    let data = written(|out| binding_error(out, TRANSACTION, 420, "Unknown Attribute", "secret", &[0x7777]));
    let message = parse(&data).unwrap();
    assert_eq!((message.kind, message.error_code), (Kind::Error, Some(420)));
    assert!(message.authentic("secret"));
    assert_eq!(data[48..58], hex("000a 0002 7777 0000 0008"));
}

#[test]
fn attributes_that_must_be_understood_are_named() {
    let data = with_attributes(&hex("007f 0004 00000001 c057 0004 00000001 000a 0002 00010000 007f 0000"));
    assert_eq!(parse(&data).unwrap().unknown, [0x7F, 0x7F]);
}

#[test]
fn what_follows_the_integrity_is_ignored() {
    let mut data = request(&Check { username: "ab:cd", ..Check::default() });
    data.truncate(data.len() - FINGERPRINT_BYTES);
    data.extend(hex("0025 0000"));
    set_length(&mut data);
    let message = parse(&data).unwrap();
    assert!(!message.use_candidate && message.authentic("secret"));
}

fn set_length(data: &mut [u8]) {
    let length = (data.len() - HEADER_BYTES) as u16;
    data[2..4].copy_from_slice(&length.to_be_bytes());
}

#[test]
fn refusals() {
    let whole = hex(RFC_REQUEST);
    let changed = |at: usize, bytes: &[u8]| [&whole[..at], bytes, &whole[at + bytes.len()..]].concat();
    let cases = [
        (whole[..19].to_vec(), "STUN header is truncated"),
        (changed(0, &[0x40]), "STUN header is malformed"),
        (changed(4, &[0; 4]), "STUN header is malformed"),
        (whole[..whole.len() - 4].to_vec(), "STUN length does not fit the datagram"),
        ([&whole[..], &[0; 4]].concat(), "STUN length does not fit the datagram"),
        (changed(0, &[0, 3]), "STUN method is unknown"),
        (changed(whole.len() - 1, &[0]), "STUN fingerprint is wrong"),
        (vec![0; MAX_BYTES + 1], "STUN message is too long"),
    ];
    for (data, sentence) in cases {
        assert_eq!(parse(&data).unwrap_err(), sentence);
    }
}

#[test]
fn attributes_refused() {
    let cases = [
        ("0006 0008 61626364", "STUN attribute is truncated"),
        ("0006 0004 ff626364", "STUN username is malformed"),
        ("0024 0003 61626300", "STUN attribute has a wrong length"),
        ("8029 0004 61626364", "STUN attribute has a wrong length"),
        ("0009 0002 61620000", "STUN attribute has a wrong length"),
        ("0020 0008 0002 1234 01020304", "STUN address is malformed"),
        ("0020 0004 0001 1234", "STUN address is malformed"),
        ("0008 0004 01020304", "STUN message integrity is malformed"),
        ("8028 0008 0102030405060708", "STUN fingerprint is malformed"),
        ("8028 0004 01020304 0006 0000", "STUN fingerprint is malformed"),
    ];
    for (attributes, sentence) in cases {
        assert_eq!(parse(&with_attributes(&hex(attributes))).unwrap_err(), sentence, "{attributes}");
    }
}

#[test]
fn the_search_for_a_username_gives_up() {
    let many = |before: usize| with_attributes(&[hex("c001 0000").repeat(before), hex("0006 0002 61620000")].concat());
    assert_eq!(username_of(&many(MAX_BEFORE_USERNAME - 1)), Some("ab"));
    assert_eq!(username_of(&many(MAX_BEFORE_USERNAME)), None);
    assert_eq!(username_of(&with_attributes(&hex("0008 0000 0006 0002 61620000"))), None);
    assert_eq!(username_of(&with_attributes(&hex("0006 0008 6162"))), Some("ab"));
    for value in ["ff62", "c3a9"] {
        assert_eq!(username_of(&with_attributes(&hex(&format!("0006 0002 {value} 0000")))), None);
    }
    assert_eq!(username_of(&[0; 19]), None);
}

#[test]
fn captures_cut_anywhere_are_refused() {
    for data in captures::stun() {
        assert!((0..data.len()).all(|end| parse(&data[..end]).is_err()));
    }
}

fn survives(data: &[u8]) {
    let username = username_of(data);
    if let Ok(message) = parse(data) {
        assert!(!message.authentic("secret"));
        assert!(message.kind != Kind::Request || username.is_none() || message.username.is_some());
    }
}

/// A header that fits, and attributes of any kind and length.
fn made_up() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop::sample::select(vec![
        USERNAME,
        MESSAGE_INTEGRITY,
        ERROR_CODE,
        XOR_MAPPED_ADDRESS,
        PRIORITY,
        USE_CANDIDATE,
        FINGERPRINT,
        ICE_CONTROLLED,
        ICE_CONTROLLING,
        0x7777,
    ]);
    let attributes = vec((kinds, 0..24_u16, vec(any::<u8>(), 0..24)), 0..5);
    (attributes, vec(any::<u8>(), 0..4)).prop_map(|(attributes, rest)| {
        let parts = attributes.into_iter().map(|(kind, length, mut value)| {
            value.resize(padded(usize::from(length)), 0);
            [&kind.to_be_bytes()[..], &length.to_be_bytes(), &value].concat()
        });
        with_attributes(&parts.chain([rest]).collect::<Vec<_>>().concat())
    })
}

proptest! {
    #[test]
    fn damaged_captures_survive(data in damaged(captures::stun())) {
        survives(&data);
    }

    #[test]
    fn made_up_attributes_survive(data in made_up()) {
        survives(&data);
    }

    #[test]
    fn any_bytes_survive(data in vec(any::<u8>(), 0..100)) {
        survives(&data);
    }

    #[test]
    fn any_address_comes_back(ip in any::<u128>(), v4 in any::<bool>(), port: u16, transaction: [u8; 12]) {
        let ip = if v4 { 0xFFFF_0000_0000 | (ip & 0xFFFF_FFFF) } else { ip };
        let address = Address { ip, port, scope: 0 };
        let data = success(transaction, address, "secret");
        prop_assert_eq!(parse(&data).unwrap().mapped_address, Some(address));
    }
}
