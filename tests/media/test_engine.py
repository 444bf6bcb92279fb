"""What every engine does with real datagrams on loopback: sockets, events, commands, counters, taps."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest

from bench.participant import Participant, make_keys, slot_parameters, up_parameters
from bench.sources import camera, microphone
from media import stun
from media.engine import DtlsReceived, Engine, Event, Generation, IceCredentials, PathUp, PeerId, UpId
from tests.media import engines

ICE = IceCredentials("server", "password-of-the-server", "client")
ADDRESSES = ("127.0.0.1", "127.0.0.2", "::1")
SOON_S = 5.0


@pytest.fixture(params=engines.NAMES)
def make(request: pytest.FixtureRequest) -> Callable[..., Engine]:
    made: Callable[..., Engine] = engines.engine(request.param)
    return made


@pytest.fixture
async def engine(make: Callable[..., Engine]) -> AsyncIterator[Engine]:
    engine = make(ADDRESSES)
    await engine.open()
    yield engine
    await engine.close()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(SOON_S):
        while not condition():
            await asyncio.sleep(0.002)


def check(ice: IceCredentials = ICE) -> bytes:
    username = f"{ice.local_ufrag}:{ice.remote_ufrag}"
    return stun.binding_request(b"t" * 12, username, ice.local_password, priority=1, controlling=1, use_candidate=True)


class Client:
    """A socket beside the engine; only replies from the very address it sends to come in."""

    def __init__(self, to: tuple[str, int]) -> None:
        self._socket = socket.socket(socket.AF_INET6 if ":" in to[0] else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((to[0], 0))
        self._socket.connect(to)

    @property
    def name(self) -> tuple[str, int]:
        name: tuple[str, int] = self._socket.getsockname()[:2]
        return name

    async def send(self, datagram: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, datagram)

    async def receive(self) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self._socket, 2000), SOON_S)

    def waiting(self) -> Sequence[bytes]:
        """What has come in and was not yet read."""
        found = []
        try:
            while True:
                found.append(self._socket.recv(2000))
        except BlockingIOError:
            return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def connect(engine: Engine) -> Iterator[Callable[..., Client]]:
    """Make clients of the engine's address with this number, the first by default."""
    clients: list[Client] = []

    def make(at: int = 0) -> Client:
        clients.append(Client(engine.listening()[at]))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


async def test_one_port_on_every_address(engine: Engine) -> None:
    assert [host for host, _ in engine.listening()] == list(ADDRESSES)
    assert len({port for _, port in engine.listening()}) == 1


async def test_a_port_taken_is_an_error(engine: Engine, make: Callable[..., Engine]) -> None:
    other = make(("127.0.0.1",), engine.listening()[0][1])
    with pytest.raises(OSError, match="in use"):
        await other.open()
    await other.close()


async def test_closing_frees_the_port(make: Callable[..., Engine]) -> None:
    engine = make()
    await engine.open()
    where = engine.listening()[0]
    await engine.close()
    assert engine.listening() == []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(where)


@pytest.mark.parametrize("at", range(len(ADDRESSES)))
async def test_checks_events_and_dtls_by_each_address(engine: Engine, connect: Callable[..., Client], at: int) -> None:
    peer = engine.add_peer(ICE)
    events: list[Event] = []
    rung = asyncio.Event()

    def take() -> None:
        events.extend(engine.events())
        rung.set()

    engine.wake(take)
    client = connect(at)
    await until(lambda: engine.counters()["peers"] == 1)
    await client.send(check())
    reply = stun.parse(await client.receive())
    assert reply.mapped_address == client.name
    await asyncio.wait_for(rung.wait(), SOON_S)
    assert events == [PathUp(peer, Generation(0))]
    rung.clear()
    await client.send(b"\x16hello")
    await asyncio.wait_for(rung.wait(), SOON_S)
    assert events[1:] == [DtlsReceived(peer, b"\x16hello")]
    engine.send_dtls(peer, b"\x16hello yourself")
    assert await client.receive() == b"\x16hello yourself"
    engine.remove(peer)
    await until(lambda: engine.counters()["peers"] == 0)


async def test_events_wait_until_they_are_taken_and_ring_once_a_filling(
    engine: Engine, connect: Callable[..., Client]
) -> None:
    rung = 0

    def ring() -> None:
        nonlocal rung
        rung += 1

    engine.wake(ring)
    peer = engine.add_peer(ICE)
    client = connect()
    await until(lambda: engine.counters()["peers"] == 1)
    await client.send(check())
    await client.receive()
    for number in range(3):
        await client.send(b"\x16" + bytes([number]))
    await until(lambda: engine.counters()["events_dropped"] == 0 and rung == 1)
    await asyncio.sleep(0.05)
    assert rung == 1
    assert engine.events() == [PathUp(peer, Generation(0)), *(DtlsReceived(peer, bytes([0x16, n])) for n in range(3))]
    assert engine.events() == []
    await client.send(b"\x16again")
    await until(lambda: rung == 2)


async def test_an_unknown_id_is_our_misuse(engine: Engine) -> None:
    peer = engine.add_peer(ICE)
    keys = make_keys("SRTP_AEAD_AES_128_GCM")
    gone = engine.add_peer(ICE)
    engine.remove(gone)
    engine.remove(gone)
    for unknown in (PeerId(999), gone):
        calls: list[Callable[[], object]] = [
            lambda: engine.restart(unknown, ICE),  # noqa: B023
            lambda: engine.set_keys(unknown, keys),  # noqa: B023
            lambda: engine.add_up(unknown, up_parameters(camera())),  # noqa: B023
            lambda: engine.add_down(unknown, slot_parameters("video", "v", 1)),  # noqa: B023
            lambda: engine.peer_counters(unknown),  # noqa: B023
            lambda: engine.track_counters(UpId(unknown)),  # noqa: B023
        ]
        for call in calls:
            with pytest.raises(KeyError):
                call()
    assert engine.restart(peer, ICE) == 1
    assert engine.restart(peer, ICE) == 2


class Person:
    """A participant at a socket of its own, sending at once what is due in `seconds` of its clock."""

    def __init__(self, engine: Engine, client: Client, number: int) -> None:
        self.ice = IceCredentials(f"s{number}", "password-of-the-server", f"c{number}")
        self.peer = engine.add_peer(self.ice)
        keys = make_keys("SRTP_AEAD_AES_128_GCM")
        self.sources = [microphone(ssrc=10 * number), camera(ssrc=10 * number + 1)]
        self.fake = Participant(self.ice, keys, self.sources)
        engine.set_keys(self.peer, keys)
        self.ups = [engine.add_up(self.peer, up_parameters(source)) for source in self.sources]
        slots = [slot_parameters("audio", "a", 10 * number + 2), slot_parameters("video", "v", 10 * number + 4)]
        for slot in slots:
            self.fake.add_slot(slot)
        self.downs = [engine.add_down(self.peer, slot) for slot in slots]
        engine.gate(self.peer, True)
        self.client = client

    async def send(self, now: float) -> None:
        for datagram in self.fake.due(now):
            await self.client.send(datagram)

    def receive(self, now: float) -> None:
        for datagram in self.client.waiting():
            self.fake.feed(datagram, now)

    def got(self) -> list[int]:
        """How many packets each slot was sent."""
        return [len(received.packets) for received in self.fake.received.values()]


async def talk(people: Sequence[Person], seconds: float, condition: Callable[[], Any]) -> None:
    """Let time pass until `condition` holds; fails after `seconds`."""
    began = time.monotonic()
    while not condition():
        now = time.monotonic()
        assert now - began < seconds, [person.got() for person in people]
        for person in people:
            await person.send(now)
        await asyncio.sleep(0.005)
        for person in people:
            person.receive(time.monotonic())


async def test_two_people_hear_and_see_each_other(engine: Engine, connect: Callable[..., Client]) -> None:
    one, other = people = Person(engine, connect(), 1), Person(engine, connect(), 2)
    for viewer, shown in ((one, other), (other, one)):
        for down, up in zip(viewer.downs, shown.ups, strict=True):
            engine.route(down, up)
    await talk(
        people, 20, lambda: all(min(person.got(), default=0) > 20 and len(person.got()) == 2 for person in people)
    )
    counters = engine.counters()
    assert counters["srtp_not_authentic"] == counters["rtp_malformed"] == counters["send_errors"] == 0
    assert counters["rtp_out"] >= 4 * 20
    assert engine.peer_counters(one.peer)["rtp_in"] > 40


async def test_what_lines_and_slots_have_moved_is_told_within_a_second_or_so(
    engine: Engine, connect: Callable[..., Client]
) -> None:
    viewer, shown = people = Person(engine, connect(), 1), Person(engine, connect(), 2)
    up, down = shown.ups[1], viewer.downs[1]
    assert engine.track_counters(up) == {"packets": 0, "octets": 0, "lost": 0, "repaired": 0}
    assert engine.track_counters(down) == {"packets": 0, "octets": 0, "repaired": 0}
    engine.route(down, up)
    await talk(people, 20, lambda: sum(viewer.got()) > 50)
    sent, got = shown.sources[1].packets_sent, sum(viewer.got())
    began = time.monotonic()
    await talk(people, 20, lambda: engine.track_counters(up)["packets"] >= sent)
    await talk(people, 20, lambda: engine.track_counters(down)["packets"] >= got)
    assert time.monotonic() - began < 4.0  # twice a second, and a machine that has other things to do
    line, slot = engine.track_counters(up), engine.track_counters(down)
    assert line["octets"] == line["packets"] * shown.sources[1].size
    assert slot["octets"] == slot["packets"] * shown.sources[1].size
    assert line["lost"] == line["repaired"] == slot["repaired"] == 0
    engine.remove(up)
    engine.remove(viewer.peer)
    for gone in (up, down):
        with pytest.raises(KeyError):
            engine.track_counters(gone)


async def test_a_tapped_line_is_copied_as_it_was_sent(engine: Engine, connect: Callable[..., Client]) -> None:
    person = Person(engine, connect(), 1)
    heard, seen = person.ups
    engine.tap(heard, True)
    tapped = []

    def enough() -> bool:
        tapped.extend(engine.tapped())
        return len(tapped) > 10

    await talk([person], 20, enough)
    assert {each.up for each in tapped} == {heard}
    assert {each.rid for each in tapped} == {""}
    numbers = [each.sequence for each in tapped]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    for each in tapped:
        assert each.packet[0] == 0x90  # a header extension, no padding
        assert int.from_bytes(each.packet[2:4], "big") == each.sequence & 0xFFFF
        assert int.from_bytes(each.packet[8:12], "big") == person.sources[0].ssrc
    ages = [time.monotonic() - each.arrived_s for each in tapped]
    assert 0 <= min(ages) <= max(ages) < 20
    engine.tap(heard, False)
    before = engine.peer_counters(person.peer)["rtp_in"]
    await talk([person], 20, lambda: engine.peer_counters(person.peer)["rtp_in"] > before + 30)
    assert len(engine.tapped()) < 15  # what was under way
    assert engine.tapped() == []
    engine.tap(UpId(999), True)
    engine.tap(seen, True)
    engine.remove(seen)
    await talk([person], 20, lambda: engine.peer_counters(person.peer)["rtp_unknown_stream"] > 0)
    assert engine.tapped() == []
