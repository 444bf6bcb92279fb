"""STUN binding messages as ICE uses them (RFC 8489, RFC 8445 §7): bytes in, a dataclass out, and back.

Only what connectivity checks need. A message that carries a wrong FINGERPRINT is refused by `parse`; its
MESSAGE-INTEGRITY is checked by `authentic`, apart, because the password depends on the username inside. Attributes
behind MESSAGE-INTEGRITY are not covered by it and are ignored (RFC 8489 §14.5), FINGERPRINT excepted.
"""

import binascii
import hmac
import ipaddress
import struct
from dataclasses import dataclass
from enum import IntEnum

COOKIE = 0x2112A442
MAX_BYTES = 1500  # a datagram; nothing longer is a connectivity check
MAX_BEFORE_USERNAME = 16  # attributes that `username_of` looks at; browsers write USERNAME first

USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
ERROR_CODE = 0x0009
UNKNOWN_ATTRIBUTES = 0x000A
XOR_MAPPED_ADDRESS = 0x0020
PRIORITY = 0x0024
USE_CANDIDATE = 0x0025
FINGERPRINT = 0x8028
ICE_CONTROLLED = 0x8029
ICE_CONTROLLING = 0x802A

_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_INTEGRITY_BYTES = 4 + 20
_FINGERPRINT_BYTES = 4 + 4
_FINGERPRINT_MASK = 0x5354554E


class Kind(IntEnum):
    """Class and method in the 14 bits of the type field (RFC 8489 §5)."""

    REQUEST = 0x0001
    INDICATION = 0x0011
    SUCCESS = 0x0101
    ERROR = 0x0111


@dataclass(frozen=True, slots=True)
class Message:
    """A binding message. `unknown` lists attributes that must be understood and are not (answer 420)."""

    kind: Kind
    transaction: bytes  # 12 bytes
    username: str | None = None
    priority: int | None = None
    use_candidate: bool = False
    controlling: int | None = None  # tie breaker, 64 bits
    controlled: int | None = None
    mapped_address: tuple[str, int] | None = None
    error_code: int | None = None
    unknown: tuple[int, ...] = ()
    has_fingerprint: bool = False
    covered: bytes = b""  # what MESSAGE-INTEGRITY is computed over
    integrity: bytes | None = None

    def authentic(self, password: str) -> bool:
        """Whether MESSAGE-INTEGRITY is there and made with `password`; takes the same time for every wrong one."""
        if self.integrity is None:
            return False
        return hmac.compare_digest(self.integrity, _sign(self.covered, password))


def username_of(data: bytes | bytearray | memoryview) -> str | None:
    """Return USERNAME of what may be a STUN request, at the least cost, or None; checks nothing else."""
    end = len(data)
    position = 20
    for _ in range(MAX_BEFORE_USERNAME):
        if position + 4 > end:
            return None
        kind, length = _ATTRIBUTE.unpack_from(data, position)
        if kind == USERNAME:
            value = bytes(data[position + 4 : position + 4 + length])
            return value.decode() if value.isascii() else None  # ours is ASCII (RFC 8839 §5.4)
        if kind == MESSAGE_INTEGRITY:
            return None
        position += 4 + ((length + 3) & ~3)
    return None


def parse(data: bytes) -> Message:
    """Return the binding message in a datagram.

    Raises ValueError if it is none, is malformed, or carries a FINGERPRINT that does not fit.
    """
    if len(data) < 20:
        raise ValueError("STUN header is truncated")
    if len(data) > MAX_BYTES:
        raise ValueError("STUN message is too long")
    type_field, length, cookie, transaction = _HEADER.unpack_from(data)
    if type_field & 0xC000 or cookie != COOKIE:
        raise ValueError("STUN header is malformed")
    if length % 4 or length + 20 != len(data):
        raise ValueError("STUN length does not fit the datagram")
    try:
        kind = Kind(type_field)
    except ValueError:
        raise ValueError("STUN method is unknown") from None
    return _parse_attributes(data, kind, transaction)


def _parse_attributes(data: bytes, kind: Kind, transaction: bytes) -> Message:
    username: str | None = None
    priority: int | None = None
    use_candidate = False
    controlling: int | None = None
    controlled: int | None = None
    mapped_address: tuple[str, int] | None = None
    error_code: int | None = None
    unknown: list[int] = []
    integrity: bytes | None = None
    covered = b""
    has_fingerprint = False
    position, end = 20, len(data)
    while position < end:
        attribute, length = _ATTRIBUTE.unpack_from(data, position)
        value = data[position + 4 : position + 4 + length]
        following = position + 4 + ((length + 3) & ~3)
        if following > end:
            raise ValueError("STUN attribute is truncated")
        if attribute == FINGERPRINT:
            if length != 4 or following != end:
                raise ValueError("STUN fingerprint is malformed")
            if int.from_bytes(value, "big") != _fingerprint(data[:position]):
                raise ValueError("STUN fingerprint is wrong")
            has_fingerprint = True
        elif integrity is not None:
            pass
        elif attribute == MESSAGE_INTEGRITY:
            if length != 20:
                raise ValueError("STUN message integrity is malformed")
            integrity = value
            covered = _with_length(data[:position], position - 20 + _INTEGRITY_BYTES)
        elif attribute == USERNAME:
            username = _text(value)
            if username is None:
                raise ValueError("STUN username is malformed")
        elif attribute == PRIORITY:
            priority = _number(value, 4)
        elif attribute == USE_CANDIDATE:
            use_candidate = True
        elif attribute == ICE_CONTROLLING:
            controlling = _number(value, 8)
        elif attribute == ICE_CONTROLLED:
            controlled = _number(value, 8)
        elif attribute == XOR_MAPPED_ADDRESS:
            mapped_address = _unpack_address(value, transaction)
        elif attribute == ERROR_CODE:
            error_code = _error_code(value)
        elif attribute < 0x8000 and attribute != UNKNOWN_ATTRIBUTES:
            unknown.append(attribute)
        position = following
    return Message(
        kind,
        transaction,
        username,
        priority,
        use_candidate,
        controlling,
        controlled,
        mapped_address,
        error_code,
        tuple(unknown),
        has_fingerprint,
        covered,
        integrity,
    )


def binding_request(
    transaction: bytes,
    username: str,
    password: str,
    *,
    priority: int,
    controlling: int | None = None,
    controlled: int | None = None,
    use_candidate: bool = False,
) -> bytes:
    """Return a check signed with the other side's password; `username` is "theirs:ours" (RFC 8445 §7.2.2)."""
    attributes = [_attribute(USERNAME, username.encode()), _attribute(PRIORITY, priority.to_bytes(4, "big"))]
    if controlling is not None:
        attributes.append(_attribute(ICE_CONTROLLING, controlling.to_bytes(8, "big")))
    if controlled is not None:
        attributes.append(_attribute(ICE_CONTROLLED, controlled.to_bytes(8, "big")))
    if use_candidate:
        attributes.append(_attribute(USE_CANDIDATE, b""))
    return _seal(Kind.REQUEST, transaction, b"".join(attributes), password)


def binding_success(transaction: bytes, address: tuple[str, int], password: str) -> bytes:
    """Return the reply to a request from `address`, signed with the password that the request was signed with."""
    return _seal(
        Kind.SUCCESS, transaction, _attribute(XOR_MAPPED_ADDRESS, _pack_address(address, transaction)), password
    )


def binding_error(
    transaction: bytes, code: int, reason: str, password: str | None = None, unknown: tuple[int, ...] = ()
) -> bytes:
    """Return an error reply (RFC 8489 §14.8); without a password it is not signed, as 400 and 401 must be."""
    body = _attribute(ERROR_CODE, struct.pack("!HBB", 0, code // 100, code % 100) + reason.encode())
    if unknown:
        body += _attribute(UNKNOWN_ATTRIBUTES, struct.pack(f"!{len(unknown)}H", *unknown))
    return _seal(Kind.ERROR, transaction, body, password)


def _seal(kind: Kind, transaction: bytes, attributes: bytes, password: str | None) -> bytes:
    """Put the header before `attributes`, MESSAGE-INTEGRITY (with a password) and FINGERPRINT behind."""
    message = _HEADER.pack(kind, len(attributes), COOKIE, transaction) + attributes
    if password is not None:
        message = _with_length(message, len(message) - 20 + _INTEGRITY_BYTES)
        message += _attribute(MESSAGE_INTEGRITY, _sign(message, password))
    message = _with_length(message, len(message) - 20 + _FINGERPRINT_BYTES)
    return message + _attribute(FINGERPRINT, _fingerprint(message).to_bytes(4, "big"))


def _sign(covered: bytes, password: str) -> bytes:
    return hmac.digest(password.encode(), covered, "sha1")


def _fingerprint(preceding: bytes) -> int:
    return binascii.crc32(preceding) ^ _FINGERPRINT_MASK


def _with_length(message: bytes, length: int) -> bytes:
    return message[:2] + length.to_bytes(2, "big") + message[4:]


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _number(value: bytes, size: int) -> int:
    if len(value) != size:
        raise ValueError("STUN attribute has a wrong length")
    return int.from_bytes(value, "big")


def _error_code(value: bytes) -> int:
    if len(value) < 4:
        raise ValueError("STUN attribute has a wrong length")
    return (value[2] & 7) * 100 + value[3]


def _mask(size: int, transaction: bytes) -> int:
    """The mask of XOR-MAPPED-ADDRESS: the cookie, for IPv6 followed by the transaction id (RFC 8489 §14.2)."""
    return COOKIE if size == 4 else int.from_bytes(COOKIE.to_bytes(4, "big") + transaction, "big")


def _pack_address(address: tuple[str, int], transaction: bytes) -> bytes:
    ip = ipaddress.ip_address(address[0].partition("%")[0])
    size = 4 if ip.version == 4 else 16
    masked = (int(ip) ^ _mask(size, transaction)).to_bytes(size, "big")
    return struct.pack("!BBH", 0, 1 if size == 4 else 2, address[1] ^ (COOKIE >> 16)) + masked


def _unpack_address(value: bytes, transaction: bytes) -> tuple[str, int]:
    size = len(value) - 4
    if (size, value[1:2]) not in ((4, b"\x01"), (16, b"\x02")):
        raise ValueError("STUN address is malformed")
    port = int.from_bytes(value[2:4], "big") ^ (COOKIE >> 16)
    number = int.from_bytes(value[4:], "big") ^ _mask(size, transaction)
    return str(ipaddress.IPv4Address(number) if size == 4 else ipaddress.IPv6Address(number)), port
