"""What a storm of joins does to those who are there already.

Residents in rooms of two join a server of visits as anybody does; then the load generator sends and receives for all
of them, once in calm and once while a storm of joins comes over the same server. The joining participants share the
generator's core, at a lower priority: it is the server that is to be disturbed.
"""

import asyncio
import multiprocessing
import os
import statistics
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import uvloop

from bench import storm
from bench.figure import Figure
from bench.host import Host
from bench.load import Load, Result, Shape
from bench.subject import addresses, free_port

RESIDENTS = 100
JOINS = 500
IN_FLIGHT = 64
SECONDS = 3.0  # of calm; a storm is measured as long as it lasts
SLICE_S = 0.1  # of a storm, between two looks at whether it is over
WARM_UP_S = 1.0
NICE = 10  # of those who join


@dataclass(frozen=True, slots=True)
class Weather:
    """The same residents' packets in calm and in a storm."""

    calm: Result
    stormy: Result
    storm: storm.Storm

    @property
    def delay_ms(self) -> float:
        """By how much the 99th percentile is longer in the storm."""
        return (self.stormy.p99_s - self.calm.p99_s) * 1000


async def _run(engine: str, residents: int, joins: int, seconds: float, cpu: int | None) -> Weather:
    shape = Shape()
    async with Host(engine, cpu) as host:
        there = await storm.join(host, residents, addresses=addresses(free_port()))
        legs = [visitor.leg(at ^ 1) for at, visitor in enumerate(there)]
        for visitor in there:
            visitor.close()
        load = Load(legs)
        await asyncio.to_thread(_send, load, shape, WARM_UP_S)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)  # the generator's thread keeps its own
        calm = await asyncio.to_thread(_send, load, shape, seconds)
        over = threading.Event()
        sending = asyncio.create_task(asyncio.to_thread(_send_until, over, load, shape))
        try:
            done = await storm.storm(host, joins, IN_FLIGHT)
        finally:
            over.set()
        return Weather(calm, await sending, done)


def _send(load: Load, shape: Shape, seconds: float) -> Result:
    load.reset()
    load.run(shape, seconds)
    return load.drain(shape)


def _send_until(over: threading.Event, load: Load, shape: Shape) -> Result:
    load.reset()
    while not over.is_set():
        load.run(shape, SLICE_S)
    return load.drain(shape)


def _apart(engine: str, residents: int, joins: int, seconds: float, cpu: int | None) -> Weather:
    return uvloop.run(_run(engine, residents, joins, seconds, cpu))


def weather(
    engine: str, residents: int = RESIDENTS, joins: int = JOINS, seconds: float = SECONDS, cpu: int | None = None
) -> Weather:
    """Measure in a process of its own, whose priority may be lowered and ends with it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_apart, engine, residents, joins, seconds, cpu).result()


def figures(engine: str, runs: int, cpu: int | None = None) -> Iterator[Figure]:
    """Yield the figures of one engine, medians of `runs`; the server is pinned to `cpu`. Needs the native engine."""
    done = [weather(engine, cpu=cpu) for _ in range(runs)]
    median = statistics.median
    parameters: dict[str, str | int | float] = {
        "engine": engine,
        "residents": RESIDENTS,
        "joins": JOINS,
        "in_flight": IN_FLIGHT,
        "runs": runs,
    }
    yield Figure("joins.media.void", float(sum(not one.calm.sound for one in done)), "runs", parameters)
    yield Figure("joins.media.calm_loss", median(one.calm.loss for one in done), "fraction", parameters)
    yield Figure("joins.media.loss", median(one.stormy.loss for one in done), "fraction", parameters)
    yield Figure("joins.media.calm_p99", median(one.calm.p99_s for one in done) * 1000, "ms", parameters)
    yield Figure("joins.media.delay", median(one.delay_ms for one in done), "ms", parameters)
    yield Figure("joins.media.storm", median(one.storm.seconds for one in done), "s", parameters)
