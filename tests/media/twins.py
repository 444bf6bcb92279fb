"""A visit in virtual time: fake participants over a simulated network, through an engine's core."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from bench.participant import Participant, Received, make_keys, slot_parameters, up_parameters
from bench.sources import Source, camera, microphone
from media.core import Core
from media.engine import DownId, DownParameters, Event, IceCredentials, PeerId, UpId
from media.rtp import Packet
from tests.media.engines import native
from tests.netem import Link, Network

SERVER = ("192.0.2.1", 7000)
STEP_S = 0.005
TICK_S = 0.015


ENGINES: dict[str, Callable[[], Any]] = {"reference": Core, "native": lambda: native().NativeCore()}


def credentials(number: int, generation: int = 0) -> IceCredentials:
    of = f"{number}g{generation}"
    return IceCredentials(f"srv{of}", f"password-of-{of}-for-tests", f"cli{of}")


class Person:
    """A participant with its ids in the engine and its two directions of network."""

    def __init__(self, visit: "Visit", number: int, sources: Sequence[Source], profile: str, keyed: bool) -> None:
        self.number = number
        self.address = (f"198.51.100.{number}", 40000 + number)
        self.ice = credentials(number)
        keys = make_keys(profile) if keyed else None
        self.participant = Participant(self.ice, keys, sources)
        self.up_link, self.down_link = Link(), Link()
        self.peer: PeerId = visit.engine.add_peer(self.ice)
        if keys is not None:
            visit.engine.set_keys(self.peer, keys)
        self.ups: dict[str, UpId] = {}
        self.downs: dict[str, DownId] = {}
        lines: dict[str, list[Source]] = {}
        for source in sources:
            lines.setdefault(source.mid, []).append(source)
        for mid, line in lines.items():
            self.ups[mid] = visit.engine.add_up(self.peer, up_parameters(*line))

    @property
    def microphone(self) -> UpId:
        return self.ups["0"]

    @property
    def camera(self) -> UpId:
        return self.ups["1"]

    def received(self, mid: str) -> Received:
        ssrc = next(ssrc for ssrc, slot in self.participant.slots.items() if slot.mid == mid)
        return self.participant.received[ssrc]

    def packets(self, mid: str) -> list[Packet]:
        return self.received(mid).packets

    def source(self, mid: str) -> Source:
        return next(source for source in self.participant.sources if source.mid == mid)


class Visit:
    """Everyone has the slots "a" (audio) and "v" (video); `run` lets time pass."""

    def __init__(self, engine: Any = Core, seed: int = 1) -> None:
        self.engine = engine()
        self.network = Network(seed)
        self.people: list[Person] = []
        self.stray: list[tuple[float, bytes, tuple[str, int]]] = []  # sent to where nobody is
        self._events: list[Event] = []
        self._numbers = count(1)
        self.network.every(STEP_S, self._step)
        self.network.every(TICK_S, self._tick)

    @property
    def now(self) -> float:
        return self.network.now

    def add(
        self,
        sources: Sequence[Source] | None = None,
        *,
        admitted: bool = True,
        profile: str = "SRTP_AEAD_AES_128_GCM",
        keyed: bool = True,
        slots: Sequence[DownParameters] | None = None,
    ) -> Person:
        number = next(self._numbers)
        if sources is None:
            sources = [microphone(ssrc=2000 + number * 10), camera(ssrc=1000 + number * 10)]
        person = Person(self, number, sources, profile, keyed)
        if slots is None:
            slots = [slot_parameters("audio", "a", 100 * number + 2), slot_parameters("video", "v", 100 * number + 4)]
        for slot in slots:
            self.add_slot(person, slot)
        self.engine.gate(person.peer, admitted, self.now)
        self.people.append(person)
        return person

    def add_slot(self, person: Person, slot: DownParameters) -> None:
        person.participant.add_slot(slot)
        person.downs[slot.mid] = self.engine.add_down(person.peer, slot)

    def pair(self) -> tuple[Person, Person]:
        """Two people who are shown to each other."""
        one, other = self.add(), self.add()
        self.show(one, other)
        self.show(other, one)
        return one, other

    def show(self, viewer: Person, shown: Person) -> None:
        self.route(viewer, "a", shown.ups.get("0"))
        self.route(viewer, "v", shown.ups.get("1"))

    def route(self, viewer: Person, mid: str, up: UpId | None, rid: str | None = None) -> None:
        self.engine.route(viewer.downs[mid], up, rid, self.now)

    def run(self, seconds: float) -> None:
        self.network.run(seconds)

    def inject(self, datagram: bytes, source: tuple[str, int], local: tuple[str, int] = SERVER) -> None:
        """Have a datagram arrive at once, from anywhere."""
        self.engine.handle(datagram, local, source, self.now)
        self._flush()

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of one type so far."""
        self._events += self.engine.events.take()
        return [event for event in self._events if isinstance(event, kind)]

    def _step(self) -> None:
        for person in self.people:
            for datagram in person.participant.due(self.now):
                self.network.send(datagram, person.up_link, self._arrives(person))

    def _arrives(self, person: Person) -> Callable[[bytes, float], None]:
        address = person.address

        def deliver(datagram: bytes, now: float) -> None:
            self.engine.handle(datagram, SERVER, address, now)
            self._flush()

        return deliver

    def _tick(self) -> None:
        self.engine.tick(self.now)
        self._flush()

    def _flush(self) -> None:
        transmits = list(self.engine.transmits)
        self.engine.transmits.clear()
        for datagram, (_, remote) in transmits:
            person = next((person for person in self.people if person.address == remote), None)
            if person is None:
                self.stray.append((self.now, datagram, remote))
            else:
                self.network.send(datagram, person.down_link, person.participant.feed)
