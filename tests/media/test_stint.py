"""Where a source's picture numbers go on from, at the width it writes them in."""

import pytest

from bench.sources import H264, OPUS, VP8, VP9, video_payload
from media.engine import Codec, PeerId, UpId, UpParameters
from media.payload import parse_vp8
from media.rtp import Packet, pack_header
from media.stint import Picture, Stint
from media.uptrack import UpTrack


def packet(codec: Codec, picture_id: int, bits: int = 15) -> Packet:
    body = video_payload(codec.name, picture_id, key=True, first=True, bits=bits, size=50)
    made = Packet(pack_header(0, 96, 1, 1000, 7) + body)
    made.seq = 0x10000
    return made


def stint(codec: Codec, first: Packet, after: Picture | None) -> Stint:
    track = UpTrack(UpId(1), PeerId(1), UpParameters("video", "1", {96: codec}, {}, {}))
    return Stint(track.latch("", 7), first, codec, (120, None), 500, 9000, after)


@pytest.mark.parametrize(
    ("codec", "bits", "after", "picture"),
    [
        (VP8, 15, None, (300, 44, 12)),  # the first source keeps its own
        (VP8, 15, (9, 8, 7), (10, 9, 8)),
        (VP8, 7, (9, 8, 7), (10, 9, 8)),
        (VP8, 15, (32767, 255, 31), (32768, 256, 32)),  # counted on; cut to their widths where they are written
        (VP9, 15, (9, 8, 7), (10, 9, 8)),
        (H264, 15, (9, 8, 7), None),
    ],
)
def test_picture_numbers(codec: Codec, bits: int, after: Picture | None, picture: Picture | None) -> None:
    assert stint(codec, packet(codec, 300, bits), after).picture() == picture


@pytest.mark.parametrize(("bits", "written"), [(15, (0x8000 & 0x7FFF, 0, 0)), (7, (0, 0, 0))])
def test_they_wrap_at_the_width_found(bits: int, written: Picture) -> None:
    first = packet(VP8, 300, bits)
    found = parse_vp8(stint(VP8, first, (32767, 255, 31)).payload(first))
    assert (found.picture_id, found.tl0picidx, found.keyidx) == written
    assert found.picture_id_bits == bits


def test_a_malformed_payload_passes_as_it_is() -> None:
    first = packet(VP8, 300)
    moved = stint(VP8, first, (9, 8, 7))
    broken = Packet(pack_header(0, 96, 2, 1000, 7) + b"\x90\xf0")
    assert moved.payload(broken) == b"\x90\xf0"


def test_timestamps_and_numbers_go_on() -> None:
    first = packet(VP8, 300)
    moved = stint(VP8, first, None)
    assert (first.timestamp + moved.timestamp_offset, moved.numbering.forward(first.seq)) == (9000, 500)


def test_it_covers_its_stream_from_its_first_packet_on_in_its_codec() -> None:
    first = packet(VP8, 300)
    moved = stint(VP8, first, None)
    early, other = packet(VP8, 299), Packet(pack_header(0, 111, 1, 0, 7) + b"x")
    early.seq, other.seq = first.seq - 1, first.seq + 1
    elsewhere = stint(OPUS, first, None).stream
    assert moved.covers(first, moved.stream)
    assert not moved.covers(early, moved.stream)
    assert not moved.covers(other, moved.stream)
    assert not moved.covers(first, elsewhere)
