"""The plane over an engine that only remembers: handshakes, events, bounds, endings."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from media import transport
from media.engine import DtlsReceived, Generation, Overrun, PathUp, PeerId, SourceLost, Speakers, UpId
from media.plane import MediaPlane
from media.room import Connected, Disconnected, Name, Room, RoomEvent, SpeakersChanged
from tests.media.dtls import Client
from tests.media.offers import offer
from tests.media.recording import Recording


class House:
    """Participants whose DTLS is real: what the engine is told to send reaches them, what they send comes as events."""

    def __init__(self) -> None:
        self.engine = Recording()
        self.plane = MediaPlane(self.engine)
        self.clients: dict[PeerId, Client] = {}
        self.engine.send_dtls = self._deliver  # type: ignore[method-assign]

    def _deliver(self, peer: PeerId, datagram: bytes) -> None:
        asyncio.get_running_loop().call_soon(self.clients[peer].receive, datagram)

    async def come(self, room: Room, name: str, fingerprint: str | None = None) -> PeerId:
        """Answer and connect."""
        client = Client()
        said = fingerprint or "{} {}".format(*client.fingerprints[0])
        before = set(self.engine.ice)
        room.join(Name(name))
        await room.answer(Name(name), offer(fingerprint=said))
        (peer,) = set(self.engine.ice) - before
        self.clients[peer] = client
        client.send = lambda datagram: self.engine.happen(DtlsReceived(peer, datagram))
        self.engine.happen(PathUp(peer, Generation(0)))
        client.receive()
        return peer


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    await house.plane.open()
    yield house
    await house.plane.close()
    assert not house.engine.opened
    assert not house.plane._site.peers


async def until(condition: Callable[[], bool], deadline_s: float = 5) -> None:
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_participant_connects(house: House) -> None:
    said: list[RoomEvent] = []
    room = house.plane.room(said.append)
    peer = await house.come(room, "a")
    await until(lambda: Connected(Name("a")) in said)
    assert house.engine.keys[peer].profile == "SRTP_AEAD_AES_128_GCM"
    assert room.connected(Name("a"))
    room.leave(Name("a"))
    await until(lambda: house.clients[peer].closed)  # goodbye was said
    assert house.plane.counters()["peers"] == 0


async def test_another_certificate_than_the_offers_kills_the_call(house: House) -> None:
    said: list[RoomEvent] = []
    room = house.plane.room(said.append)
    peer = await house.come(room, "a", "sha-256 " + ":".join(["00"] * 32))
    await until(lambda: Disconnected(Name("a"), permanent=True) in said)
    assert house.engine.keys == {}
    assert peer in house.engine.removed
    assert house.plane.counters()["handshakes_failed"] == 1
    assert not room.connected(Name("a"))


async def test_the_participant_may_hang_up(house: House) -> None:
    said: list[RoomEvent] = []
    room = house.plane.room(said.append)
    peer = await house.come(room, "a")
    await until(lambda: Connected(Name("a")) in said and house.clients[peer].done)
    house.clients[peer].ssl.shutdown()
    house.engine.happen(DtlsReceived(peer, house.clients[peer].ssl.bio_read(1500)))
    await until(lambda: Disconnected(Name("a"), permanent=True) in said)
    again = await house.come(room, "a")
    await until(lambda: said.count(Connected(Name("a"))) == 2)
    assert again in house.engine.ice


async def test_silence_after_the_path_ends_the_peer(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "HANDSHAKE_S", 0.01)
    said: list[RoomEvent] = []
    room = house.plane.room(said.append)
    room.join(Name("a"))
    await room.answer(Name("a"), offer())
    (peer,) = house.engine.ice
    house.engine.happen(PathUp(peer, Generation(0)))
    await until(lambda: Disconnected(Name("a"), permanent=True) in said)


async def test_a_burst_of_joins(house: House) -> None:
    said: list[RoomEvent] = []
    rooms = [house.plane.room(said.append) for _ in range(10)]
    await asyncio.gather(*(house.come(room, "a") for room in rooms[:1]))
    for room in rooms[1:]:
        await house.come(room, "a")
    await until(lambda: said.count(Connected(Name("a"))) == len(rooms))
    assert house.plane.counters()["handshake_steps_offloaded"] > 0
    assert house.plane.counters()["handshakes_under_way"] == 0


async def test_two_hundred_who_came_and_went_leave_nothing_behind(house: House) -> None:
    said: list[RoomEvent] = []
    room = house.plane.room(said.append)
    tasks = len(asyncio.all_tasks())
    for number in range(200):
        name = Name(f"guest-{number}")
        peer = await house.come(room, name)
        room.admit(name)
        if number % 4 == 0:  # the others go in the middle of the handshake
            await until(lambda name=name: Connected(name) in said)  # type: ignore[misc]
        room.leave(name)
        del house.clients[peer]
        said.clear()
    await until(lambda: len(asyncio.all_tasks()) == tasks)
    site = house.plane._site
    assert [len(site.peers), len(site.hearers), site.handshakes.under_way] == [0, 0, 0]
    assert [len(room._participants), len(room._floor.latest)] == [0, 0]
    assert not house.engine.owners
    assert not house.engine.ice


async def test_events_of_nobody_are_ignored_and_overruns_counted(house: House) -> None:
    house.engine.happen(
        PathUp(PeerId(99), Generation(0)),
        DtlsReceived(PeerId(99), b"\x16"),
        Speakers((UpId(98),)),
        Overrun(7),
    )
    assert house.plane.counters()["event_overruns"] == 7


async def test_a_source_that_comes_back_begins_with_a_key_frame(house: House) -> None:
    house.engine.happen(SourceLost(UpId(5), lost=True))
    assert house.engine.key_frames == []
    house.engine.happen(SourceLost(UpId(5), lost=False))
    assert house.engine.key_frames == [UpId(5)]


async def test_a_fault_in_one_room_stays_there(house: House, caplog: pytest.LogCaptureFixture) -> None:
    said: list[RoomEvent] = []
    good, bad = house.plane.room(said.append), house.plane.room(said.append)
    ups = []
    for room in (bad, good):
        peer = await house.come(room, "a")
        room.admit(Name("a"))
        ups.append(house.plane._site.peers[peer].ups["microphone"].id)

    def fail(ups: Sequence[UpId]) -> None:
        raise RuntimeError("a fault of ours")

    bad.hear = fail  # type: ignore[method-assign]
    house.engine.happen(Speakers(tuple(ups)))
    await until(lambda: SpeakersChanged((Name("a"),)) in said)
    assert "a fault in the media plane" in caplog.text


async def test_closing_ends_everything() -> None:
    house = House()
    await house.plane.open()
    said: list[RoomEvent] = []
    peers = [await house.come(house.plane.room(said.append), "a") for _ in range(3)]
    await house.plane.close()
    assert set(peers) <= set(house.engine.removed)
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


def test_what_is_announced() -> None:
    async def announced(**options: object) -> object:
        plane = MediaPlane(Recording(), **options)  # type: ignore[arg-type]
        await plane.open()
        await plane.close()
        return plane.addresses

    assert asyncio.run(announced()) == [("127.0.0.1", 5004)]
    assert asyncio.run(announced(addresses=[("192.0.2.1", 9)])) == [("192.0.2.1", 9)]
