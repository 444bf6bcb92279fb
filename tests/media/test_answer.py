"""Answers to real offers: what they say, and that the engine is told the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import answer, sdp
from media.answer import Accepted, AcceptedSlot, AcceptedUp, Transport
from media.codecs import accept_up
from media.engine import Codec
from media.rtp import ABS_SEND_TIME, AUDIO_LEVEL, MID, REPAIRED_RID, RID, TRANSPORT_SEQUENCE
from tests.data import OFFERS, offer

PREFERENCE = ("VP8", "H264", "VP9", "AV1")
FINGERPRINT = ":".join(["AB"] * 32)
TRANSPORT = Transport("ours", "p" * 22, FINGERPRINT, [("192.0.2.1", 5000), ("2001:db8::1", 5000)], 77, 3)
VP8, H264 = Codec("video", "VP8"), Codec("video", "H264", "42e0/1")


def accept(offered: sdp.Offer, wanted: Codec | None = None, *, estimated: bool = False) -> dict[str, Accepted]:
    accepted: dict[str, Accepted] = {}
    for at, section in enumerate(offered.sections):
        if not section.usable:
            continue
        if section.direction in ("sendonly", "sendrecv"):
            accepted[section.mid] = AcceptedUp(section, accept_up(section.codecs, PREFERENCE, wanted))
        else:
            rtx = 2000 + at if section.media == "video" else None
            accepted[section.mid] = AcceptedSlot(
                section, section.codecs, 1000 + at, rtx, "who", f"s{at}", f"t{at}", estimated
            )
    return accepted


def write(name: str, wanted: Codec | None = None, *, estimated: bool = False, without: str = "\0") -> list[list[str]]:
    """Return the answer to an offer as lines by section, the session's first; `without` lines that end like this."""
    kept = [line for line in offer(name).split("\r\n") if not line.endswith(without)]
    offered = sdp.parse("\r\n".join(kept))
    text = answer.write(offered, accept(offered, wanted, estimated=estimated), TRANSPORT)
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    sections: list[list[str]] = [[]]
    for line in text.split("\r\n")[:-1]:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections


def of(section: list[str], *heads: str) -> list[str]:
    return [line for line in section if line.startswith(heads)]


def test_the_session_is_one_lite_transport() -> None:
    session, first, *others = write("chromium-156-join")
    assert session == [
        "v=0",
        "o=- 77 3 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1 2 3 4 5 6 7 8 9",
        "a=ice-lite",
        "a=ice-ufrag:ours",
        "a=ice-pwd:" + "p" * 22,
        f"a=fingerprint:sha-256 {FINGERPRINT}",
        "a=setup:passive",
        "a=msid-semantic: WMS *",
    ]
    assert of(first, "a=candidate", "a=end") == [
        "a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host",
        "a=candidate:2 1 udp 2130706175 2001:db8::1 5000 typ host",
        "a=end-of-candidates",
    ]
    assert not any(of(other, "a=candidate") for other in others)
    assert all("a=rtcp-mux" in section and "a=rtcp-rsize" in section for section in [first, *others])


def test_microphone() -> None:
    assert write("chromium-156-join")[1][:-3] == [
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtcp-fb:111 transport-cc",
        "a=recvonly",
    ]


@pytest.mark.parametrize(
    ("name", "wanted", "formats"),
    [
        ("chromium-156-join", None, "96 97 108 109 98 99 45 46"),
        ("chromium-156-join", H264, "108 109 96 97 98 99 45 46"),
        ("firefox-153-join", None, "120 124 121 125 99 100"),
        ("firefox-153-join", H264, "120 124 121 125 99 100"),
    ],
)
def test_camera_is_to_send_the_first_codec(name: str, wanted: Codec | None, formats: str) -> None:
    assert write(name, wanted)[2][0] == f"m=video 9 UDP/TLS/RTP/SAVPF {formats}"


@pytest.mark.parametrize(("name", "simulcast"), [("chromium-156-join", "~q;~h;f"), ("firefox-153-join", "q;h;f")])
def test_camera_layers_stay_as_they_are(name: str, simulcast: str) -> None:
    _, _, camera, screen, *_ = write(name)
    assert of(camera, "a=rid", "a=simulcast") == [
        "a=rid:q recv",
        "a=rid:h recv",
        "a=rid:f recv",
        f"a=simulcast:recv {simulcast}",
    ]
    assert not of(screen, "a=rid", "a=simulcast")


@pytest.mark.parametrize("name", [name for name in OFFERS if "-join" in name])
def test_without_an_estimate_transport_feedback_is_promised_on_ups_only(name: str) -> None:
    _, *sections = write(name)
    up, slots = sections[:3], sections[3:]
    assert all(any("transport-cc" in line for line in of(section, "a=rtcp-fb")) for section in up)
    assert all(any("transport-wide" in line for line in of(section, "a=extmap")) for section in up)
    assert not any("transport-" in line for section in slots for line in section)
    video = [section for section in sections if section[0].startswith("m=video")]
    assert all(any("goog-remb" in line for line in section) for section in video)


@pytest.mark.parametrize("name", [name for name in OFFERS if "-join" in name])
def test_with_an_estimate_slots_ask_for_transport_feedback_instead_of_remb(name: str) -> None:
    _, *sections = write(name, estimated=True)
    slots = sections[3:]
    assert sections[:3] == write(name)[1:4]
    assert all(any("transport-cc" in line for line in of(section, "a=rtcp-fb")) for section in slots)
    assert all(any("transport-wide" in line for line in of(section, "a=extmap")) for section in slots)
    assert not any("goog-remb" in line or "abs-send-time" in line for section in slots for line in section)


@pytest.mark.parametrize("without", [TRANSPORT_SEQUENCE, "transport-cc"])
@pytest.mark.parametrize("name", [name for name in OFFERS if "-join" in name])
def test_who_cannot_tell_when_packets_came_says_remb(name: str, without: str) -> None:
    assert write(name, estimated=True, without=without) == write(name, without=without)
    slots = write(name, estimated=True, without=without)[4:]
    assert not any("transport-" in line for section in slots for line in section)
    assert sum(bool(of(section, "a=rtcp-fb")) for section in slots) == 4


def test_slot_declares_what_never_changes() -> None:
    slot = write("chromium-156-join")[7]
    assert of(slot, "a=sendonly", "a=msid", "a=ssrc", "a=mid") == [
        "a=mid:6",
        "a=sendonly",
        "a=msid:s6 t6",
        "a=ssrc-group:FID 1006 2006",
        "a=ssrc:1006 cname:who",
        "a=ssrc:2006 cname:who",
    ]
    assert of(slot, "a=rtcp-fb:96") == [
        "a=rtcp-fb:96 goog-remb",
        "a=rtcp-fb:96 ccm fir",
        "a=rtcp-fb:96 nack",
        "a=rtcp-fb:96 nack pli",
    ]


def test_extensions_turn_around_for_the_answerer() -> None:
    camera = write("firefox-153-join")[2]
    assert "a=extmap:9/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id" in camera


@pytest.mark.parametrize(
    ("direction", "up", "slot"),
    [("", True, True), ("/sendonly", True, False), ("/recvonly", False, True), ("/inactive", False, False)],
)
def test_extensions_are_agreed_on_only_in_their_direction(direction: str, up: bool, slot: bool) -> None:
    text = offer("chromium-156-join").replace(f"a=extmap:4 {MID}", f"a=extmap:4{direction} {MID}")
    offered = sdp.parse(text)
    accepted = accept(offered)
    assert (MID in accepted["0"].parameters().extensions) is up
    assert (MID in accepted["3"].parameters().extensions) is slot
    lines = answer.write(offered, accepted, TRANSPORT).split("\r\n")
    assert sum(line.endswith(MID) for line in lines) == 3 * up + 7 * slot


def test_what_is_not_accepted_is_rejected_outside_the_bundle() -> None:
    session, _, data = write("chromium-156-data-channel")
    assert "a=group:BUNDLE 0" in session
    assert data == ["m=application 0 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", "a=mid:1", "a=inactive"]


def test_candidates_go_with_the_first_line_of_the_bundle() -> None:
    offered = sdp.parse(offer("chromium-156-join"))
    accepted = accept(offered)
    del accepted["0"]
    text = answer.write(offered, accepted, TRANSPORT)
    assert "a=group:BUNDLE 1 2 3" in text
    assert text.index("a=mid:0") < text.index("a=mid:1") < text.index("a=candidate") < text.index("a=mid:2")


def test_nothing_accepted_is_an_answer_too() -> None:
    offered = sdp.parse(offer("chromium-156-plain"))
    text = answer.write(offered, {}, TRANSPORT)
    assert "BUNDLE" not in text
    assert "candidate" not in text
    assert text.count("a=inactive") == 2


def test_up_parameters_are_what_the_answer_says() -> None:
    offered = sdp.parse(offer("firefox-153-join"))
    camera = accept(offered)["1"]
    assert isinstance(camera, AcceptedUp)
    parameters = camera.parameters()
    assert (parameters.kind, parameters.mid, parameters.rids) == ("video", "1", ("q", "h", "f"))
    assert parameters.codecs == {120: VP8, 121: Codec("video", "VP9", "0"), 99: Codec("video", "AV1", "0")}
    assert parameters.rtx == {124: 120, 125: 121, 100: 99}
    assert parameters.extensions == {MID: 3, RID: 9, REPAIRED_RID: 10, TRANSPORT_SEQUENCE: 7}
    assert parameters.clock_rates == {120: 90000, 121: 90000, 99: 90000}
    assert len(parameters.ssrcs) == 3
    assert set(parameters.rtx_ssrcs.values()) == set(parameters.ssrcs)


def test_slot_parameters_are_what_the_answer_says() -> None:
    offered = sdp.parse(offer("chromium-156-join"))
    slot, audio = accept(offered)["6"], accept(offered)["3"]
    assert isinstance(slot, AcceptedSlot)
    assert isinstance(audio, AcceptedSlot)
    parameters = slot.parameters(first_sequence=5, first_timestamp=6)
    assert (parameters.ssrc, parameters.rtx_ssrc, parameters.cname) == (1006, 2006, "who")
    assert (parameters.first_sequence, parameters.first_timestamp, parameters.clock_rate) == (5, 6, 90000)
    assert (parameters.codecs[VP8], parameters.codecs[H264]) == (96, 108)
    assert (parameters.rtx[96], parameters.rtx[108]) == (97, 109)
    assert parameters.extensions == {MID: 4, ABS_SEND_TIME: 2}
    assert audio.parameters().rtx_ssrc is None
    assert audio.parameters().clock_rate == 48000
    assert audio.parameters().extensions == {MID: 4, AUDIO_LEVEL: 1, ABS_SEND_TIME: 2}
    numbered = accept(offered, estimated=True)
    assert numbered["6"].parameters().extensions == {MID: 4, TRANSPORT_SEQUENCE: 3}
    assert numbered["3"].parameters().extensions == {MID: 4, AUDIO_LEVEL: 1, TRANSPORT_SEQUENCE: 3}


def test_the_first_of_equal_codecs_is_the_one_a_slot_sends() -> None:
    offered = sdp.parse(offer("chromium-156-plain").replace("42001f", "42e01f"))
    video = offered.sections[1]
    slot = AcceptedSlot(video, video.codecs, 1, 2, "who", "s", "t")
    first = next(one.payload_type for one in video.codecs if one.codec == H264)
    assert slot.parameters().codecs[H264] == first


@given(st.sampled_from(["a=mid:", "a=rid:f send", "a=fmtp:96 ", "a=rtcp-fb:96 ", "a=extmap:4 ", "m=video "]), st.text())
def test_an_offer_cannot_write_lines_of_its_own_into_the_answer(line: str, more: str) -> None:
    text = offer("chromium-156-plain")
    offered = None
    try:
        offered = sdp.parse(text.replace("\r\na=rtcp-rsize", f"\r\n{line}{more}\r\na=rtcp-rsize"))
    except ValueError:
        return
    lines = answer.write(offered, accept(offered), TRANSPORT).split("\r\n")[:-1]
    known = ("v=", "o=", "s=", "t=", "a=", "m=", "c=")
    assert all(one.startswith(known) and "\n" not in one and "\r" not in one for one in lines)
    assert sum(one.startswith("m=") for one in lines) == len(offered.sections)
