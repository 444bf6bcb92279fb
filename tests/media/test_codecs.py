"""Codecs of real sections, and which of them a participant is to send."""

import pytest

from media import codecs
from media.codecs import OfferedCodec, accept_up, h264_profile, read_codecs
from media.engine import Codec

PREFERENCE = ("VP8", "H264", "VP9", "AV1")

ATTRIBUTES = """\
a=fmtp:97 apt=96
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=rtpmap:102 H264/90000
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
a=rtpmap:108 h264/90000
a=fmtp:108 level-asymmetry-allowed=1; packetization-mode=1; profile-level-id=42e01f
a=rtpmap:109 RTX/90000
a=fmtp:109 apt=108;rtx-time=300
a=rtpmap:98 VP9/90000
a=rtpmap:100 VP9/90000
a=fmtp:100 profile-id=2
a=rtpmap:45 AV1/90000
a=fmtp:45 level-idx=5;profile=0;tier=0
a=rtcp-fb:* transport-cc
a=rtpmap:120 H265/90000
a=rtpmap:35 VP8/48000
a=rtpmap:36 opus/48000/2"""
FORMATS = "108 96 97 102 109 98 100 45 120 35 36 96 nonsense 300"


def video(payload_type: int, name: str, variant: str = "") -> OfferedCodec:
    return OfferedCodec(payload_type, Codec("video", name, variant), 90000, 1, "", frozenset(), None)


def test_a_section_is_read_in_the_order_of_its_formats() -> None:
    found = read_codecs("video", FORMATS, ATTRIBUTES)
    assert [(one.payload_type, one.codec.name, one.codec.variant, one.rtx) for one in found] == [
        (108, "H264", "42e0/1", 109),
        (96, "VP8", "", 97),
        (102, "H264", "4200/1", None),
        (98, "VP9", "0", None),
        (45, "AV1", "0", None),
    ]
    assert found[1].feedback == {"nack", "nack pli", "transport-cc"}
    assert found[4].parameters == "level-idx=5;profile=0;tier=0"


def test_opus_of_an_audio_section() -> None:
    attributes = "a=rtpmap:111 opus/48000/2\na=fmtp:111 minptime=10;useinbandfec=1\na=rtpmap:0 PCMU/8000"
    [opus] = read_codecs("audio", "111 0", attributes)
    assert (opus.codec, opus.clock_rate, opus.channels) == (Codec("audio", "opus"), 48000, 2)


def test_equal_sections_are_read_once() -> None:
    assert read_codecs("video", FORMATS, ATTRIBUTES) is read_codecs("video", str(FORMATS), "".join(ATTRIBUTES))
    assert codecs.read_codecs.cache_info().maxsize == 128


@pytest.mark.parametrize(
    ("offered", "preference", "wanted", "expected"),
    [
        # one of each, by preference
        ([(45, "AV1", "0"), (98, "VP9", "0"), (96, "VP8", "")], PREFERENCE, None, [96, 98, 45]),
        # the variant that most receivers decode
        ([(102, "H264", "4200/1"), (114, "H264", "42e0/0"), (108, "H264", "42e0/1")], PREFERENCE, None, [108]),
        ([(102, "H264", "4200/1"), (116, "H264", "4d00/1")], PREFERENCE, None, [102]),
        # what the room agreed on comes first, in its variant
        ([(96, "VP8", ""), (108, "H264", "42e0/1")], PREFERENCE, ("H264", "42e0/1"), [108, 96]),
        (
            [(96, "VP8", ""), (102, "H264", "4200/1"), (108, "H264", "42e0/1")],
            PREFERENCE,
            ("H264", "4200/1"),
            [102, 96],
        ),
        ([(96, "VP8", "")], PREFERENCE, ("H264", "42e0/1"), [96]),
        # what the server is not to use
        ([(45, "AV1", "0"), (96, "VP8", "")], ("VP8",), None, [96]),
        ([], PREFERENCE, None, []),
    ],
)
def test_accept_up(
    offered: list[tuple[int, str, str]],
    preference: tuple[str, ...],
    wanted: tuple[str, str] | None,
    expected: list[int],
) -> None:
    chosen = accept_up(
        [video(*one) for one in offered], preference, Codec("video", *wanted) if wanted is not None else None
    )
    assert [one.payload_type for one in chosen] == expected


@pytest.mark.parametrize(
    ("profile_level_id", "profile"),
    [
        ("42e01f", "42e0"),
        ("42E01F", "42e0"),
        ("42c01f", "42e0"),
        ("42401f", "42e0"),
        ("4d801f", "42e0"),
        ("58c01f", "42e0"),
        ("42001f", "4200"),
        ("42801f", "4200"),
        ("4d001f", "4d00"),
        ("4d401f", "4d00"),
        ("64001f", "6400"),
        ("640c1f", "640c"),
        ("f4001f", "f400"),
        ("nonsense", ""),
    ],
)
def test_one_spelling_for_each_h264_profile(profile_level_id: str, profile: str) -> None:
    assert h264_profile(profile_level_id) == profile


@pytest.mark.parametrize(
    ("parameters", "variant"),
    [
        ("packetization-mode=1;profile-level-id=640c1f", "640c/1"),
        ("profile-level-id=640c1f", "640c/0"),
        ("PACKETIZATION-MODE=1", "42e0/1"),
        ("", "42e0/0"),
    ],
)
def test_h264_defaults(parameters: str, variant: str) -> None:
    [found] = read_codecs("video", "96", f"a=rtpmap:96 H264/90000\na=fmtp:96 {parameters}")
    assert found.codec.variant == variant
