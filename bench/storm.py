"""What joins cost the server when many come at once: CPU each, how many a second, and how long others wait.

A server of visits runs in a process of its own, pinned to one core; the participants share another. Each brings
Chromium's offer of ten lines (37 kB) under credentials of its own, makes an ICE check and a DTLS handshake, and is
there when both sides have keys and the server has said so. Two and two meet in a room; nobody sends media.

`joins.cpu` is the server's CPU per participant from offer to keys, everything included; `joins.rate` how many a second
became connected, with `in_flight` of them at a time, of which the server's core was busy for `joins.core`; `joins.lag`
how late the server's event loop was meanwhile, as a timer of 5 ms sees it. The engine `null` moves nothing: its figures
are those of everything else.

Then, where the native engine is built, the same storm comes over residents who send and see each other all the while:
`joins.media.loss` is what of their packets never arrived, `joins.media.delay` by how much the 99th percentile of their
one-way delay rises over that without a storm (bench/residents.py).
"""

import asyncio
import itertools
import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import uvloop

from bench import engines
from bench.dtls import Identity
from bench.figure import Figure
from bench.host import Host, percentile
from bench.visitor import Visitor
from media.engine import Address

WARM_UP = 40  # joins not counted: caches and imports are cold
IN_FLIGHT = 16
STORM = 500


@dataclass(frozen=True, slots=True)
class Storm:
    """What `joins` joins took."""

    joins: int
    seconds: float
    cpu_s: float
    lags_s: Sequence[float]

    @property
    def cpu_ms(self) -> float:
        """Of the server, per participant."""
        return self.cpu_s / self.joins * 1000

    @property
    def rate(self) -> float:
        """Joins a second."""
        return self.joins / self.seconds

    @property
    def core(self) -> float:
        """Share of one core that the server used."""
        return self.cpu_s / self.seconds


_rooms = itertools.count()


async def join(
    host: Host,
    count: int,
    in_flight: int = IN_FLIGHT,
    identity: Identity | None = None,
    addresses: Iterator[Address] = itertools.repeat(("127.0.0.1", 0)),  # noqa: B008  # has no end and no state
) -> list[Visitor]:
    """Return `count` participants that joined rooms of two, `in_flight` at a time; the first meets the second."""
    identity = identity or Identity()
    names = [(f"room{room}", f"{room}-{who}") for room in itertools.islice(_rooms, (count + 1) // 2) for who in "ab"]
    visitors: list[Visitor] = []
    waiting = iter(names[:count])

    async def one_by_one() -> None:
        for room, name in waiting:
            visitors.append(visitor := Visitor(host, room, name, identity, next(addresses)))
            await visitor.join()

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(one_by_one())
    return visitors


async def leave(visitors: Sequence[Visitor]) -> None:
    await asyncio.gather(*(visitor.leave() for visitor in visitors))


async def storm(host: Host, joins: int = STORM, in_flight: int = IN_FLIGHT) -> Storm:
    """Have `joins` participants join `host` and leave again, while whoever is there already goes on."""
    before = await host.sample()
    visitors = await join(host, joins, in_flight)
    after = await host.sample()
    await leave(visitors)
    return Storm(joins, after.at - before.at, after.cpu_s - before.cpu_s, after.lags_s)


async def _run(engine: str, joins: int, cpu: int | None) -> Storm:
    async with Host(engine, cpu) as host:
        await leave(await join(host, WARM_UP))
        return await storm(host, joins)


def figures(engine: str, joins: int, runs: int, cpu: int | None = None) -> Iterator[Figure]:
    """Yield the figures of one engine, medians of `runs`; the server is pinned to `cpu`."""
    done = [uvloop.run(_run(engine, joins, cpu)) for _ in range(runs)]
    median = statistics.median
    lags_s = [lag for run in done for lag in run.lags_s]
    parameters: dict[str, str | int | float] = {
        "engine": engine,
        "joins": joins,
        "in_flight": IN_FLIGHT,
        "runs": runs,
    }
    yield Figure("joins.cpu", median(run.cpu_ms for run in done), "ms/join", parameters)
    yield Figure("joins.rate", median(run.rate for run in done), "joins/s", parameters)
    yield Figure("joins.core", median(run.core for run in done), "cores", parameters)
    for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
        yield Figure(f"joins.lag.{name}", percentile(lags_s, share) * 1000, "ms", parameters)


def measure(quick: bool, bare: bool = True) -> Iterator[Figure]:
    """Yield the figures of what is not the engine (if `bare`), and of the engine that visits run on here."""
    from bench import residents  # it stands on this module

    cpus = sorted(os.sched_getaffinity(0))
    joins, runs = (STORM // 2, 1) if quick else (STORM, 5)
    if len(cpus) > 1:
        os.sched_setaffinity(0, {cpus[1]})
    try:
        for engine in ("null", engines.best())[not bare :]:
            yield from figures(engine, joins, runs, cpus[0] if len(cpus) > 1 else None)
        if engines.best() == "native":
            yield from residents.figures("native", runs, cpus[0] if len(cpus) > 1 else None)
    finally:
        os.sched_setaffinity(0, cpus)
