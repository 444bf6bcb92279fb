"""The media plane of a process: one engine, one certificate, its rooms; events brought to those they concern.

Nothing here is per packet. The engine wakes the plane once per filling of its queue, the plane takes all events and
hands each to the peer of its id; an event of a peer that is gone finds nobody, which is all that is needed against late
ones. Each peer's handshake is a task of one group, awaited by `close`.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ParamSpec, assert_never

from media.engine import (
    Address,
    Counters,
    DownEstimate,
    DtlsReceived,
    Engine,
    Event,
    Overrun,
    PathDown,
    PathUp,
    SourceLost,
    Speakers,
    UpId,
)
from media.peer import Hearer, Peer, Site
from media.room import Room, RoomEvent
from media.transport import Certificate, Handshakes

MAX_PEERS = 1000
VIDEO_CODECS = ("VP8", "H264", "VP9", "AV1")
TICK_S = 0.25
GOODBYE_S = 2.0  # for the handshakes to end when the plane closes

P = ParamSpec("P")

log = logging.getLogger(__name__)


class MediaPlane:
    """Made and opened once; `room` for each visit. `addresses` are announced; if None, the engine's own."""

    def __init__(
        self,
        engine: Engine,
        video_codecs: Sequence[str] = VIDEO_CODECS,
        addresses: Sequence[Address] | None = None,
        max_peers: int = MAX_PEERS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._announced = addresses
        self._rooms: set[Room] = set()
        self._hearing: set[Hearer] = set()  # rooms in which somebody was heard last
        self._overruns = 0
        self._site = Site(
            engine=engine,
            certificate=Certificate.generateCertificate(),
            handshakes=Handshakes(),
            addresses=(),
            preference=tuple(video_codecs),
            max_peers=max_peers,
            clock=clock,
            start=self._start,
        )
        self._group: asyncio.TaskGroup | None = None
        self._closing = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the engine too; raises OSError when the media port is taken."""
        await self._engine.open()
        self._site.addresses = self._announced if self._announced is not None else self._engine.listening()
        self._engine.wake(self._pump)
        opened = asyncio.Event()
        self._running = asyncio.create_task(self._run(opened), name="media plane")
        await opened.wait()

    async def close(self) -> None:
        """Close all rooms, say goodbye to every peer, and close the engine."""
        for room in list(self._rooms):
            room.close()
        self._closing.set()
        if self._running is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._running, GOODBYE_S)
        self._site.handshakes.close()
        await self._engine.close()

    @property
    def addresses(self) -> Sequence[Address]:
        """The announced candidates, the best first."""
        return self._site.addresses

    def room(self, notify: Callable[[RoomEvent], None]) -> Room:
        """Return a new room; `notify` is called on the loop, never from within one of the room's methods."""
        room = Room(self._site, notify, self._rooms.discard)
        self._rooms.add(room)
        return room

    def counters(self) -> Counters:
        """The engine's totals and the plane's own."""
        return {
            **self._engine.counters(),
            "rooms": len(self._rooms),
            "peers": len(self._site.peers),
            "handshakes_under_way": self._site.handshakes.under_way,
            "handshakes_failed": self._site.handshakes_failed,
            "dtls_dropped": self._site.dtls_dropped,
            "handshake_steps_offloaded": self._site.handshakes.offloaded,
            "event_overruns": self._overruns,
        }

    async def _run(self, opened: asyncio.Event) -> None:
        """Own the tasks of the peers; one that fails ends its peer only."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            opened.set()
            while not self._closing.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), TICK_S)
                for room in list(self._rooms):
                    _guard(room.tick)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._group is not None, "the plane is not open"
        self._group.create_task(_guarded(work))

    # --- events -------------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        for event in self._engine.events():
            _guard(self._bring, event)

    def _bring(self, event: Event) -> None:
        match event:
            case Speakers(ups):
                self._hear(ups)
            case SourceLost(up, lost):
                if not lost:  # gone, its last picture stands and its status says why; back, it needs a key frame
                    self._engine.ask_key_frame(up)
            case Overrun(count):
                self._overruns += count
            case DtlsReceived() | PathUp() | PathDown() | DownEstimate():
                peer = self._site.peers.get(event.peer)
                if peer is not None:
                    _bring_to(peer, event)
            case _:
                assert_never(event)

    def _hear(self, ups: Sequence[UpId]) -> None:
        """Tell each room who of it is heard; a room in which nobody is any more, that too."""
        heard: dict[Hearer, list[UpId]] = {hearer: [] for hearer in self._hearing}
        for up in ups:
            hearer = self._site.hearers.get(up)
            if hearer is not None:
                heard.setdefault(hearer, []).append(up)
        self._hearing = {hearer for hearer, voices in heard.items() if voices}
        for hearer, voices in heard.items():
            _guard(hearer.hear, voices)


def _bring_to(peer: Peer, event: DtlsReceived | PathUp | PathDown | DownEstimate) -> None:
    match event:
        case DtlsReceived(_, datagram):
            peer.feed(datagram)
        case PathUp(_, generation):
            peer.path_up(generation)
        case PathDown(_, generation):
            peer.path_down(generation)
        case DownEstimate():
            peer.reported(event)
        case _:
            assert_never(event)


def _guard(call: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """A fault of ours with one peer or room must not reach the others."""
    try:
        call(*args, **kwargs)
    except Exception:
        log.exception("a fault in the media plane")


async def _guarded(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        log.exception("a fault with a peer's DTLS")
