"""One participant's offers, path and keys, over an engine that only remembers."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.engine import Codec, Generation, SrtpKeys
from media.peer import OfferError, Peer, Site
from media.transport import MAX_DATAGRAMS, Certificate, Handshakes
from tests.media.offers import FIREFOX, offer
from tests.media.recording import Recording

DATA = Path(__file__).parents[1] / "data"
CERTIFICATE = Certificate.generateCertificate()
KEYS = SrtpKeys("SRTP_AEAD_AES_128_GCM", bytes(28), bytes(28))


class Bench:
    def __init__(self) -> None:
        self.engine = Recording()
        self.started: list[Coroutine[Any, Any, None]] = []
        self.site = Site(
            engine=self.engine,
            certificate=CERTIFICATE,
            handshakes=Handshakes(),
            addresses=[("192.0.2.7", 5004), ("2001:db8::7", 5004)],
            preference=("VP8", "H264", "VP9", "AV1"),
            max_peers=10,
            clock=lambda: 0.0,
            start=self.started.append,
        )
        self.peer = Peer(self.site)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def values(answer: str, attribute: str) -> list[str]:
    return [line.partition(":")[2] for line in answer.splitlines() if line.startswith(f"a={attribute}:")]


def test_the_first_answer(bench: Bench) -> None:
    answer = bench.peer.answer(offer(), None)
    (ice,) = bench.engine.ice[bench.peer.id]
    assert (ice.local_ufrag, ice.remote_ufrag) == (values(answer, "ice-ufrag")[0], "page")
    assert values(answer, "ice-pwd") == [ice.local_password]
    assert values(answer, "fingerprint") == [f"sha-256 {CERTIFICATE.fingerprint}"]
    assert [one.split()[4:6] for one in values(answer, "candidate")] == [["192.0.2.7", "5004"], ["2001:db8::7", "5004"]]
    assert {source: up.parameters.mid for source, up in bench.peer.ups.items()} == {
        "microphone": "0",
        "camera": "1",
        "screen": "2",
    }
    assert bench.peer.ups["camera"].parameters.rids == ("q", "h", "f")
    assert [slot.mid for slot in bench.engine.downs.values()] == ["3", "4", "5", "6", "7", "8", "9"]
    declared = {int(one.split()[0]) for one in values(answer, "ssrc")}
    slots = bench.engine.downs.values()
    assert {slot.ssrc for slot in slots} | {slot.rtx_ssrc for slot in slots if slot.rtx_ssrc} == declared


def test_the_same_offer_gets_the_same_answer(bench: Bench) -> None:
    first = bench.peer.answer(offer(), None)
    ids = next(bench.engine._ids)
    assert bench.peer.answer(offer(), None) == first
    assert next(bench.engine._ids) == ids + 1


def test_ice_restarts_and_nothing_else(bench: Bench) -> None:
    first = bench.peer.answer(offer(), None)
    ups, downs = dict(bench.engine.ups), dict(bench.engine.downs)
    second = bench.peer.answer(offer(ufrag="next"), None)
    assert [ice.remote_ufrag for ice in bench.engine.ice[bench.peer.id]] == ["page", "next"]
    assert values(second, "ice-ufrag") != values(first, "ice-ufrag")
    for attribute in ("ssrc", "msid", "fingerprint", "mid"):
        assert values(second, attribute) == values(first, attribute)
    assert (bench.engine.ups, bench.engine.downs) == (ups, downs)


def test_more_slots(bench: Bench) -> None:
    first = bench.peer.answer(offer(), None)
    downs = dict(bench.engine.downs)
    second = bench.peer.answer(offer(more="av"), None)
    assert downs.items() <= bench.engine.downs.items()
    assert len(bench.engine.downs) == len(downs) + 2
    assert values(second, "ssrc")[: len(values(first, "ssrc"))] == values(first, "ssrc")
    assert len(bench.engine.ice[bench.peer.id]) == 1


@pytest.mark.parametrize(
    ("agreed", "sends"),
    [(None, "VP8"), (Codec("video", "H264", "42e0/1"), "H264"), (Codec("video", "AV1", "0"), "AV1")],
)
def test_the_agreed_codec_is_said_first(bench: Bench, agreed: Codec | None, sends: str) -> None:
    bench.peer.answer(offer(), agreed)
    assert bench.peer.sends is not None
    assert bench.peer.sends.name == sends


def test_the_camera_sends_the_variant_that_is_agreed(bench: Bench) -> None:
    """Somebody present knows H.264 in single packets only; a newcomer that knows both ways is to follow."""
    single = "a=rtpmap:104 H264/90000\r\na=fmtp:104 packetization-mode=0;profile-level-id=42e01f\r\na=rtpmap:102 H264"
    sdp = offer().replace(" 102 103", " 102 103 104").replace("a=rtpmap:102 H264", single)
    agreed = Codec("video", "H264", "42e0/0")
    bench.peer.answer(sdp, agreed)
    assert bench.peer.sends == agreed
    assert all(agreed in ability for ability in bench.peer.abilities)


def test_a_codec_change_by_offer_keeps_the_tracks(bench: Bench) -> None:
    bench.peer.answer(offer(), None)
    ups = dict(bench.engine.ups)
    answer = bench.peer.answer(offer(ufrag="page", more="a"), Codec("video", "VP9", "0"))
    assert "m=video 9 UDP/TLS/RTP/SAVPF 98 99 96 97" in answer
    assert bench.engine.ups == ups


def test_a_line_that_is_given_up_goes_and_comes_back_anew(bench: Bench) -> None:
    bench.peer.answer(offer(), None)
    camera, slot = bench.peer.ups["camera"].id, bench.peer.downs[-1].id
    lines = offer().split("m=")
    lines[2] = lines[2].replace("a=sendonly", "a=inactive")
    lines[10] = lines[10].replace("a=recvonly", "a=inactive")
    answer = bench.peer.answer("m=".join(lines), None)
    assert {camera, slot} <= set(bench.engine.removed)
    assert answer.count("a=inactive") == 2
    bench.peer.answer(offer(), None)
    assert bench.peer.ups["camera"].id != camera
    assert bench.peer.downs[-1].id != slot


@pytest.mark.parametrize(
    ("sdp", "text"),
    [
        ("", "SDP"),
        ("v=0\ud800", "SDP"),
        (offer(ufrag="next", fingerprint="sha-256 " + ":".join(["CD"] * 32)), "certificate"),
        (offer(ufrag="next", codecs=FIREFOX), "codec"),
    ],
)
def test_what_cannot_be_answered_changes_nothing(bench: Bench, sdp: str, text: str) -> None:
    bench.peer.answer(offer(), None)
    before = (dict(bench.engine.ups), dict(bench.engine.downs), list(bench.engine.ice[bench.peer.id]))
    with pytest.raises(OfferError, match=text):
        bench.peer.answer(sdp, None)
    assert (bench.engine.ups, bench.engine.downs, bench.engine.ice[bench.peer.id]) == before


@pytest.mark.parametrize("capture", sorted(DATA.glob("*-join*.sdp")), ids=lambda path: path.stem)
def test_offers_of_real_browsers(bench: Bench, capture: Path) -> None:
    bench.peer.answer(capture.read_bytes().decode(), None)
    assert list(bench.peer.ups) == ["microphone", "camera", "screen"]
    assert bench.peer.ups["camera"].parameters.rids == ("q", "h", "f")
    assert {codec.name for codec in bench.peer.ups["camera"].codecs} >= {"VP8", "VP9", "AV1"}
    places = [(down.slot.kind, down.slot.accepted.stream) for down in bench.peer.downs]
    assert places == [("audio", f"person-{n}") for n in range(3)] + [
        *(("video", f"person-{n}") for n in range(3)),
        ("video", "screen-0"),
    ]


_CAPTURES = [path.read_bytes().decode() for path in sorted(DATA.glob("*.sdp"))]


@given(st.sampled_from(_CAPTURES), st.sampled_from(_CAPTURES), st.randoms(use_true_random=False), st.integers(0, 30))
def test_whatever_is_offered_is_answered_or_refused(first: str, second: str, random: Random, changes: int) -> None:
    bench = Bench()
    lines = second.splitlines()
    for _ in range(changes):
        at, to = random.randrange(len(lines)), random.randrange(len(lines))
        lines[at] = random.choice(["", lines[to], lines[at][: random.randrange(30)], lines[at].swapcase()])
    for sdp in (first, "\r\n".join(lines), first):
        try:
            answer = bench.peer.answer(sdp, None)
        except OfferError:
            continue
        assert answer.startswith("v=0")
        assert set(bench.engine.downs) == {down.id for down in bench.peer.downs}
        assert set(bench.engine.ups) == {up.id for up in bench.peer.ups.values()}


async def test_nothing_is_kept_before_the_path_is_up(bench: Bench) -> None:
    bench.peer.answer(offer(), None)
    bench.peer.feed(b"\x16early")
    assert (bench.peer._dtls, bench.started) == (None, [])
    bench.peer.path_up(Generation(0))
    bench.peer.path_up(Generation(1))
    (handshake,) = bench.started
    for _ in range(MAX_DATAGRAMS + 3):
        bench.peer.feed(b"\x16")
    bench.peer.close()
    await handshake
    assert (bench.site.handshakes_failed, bench.site.dtls_dropped) == (1, 3)


async def test_connected_takes_path_and_keys(bench: Bench) -> None:
    changes: list[bool] = []
    bench.peer.answer(offer(), None)
    bench.peer.changed = lambda: changes.append(bench.peer.connected)
    bench.peer.path_up(Generation(0))
    bench.peer._key(KEYS)
    bench.peer.path_up(Generation(1))
    bench.peer.path_down(Generation(0))  # the one before: nothing to us
    bench.peer.path_down(Generation(1))
    assert changes == [False, True, True, False]
    bench.peer.close()
    await asyncio.gather(*bench.started)


def test_after_close_nothing_reaches_the_engine(bench: Bench) -> None:
    bench.peer.answer(offer(), None)
    bench.peer.close()
    bench.peer.close()
    bench.peer._key(KEYS)
    bench.peer._send(b"\x16late")
    assert (bench.engine.keys, bench.engine.sent, bench.site.peers) == ({}, [], {})
