"""RTP packets (RFC 3550 §5.1) with their header extensions (RFC 8285), and arithmetic on their numbers.

A sequence number on the wire has 16 bits and wraps; inside it is unwrapped once (`Seq`, only ever growing) and masked
again when it is written. `Packet` is a view of one received datagram, made once and read by every receiver; nothing
changes it.
"""

import struct

from media.payload import Vp8, Vp9

Seq = int  # unwrapped, ≥ 0

MAX_BYTES = 1500  # of a datagram
PADDING = 0x20  # in the first octet: the packet ends with some
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
ORIENTATION = "urn:3gpp:video-orientation"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_SEQUENCE = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

_FIXED = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")
_SEQUENCE = struct.Struct("!H")
_ONE_BYTE = 0xBEDE
_TWO_BYTE = 0x1000  # the low four bits are the sender's to use


def seq_diff(a: int, b: int) -> int:
    """Return a - b for 16-bit numbers on their circle, in -32768…32767."""
    return ((a - b + 0x8000) & 0xFFFF) - 0x8000


def unwrap(sequence: int, near: Seq) -> Seq:
    """Return the unwrapped number with these low 16 bits nearest to `near`; it may be negative."""
    return near + ((sequence - near + 0x8000) & 0xFFFF) - 0x8000


class Packet:
    """One RTP packet as received. `seq` and `arrived_s` are filled in by the up stream that it belongs to."""

    __slots__ = (
        "_elements",
        "arrived_s",
        "data",
        "descriptor",
        "end",
        "extension_at",
        "extension_end",
        "extension_profile",
        "key_frame",
        "marker",
        "payload_at",
        "payload_type",
        "seq",
        "sequence",
        "ssrc",
        "timestamp",
    )

    def __init__(self, data: bytes) -> None:
        """Parse; raises ValueError with a fixed sentence."""
        size = len(data)
        if size < 12:
            raise ValueError("RTP header is truncated")
        first, second, self.sequence, self.timestamp, self.ssrc = _FIXED.unpack_from(data)
        if first & 0xC0 != 0x80:
            raise ValueError("RTP version is not 2")
        self.data = data
        self.marker = second >> 7
        self.payload_type = second & 0x7F
        at = 12 + 4 * (first & 0x0F)
        self.extension_at = self.extension_end = self.extension_profile = 0
        if first & 0x10:
            if at + 4 > size:
                raise ValueError("RTP header extension is truncated")
            self.extension_profile, words = _EXTENSION.unpack_from(data, at)
            self.extension_at = at + 4
            at += 4 + 4 * words
            self.extension_end = at
        if at > size:
            raise ValueError("RTP header is truncated")
        self.payload_at = at
        if first & PADDING:
            # the last octet counts itself; SRTP leaves it in the plain packet
            if size == at or not data[-1] or data[-1] > size - at:
                raise ValueError("RTP padding is malformed")
            size -= data[-1]
        self.end = size
        self._elements: dict[int, bytes] | None = None
        self.seq: Seq = 0
        self.arrived_s = 0.0
        self.descriptor: Vp8 | Vp9 | None = None  # of the payload, once somebody needed it
        self.key_frame: bool | None = None  # whether it starts one, likewise

    @property
    def payload(self) -> bytes:
        return self.data[self.payload_at : self.end]

    def extensions(self) -> dict[int, bytes]:
        """Return the extension elements by id, from the one-byte or the two-byte form; other forms have none.

        Raises ValueError if an element is truncated.
        """
        elements = self._elements
        if elements is None:
            if self.extension_profile == _ONE_BYTE:
                elements = _parse_one_byte(self.data, self.extension_at, self.extension_end)
            elif self.extension_profile & 0xFFF0 == _TWO_BYTE:
                elements = _parse_two_byte(self.data, self.extension_at, self.extension_end)
            else:
                elements = {}
            self._elements = elements
        return elements


def _parse_one_byte(data: bytes, at: int, end: int) -> dict[int, bytes]:
    elements = {}
    while at < end:
        octet = data[at]
        at += 1
        if not octet:
            continue
        if not 0x10 <= octet < 0xF0:
            break  # ids 0, with a length, and 15 are nobody's: whatever follows is not to be read (RFC 8285 §4.2)
        following = at + (octet & 0x0F) + 1
        if following > end:
            raise ValueError("RTP header extension is truncated")
        elements[octet >> 4] = data[at:following]
        at = following
    return elements


def _parse_two_byte(data: bytes, at: int, end: int) -> dict[int, bytes]:
    elements = {}
    while at < end:
        identity = data[at]
        at += 1
        if not identity:
            continue
        if at >= end:
            raise ValueError("RTP header extension is truncated")
        following = at + 1 + data[at]
        if following > end:
            raise ValueError("RTP header extension is truncated")
        elements[identity] = data[at + 1 : following]
        at = following
    return elements


def pack_element(identity: int, value: bytes) -> bytes:
    """Return one extension element in the one-byte form; empty for what doesn't fit there (ids 1…14, 1…16 bytes)."""
    if not (0 < identity < 15 and 0 < len(value) <= 16):
        return b""
    return bytes((identity << 4 | len(value) - 1,)) + value


def pack_extensions(elements: bytes) -> bytes:
    """Return the extension block that holds packed elements, padded and behind its header; empty for none."""
    if not elements:
        return b""
    words = len(elements) + 3 >> 2
    return _EXTENSION.pack(_ONE_BYTE, words) + elements.ljust(words * 4, b"\0")


def pack_header(marker: int, payload_type: int, seq: Seq, timestamp: int, ssrc: int, extensions: bytes = b"") -> bytes:
    """Return a header without contributing sources or padding; `extensions` comes from `pack_extensions`."""
    return (
        _FIXED.pack(
            0x90 if extensions else 0x80, marker << 7 | payload_type, seq & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc
        )
        + extensions
    )


def repaired(packet: Packet, ssrc: int, payload_type: int) -> bytes | None:
    """Return the packet that an RTX packet repairs (RFC 4588 §4), or None if it carries none (a bandwidth probe)."""
    data, at = packet.data, packet.payload_at
    if packet.end - at <= 2:
        return None
    (sequence,) = _SEQUENCE.unpack_from(data, at)
    first = data[0] & 0xDF  # what padding there was is cut off below
    header = _FIXED.pack(first, packet.marker << 7 | payload_type, sequence, packet.timestamp, ssrc)
    return header + data[12:at] + data[at + 2 : packet.end]


def abs_send_time(now: float) -> bytes:
    """Return seconds as 6.18 fixed point on a 64 s circle: what REMB receivers measure delay by."""
    return (int(now * 262144) & 0xFFFFFF).to_bytes(3, "big")
