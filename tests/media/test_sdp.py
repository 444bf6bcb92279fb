"""Offers: real ones are read right, broken ones refused by a sentence, whatever is unknown passed over."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import sdp
from media.engine import Codec
from tests.data import OFFERS, offer

JOIN_DIRECTIONS = ["sendonly"] * 3 + ["recvonly"] * 7
JOIN_MEDIA = ["audio", "video", "video", "audio", "audio", "audio"] + ["video"] * 4
H264 = Codec("video", "H264", "42e0/1")

MINIMAL = """\
v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
m=audio 9 UDP/TLS/RTP/SAVPF 111
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=fingerprint:sha-256 {fingerprint}
a=setup:actpass
a=mid:0
a=rtcp-mux
a=rtpmap:111 opus/48000/2
""".replace("{fingerprint}", ":".join(["AB"] * 32))


@pytest.mark.parametrize("name", [name for name in OFFERS if "-join" in name or "-restart" in name])
def test_join_offers(name: str) -> None:
    found = sdp.parse(offer(name))
    assert [section.media for section in found.sections] == JOIN_MEDIA
    assert [section.direction for section in found.sections] == JOIN_DIRECTIONS
    assert [section.mid for section in found.sections] == [str(mid) for mid in range(10)]
    assert all(section.usable for section in found.sections)
    assert len(found.fingerprints) == 1
    microphone, camera, screen, *slots = found.sections
    assert [one.codec for one in microphone.codecs] == [Codec("audio", "opus")]
    assert len(microphone.ssrcs) == len(screen.ssrcs) == 1
    assert list(screen.rtx_ssrcs.values()) == list(screen.ssrcs)
    assert camera.rids == ("q", "h", "f")
    assert all("urn:ietf:params:rtp-hdrext:sdes:mid" in section.extensions for section in found.sections)
    decodes = {one.codec for one in slots[-1].codecs}
    assert (H264 in decodes) == ("chromium" in name)  # Firefox without OpenH264 has none
    assert {"VP8", "VP9", "AV1"} <= {codec.name for codec in decodes}
    assert all(one.rtx is not None for one in camera.codecs if one.codec.name != "opus")


def test_lines_mean_the_same_in_a_block_and_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [offer(name) for name in OFFERS]
    in_blocks = [sdp.parse(text) for text in texts]
    monkeypatch.setattr(sdp, "_cut", lambda text, starts, read: ("", text))
    assert [sdp.parse(text) for text in texts] == in_blocks


@pytest.mark.parametrize("line", ["a=rtpmap:96 VP8/90000\x85a=mid:1", "a=fmtp:96 a\ra=ice-ufrag:evil", "a=sendonly"])
def test_a_block_with_other_lines_in_it_is_none(line: str) -> None:
    text = f"audio\na=rtpmap:111 opus/48000\n{line}\na=fmtp:111 minptime=10\na=mid:0"
    assert sdp._cut(text, sdp._CAPABILITY_LINES, sdp._read_capabilities) == ("", text)
    assert sdp._Scan(text).capabilities.split("\n")[0] == "a=rtpmap:111 opus/48000"
    assert "a=mid:0" not in sdp._Scan(text).capabilities


@pytest.mark.parametrize("end", ["", "\r\na=mid:0\r\n"])
def test_a_block_ends_with_its_last_line(end: str) -> None:
    text = f"audio\r\na=rtpmap:111 opus/48000\r\na=fmtp:111 minptime=10{end}"
    block, rest = sdp._cut(text, sdp._CAPABILITY_LINES, sdp._read_capabilities)
    assert block == "a=rtpmap:111 opus/48000\na=fmtp:111 minptime=10"
    assert rest.split() == ["audio", *end.split()]


def test_a_block_is_bounded_line_by_line() -> None:
    with pytest.raises(ValueError, match="too long"):
        sdp._Scan(f"audio\na=rtpmap:111 opus/48000\na=fmtp:111 {'x' * sdp.MAX_LINE}")


def test_paused_layers_and_declared_ssrcs_differ_by_browser() -> None:
    chromium = sdp.parse(offer("chromium-156-join")).sections[1]
    assert chromium.paused == frozenset({"q", "h"})
    assert chromium.ssrcs == ()
    firefox = sdp.parse(offer("firefox-153-join")).sections[1]
    assert firefox.paused == frozenset()
    assert (len(firefox.ssrcs), len(firefox.rtx_ssrcs)) == (3, 3)
    assert tuple(firefox.rtx_ssrcs.values()) == firefox.ssrcs


def test_a_preferred_codec_comes_first() -> None:
    assert sdp.parse(offer("chromium-156-join-h264")).sections[1].codecs[0].codec.name == "H264"
    assert sdp.parse(offer("chromium-156-join")).sections[1].codecs[0].codec.name == "VP8"


@pytest.mark.parametrize("browser", ["chromium-156", "firefox-153"])
def test_other_offers(browser: str) -> None:
    assert [one.media for one in sdp.parse(offer(f"{browser}-audio-only")).sections] == ["audio"]
    data = sdp.parse(offer(f"{browser}-data-channel")).sections
    assert [(one.media, one.usable) for one in data] == [("audio", True), ("application", False)]
    plain = sdp.parse(offer(f"{browser}-plain")).sections
    assert [(one.media, one.direction, one.rids) for one in plain] == [
        ("audio", "sendrecv", ()),
        ("video", "sendrecv", ()),
    ]


def test_slots_share_one_list_of_codecs() -> None:
    slots = sdp.parse(offer("chromium-156-join")).sections[6:]
    assert all(slot.codecs is slots[0].codecs for slot in slots)


def test_attributes_of_the_session_hold_for_all_sections() -> None:
    transport = [line for line in MINIMAL.splitlines() if line.startswith(("a=ice", "a=fingerprint", "a=setup"))]
    others = [line for line in MINIMAL.splitlines() if line not in transport]
    moved = "\n".join([*others[:4], *transport, *others[4:], ""])
    assert sdp.parse(moved) == sdp.parse(MINIMAL)


@pytest.mark.parametrize(
    ("instead", "of"),
    [
        ("m=audio 9 UDP/TLS/RTP/SAVPF 111\na=bundle-only", "m=audio 9 UDP/TLS/RTP/SAVPF 111"),
        ("m=audio 0 UDP/TLS/RTP/SAVPF 111\na=bundle-only", "m=audio 9 UDP/TLS/RTP/SAVPF 111"),
        ("a=rtcp-mux\na=unheard-of\nx=y\n\nnot even a line", "a=rtcp-mux"),
        (
            "a=rtcp-mux\na=extmap:99 a:b\na=extmap:x/y z\na=rid:\na=simulcast:\na=ssrc:q\na=rtcp:9 IN IP4 0.0.0.0",
            "a=rtcp-mux",
        ),
        ("a=setup:active", "a=setup:actpass"),
        ("t=0 0", "t=0 0\na=group:BUNDLE 0"),  # one line is a bundle by itself
    ],
)
def test_tolerated(instead: str, of: str) -> None:
    [section] = sdp.parse(MINIMAL.replace(of, instead)).sections
    assert section.usable
    assert section.extensions == {}
    assert (section.rids, section.ssrcs) == ((), ())


@pytest.mark.parametrize(
    ("instead", "of"),
    [
        ("m=audio 0 UDP/TLS/RTP/SAVPF 111", "m=audio 9 UDP/TLS/RTP/SAVPF 111"),
        ("m=audio 9 RTP/AVP 111", "m=audio 9 UDP/TLS/RTP/SAVPF 111"),
        ("m=text 9 UDP/TLS/RTP/SAVPF 111", "m=audio 9 UDP/TLS/RTP/SAVPF 111"),
        ("a=group:BUNDLE 1", "a=group:BUNDLE 0"),
        ("", "a=rtcp-mux\n"),
        ("", "a=mid:0\n"),
    ],
)
def test_sections_that_can_only_be_rejected(instead: str, of: str) -> None:
    [section] = sdp.parse(MINIMAL.replace(of, instead)).sections
    assert not section.usable


@pytest.mark.parametrize(
    ("lines", "rids", "paused"),
    [
        (["a=rid:a send", "a=rid:b send", "a=simulcast:send b;a"], ("b", "a"), set()),
        (["a=rid:a send", "a=rid:b send", "a=simulcast:send ~b;a recv c"], ("b", "a"), {"b"}),
        (["a=rid:a send", "a=rid:b send", "a=rid:c recv", "a=simulcast:recv c send a,b"], ("a",), set()),
        (["a=rid:a send pt=96;max-width=640"], ("a",), set()),
        (["a=simulcast:send a;b"], (), set()),
        (["a=rid:a/b send", "a=rid:cccccccccccccccccc send", "a=simulcast:send a/b;cccccccccccccccccc"], (), set()),
        ([f"a=rid:{n} send" for n in range(9)], ("0", "1", "2", "3"), set()),
    ],
)
def test_layers(lines: list[str], rids: tuple[str, ...], paused: set[str]) -> None:
    [section] = sdp.parse(MINIMAL + "\n".join(lines)).sections
    assert section.rids == rids
    assert section.paused == frozenset(paused)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "SDP does not begin with v=0"),
        ("m=audio 9 x 1", "SDP does not begin with v=0"),
        ("v=0\r\n", "SDP has no media"),
        ("v=0\n" + "m=audio 9 UDP/TLS/RTP/SAVPF 111\n" * 65, "SDP has too many media sections"),
        ("v=0" + " " * sdp.MAX_CHARACTERS, "SDP is too long"),
        (MINIMAL + "a=" + "x" * sdp.MAX_LINE, "SDP line is too long"),
        (MINIMAL + "m=audio\na=mid:1", "SDP media line is malformed"),
        (MINIMAL + "m=audio 9 UDP/TLS/RTP/SAVPF 111 \x00\na=mid:1", "SDP media line is malformed"),
        (MINIMAL.replace("a=mid:0", "a=mid:0 1"), "SDP mid is malformed"),
        (MINIMAL.replace("a=mid:0", "a=mid:12345678901234567"), "SDP mid is malformed"),
        (MINIMAL.replace("a=mid:0", "a=mid:"), "SDP mid is malformed"),
        (MINIMAL + MINIMAL[MINIMAL.index("m=") :], "SDP uses a mid twice"),
        (MINIMAL.replace("a=ice-ufrag:abcd\n", ""), "SDP has no ICE credentials"),
        (MINIMAL.replace("a=ice-pwd:0123456789012345678901", "a=ice-pwd:short"), "SDP has no ICE credentials"),
        (MINIMAL.replace("a=ice-ufrag:abcd", "a=ice-ufrag:ab:cd"), "SDP has no ICE credentials"),
        (MINIMAL.replace("actpass", "passive"), "SDP does not let us be the DTLS server"),
        (MINIMAL.replace("a=setup:actpass\n", ""), "SDP does not let us be the DTLS server"),
        (MINIMAL.replace("sha-256", "sha-1"), "SDP has no usable certificate fingerprint"),
        (MINIMAL.replace("AB:AB", "AB-AB"), "SDP has no usable certificate fingerprint"),
    ],
)
def test_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        sdp.parse(text)


@given(st.sampled_from(OFFERS), st.randoms(use_true_random=False), st.integers(1, 40))
def test_mutated_offers_raise_nothing_but_value_error(name: str, dice: random.Random, changes: int) -> None:
    lines = offer(name).split("\r\n")
    for _ in range(changes):
        at = dice.randrange(len(lines))
        match dice.randrange(5):
            case 0:
                del lines[at]
                lines = lines or [""]
            case 1:
                lines.insert(at, dice.choice(lines))
            case 2:
                lines[at] = lines[at][: dice.randrange(len(lines[at]) + 1)]
            case 3:
                place = dice.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:place] + dice.choice("\0\r\n :;=/~,é ²") + lines[at][place + 1 :]
            case _:
                lines[at] = lines[at].replace("0", "99999999999")
    _survives("\r\n".join(lines))


@given(st.lists(st.sampled_from(sorted({line[:9] for line in offer("chromium-156-join").split("\r\n")})) | st.text()))
def test_made_up_offers_raise_nothing_but_value_error(lines: list[str]) -> None:
    _survives("v=0\n" + "\n".join(lines))
    _survives(MINIMAL + "\n".join(lines))


def _survives(text: str) -> None:
    fault = ""
    try:
        sdp.parse(text)
    except ValueError as error:
        fault = str(error)
    assert not fault or fault.startswith("SDP ")
