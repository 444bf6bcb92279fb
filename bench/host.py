"""A server of visits in a process of its own, as scenarios that join and leave drive it.

It holds what decides about media and nothing of the clinic: `MediaPlane`, its rooms, their peers, an engine chosen by
name. Lines of JSON over a socket pair stand for signalling, so an offer of 33 kB is paid for here too. Whoever asks
shares one event loop on another core; answers come in any order.
"""

import asyncio
import gc
import itertools
import json
import multiprocessing
import os
import resource
import socket
import time
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import uvloop

from bench import engines
from media.plane import MediaPlane
from media.room import Connected, Name, Room, RoomEvent

MAX_LINE = 1 << 20
LOOK_S = 0.005  # between two looks at how late the server's loop is
START_S = 30.0


class Sample(msgspec.Struct):
    """What the server used so far, and what happened since the last sample."""

    at: float  # monotonic, s
    cpu_s: float  # of all its threads, since it began
    rss: int  # bytes
    lags_s: list[float]  # how late the loop was, one each LOOK_S
    counters: dict[str, int]


class Host:
    """The bench's end: `async with Host(engine, cpu) as host`."""

    def __init__(self, engine: str, cpu: int | None = None, max_peers: int = 5000) -> None:
        self._near, far = socket.socketpair()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve, args=(far, engine, cpu, max_peers), daemon=True)
        self._process.start()
        far.close()
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._awaited: dict[str, asyncio.Future[Any]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        reader, self._writer = await asyncio.open_connection(sock=self._near, limit=MAX_LINE)
        self._reading = asyncio.create_task(self._read(reader))
        try:
            async with asyncio.timeout(START_S):
                await self.sample()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        assert self._writer is not None
        assert self._reading is not None
        self._reading.cancel()
        with suppress(asyncio.CancelledError, ConnectionError):
            await self._reading
        self._writer.close()  # the server stops at the end of its input
        with suppress(ConnectionError):
            await self._writer.wait_closed()
        await asyncio.to_thread(self._process.join, 5)
        self._process.kill()

    async def join(self, room: str, name: str, sdp: str) -> str:
        """Return the answer to an offer of `name`, who is admitted to `room` at once."""
        answer: str = await self._ask({"do": "join", "room": room, "name": name, "sdp": sdp})
        return answer

    async def leave(self, room: str, name: str) -> None:
        await self._ask({"do": "leave", "room": room, "name": name})

    async def sample(self, *, tidy: bool = False) -> Sample:
        """Return what the server used so far; `tidy` has it collect its garbage before its memory is looked at."""
        return msgspec.convert(await self._ask({"do": "sample", "tidy": tidy}), Sample)

    def connected(self, name: str) -> Awaitable[Any]:
        """Return what is done when the server says that `name` has a path and keys; ask before joining."""
        future = self._awaited[name] = asyncio.get_running_loop().create_future()
        return future

    def _ask(self, request: dict[str, Any]) -> Awaitable[Any]:
        assert self._writer is not None
        number = next(self._numbers)
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        self._writer.write(json.dumps({**request, "number": number}).encode() + b"\n")
        return future

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            said = json.loads(line)
            if "connected" in said:
                future = self._awaited.pop(said["connected"], None)
            else:
                future = self._asked.pop(said["number"])
            if future is not None and not future.done():
                future.set_result(said.get("value"))
        for future in [*self._asked.values(), *self._awaited.values()]:
            if not future.done():
                future.set_exception(ConnectionError("the server's process has ended"))


# --- the server's process -------------------------------------------------------------------------------------------


class _Request(msgspec.Struct):
    do: str
    number: int
    room: str = ""
    name: str = ""
    sdp: str = ""
    tidy: bool = False


class _Server:
    """Requests are answered by a task each, as those of a WebSocket are."""

    def __init__(self, plane: MediaPlane, writer: asyncio.StreamWriter) -> None:
        self._plane = plane
        self._writer = writer
        self._rooms: dict[str, tuple[Room, set[str]]] = {}
        self._lags_s: list[float] = []

    async def run(self, reader: asyncio.StreamReader) -> None:
        decode = msgspec.json.Decoder(_Request).decode
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._watch())
            while line := await reader.readline():
                group.create_task(self._answer(decode(line)))
            watch.cancel()

    async def _answer(self, request: _Request) -> None:
        value: Any = None
        if request.do == "join":
            value = await self._join(request)
        elif request.do == "leave":
            self._leave(request)
        else:
            value = self._sample(request.tidy)
        self._say({"number": request.number, "value": value})

    async def _join(self, request: _Request) -> str:
        if request.room not in self._rooms:
            self._rooms[request.room] = self._plane.room(self._notify), set()
        room, names = self._rooms[request.room]
        name = Name(request.name)
        names.add(request.name)
        room.join(name)
        room.admit(name)
        return await room.answer(name, request.sdp)

    def _leave(self, request: _Request) -> None:
        room, names = self._rooms[request.room]
        room.leave(Name(request.name))
        names.discard(request.name)
        if not names:
            room.close()
            del self._rooms[request.room]

    def _sample(self, tidy: bool) -> dict[str, Any]:
        at, cpu_s = time.monotonic(), _cpu_s()
        lags_s, self._lags_s = self._lags_s, []
        if tidy:
            gc.collect()
        return {
            "at": at,
            "cpu_s": cpu_s,
            "rss": rss(),
            "lags_s": lags_s,
            "counters": dict(self._plane.counters()),
        }

    def _notify(self, event: RoomEvent) -> None:
        if isinstance(event, Connected):
            self._say({"connected": event.name})

    def _say(self, message: dict[str, Any]) -> None:
        self._writer.write(msgspec.json.encode(message) + b"\n")

    async def _watch(self) -> None:
        while True:
            due = time.monotonic() + LOOK_S
            await asyncio.sleep(LOOK_S)
            late = time.monotonic() - due
            while late > 0:  # one that was to wait stands for those that would have waited less behind it
                self._lags_s.append(late)
                late -= LOOK_S


def rss() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _serve(far: socket.socket, engine: str, cpu: int | None, max_peers: int) -> None:
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_host(far, engine, max_peers))


async def _host(far: socket.socket, engine: str, max_peers: int) -> None:
    reader, writer = await asyncio.open_connection(sock=far, limit=MAX_LINE)
    plane = MediaPlane(engines.make(engine), max_peers=max_peers)
    await plane.open()
    gc.collect()
    gc.freeze()  # as the server does once it runs
    try:
        await _Server(plane, writer).run(reader)
    finally:
        await plane.close()
        writer.close()


def percentile(values: Sequence[float], share: float) -> float:
    """Return what `share` of `values` do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
