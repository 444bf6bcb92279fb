"""What a participant costs in memory, and whether joins and leaves leave anything behind.

`memory.participant`: resident memory of the whole server process with 800 connected participants in 400 rooms of two,
less that with none, divided by 800. On the native engine everybody has sent a camera and a microphone for 1.5 s and
got the other's, so that streams, replay windows, arrivals and estimates are there; packets kept for repair are not
counted: the most that the engine said it kept meanwhile (`history_bytes`) is taken off, and told as `memory.history`.
`memory.loss` is what of the media did not arrive. On other engines nobody sends.

`memory.engine`: the same of a process in which nothing but the engine holds 800 participants' ups, downs and keys.
`memory.growth`: how much the process grows for each join and leave, by the best straight line through its size between
rounds of them, the first quarter not counted; `memory.held` the last of those sizes by the first.
"""

import asyncio
import gc
import itertools
import multiprocessing
import os
import statistics
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection

import uvloop

from bench import engines
from bench.dtls import Identity
from bench.figure import Figure
from bench.host import Host, rss
from bench.leg import Leg
from bench.load import Load, Shape
from bench.participant import make_keys
from bench.storm import join, leave
from bench.subject import addresses, free_port
from bench.visitor import offer
from media.engine import DownId, Engine, IceCredentials, UpId
from media.lines import accept_slots, accept_ups
from media.plane import VIDEO_CODECS
from media.sdp import parse

PARTICIPANTS = 800
WARM_UP = 40
ROUND = 100  # joins, then as many leaves
ROUNDS = 36
MEDIA_S = 1.5  # that everybody sends for
LOOK_S = 0.05  # between two looks at how much is kept for repair
RUNS = 5  # of what takes a few seconds; the rounds of joins and leaves are done once


async def participants(engine: str, count: int, cpu: int | None = None) -> tuple[float, float, float]:
    """Return bytes of the whole process per participant, packet history apart, of that history, and what was lost."""
    async with Host(engine, cpu) as host:
        await leave(await join(host, WARM_UP))
        before = await host.sample(tidy=True)
        visitors = await join(host, count, addresses=addresses(free_port()))
        for visitor in visitors:
            visitor.close()
        history, loss = 0, 0.0
        if engine == "native":
            legs = [visitor.leg(at ^ 1) for at, visitor in enumerate(visitors)]
            sending = asyncio.create_task(asyncio.to_thread(_send, legs))
            while not sending.done():  # the most: what is swept out stays with the process, for the next packets
                history = max(history, (await host.sample()).counters["history_bytes"])
                await asyncio.sleep(LOOK_S)
            loss = await sending
        after = await host.sample(tidy=True)
    return (after.rss - before.rss - history) / count, history / count, loss


def _send(legs: Sequence[Leg]) -> float:
    load = Load(legs)
    load.run(Shape(), MEDIA_S)
    return load.drain(Shape()).loss


async def churn(engine: str, rounds: int, each: int = ROUND, cpu: int | None = None) -> list[int]:
    """Return the size of the process in bytes after each round of `each` joins and leaves."""
    sizes, identity = [], Identity()
    async with Host(engine, cpu) as host:
        for _ in range(rounds):
            await leave(await join(host, each, identity=identity))
            await asyncio.sleep(0.1)  # goodbyes are said, tasks end
            sizes.append((await host.sample(tidy=True)).rss)
    return sizes


def alone(engine: str, count: int) -> float:
    """Return bytes per participant of an engine that has nothing around it, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=_alone, args=(theirs, engine, count), daemon=True)
    process.start()
    try:
        return float(pipe.recv())
    finally:
        process.join(5)
        process.kill()


def _alone(pipe: Connection, name: str, count: int) -> None:
    pipe.send(uvloop.run(_fill(name, count)))


async def _fill(name: str, count: int) -> float:
    engine = engines.make(name)
    await engine.open()
    _populate(engine, WARM_UP, itertools.count(10 * count))
    gc.collect()
    before = rss()
    _populate(engine, count, itertools.count())
    gc.collect()
    size = (rss() - before) / count
    await engine.close()
    return size


def _populate(engine: Engine, count: int, numbers: Iterator[int]) -> None:
    """Have `count` participants in rooms of two, each shown the other."""
    for _ in range(count // 2):
        (ups, downs), (other_ups, other_downs) = (_add(engine, next(numbers)) for _ in range(2))
        for down, up in zip(downs + other_downs, other_ups + ups, strict=True):
            engine.route(down, up)


def _add(engine: Engine, number: int) -> tuple[list[UpId], list[DownId]]:
    """Return the microphone and the camera, and the slots for those of the other."""
    read = parse(offer(f"client{number}", "p" * 24, ":".join(["AB"] * 32)))
    peer = engine.add_peer(IceCredentials(f"server{number}", f"password-of-{number}-in-the-bench", f"client{number}"))
    engine.gate(peer, True)
    engine.set_keys(peer, make_keys())
    ups = {source: engine.add_up(peer, up.parameters()) for source, up in accept_ups(read, VIDEO_CODECS).items()}
    slots = accept_slots(read, {}, f"names{number}", estimated=engine.estimates).values()
    downs = {(slot.kind, slot.place, slot.number): engine.add_down(peer, slot.accepted.parameters()) for slot in slots}
    return [ups["microphone"], ups["camera"]], [downs["audio", "person", 0], downs["video", "person", 0]]


def measure(quick: bool, bare: bool = True) -> Iterator[Figure]:
    """Yield the figures of what is not the engine (if `bare`), and of the engine that visits run on here."""
    cpus = sorted(os.sched_getaffinity(0))
    rounds, each, runs = (8, ROUND // 2, 1) if quick else (ROUNDS, ROUND, RUNS)
    if len(cpus) > 1:
        os.sched_setaffinity(0, {cpus[1]})
    try:
        for engine in ("null", engines.best())[not bare :]:
            yield from figures(engine, PARTICIPANTS, rounds, each, runs, cpus[0] if len(cpus) > 1 else None)
    finally:
        os.sched_setaffinity(0, cpus)


def figures(engine: str, count: int, rounds: int, each: int, runs: int, cpu: int | None = None) -> Iterator[Figure]:
    """Yield the figures of one engine, medians of `runs`; the server is pinned to `cpu`."""
    parameters: dict[str, str | int | float] = {"engine": engine, "participants": count, "runs": runs}
    sizes, histories, losses = zip(*(uvloop.run(participants(engine, count, cpu)) for _ in range(runs)), strict=True)
    yield Figure("memory.participant", statistics.median(sizes) / 1024, "KiB/participant", parameters)
    yield Figure("memory.history", statistics.median(histories) / 1024, "KiB/participant", parameters)
    yield Figure("memory.loss", statistics.median(losses), "fraction", parameters)
    size = statistics.median(alone(engine, count) for _ in range(runs))
    yield Figure("memory.engine", size / 1024, "KiB/participant", parameters)
    rounds_sizes = uvloop.run(churn(engine, rounds, each, cpu))
    counted = rounds_sizes[rounds // 4 :]
    slope = statistics.linear_regression(range(len(counted)), counted).slope
    parameters = {"engine": engine, "joins": rounds * each, "runs": 1}
    yield Figure("memory.growth", slope / each, "bytes/join", parameters)
    yield Figure("memory.held", counted[-1] / counted[0], "ratio", parameters)
