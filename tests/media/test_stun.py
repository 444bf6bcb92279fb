"""STUN: real checks come back as the same bytes; damaged ones end in a ValueError."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import stun
from tests.data import datagrams

CAPTURED = datagrams("*-stun")
OUR_PASSWORD = "p" * 22
TRANSACTION = bytes(range(12))
# RFC 5769 §2.1 and §2.2: the vectors of the standard
RFC_PASSWORD = "VOkJxbRl1RmTxUk/WvJxBt"
RFC_REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b1"
    "51263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
RFC_RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599"
    "fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)


def test_request_of_the_standard() -> None:
    message = stun.parse(RFC_REQUEST)
    assert (message.kind, message.username, message.priority) == (stun.Kind.REQUEST, "evtj:h6vY", 0x6E0001FF)
    assert message.controlled == 0x932FF9B151263B36
    assert message.has_fingerprint
    assert message.authentic(RFC_PASSWORD)
    assert not message.authentic(RFC_PASSWORD[:-1])


def test_response_of_the_standard() -> None:
    message = stun.parse(RFC_RESPONSE)
    assert (message.kind, message.mapped_address) == (stun.Kind.SUCCESS, ("192.0.2.1", 32853))
    assert message.authentic(RFC_PASSWORD)


def test_captured_checks_are_authentic_and_replies_are_the_same_bytes() -> None:
    requests = {}
    for data in CAPTURED:
        message = stun.parse(data)
        assert message.has_fingerprint
        assert message.authentic(OUR_PASSWORD)
        if message.kind is stun.Kind.REQUEST:
            requests[message.transaction] = message
            assert message.controlling is not None
            assert message.username == stun.username_of(data)
            assert not message.unknown
        else:
            assert message.mapped_address is not None
            assert stun.binding_success(message.transaction, message.mapped_address, OUR_PASSWORD) == data
    assert requests


@pytest.mark.parametrize("address", [("192.0.2.1", 1), ("2001:db8::9", 65535), ("::1", 3478)])
def test_success_says_where_the_request_came_from(address: tuple[str, int]) -> None:
    message = stun.parse(stun.binding_success(TRANSACTION, address, "secret"))
    assert (message.kind, message.transaction, message.mapped_address) == (stun.Kind.SUCCESS, TRANSACTION, address)
    assert message.authentic("secret")


@pytest.mark.parametrize(
    ("controlling", "controlled", "use_candidate"), [(7, None, True), (None, 2**64 - 1, False), (0, None, False)]
)
def test_request_carries(controlling: int | None, controlled: int | None, use_candidate: bool) -> None:
    data = stun.binding_request(
        TRANSACTION,
        "ab:cd",
        "secret",
        priority=2**32 - 1,
        controlling=controlling,
        controlled=controlled,
        use_candidate=use_candidate,
    )
    message = stun.parse(data)
    assert (message.username, message.priority) == ("ab:cd", 2**32 - 1)
    assert (message.controlling, message.controlled, message.use_candidate) == (controlling, controlled, use_candidate)
    assert message.authentic("secret")


def test_error_names_what_it_did_not_understand() -> None:
    message = stun.parse(stun.binding_error(TRANSACTION, 420, "Unknown Attribute", "secret", (0x7777,)))
    assert (message.kind, message.error_code) == (stun.Kind.ERROR, 420)
    assert message.authentic("secret")
    assert not stun.parse(stun.binding_error(TRANSACTION, 401, "Unauthenticated")).authentic("secret")


def test_attributes_that_must_be_understood_are_named() -> None:
    data = stun.binding_request(TRANSACTION, "ab:cd", "secret", priority=1)
    position = data.index(b"\x00\x24\x00\x04")
    changed = data[:position] + b"\x00\x7f" + data[position + 2 : -8]
    message = stun.parse(changed[:2] + (len(changed) - 20).to_bytes(2, "big") + changed[4:])
    assert message.unknown == (0x7F,)


def test_what_follows_the_integrity_is_ignored() -> None:
    data = stun.binding_request(TRANSACTION, "ab:cd", "secret", priority=1)[:-8] + b"\x00\x25\x00\x00"
    message = stun.parse(data[:2] + (len(data) - 20).to_bytes(2, "big") + data[4:])
    assert not message.use_candidate
    assert message.authentic("secret")


@pytest.mark.parametrize(
    ("attributes", "username"),
    [
        ("c0010000" * (stun.MAX_BEFORE_USERNAME - 1) + "0006 0002 61620000", "ab"),
        ("c0010000" * stun.MAX_BEFORE_USERNAME + "0006 0002 61620000", None),
        ("0008 0000 0006 0002 61620000", None),
        ("0006 0008 6162", "ab"),
        ("0006 0002 ff620000", None),
        ("0006 0002 c3a90000", None),
        ("0006", None),
    ],
)
def test_the_search_for_a_username_gives_up(attributes: str, username: str | None) -> None:
    assert stun.username_of(bytes(20) + bytes.fromhex(attributes)) == username


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (RFC_REQUEST[:19], "STUN header is truncated"),
        (b"\x40" + RFC_REQUEST[1:], "STUN header is malformed"),
        (RFC_REQUEST[:4] + bytes(4) + RFC_REQUEST[8:], "STUN header is malformed"),
        (RFC_REQUEST[:-4], "STUN length does not fit the datagram"),
        (RFC_REQUEST + bytes(4), "STUN length does not fit the datagram"),
        (b"\x00\x03" + RFC_REQUEST[2:], "STUN method is unknown"),
        (RFC_REQUEST[:-1] + b"\x00", "STUN fingerprint is wrong"),
        (bytes(stun.MAX_BYTES + 1), "STUN message is too long"),
    ],
)
def test_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        stun.parse(data)


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
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
    ],
)
def test_attributes_refused(attributes: str, sentence: str) -> None:
    body = bytes.fromhex(attributes)
    header = b"\x00\x01" + len(body).to_bytes(2, "big") + stun.COOKIE.to_bytes(4, "big") + TRANSACTION
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        stun.parse(header + body)


def test_captures_cut_anywhere_are_refused() -> None:
    for data in CAPTURED:
        for end in range(len(data)):
            with pytest.raises(ValueError, match="STUN"):
                stun.parse(data[:end])


@given(st.sampled_from([*CAPTURED, RFC_REQUEST]), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255))))
def test_damaged_captures_raise_nothing_but_value_error(data: bytes, damage: list[tuple[int, int]]) -> None:
    broken = bytearray(data)
    for position, value in damage:
        broken[position % len(broken)] = value
    _survives(bytes(broken))


@given(st.binary(max_size=80), st.integers(0, 8))
def test_made_up_attributes_raise_nothing_but_value_error(attributes: bytes, cut: int) -> None:
    header = b"\x00\x01" + (len(attributes) - cut if cut < len(attributes) else 0).to_bytes(2, "big")
    _survives(header + stun.COOKIE.to_bytes(4, "big") + TRANSACTION + attributes)


def _survives(data: bytes) -> None:
    stun.username_of(data)
    fault = ""
    try:
        stun.parse(data).authentic("secret")
    except ValueError as error:
        fault = str(error)
    assert not fault or fault.startswith("STUN ")
