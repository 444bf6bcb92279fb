"""Rooms over an engine that only remembers: who is routed where, who is told what."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from media import agreement
from media.engine import DownEstimate, DownId, Generation, PathDown, PathUp, PeerId, Speakers, SrtpKeys, UpId
from media.plane import MediaPlane
from media.room import (
    CodecWanted,
    Connected,
    Disconnected,
    Name,
    OfferError,
    Room,
    RoomEvent,
    SlotsChanged,
    SpeakersChanged,
)
from tests.media.offers import CHROMIUM, FIREFOX, offer
from tests.media.recording import Recording

KEYS = SrtpKeys("SRTP_AEAD_AES_128_GCM", bytes(28), bytes(28))


class House:
    """A plane over a recording engine, with one room, a clock set by hand, and what the room said."""

    def __init__(self, *codecs: str, **options: Any) -> None:
        self.engine = Recording()
        self.now = 100.0
        self.plane = MediaPlane(self.engine, codecs or ("VP8", "H264", "VP9", "AV1"), clock=lambda: self.now, **options)
        self.said: list[RoomEvent] = []
        self.room: Room = self.plane.room(self.said.append)

    async def come(self, name: str, *, admit: bool = True, **lines: Any) -> PeerId:
        """Join, offer, be admitted; return the engine's peer."""
        before = set(self.engine.ice)
        self.room.join(Name(name))
        await self.room.answer(Name(name), offer(**lines))
        if admit:
            self.room.admit(Name(name))
        await asyncio.sleep(0)
        (peer,) = set(self.engine.ice) - before
        return peer

    def connect(self, peer: PeerId, generation: int = 0) -> None:
        """As if path and handshake were done."""
        held = self.plane._site.peers[peer]
        held._key(KEYS)
        self.engine.happen(PathUp(peer, Generation(generation)))

    def up(self, peer: PeerId, source: str) -> UpId:
        return self.plane._site.peers[peer].ups[source].id  # type: ignore[index]

    def seen(self, peer: PeerId) -> str:
        """Who is routed to the peer's slots, e.g. "1:microphone 1:camera -"."""
        sources = {
            up.id: f"{other}:{source}"
            for other, held in self.plane._site.peers.items()
            for source, up in held.ups.items()
        }
        downs = [down for down, owner in self.engine.owners.items() if owner == peer and down in self.engine.downs]
        routed = (self.engine.routes.get(DownId(down)) for down in downs)
        return " ".join("-" if up is None else sources[up] for up in routed)

    async def hear(self) -> list[RoomEvent]:
        """What was said since the last time."""
        await asyncio.sleep(0)
        said, self.said[:] = list(self.said), []
        return said


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    await house.plane.open()
    yield house
    await house.plane.close()
    assert not house.plane._site.peers
    assert not house.plane._site.hearers


async def test_two_see_each_other(house: House) -> None:
    a, b = await house.come("a", slots="avv"), await house.come("b", slots="avv")
    assert house.seen(a) == f"{b}:microphone {b}:camera -"
    assert house.seen(b) == f"{a}:microphone {a}:camera -"
    assert house.engine.gates == {a: True, b: True}


async def test_a_fault_in_an_answer_leaves_nobody_in_the_engine(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("media.peer.write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await house.come("a")
    assert (house.engine.ice, house.plane._site.peers) == ({}, {})
    await house.come("a")


async def test_who_waits_sees_nobody_and_is_not_seen(house: House) -> None:
    a, b = await house.come("a", slots="avv"), await house.come("b", admit=False, slots="avv")
    assert (house.seen(a), house.seen(b)) == ("- - -", "- - -")
    assert house.engine.gates == {a: True, b: False}
    house.room.admit(Name("b"))
    assert house.seen(b) == f"{a}:microphone {a}:camera -"
    assert house.engine.gates == {a: True, b: True}


def slots_of(events: list[RoomEvent], to: str) -> str:
    """The last slots told to somebody, e.g. "b - | b - | -  1": audio, video, screens, and how many are wanted."""
    told = [event for event in events if isinstance(event, SlotsChanged) and event.to == to][-1]
    groups = [("audio", "person"), ("video", "person"), ("video", "screen")]
    shown = [
        " ".join(slot.shows or "-" for slot in told.slots if (slot.kind, slot.source) == group) for group in groups
    ]
    return f"{' | '.join(shown)}  {told.wanted}"


async def test_slots_are_told_with_who_is_in_them(house: House) -> None:
    await house.come("a", slots="aavvv")
    assert slots_of(await house.hear(), "a") == "- - | - - | -  0"
    await house.come("b", slots="aavvv")
    events = await house.hear()
    assert slots_of(events, "a") == "b - | b - | -  1"
    assert slots_of(events, "b") == "a - | a - | -  1"
    house.room.tick()
    assert await house.hear() == []  # nothing new, nothing said
    house.room.status(Name("b"), camera=True, screen=True)
    assert slots_of(await house.hear(), "a") == "b - | b - | b  1"
    house.room.leave(Name("b"))
    assert slots_of(await house.hear(), "a") == "- - | - - | -  0"


async def test_mids_are_those_of_the_offer(house: House) -> None:
    await house.come("a", slots="avv")
    (told,) = (event for event in await house.hear() if isinstance(event, SlotsChanged))
    assert [(slot.mid, slot.kind, slot.source) for slot in told.slots] == [
        ("3", "audio", "person"),
        ("4", "video", "person"),
        ("5", "video", "screen"),
    ]


async def test_more_people_than_slots(house: House) -> None:
    a = await house.come("a", slots="avv")
    b, c = await house.come("b"), await house.come("c")
    assert slots_of(await house.hear(), "a") == "b | b | -  2"
    house.engine.happen(Speakers((house.up(c, "microphone"),)))
    assert slots_of(await house.hear(), "a") == "c | c | -  2"
    await house.room.answer(Name("a"), offer(slots="avv", more="av"))
    assert slots_of(await house.hear(), "a") == "c b | c b | -  2"
    assert house.seen(a) == f"{c}:microphone {c}:camera - {b}:microphone {b}:camera"


async def test_screens_have_their_own_slot(house: House) -> None:
    a, b, c = await house.come("a", slots="aavvv"), await house.come("b"), await house.come("c")
    house.room.status(Name("b"), camera=True, screen=True)
    assert house.seen(a).split()[-1] == f"{b}:screen"
    house.now += 1
    house.room.status(Name("c"), camera=True, screen=True)
    assert house.seen(a).split()[-1] == f"{c}:screen"
    house.room.status(Name("c"), camera=True, screen=False)
    assert house.seen(a).split()[-1] == f"{b}:screen"
    house.room.leave(Name("b"))
    assert house.seen(a) == f"- {c}:microphone - {c}:camera -"


async def test_a_camera_that_comes_back_begins_with_a_key_frame(house: House) -> None:
    a = await house.come("a")
    house.room.status(Name("a"), camera=True, screen=False)
    assert house.engine.key_frames == [house.up(a, "camera")]
    house.room.status(Name("a"), camera=True, screen=True)
    house.room.status(Name("a"), camera=False, screen=True)
    assert len(house.engine.key_frames) == 1


async def test_joining_again_replaces_the_media_and_keeps_the_admission(house: House) -> None:
    a, b = await house.come("a", slots="avv"), await house.come("b", slots="avv")
    again = await house.come("b", admit=False, slots="avv")
    assert b in house.engine.removed
    assert house.engine.gates == {a: True, again: True}
    assert house.seen(a) == f"{again}:microphone {again}:camera -"


async def test_connected_and_back(house: House) -> None:
    a = await house.come("a")
    await house.hear()
    assert not house.room.connected(Name("a"))
    house.connect(a)
    assert house.room.connected(Name("a"))
    assert await house.hear() == [Connected(Name("a"))]
    house.engine.happen(PathDown(a, Generation(0)))
    assert not house.room.connected(Name("a"))
    assert await house.hear() == [Disconnected(Name("a"), permanent=False)]
    house.engine.happen(PathUp(a, Generation(1)))
    assert await house.hear() == [Connected(Name("a"))]
    house.engine.happen(PathDown(a, Generation(0)))  # the path before: late, harmless
    assert await house.hear() == []


async def test_events_for_whoever_is_gone_are_ignored(house: House) -> None:
    a = await house.come("a")
    house.room.leave(Name("a"))
    await house.hear()
    house.engine.happen(PathUp(a, Generation(0)), PathDown(a, Generation(0)), Speakers((UpId(2),)))
    assert await house.hear() == []


async def test_speakers_are_named_and_held(house: House) -> None:
    a, b, c = await house.come("a"), await house.come("b"), await house.come("c", admit=False)
    ups = [house.up(peer, "microphone") for peer in (a, b, c)]
    await house.hear()

    async def said() -> list[tuple[str, ...]]:
        return [event.speakers for event in await house.hear() if isinstance(event, SpeakersChanged)]

    house.engine.happen(Speakers((ups[1], ups[2], ups[0])))
    assert await said() == [("b", "a")]  # nobody hears who waits
    house.engine.happen(Speakers((ups[0],)))
    assert await said() == [("a", "b")]
    house.now += 5
    house.room.tick()
    assert await said() == [("a",)]
    house.engine.happen(Speakers(()))
    house.now += 5
    house.room.tick()
    assert await said() == [()]


# --- two-party visits -------------------------------------------------------------------------------------------------


def trouble(peer: PeerId, bitrate_bps: int) -> DownEstimate:
    return DownEstimate(peer, bitrate_bps, loss=0.2, round_trip_s=0.1, sent_bps=bitrate_bps)


async def test_what_one_can_take_bounds_what_the_other_sends(house: House) -> None:
    a, b = await house.come("a"), await house.come("b")
    house.engine.happen(trouble(a, 400_000))
    assert house.engine.caps == {b: 400_000}
    house.engine.happen(trouble(b, 600_000))
    assert house.engine.caps == {a: 600_000, b: 400_000}
    house.now += 6
    house.engine.happen(DownEstimate(a, 900_000, loss=0.0, round_trip_s=0.1))
    assert house.engine.caps == {a: 600_000, b: None}


async def test_a_receiver_that_falls_silent_lets_the_sender_go_too(house: House) -> None:
    a, b = await house.come("a"), await house.come("b")
    house.engine.happen(trouble(a, 400_000))
    for seconds, cap in ((4, 400_000), (2, None)):
        house.now += seconds
        house.room.tick()
        assert house.engine.caps == {b: cap}


async def test_a_third_lets_everybody_go(house: House) -> None:
    a, b = await house.come("a"), await house.come("b")
    c = await house.come("c", admit=False)
    house.engine.happen(trouble(a, 400_000), trouble(c, 300_000))
    assert house.engine.caps == {b: 400_000}  # who waits takes nothing
    house.room.admit(Name("c"))
    assert house.engine.caps == {b: None}
    house.engine.happen(trouble(a, 300_000), trouble(c, 300_000))
    assert house.engine.caps == {b: None}


async def test_a_receiver_that_goes_lets_the_sender_go(house: House) -> None:
    a, b = await house.come("a"), await house.come("b")
    house.engine.happen(trouble(a, 400_000))
    house.room.leave(Name("a"))
    assert house.engine.caps == {b: None}


# --- the codec --------------------------------------------------------------------------------------------------------


def wanted(events: list[RoomEvent]) -> list[tuple[str, str]]:
    return [(event.name, event.codec) for event in events if isinstance(event, CodecWanted)]


@pytest.fixture
async def h264() -> AsyncIterator[House]:
    house = House("H264", "VP8")
    await house.plane.open()
    yield house
    await house.plane.close()


async def test_senders_change_before_a_newcomer_is_shown(h264: House) -> None:
    await h264.come("a")
    assert h264.room.codec == "H264"
    assert wanted(await h264.hear()) == []
    b = await h264.come("b", admit=False, codecs=FIREFOX)
    assert wanted(await h264.hear()) == []  # a link that merely was opened changes nothing
    h264.connect(b)
    assert wanted(await h264.hear()) == [("a", "VP8")]
    assert h264.room.codec == "VP8"
    h264.room.admit(Name("b"))
    events = await h264.hear()
    assert wanted(events) == []
    assert any(isinstance(event, SlotsChanged) for event in events)


async def test_the_change_is_told_before_the_slots(h264: House) -> None:
    await h264.come("a")
    await h264.hear()
    await h264.come("b", codecs=FIREFOX)
    kinds = [type(event).__name__ for event in await h264.hear()]
    assert kinds.index("CodecWanted") < len(kinds) - 1
    assert kinds[-1] == "SlotsChanged"


async def test_without_a_common_codec_there_is_sound_alone(h264: House) -> None:
    a = await h264.come("a", codecs=("H264",), slots="av")
    b = await h264.come("b", codecs=FIREFOX, slots="av")
    assert (h264.seen(a), h264.seen(b)) == (f"{b}:microphone -", f"{a}:microphone -")
    assert h264.engine.key_frames == []


async def test_a_late_answer_says_the_codec_in_force(h264: House) -> None:
    await h264.come("a", codecs=FIREFOX)
    await h264.come("b", codecs=CHROMIUM)
    assert wanted(await h264.hear()) == []  # b's answer said VP8 first


async def test_back_to_the_preferred_codec_only_after_a_while(h264: House) -> None:
    await h264.come("a")
    await h264.come("b", codecs=FIREFOX)
    await h264.come("c")
    assert wanted(await h264.hear()) == [("a", "VP8")]
    h264.room.leave(Name("b"))
    h264.room.tick()
    assert wanted(await h264.hear()) == []
    h264.now += agreement.HOLD_S
    h264.room.tick()
    assert wanted(await h264.hear()) == [("a", "H264"), ("c", "H264")]


async def test_a_sender_that_offers_anew_needs_no_telling(h264: House) -> None:
    await h264.come("a")
    await h264.come("b", codecs=FIREFOX)
    assert wanted(await h264.hear()) == [("a", "VP8")]
    answer = await h264.room.answer(Name("a"), offer(ufrag="next"))
    assert "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103" in answer
    h264.room.tick()
    assert wanted(await h264.hear()) == []


# --- bad offers, bounds and endings -----------------------------------------------------------------------------------


async def test_offers_that_cannot_be_answered_change_nothing(house: House) -> None:
    await house.come("a", slots="avv")
    before = (dict(house.engine.ups), dict(house.engine.downs), len(house.engine.ice))
    bad = [
        "",
        "v=0",
        offer(slots="avv").replace("setup:actpass", "setup:passive"),
        offer(slots="avv", ufrag="next", fingerprint="sha-256 " + ":".join(["CD"] * 32)),
        offer(slots="avv", ufrag="next", codecs=FIREFOX),
    ]
    for sdp in bad:
        with pytest.raises(OfferError):
            await house.room.answer(Name("a"), sdp)
    assert (house.engine.ups, house.engine.downs, len(house.engine.ice)) == before
    with pytest.raises(OfferError, match="not in the room"):
        await house.room.answer(Name("nobody"), offer())


async def test_a_burst_of_offers_leaves_the_loop_room_between_two(house: House) -> None:
    order: list[str] = []
    for name in "abc":
        house.room.join(Name(name))

    async def join(name: str) -> None:
        await house.room.answer(Name(name), offer())
        order.append(name)
        asyncio.get_running_loop().call_soon(order.append, "others")

    await asyncio.gather(*(join(name) for name in "abc"))
    assert order[:5] == ["a", "others", "b", "others", "c"]


async def test_a_path_without_keys_decides_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = await house.come("a")
    settled: list[None] = []
    monkeypatch.setattr(house.room, "_settle", lambda: settled.append(None))
    house.engine.happen(PathUp(peer, Generation(0)))
    assert not settled
    house.plane._site.peers[peer]._key(KEYS)
    assert len(settled) == 1


async def test_peers_are_bounded() -> None:
    house = House(max_peers=1)
    await house.plane.open()
    await house.come("a")
    house.room.join(Name("b"))
    with pytest.raises(OfferError, match="full"):
        await house.room.answer(Name("b"), offer())
    house.room.leave(Name("a"))
    await house.room.answer(Name("b"), offer())
    await house.plane.close()


async def test_after_close_nothing_happens(house: House) -> None:
    await house.come("a")
    await house.come("b")
    await house.hear()
    house.room.close()
    house.room.join(Name("c"))
    house.room.admit(Name("a"))
    house.room.status(Name("a"), camera=True, screen=True)
    house.room.leave(Name("a"))
    house.room.tick()
    house.room.close()
    assert not house.engine.ice
    assert await house.hear() == []
    with pytest.raises(OfferError):
        await house.room.answer(Name("a"), offer())


async def test_rooms_are_apart(house: House) -> None:
    a = await house.come("a")
    said: list[RoomEvent] = []
    other = house.plane.room(said.append)
    other.join(Name("b"))
    await other.answer(Name("b"), offer())
    other.admit(Name("b"))
    await house.hear()
    assert set(house.seen(a).split()) == {"-"}
    house.engine.happen(Speakers((house.up(a, "microphone"),)))
    assert await house.hear() == [SpeakersChanged((Name("a"),))]
    assert not [event for event in said if isinstance(event, SpeakersChanged)]
