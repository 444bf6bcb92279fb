"""What bad input costs, and what those who are there notice of it: floods of strangers, and of one who is there.

`abuse.cost`: CPU of the server for each datagram that it took, 150 000 a second from thousands of unknown addresses, in
equal parts noise, STUN for nobody, packets that look like RTP, and DTLS hellos; `sink` is the same shell around nothing
(a relay without pairs): the bare loop of `recvmmsg`. The engine has 100 visits connected meanwhile, that are silent.
`abuse.above` is the difference, a median of what each round gave.

`abuse.media.*`: what 100 visits at 100 video and 50 audio packets a second each lose, and by how much the 99th
percentile of their delay is above that before, while strangers send 150 000 datagrams a second, among them what is
nearly authentic (phase `flood`), and while one participant of another visit sends ten times what it may (`own`).
`abuse.flooder.passed` is what of that came through, a second; `abuse.waited` the share of both phases' time that the
server could have worked, but its core had others to run.

`abuse.recovery`: in phase `overload` strangers send as much as they can from both cores, in runs; then, how long it is
until the visits lose nothing and their delay is what it was, for three tenths of a second in a row; where it never was,
as long as it was looked for. `abuse.dropped`: messages of 48 datagrams that the kernel dropped, as the engine says, and
`abuse.uncounted`: datagrams that it neither took nor counted. `abuse.replies`: what came back to strangers.
"""

import math
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from bench import engines
from bench.figure import Figure
from bench.flood import Account, Flood, nearly, strangers
from bench.leg import Leg
from bench.load import Load, Result, Shape
from bench.relay import RelaySubject
from bench.serve import EngineSubject
from bench.subject import addresses, free_port
from media.endpoint import MAX_PACKETS_S
from media.engine import Address

RATE = 150_000.0  # datagrams a second of all strangers together
VISITS = 100
CALL = Shape(quantum_us=100)
TURNS, SETTLE_S = 4, 0.1  # of servers whose cost is compared, and how long a flood runs before it is measured
ABOVE_S = 0.005  # of delay: what counts as the former value
WINDOW_S, WINDOW_DRAIN_S = 0.08, 0.02
WINDOWS = 30  # looked at until visits are well again
GOOD_WINDOWS = 3  # in a row
COUNTED_S = 3.0  # until the engine must have said what was dropped: it looks once a second
RUN = 48  # copies in one message, of a flood that no core can take
OWN_RATE = 10 * MAX_PACKETS_S


class Scene:
    """`with Scene(engine, cpu, visits) as scene`: a server with visits, whose load runs when asked for."""

    def __init__(self, cpu: int | None, visits: int) -> None:
        self.server = EngineSubject("native")
        self.cpu, self._visits = cpu, visits

    def __enter__(self) -> "Scene":
        try:
            self.server.start(self.cpu)
            # the last visit has a port of its own: it is somebody else's load
            people, others = addresses(free_port()), addresses(free_port())
            locals_ = [*islice(people, 2 * self._visits), *islice(others, 2 * self._visits, 2 * self._visits + 2)]
            legs = self.server.connect(self._visits + 1, iter(locals_))
        except BaseException:
            self.server.stop()
            raise
        self.legs, self.remote = legs, legs[0].remote
        self.load = Load(legs[:-2])
        first, second = (_renumbered(leg, len(legs) - 2) for leg in legs[-2:])
        self.flooder = Load([first, replace(second, sends=())])
        return self

    def __exit__(self, *_: object) -> None:
        del self.load, self.flooder
        self.server.stop()

    def run(self, seconds: float, drain_s: float = 0.3) -> Result:
        self.load.reset()
        self.load.run(CALL, seconds)
        return self.load.drain(CALL, drain_s)


def _renumbered(leg: Leg, first: int) -> Leg:
    return replace(leg, receives=tuple(replace(stream, source=stream.source - first) for stream in leg.receives))


_Flooded = tuple[EngineSubject | RelaySubject, Address]

# --- what a datagram costs ------------------------------------------------------------------------------------------


def costs(servers: Sequence[_Flooded], seconds: float) -> list[tuple[float, Account]]:
    """Return µs of CPU for each datagram that a server took, and what it was sent; servers take turns."""
    floods = [Flood(strangers(), remote, RATE) for _, remote in servers]
    spent = [(0.0, 0) for _ in servers]
    for turn in range(TURNS):
        numbers = range(len(servers)) if turn % 2 == 0 else reversed(range(len(servers)))
        for number in numbers:
            server, _ = servers[number]
            with floods[number]:
                time.sleep(SETTLE_S)
                taken, used = server.counters()["datagrams_in"], server.sample().cpu_s
                time.sleep(seconds / TURNS)
                taken, used = server.counters()["datagrams_in"] - taken, server.sample().cpu_s - used
            spent[number] = spent[number][0] + used, spent[number][1] + taken
    return [(used / max(1, taken) * 1e6, flood.account()) for (used, taken), flood in zip(spent, floods, strict=True)]


# --- what visits notice ---------------------------------------------------------------------------------------------


def beside_strangers(scene: Scene, seconds: float) -> tuple[Result, Result, Account]:
    """Return what came of visits before a flood and in it."""
    before = scene.run(seconds)
    flood = Flood(strangers() + nearly(scene.legs), scene.remote, RATE)
    with flood:
        scene.load.run(CALL, seconds / 5)
        during = scene.run(seconds)
    return before, during, flood.account()


def beside_own(scene: Scene, seconds: float) -> tuple[Result, Result, Result]:
    """Return what came of visits before one participant floods its own stream and meanwhile, and of that stream."""
    before = scene.run(seconds)
    shape = replace(CALL, video_packets_s=OWN_RATE - 50, video_bytes=300)
    scene.flooder.run(shape, 0.1)
    passed = list[Result]()

    def own() -> None:
        scene.flooder.run(shape, seconds / 2)  # what the bucket had saved up is gone then
        scene.flooder.reset()
        scene.flooder.run(shape, seconds)
        passed.append(scene.flooder.drain(shape, 0.0))
        scene.flooder.run(shape, seconds / 2)

    thread = threading.Thread(target=own)
    thread.start()
    scene.load.run(CALL, seconds / 4)
    during = scene.run(seconds)
    thread.join()
    return before, during, passed[0]


def overload(scene: Scene, seconds: float) -> tuple[float, float, int, int, Account]:
    """Have strangers send what no core can take. Returns how long it was until visits were well again, the visits'
    loss meanwhile, and how many datagrams the engine took and the kernel dropped.
    """
    limit_s = max(scene.run(WINDOW_S, WINDOW_DRAIN_S).p99_s for _ in range(3)) + ABOVE_S
    counters = scene.server.counters()
    # checks are the dearest of strangers' datagrams, and short; from both cores, because interrupts of a network card
    # would take the server's core too
    floods = [Flood(strangers()[1::4], scene.remote, math.inf, RUN, cpu) for cpu in (None, scene.cpu)]
    scene.load.reset()
    with floods[0], floods[1]:
        scene.load.run(CALL, seconds)
        during = scene.load.drain(CALL, 0.0)
    ended, well_at, good = time.monotonic(), math.inf, 0
    for _ in range(WINDOWS):
        began = time.monotonic()
        window = scene.run(WINDOW_S, WINDOW_DRAIN_S)
        if window.received >= window.expected and window.p99_s <= limit_s:
            well_at, good = min(well_at, began), good + 1
        else:
            well_at, good = math.inf, 0
        if good == GOOD_WINDOWS:
            break
    recovery_s = (well_at if good == GOOD_WINDOWS else time.monotonic()) - ended
    said, deadline = floods[0].account() + floods[1].account(), time.monotonic() + COUNTED_S
    while True:
        after = scene.server.counters()
        taken, dropped = (after[name] - counters[name] for name in ("datagrams_in", "receive_dropped"))
        if taken + RUN * dropped >= said.sent or time.monotonic() > deadline:
            break
        scene.run(0.2)
    return recovery_s, during.loss, taken, dropped, said


# --- figures --------------------------------------------------------------------------------------------------------


NEVER = "abuse.replies", "abuse.unsound", "abuse.uncounted"  # once is too often: a sum, where others are medians


class _Findings:
    """What rounds gave, by figure and phase."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], list[float]] = {}

    def add(self, name: str, unit: str, value: float, phase: str) -> None:
        self._found.setdefault((name, unit, phase), []).append(value)

    def media(self, phase: str, before: Result, during: Result) -> None:
        self.add("abuse.media.loss", "fraction", during.loss, phase)
        self.add("abuse.media.delay", "ms", (during.p99_s - before.p99_s) * 1e3, phase)
        self.add("abuse.media.delay.before", "ms", before.p99_s * 1e3, phase)
        self.add("abuse.media.late", "fraction", during.late_share, phase)
        self.add("abuse.unsound", "packets", during.refused + during.strange, phase)

    def account(self, phase: str, said: Account) -> None:
        self.add("abuse.offered", "datagrams/s", said.sent_s, phase)
        self.add("abuse.generator.core", "cores", said.cpu_s / max(said.wall_s, 1e-9), phase)
        self.add("abuse.replies", "datagrams", said.replies, phase)

    def figures(self) -> Iterator[Figure]:
        for (name, unit, phase), values in self._found.items():
            value = sum(values) if name in NEVER else statistics.median(values)
            yield Figure(name, value, unit, {"phase": phase, "runs": len(values)})


def _round(findings: _Findings, seconds: float, visits: int, phases: Sequence[str], cpu: int | None) -> None:
    with Scene(cpu, visits) as scene:
        if "cost" in phases:
            sink = RelaySubject(srtp=False)
            sink.start(cpu)
            try:
                sink.connect(0, iter(()))
                sides = (sink, sink.address), (scene.server, scene.remote)
                (bare_us, to_sink), (engine_us, to_engine) = costs(sides, seconds)
            finally:
                sink.stop()
            findings.account("sink", to_sink)
            findings.account("cost", to_engine)
            findings.add("abuse.cost", "µs/datagram", bare_us, "sink")
            findings.add("abuse.cost", "µs/datagram", engine_us, "cost")
            findings.add("abuse.above", "µs/datagram", engine_us - bare_us, "cost")
        scene.load.run(CALL, 0.5)
        began, waited_s = time.monotonic(), scene.server.waited_s()
        if "flood" in phases:
            before, during, said = beside_strangers(scene, seconds)
            findings.media("flood", before, during)
            findings.account("flood", said)
        if "own" in phases:
            before, during, passed = beside_own(scene, seconds)
            findings.media("own", before, during)
            findings.add("abuse.flooder.offered", "packets/s", passed.offered_s, "own")
            findings.add("abuse.flooder.passed", "packets/s", passed.arrived_s, "own")
        waited_s = (scene.server.waited_s() - waited_s) / (time.monotonic() - began)
        findings.add("abuse.waited", "fraction", waited_s, "media")
        if "overload" in phases:
            recovery_s, loss, taken, dropped, said = overload(scene, seconds)
            findings.account("overload", said)
            findings.add("abuse.recovery", "s", recovery_s, "overload")
            findings.add("abuse.media.loss", "fraction", loss, "overload")
            findings.add("abuse.taken", "datagrams/s", taken / max(said.wall_s, 1e-9), "overload")
            findings.add("abuse.dropped", "messages", dropped, "overload")
            findings.add("abuse.uncounted", "datagrams", max(0, said.sent - taken - RUN * dropped), "overload")


PHASES = ("cost", "flood", "own", "overload")


def measure(quick: bool, only: Sequence[str] = PHASES) -> Iterator[Figure]:
    """Yield the figures of each phase."""
    engines.need_native()
    unknown = set(only) - set(PHASES)
    if unknown:
        raise ValueError(f"no phase {', '.join(sorted(unknown))}")
    cpus = sorted(os.sched_getaffinity(0))
    count, seconds = (1, 1.0) if quick else (5, 3.0)
    if len(cpus) > 1:
        os.sched_setaffinity(0, {cpus[1]})
    findings = _Findings()
    try:
        for number in range(count):
            print(f"round {number + 1} of {count}", file=sys.stderr)
            _round(findings, seconds, VISITS, only, cpus[0] if len(cpus) > 1 else None)
    finally:
        os.sched_setaffinity(0, cpus)
    yield from findings.figures()
