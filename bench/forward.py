"""How many packets the engine forwards, and what each costs, in two-party visits.

The engine runs in a process of its own, pinned to one core; everybody else shares another. Each participant has a
socket, makes a real ICE check and a real DTLS handshake, and sends SRTP as Chromium was measured to: 24 frames of 6
packets of 1,067 bytes and 50 packets of 78 bytes a second. `offered` is what was sent (less than the parameters say:
the senders' core was busy), `cpu` what the engine's process used per forwarded packet, `loss` what never arrived,
`delay` from the sender's call to the receiver's, decrypted and authenticated one packet in 16. `void` counts the runs
that say nothing of the engine: packets were missing although it had time left, because the machine did something else.

At the real rate with few and with many participants, then with everybody sending faster than the engine can forward.
Every run warms up first; each figure is the median of several runs.
"""

import asyncio
import heapq
import multiprocessing
import os
import select
import socket
import statistics
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import uvloop

from bench.dtls import DtlsClient
from bench.figure import Figure
from bench.participant import Participant, slot_parameters, up_parameters
from bench.sources import Source, camera, microphone
from media import rtp
from media.engine import DtlsReceived, IceCredentials, PathUp, PeerId
from media.reference import ReferenceEngine
from media.rtcp import is_rtcp
from media.transport import Certificate, DtlsTransport, Handshakes

WARM_UP_S = 1.0
SAMPLED = 16  # one packet in so many is decrypted
CHECK_S = 5.0
KEY_FRAME_S = 1.0
FRAMES_AT_ONCE = 8  # sent before the sockets are read again
MAX_LATE_S = 0.1
PACKETS_S = 24 * 6 + 50  # of one participant at the real rate
ENOUGH, MAX_LOSS, SATURATED = 0.95, 0.001, 0.9  # of the packets wanted, of those sent, of the engine's core
SLOT_SSRC = {"audio": 11, "video": 13}
_TIME = struct.Struct("!d")


# --- the engine's process -------------------------------------------------------------------------------------------


def _serve(pipe: Connection, cpu: int | None) -> None:
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_Server(pipe).run())


class _Server:
    """The engine with just enough around it: DTLS, and answers to the pipe's "sample" and "stop"."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._engine = ReferenceEngine()
        self._dtls: dict[PeerId, DtlsTransport] = {}
        self._paths: dict[PeerId, asyncio.Event] = {}

    async def run(self) -> None:
        engine, pipe = self._engine, self._pipe
        await engine.open()
        engine.wake(self._take)
        certificate, handshakes = Certificate.generateCertificate(), Handshakes()
        async with asyncio.TaskGroup() as group:
            people: list[tuple[IceCredentials, str]] = pipe.recv()
            peers = [self._add(ice, fingerprint, certificate, handshakes) for ice, fingerprint in people]
            for one, other in zip(peers[::2], peers[1::2], strict=True):
                for (_, ups, _), (_, _, downs) in ((one, other), (other, one)):
                    for up, down in zip(ups, downs, strict=True):
                        engine.route(down, up)
            tasks = [group.create_task(self._shake_hands(peer)) for peer, _, _ in peers]
            pipe.send(engine.listening()[0])
            stopped = asyncio.Event()
            asyncio.get_running_loop().add_reader(pipe.fileno(), self._answer, stopped)
            await stopped.wait()
            for task in tasks:
                task.cancel()
        handshakes.close()
        await engine.close()

    def _add(
        self, ice: IceCredentials, fingerprint: str, certificate: Certificate, handshakes: Handshakes
    ) -> tuple[PeerId, list[Any], list[Any]]:
        engine = self._engine
        peer = engine.add_peer(ice)
        engine.gate(peer, True)
        self._paths[peer] = asyncio.Event()
        self._dtls[peer] = DtlsTransport(
            certificate,
            [("sha-256", fingerprint)],
            handshakes,
            send=lambda datagram: engine.send_dtls(peer, datagram),
            keyed=lambda keys: engine.set_keys(peer, keys),
        )
        ups = [engine.add_up(peer, up_parameters(source)) for source in (microphone(), camera())]
        downs = [
            engine.add_down(peer, slot_parameters(kind, str(mid), SLOT_SSRC[kind]))
            for mid, kind in enumerate(("audio", "video"), 2)
        ]
        return peer, ups, downs

    async def _shake_hands(self, peer: PeerId) -> None:
        await self._paths[peer].wait()
        await self._dtls[peer].run()

    def _take(self) -> None:
        for event in self._engine.events():
            match event:
                case DtlsReceived(peer, datagram):
                    self._dtls[peer].feed(datagram)
                case PathUp(peer, _):
                    self._paths[peer].set()
                case _:
                    pass

    def _answer(self, stopped: asyncio.Event) -> None:
        if self._pipe.recv() == "stop":
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            stopped.set()
        else:
            self._pipe.send((time.process_time(), dict(self._engine.counters())))


# --- everybody else -------------------------------------------------------------------------------------------------


@dataclass
class _Slot:
    """What of one slot arrived, told by the headers alone."""

    first: int = -1
    highest: int = -1
    packets: int = 0

    def note(self, sequence: int) -> None:
        if self.first < 0:
            self.first = self.highest = 0x10000 + sequence
        self.highest = max(self.highest, rtp.unwrap(sequence, self.highest))
        self.packets += 1


class _User:
    def __init__(self, number: int, faster: float) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.dtls = DtlsClient()
        self.ice = IceCredentials(f"server{number}", f"password-of-{number}-in-the-bench", f"client{number}")
        self.participant = Participant(self.ice, None, [microphone(), camera()])
        for source in self.participant.sources:
            source.frame_s /= faster
        self.slots = {SLOT_SSRC["audio"]: _Slot(), SLOT_SSRC["video"]: _Slot()}
        self.delays_s: list[float] = []
        self._packets = 0
        self._sent_before = [0, 0]

    def forget(self) -> None:
        """The warm-up is over: count from here."""
        self.slots = {ssrc: _Slot() for ssrc in self.slots}
        self.delays_s.clear()
        self._sent_before = [source.packets_sent for source in self.participant.sources]

    @property
    def packets_sent(self) -> int:
        return sum(source.packets_sent for source in self.participant.sources)

    def expected(self, other: "_User") -> int:
        """Return how many packets should have come from `other`: of a slot that got none, all that were sent."""
        sent = zip(other.participant.sources, other._sent_before, self.slots.values(), strict=True)
        return sum(
            slot.highest - slot.first + 1 if slot.packets else source.packets_sent - before
            for source, before, slot in sent
        )

    def connect(self, address: tuple[str, int]) -> None:
        """Check the path and shake hands, waiting for each answer."""
        self.socket.connect(address)
        wire, poll = self.socket, select.poll()
        poll.register(wire, select.POLLIN)
        deadline = time.monotonic() + 10
        while self.participant.srtp is None:
            if time.monotonic() > deadline:
                raise TimeoutError("no DTLS handshake")
            for datagram in self.dtls.due() if self.participant.checked else [self.participant.check()]:
                wire.send(datagram)
            if self.dtls.keys is not None:
                self.participant.set_keys(self.dtls.keys)
            elif poll.poll(1000):
                datagram = wire.recv(2000)
                if 20 <= datagram[0] < 64:
                    self.dtls.feed(datagram)
                else:
                    self.participant.feed(datagram, 0.0)

    def send_frame(self, source: Source, now: float) -> None:
        srtp = self.participant.srtp
        assert srtp is not None
        source.wants_key = source.wants_key or (now // KEY_FRAME_S != (now - source.frame_s) // KEY_FRAME_S)
        for marker, body in source.frame():
            packet = source.packet(marker, body[:-8] + _TIME.pack(now), now, source.packets_sent & 0xFFFF)
            datagram = srtp.protect(packet)
            if datagram is not None:
                try:
                    self.socket.send(datagram)
                except BlockingIOError:
                    pass  # shows as loss

    def receive(self, now: float) -> None:
        take = self.socket.recv
        srtp = self.participant.srtp
        assert srtp is not None
        try:
            for _ in range(64):
                datagram = take(2000)
                if not 128 <= datagram[0] < 192 or is_rtcp(datagram):
                    continue
                slot = self.slots.get(int.from_bytes(datagram[8:12], "big"))
                if slot is None:
                    continue
                slot.note(datagram[2] << 8 | datagram[3])
                self._packets += 1
                if not self._packets % SAMPLED:
                    plain = srtp.unprotect(datagram)
                    if plain is not None:
                        self.delays_s.append(now - _TIME.unpack(plain[-8:])[0])
        except BlockingIOError:
            return


@dataclass
class _Run:
    cpu_us: float
    offered_s: float
    packets_s: float
    loss: float
    core: float  # share of one core that the engine used
    delays_s: list[float] = field(default_factory=list)
    refused: int = 0  # packets that came and were not authentic

    def void(self, wanted_s: float) -> bool:
        """Whether something else than the engine was measured; `wanted_s`: packets/s that the load stands for."""
        short = self.offered_s < ENOUGH * wanted_s or self.loss > MAX_LOSS
        return self.refused > 0 or (short and self.core < SATURATED)


def _run(users: int, faster: float, seconds: float, cpus: list[int]) -> _Run:
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(theirs, cpus[0] if cpus else None), daemon=True)
    server.start()
    people: list[_User] = []
    try:
        people += [_User(number, faster) for number in range(users)]
        pipe.send([(user.ice, user.dtls.fingerprint) for user in people])
        address = pipe.recv()
        for user in people:
            user.connect(address)
        return _load(people, seconds, pipe)
    finally:
        for user in people:
            user.socket.close()
        pipe.send("stop")
        server.join(5)
        server.kill()
        pipe.close()
        theirs.close()


def _load(people: list[_User], seconds: float, pipe: Connection) -> _Run:
    """Send at everybody's pace for the warm-up and the measured time; then wait for what is on its way."""
    poll = select.epoll()
    by_file = {user.socket.fileno(): user for user in people}
    for file in by_file:
        poll.register(file, select.EPOLLIN)
    start = time.monotonic()
    due: list[tuple[float, int, _User, Source]] = []
    for phase, user in enumerate(people):
        for source in user.participant.sources:
            # phases spread evenly: nobody's frames wait for anybody else's by design
            due.append((start + source.frame_s * phase / len(people), len(due), user, source))
    heapq.heapify(due)
    checks = start + CHECK_S
    samples: list[tuple[float, float, int, dict[str, int]]] = []
    now = start
    for until in (start + WARM_UP_S, start + WARM_UP_S + seconds):
        while (now := time.monotonic()) < until:
            for _ in range(FRAMES_AT_ONCE):
                at, order, user, source = due[0]
                if at > now:
                    break
                user.send_frame(source, time.monotonic())
                # who falls behind doesn't catch up: the load would come in bursts that no visit has
                heapq.heapreplace(due, (max(at + source.frame_s, now - MAX_LATE_S), order, user, source))
            if now > checks:
                checks = now + CHECK_S
                for user in people:
                    user.socket.send(user.participant.check())
            for file, _ in poll.poll(max(0.0, min(due[0][0] - time.monotonic(), 0.01))):
                by_file[file].receive(time.monotonic())
        if not samples:
            for user in people:
                user.forget()
        pipe.send("sample")
        cpu_s, counters = pipe.recv()
        samples.append((time.monotonic(), cpu_s, sum(user.packets_sent for user in people), counters))
    drained = time.monotonic() + 0.5
    while time.monotonic() < drained:
        for file, _ in poll.poll(0.05):
            by_file[file].receive(time.monotonic())
    poll.close()
    (began, cpu_before, sent_before, before), (ended, cpu_after, sent_after, after) = samples
    forwarded = after["rtp_out"] - before["rtp_out"]
    span = sum(one.expected(other) + other.expected(one) for one, other in zip(people[::2], people[1::2], strict=True))
    arrived = sum(slot.packets for user in people for slot in user.slots.values())
    return _Run(
        cpu_us=(cpu_after - cpu_before) / max(1, forwarded) * 1e6,
        offered_s=(sent_after - sent_before) / (ended - began),
        packets_s=forwarded / (ended - began),
        loss=1 - arrived / max(1, span),
        core=(cpu_after - cpu_before) / (ended - began),
        delays_s=sorted(delay for user in people for delay in user.delays_s),
        refused=sum(user.participant.counters[name] for user in people for name in _REFUSALS),
    )


_REFUSALS = ("srtp_not_authentic", "srtp_replayed")


def measure(quick: bool) -> Iterator[Figure]:
    """Yield the figures of each load."""
    cpus = sorted(os.sched_getaffinity(0))
    runs, seconds = (1, 3.0) if quick else (5, 5.0)
    loads = [(2, 1.0), (20, 1.0), (20, 6.0)]
    if len(cpus) > 1:
        os.sched_setaffinity(0, {cpus[1]})
    try:
        for users, faster in loads:
            done = [_run(users, faster, seconds, cpus if len(cpus) > 1 else []) for _ in range(runs)]
            parameters: dict[str, str | int | float] = {
                "engine": ReferenceEngine.name,
                "users": users,
                "rate": faster,
                "runs": runs,
                "seconds": seconds,
            }
            delays = sorted(delay for run in done for delay in run.delays_s)
            median = statistics.median
            void = sum(run.void(users * faster * PACKETS_S) for run in done)
            yield Figure("forward.void", float(void), "runs", parameters)
            yield Figure("forward.offered", median(run.offered_s for run in done), "packets/s", parameters)
            yield Figure("forward.packets", median(run.packets_s for run in done), "packets/s", parameters)
            yield Figure("forward.cpu", median(run.cpu_us for run in done), "µs/packet", parameters)
            yield Figure("forward.core", median(run.core for run in done), "cores", parameters)
            yield Figure("forward.loss", median(run.loss for run in done), "fraction", parameters)
            yield Figure("forward.refused", float(sum(run.refused for run in done)), "packets", parameters)
            if delays:
                yield Figure("forward.delay.p50", delays[len(delays) // 2] * 1000, "ms", parameters)
                yield Figure("forward.delay.p99", delays[len(delays) * 99 // 100] * 1000, "ms", parameters)
    finally:
        os.sched_setaffinity(0, cpus)
