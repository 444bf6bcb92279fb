"""An engine as a server under test: in a process of its own, with just enough around it to make its participants.

Python decides as little as it can here: peers, ups, downs and routes are set up before anybody connects, the handshakes
are real, and while packets flow only the engine works. Of two or more in a room everyone has slots for all others.
"""

import asyncio
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import uvloop

from bench import connection, engines
from bench.dtls import Identity
from bench.leg import Leg, Receiving, Sending
from bench.participant import numbered, slot_parameters, up_parameters
from bench.sources import EXTENSIONS, Source, camera, microphone
from bench.subject import Sample, sample, waited_s
from media import rtp
from media.engine import Address, DownEstimate, DownId, DtlsReceived, Engine, IceCredentials, PathUp, PeerId, UpId
from media.transport import Certificate, DtlsTransport, Handshakes

START_S = 30.0
SLOT_SSRC = 1 << 20  # of the first participant's first slot; each has a thousand numbers
UP_SSRC = 1 << 28


def sources(number: int) -> tuple[Source, Source]:
    """Return what participant `number` sends, sound first."""
    return microphone("0", UP_SSRC + 10 * number), camera("1", UP_SSRC + 10 * number + 1)


def slot_ssrc(number: int, other: int, source: Source) -> int:
    """Return the SSRC by which participant `number` gets a source of the `other`-th other in the room."""
    return SLOT_SSRC + 1000 * number + 10 * other + (0 if source.kind == "audio" else 4)


def others(number: int, size: int) -> list[int]:
    """Return who else is in the room of participant `number`."""
    first = number - number % size
    return [other for other in range(first, first + size) if other != number]


class EngineSubject:
    """`name` is the engine's, see `bench.engines`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parameters: dict[str, str | int | float] = {}
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._estimates = False

    def start(self, cpu: int | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self.name, cpu), daemon=True)
        self._process.start()
        theirs.close()
        self._estimates = self._answer()

    def connect(self, rooms: int, addresses: Iterator[Address], size: int = 2) -> list[Leg]:
        assert self._pipe is not None
        identity = Identity()
        credentials = [
            IceCredentials(f"server{number}", f"password-of-{number}-in-the-bench", f"client{number}")
            for number in range(rooms * size)
        ]
        self._pipe.send((credentials, identity.fingerprint, size))
        remote: Address = self._answer()
        pairs = [connection.Pair(local, remote, ice) for local, ice in zip(addresses, credentials, strict=False)]
        keys = connection.connect(pairs, identity)
        return [
            Leg(
                pair.local,
                remote,
                pair.ice,
                keys[number],
                tuple(sending(source) for source in sources(number)),
                tuple(_receivings(number, size, EXTENSIONS[rtp.TRANSPORT_SEQUENCE] if self._estimates else 0)),
            )
            for number, pair in enumerate(pairs)
        ]

    def sample(self) -> Sample:
        assert self._process is not None
        assert self._process.pid is not None
        return sample(self._process.pid)

    def waited_s(self) -> float:
        """Return how long it was kept from its core by others so far."""
        assert self._process is not None
        assert self._process.pid is not None
        return waited_s(self._process.pid)

    def counters(self) -> dict[str, int]:
        """Return what the engine has counted so far, and how often it has said what a receiver can take."""
        assert self._pipe is not None
        self._pipe.send(None)
        counters: dict[str, int] = self._pipe.recv()
        return counters

    def stop(self) -> None:
        if self._process is None or self._pipe is None:
            return
        self._pipe.close()  # the server stops at the end of its input
        self._process.join(5)
        self._process.kill()
        self._process = self._pipe = None

    def _answer(self) -> Any:
        assert self._pipe is not None
        if not self._pipe.poll(START_S):
            raise TimeoutError(f"{self.name} does not answer")
        return self._pipe.recv()


def _receivings(number: int, size: int, numbers_id: int) -> Iterator[Receiving]:
    for place, other in enumerate(others(number, size)):
        for source in sources(other):
            yield Receiving(source.kind, slot_ssrc(number, place, source), source.payload_type, other, numbers_id)


def sending(source: Source) -> Sending:
    """Describe a source to the load generator."""
    return Sending(
        source.kind,
        source.ssrc,
        source.payload_type,
        source.mid,
        EXTENSIONS[rtp.MID],
        EXTENSIONS[rtp.AUDIO_LEVEL] if source.kind == "audio" else 0,
        EXTENSIONS[rtp.ABS_SEND_TIME] if source.kind == "video" else 0,
        EXTENSIONS[rtp.TRANSPORT_SEQUENCE],
    )


# --- the engine's process -------------------------------------------------------------------------------------------


def _serve(pipe: Connection, name: str, cpu: int | None) -> None:
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(pipe, name))


async def _run(pipe: Connection, name: str) -> None:
    engine = engines.make(name)
    await engine.open()
    pipe.send(engine.estimates)
    server, stopped = _Server(engine), asyncio.Event()

    def hear() -> None:
        try:
            people = pipe.recv()
            if people is None:
                pipe.send({**engine.counters(), "down_estimates": server.estimates})
                return
            server.add(*people)
            pipe.send(engine.listening()[0])
        except (EOFError, ConnectionError):
            asyncio.get_running_loop().remove_reader(pipe.fileno())
            stopped.set()

    asyncio.get_running_loop().add_reader(pipe.fileno(), hear)
    await stopped.wait()
    await server.close()
    await engine.close()


class _Server:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._certificate, self._handshakes = Certificate.generateCertificate(), Handshakes()
        self._dtls: dict[PeerId, DtlsTransport] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._greeted: set[PeerId] = set()
        self.estimates = 0
        engine.wake(self._take)

    def add(self, people: Sequence[IceCredentials], fingerprint: str, size: int) -> None:
        engine = self._engine
        peers, ups = [], list[list[UpId]]()
        for number, ice in enumerate(people):
            peer = engine.add_peer(ice)
            engine.gate(peer, True)
            peers.append(peer)
            ups.append([engine.add_up(peer, up_parameters(source)) for source in sources(number)])
            self._dtls[peer] = self._transport(peer, fingerprint)
        for number, peer in enumerate(peers):
            for place, other in enumerate(others(number, size)):
                for source, up in zip(sources(other), ups[other], strict=True):
                    engine.route(self._slot(peer, number, place, source), up)

    def _slot(self, peer: PeerId, number: int, place: int, source: Source) -> DownId:
        mid = str(2 + 2 * place + (source.kind == "video"))
        slot = slot_parameters(source.kind, mid, slot_ssrc(number, place, source))
        # as in a visit: what the engine can read feedback about carries transport-wide numbers
        return self._engine.add_down(peer, numbered(slot) if self._engine.estimates else slot)

    def _transport(self, peer: PeerId, fingerprint: str) -> DtlsTransport:
        return DtlsTransport(
            self._certificate,
            [("sha-256", fingerprint)],
            self._handshakes,
            send=lambda datagram: self._engine.send_dtls(peer, datagram),
            keyed=lambda keys: self._engine.set_keys(peer, keys),
        )

    def _take(self) -> None:
        for event in self._engine.events():
            match event:
                case DtlsReceived(peer, datagram):
                    self._dtls[peer].feed(datagram)
                case PathUp(peer, _) if peer not in self._greeted:  # in a flood a path may go down and up again
                    self._greeted.add(peer)
                    task = asyncio.ensure_future(self._dtls[peer].run())
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                case DownEstimate(_, bitrate_bps) if bitrate_bps:
                    self.estimates += 1
                case _:
                    pass

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._handshakes.close()
