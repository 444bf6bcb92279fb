"""RTP headers and extensions, as bytes, as tables and under Hypothesis."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import rtp
from media.rtp import Packet

HEADER = bytes.fromhex("80e0 1234 00010203 deadbeef")


@pytest.mark.parametrize(
    ("a", "b", "difference"),
    [(1, 0, 1), (0, 1, -1), (0, 65535, 1), (65535, 0, -1), (32767, 0, 32767), (32768, 0, -32768), (5, 5, 0)],
)
def test_seq_diff(a: int, b: int, difference: int) -> None:
    assert rtp.seq_diff(a, b) == difference


@pytest.mark.parametrize(
    ("sequence", "near", "seq"),
    [(0, 65535, 65536), (65535, 65536, 65535), (5, 0x10000, 0x10005), (65535, 0x20000, 0x1FFFF), (65535, 0, -1)],
)
def test_unwrap(sequence: int, near: int, seq: int) -> None:
    assert rtp.unwrap(sequence, near) == seq


def test_a_packet() -> None:
    packet = Packet(HEADER + b"payload")
    assert (packet.marker, packet.payload_type, packet.sequence) == (1, 96, 0x1234)
    assert (packet.timestamp, packet.ssrc, packet.payload) == (0x10203, 0xDEADBEEF, b"payload")
    assert packet.extensions() == {}


@pytest.mark.parametrize(
    ("hex", "elements", "payload"),
    [
        ("bede0001 10aa0000", {1: b"\xaa"}, b"x"),
        ("bede0003 10aa 00 22010203 30bb 000000", {1: b"\xaa", 2: b"\x01\x02\x03", 3: b"\xbb"}, b"x"),
        ("bede0001 00 10aa 00", {1: b"\xaa"}, b"x"),  # padding in front
        ("bede0002 10aa f0bb 20cc 0000", {1: b"\xaa"}, b"x"),  # id 15 ends the reading
        ("bede0002 10aa 01bbbb 20cc 00", {1: b"\xaa"}, b"x"),  # and so does id 0 with a length
        ("10000002 0101aa 0200 03017a", {1: b"\xaa", 2: b"", 3: b"z"}, b"x"),
        ("10050001 0102aabb", {1: b"\xaa\xbb"}, b"x"),  # appbits
        ("12340001 10aa0000", {}, b"x"),  # another profile's
        ("bede0000", {}, b"x"),
    ],
)
def test_extensions(hex: str, elements: dict[int, bytes], payload: bytes) -> None:
    packet = Packet(b"\x90" + HEADER[1:] + bytes.fromhex(hex) + b"x")
    assert packet.extensions() == elements
    assert packet.payload == payload


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "RTP header is truncated"),
        (HEADER[:11], "RTP header is truncated"),
        (b"\x81" + HEADER[1:], "RTP header is truncated"),  # one contributing source, not there
        (b"\x40" + HEADER[1:], "RTP version is not 2"),
        (b"\x90" + HEADER[1:], "RTP header extension is truncated"),
        (b"\x90" + HEADER[1:] + bytes.fromhex("bede0009"), "RTP header is truncated"),
        (b"\xa0" + HEADER[1:], "RTP padding is malformed"),
        (b"\xa0" + HEADER[1:] + b"\0", "RTP padding is malformed"),
        (b"\xa0" + HEADER[1:] + b"ab\x04", "RTP padding is malformed"),
    ],
)
def test_malformed_packets(data: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Packet(data)


@pytest.mark.parametrize("hex", ["bede0001 1100aa1f", "10000001 01ff0000", "10000001 00000001"])
def test_truncated_extensions(hex: str) -> None:
    with pytest.raises(ValueError, match="RTP header extension is truncated"):
        Packet(b"\x90" + HEADER[1:] + bytes.fromhex(hex)).extensions()


@pytest.mark.parametrize(("data", "payload"), [(b"ab\x01", b"ab"), (b"ab\0\x02", b"ab"), (b"\0\0\x03", b"")])
def test_padding_is_cut_off(data: bytes, payload: bytes) -> None:
    assert Packet(b"\xa0" + HEADER[1:] + data).payload == payload


@given(
    st.integers(0, 1),
    st.integers(0, 127),
    st.integers(0, 1 << 40),
    st.integers(0, 1 << 40),
    st.integers(0, (1 << 32) - 1),
    st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=16)),
    st.binary(max_size=50),
)
def test_what_is_packed_is_parsed(
    marker: int, payload_type: int, seq: int, timestamp: int, ssrc: int, elements: dict[int, bytes], payload: bytes
) -> None:
    block = rtp.pack_extensions(b"".join(rtp.pack_element(*element) for element in elements.items()))
    packet = Packet(rtp.pack_header(marker, payload_type, seq, timestamp, ssrc, block) + payload)
    assert (packet.marker, packet.payload_type, packet.ssrc) == (marker, payload_type, ssrc)
    assert (packet.sequence, packet.timestamp) == (seq & 0xFFFF, timestamp & 0xFFFFFFFF)
    assert (packet.extensions(), packet.payload) == (elements, payload)


@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda tail: b"\xb1" + HEADER[1:] + b"\xbe\xde" + tail))
def test_nothing_but_value_error_escapes(data: bytes) -> None:
    try:
        packet = Packet(data)
        packet.extensions()
    except ValueError:
        return
    assert 12 <= packet.payload_at <= packet.end <= len(data)
    repaired = rtp.repaired(packet, 1, 2)
    assert repaired is None or Packet(repaired).payload == packet.payload[2:]


@pytest.mark.parametrize(
    ("identity", "value", "element"),
    [
        (1, b"a", b"\x10a"),
        (14, bytes(16), b"\xef" + bytes(16)),
        (15, b"a", b""),
        (0, b"a", b""),
        (1, b"", b""),
        (1, bytes(17), b""),
    ],
)
def test_an_element_that_does_not_fit_is_left_out(identity: int, value: bytes, element: bytes) -> None:
    assert rtp.pack_element(identity, value) == element


def test_what_rtx_repairs() -> None:
    block = rtp.pack_extensions(rtp.pack_element(4, b"1"))
    again = Packet(rtp.pack_header(1, 97, 5, 77, 11, block) + b"\xff\xfe" + b"payload")
    repaired = Packet(rtp.repaired(again, 10, 96) or b"")
    assert (repaired.sequence, repaired.payload_type, repaired.ssrc) == (0xFFFE, 96, 10)
    assert (repaired.marker, repaired.timestamp, repaired.payload) == (1, 77, b"payload")
    assert repaired.extensions() == {4: b"1"}


@pytest.mark.parametrize("payload", [b"", b"\0", b"\0\1"])
def test_a_probe_repairs_nothing(payload: bytes) -> None:
    assert rtp.repaired(Packet(rtp.pack_header(0, 97, 5, 77, 11) + payload), 10, 96) is None


@pytest.mark.parametrize(
    ("now", "bytes_"), [(0.0, "000000"), (1.0, "040000"), (64.0, "000000"), (65.5, "060000"), (1e6 + 0.25, "010000")]
)
def test_abs_send_time(now: float, bytes_: str) -> None:
    assert rtp.abs_send_time(now).hex() == bytes_
