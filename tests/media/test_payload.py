"""Payload descriptors: key frames are found in real packets, numbers rewritten in place at their width."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import payload
from tests.data import datagrams

# capture → codec and payload type of the camera
CAMERAS = {
    "chromium-156-rtp-vp8": ("VP8", 96),
    "chromium-156-rtp-h264": ("H264", 108),
    "chromium-156-rtp-vp9": ("VP9", 98),
    "chromium-156-rtp-av1": ("AV1", 45),
    "firefox-153-rtp-vp8": ("VP8", 120),
    "firefox-153-rtp-vp9": ("VP9", 121),
    "firefox-153-rtp-av1": ("AV1", 99),
}
VIDEO = ("VP8", "VP9", "H264", "AV1")


def camera(capture: str) -> list[bytes]:
    """Return the payloads of the camera's packets in a capture, without RTP header, extensions and padding."""
    found = []
    for packet in datagrams(capture):
        if packet[1] & 0x7F != CAMERAS[capture][1]:
            continue
        start = 12 + 4 * (packet[0] & 15)
        if packet[0] & 0x10:
            start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
        found.append(packet[start : len(packet) - (packet[-1] if packet[0] & 0x20 else 0)])
    return found


@pytest.mark.parametrize("capture", CAMERAS)
def test_a_camera_begins_with_its_only_key_frame(capture: str) -> None:
    starts = [payload.starts_key_frame(CAMERAS[capture][0], one) for one in camera(capture)]
    assert starts == [True] + [False] * 8


@pytest.mark.parametrize(
    ("codec", "wire", "expected"),
    [
        ("VP8", "10 00", True),
        ("VP8", "10 01", False),  # not a key frame
        ("VP8", "00 00", False),  # not the start of its partition
        ("VP8", "11 00", False),  # not the first partition
        ("VP8", "90 e0 81 23 45 00 00", True),
        ("VP8", "90 80 23 00", True),
        ("VP8", "90 30 e3 01", False),
        ("VP9", "88 81 23", True),
        ("VP9", "c8 81 23", False),  # predicted from another picture
        ("VP9", "80 81 23", False),  # not the start
        ("VP9", "a8 23 00 05", True),
        ("VP9", "a8 23 02 05", False),  # a higher spatial layer
        ("H264", "67 42 e0 1f", True),
        ("H264", "65 b8", False),  # IDR alone: its parameter sets are missing
        ("H264", "61 e0", False),
        ("H264", "78 0002 6742 0002 68ce", True),
        ("H264", "78 0002 68ce 0001 67", True),
        ("H264", "78 0002 68ce", False),
        ("H264", "7c 87 00", True),
        ("H264", "7c 07 00", False),  # a later fragment
        ("H264", "7c 85 00", False),
        ("AV1", "18 0a 0b", True),
        ("AV1", "28 01 0a 0b", True),
        ("AV1", "08 8001 0a 0b", True),  # a length in two bytes
        ("AV1", "10 0a", False),  # not a new sequence
        ("AV1", "98 0a", False),  # goes on from the packet before
        ("AV1", "18 32", False),  # a frame without sequence header
        ("opus", "78", True),
        ("unheard-of", "", True),
    ],
)
def test_key_frame(codec: str, wire: str, expected: bool) -> None:
    assert payload.starts_key_frame(codec, bytes.fromhex(wire)) is expected


@pytest.mark.parametrize(
    ("wire", "rewritten", "size"),
    [
        # flags; picture id 0x7fff → 0x1234, TL0PICIDX → 0x56, KEYIDX → 0x07
        ("10 01", "10 01", 1),
        ("90 00 01", "90 00 01", 2),
        ("90 80 7f 01", "90 80 34 01", 3),
        ("90 80 ffff 01", "90 80 9234 01", 4),
        ("90 c0 ffff aa 01", "90 c0 9234 56 01", 5),
        ("90 e0 ffff aa d1 01", "90 e0 9234 56 d1 01", 6),
        ("90 f0 ffff aa df 01", "90 f0 9234 56 c7 01", 6),
        ("90 10 df 01", "90 10 c7 01", 3),
        ("90 50 aa df 01", "90 50 56 c7 01", 4),
    ],
)
def test_vp8_rewrite(wire: str, rewritten: str, size: int) -> None:
    data = bytes.fromhex(wire)
    descriptor = payload.parse_vp8(data)
    packet = bytearray(b"header" + data)
    descriptor.rewrite(packet, 6, 0x1234, 0x156, 0x27)
    assert bytes(packet) == b"header" + bytes.fromhex(rewritten)
    assert descriptor.size == size


@pytest.mark.parametrize(
    ("wire", "rewritten"),
    [
        ("08 00", "08 00"),
        ("88 7f 00", "88 34 00"),
        ("88 ffff 00", "88 9234 00"),
        ("a8 ffff 20 aa", "a8 9234 20 56"),
        ("b8 ffff 20 00", "b8 9234 20 00"),  # flexible mode has no TL0PICIDX
        ("28 20 aa", "28 20 56"),
    ],
)
def test_vp9_rewrite(wire: str, rewritten: str) -> None:
    data = bytes.fromhex(wire)
    packet = bytearray(b"header" + data)
    payload.parse_vp9(data).rewrite(packet, 6, 0x1234, 0x156)
    assert bytes(packet) == b"header" + bytes.fromhex(rewritten)


def test_numbers_of_real_cameras_go_up_by_one() -> None:
    frames8 = [payload.parse_vp8(one) for one in camera("firefox-153-rtp-vp8")]
    frames9 = [payload.parse_vp9(one) for one in camera("firefox-153-rtp-vp9")]
    for pictures in ([one.picture_id for one in frames8], [one.picture_id for one in frames9]):
        assert pictures[0] is not None
        assert pictures == [pictures[0] + step for step in range(9)]
    assert [one.temporal_id for one in frames8[:4]] == [0, 1, 0, 1]
    assert {one.picture_id_bits for one in frames8} == {15}
    assert [one.tl0picidx for one in frames9[:3]] == [0x85, 0x85, 0x86]


@pytest.mark.parametrize("capture", [name for name in CAMERAS if "vp" in name])
def test_writing_what_was_read_changes_nothing(capture: str) -> None:
    for data in camera(capture):
        packet = bytearray(data)
        if CAMERAS[capture][0] == "VP8":
            vp8 = payload.parse_vp8(data)
            vp8.rewrite(packet, 0, vp8.picture_id or 0, vp8.tl0picidx or 0, vp8.keyidx or 0)
        else:
            vp9 = payload.parse_vp9(data)
            vp9.rewrite(packet, 0, vp9.picture_id or 0, vp9.tl0picidx or 0)
        assert packet == data


@pytest.mark.parametrize(
    ("codec", "wire", "sentence"),
    [
        ("VP8", "", "VP8 payload is truncated"),
        ("VP8", "10", "VP8 payload is truncated"),
        ("VP8", "90 80 80", "VP8 payload is truncated"),
        ("VP8", "90 f0 81 23 45", "VP8 payload is truncated"),
        ("VP9", "", "VP9 payload is truncated"),
        ("VP9", "80 80", "VP9 payload is truncated"),
        ("VP9", "a8 23 00", "VP9 payload is truncated"),
        ("H264", "", "H.264 payload is truncated"),
        ("H264", "7c", "H.264 payload is truncated"),
        ("H264", "78 0003 6742", "H.264 aggregation packet is malformed"),
        ("H264", "78 0000", "H.264 aggregation packet is malformed"),
        ("H264", "78 00", "H.264 aggregation packet is malformed"),
        ("AV1", "", "AV1 payload is truncated"),
        ("AV1", "18", "AV1 payload is truncated"),
        ("AV1", "08 80 80 80 80 80 80 80 80 01 0a", "AV1 payload is truncated"),
    ],
)
def test_refused(codec: str, wire: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        payload.starts_key_frame(codec, bytes.fromhex(wire))


@given(st.sampled_from(VIDEO), st.binary(max_size=30))
def test_any_bytes_raise_nothing_but_value_error(codec: str, data: bytes) -> None:
    _survives(codec, data)


@given(st.sampled_from(list(CAMERAS)), st.integers(0, 8), st.integers(0, 12), st.binary(max_size=4))
def test_damaged_captures_raise_nothing_but_value_error(capture: str, at: int, cut: int, instead: bytes) -> None:
    data = camera(capture)[at]
    _survives(CAMERAS[capture][0], data[:cut] + instead)
    _survives(CAMERAS[capture][0], data[:cut] + instead + data[cut + len(instead) :])


def _survives(codec: str, data: bytes) -> None:
    fault = ""
    try:
        payload.starts_key_frame(codec, memoryview(data))
        if codec == "VP8":
            payload.parse_vp8(data).rewrite(bytearray(data), 0, 1, 2, 3)
        elif codec == "VP9":
            payload.parse_vp9(data).rewrite(bytearray(data), 0, 1, 2)
    except ValueError as error:
        fault = str(error)
    assert not fault or " is " in fault
