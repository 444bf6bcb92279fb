"""The native engine: `media._engine` behind the Protocol, and its core behind the methods of `media.core.Core`.

Importing this fails with ImportError where the engine was not built along, and with StaleEngine where it was built from
other sources than these. The engine's thread starts with `open` and ends with `close`; it never waits for Python, nor
Python for it. What it has to tell lies in a bounded queue whose descriptor the event loop watches.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import media._engine as _engine
from media.engine import (
    Address,
    Counters,
    DownEstimate,
    DownId,
    DownParameters,
    DtlsReceived,
    EngineBusy,
    Event,
    Generation,
    IceCredentials,
    Overrun,
    PathDown,
    PathUp,
    PeerId,
    SourceLost,
    Speakers,
    SrtpKeys,
    StaleEngine,
    Tapped,
    UpId,
    UpParameters,
)
from media.events import Events
from media.ice import Address as SocketAddress
from media.ice import Path

SEAM = 1  # one more whenever what crosses between this and `media._engine` changes; native/src/python.rs says the same
if getattr(_engine, "SEAM", 0) != SEAM:  # engines of older sources have none
    raise StaleEngine("the native engine was built from other sources: make install")

log = logging.getLogger(__name__)

STILL_S = 2.0  # a thread that takes longer for one turn hangs
CROWDED = 8192  # commands that may wait before nobody new is let in: what four hundred joins ask for at once

_EVENTS: dict[str, Callable[..., Event]] = {
    kind.__name__: kind for kind in (DtlsReceived, PathUp, PathDown, Speakers, SourceLost, DownEstimate, Overrun)
}


class NativeEngine:
    """`addresses` are local ones to listen on, IPv4 or IPv6, by one socket; port 0 takes a free one.

    `gso=False` has each datagram leave by itself, as for a network that the kernel can't cut runs for. While `crowded`
    commands wait for the engine, nobody new is let in, and handshake datagrams are dropped, as they are repeated. Twice
    as many may wait at all.
    """

    name = "native"
    estimates = True

    def __init__(
        self,
        addresses: Sequence[str] = ("127.0.0.1",),
        port: int = 0,
        *,
        gso: bool = True,
        crowded: int = CROWDED,
    ) -> None:
        self._addresses = list(addresses)
        self._port = port
        self._gso = gso
        self._crowded = crowded
        self._opened: _engine.Engine | None = None
        self._held = Events()
        self._paths: dict[PeerId, Generation | None] = {}  # of everybody: whose credentials' path was told to be up
        self._mourned = False
        self._turns = 0  # of the thread, when it was last seen to have gone round
        self._turned_at = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        assert self._loop is None, "the engine is open"
        self._loop = asyncio.get_running_loop()
        self._turned_at = self._loop.time()
        self._opened = _engine.Engine(self._addresses, self._port, self._gso, self._crowded)
        self._loop.add_reader(self._opened.fileno(), self._gather)

    async def close(self) -> None:
        """Return when the thread has ended, within a few ms, and its port is free."""
        if self._opened is not None and self._loop is not None:
            self._loop.remove_reader(self._opened.fileno())
            self._loop = None
            self._opened.close()

    def listening(self) -> list[Address]:
        """Nothing, too, if the thread has failed or stands still."""
        if self._opened is None or self.failed or self._stands_still():
            return []
        return self._opened.listening()

    @property
    def failed(self) -> str | None:
        """What the engine's thread died of, if it did: a text of our own code."""
        return None if self._opened is None else self._opened.failed()

    @property
    def thread_id(self) -> int:
        """As in /proc/self/task; 0 until the thread has begun."""
        return self._engine.thread_id()

    def wake(self, callback: Callable[[], None]) -> None:
        def soon() -> None:
            if self._loop is not None:
                self._loop.call_soon(callback)

        self._held.wake = soon

    def events(self) -> list[Event]:
        self._gather()
        return self._held.take()

    def add_peer(self, ice: IceCredentials) -> PeerId:
        if self.failed:
            raise EngineBusy("the engine has failed")
        peer = self._engine.add_peer(ice)
        if peer is None:
            raise EngineBusy("too many commands wait for the engine")
        self._paths[PeerId(peer)] = None
        return PeerId(peer)

    def restart(self, peer: PeerId, ice: IceCredentials) -> Generation:
        return Generation(self._engine.restart(peer, ice))

    def remove(self, what: PeerId | UpId | DownId) -> None:
        self._paths.pop(PeerId(what), None)
        self._engine.remove(what)

    def gate(self, peer: PeerId, open: bool) -> None:
        self._engine.gate(peer, open)

    def send_dtls(self, peer: PeerId, datagram: bytes) -> None:
        self._engine.send_dtls(peer, datagram)

    def set_keys(self, peer: PeerId, keys: SrtpKeys) -> None:
        self._engine.set_keys(peer, keys)

    def add_up(self, peer: PeerId, track: UpParameters) -> UpId:
        return UpId(self._engine.add_up(peer, track))

    def add_down(self, peer: PeerId, slot: DownParameters) -> DownId:
        return DownId(self._engine.add_down(peer, slot))

    def route(self, down: DownId, up: UpId | None, rid: str | None = None) -> None:
        self._engine.route(down, up, rid)

    def ask_key_frame(self, up: UpId) -> None:
        self._engine.ask_key_frame(up)

    def cap(self, peer: PeerId, bitrate_bps: int | None) -> None:
        self._engine.cap(peer, bitrate_bps)

    def tap(self, up: UpId, on: bool) -> None:
        self._engine.tap(up, on)

    def tapped(self) -> list[Tapped]:
        self._gather()
        return _read_tapped(self._engine.tapped())

    def counters(self) -> Counters:
        return Counter(self._engine.counters())

    def peer_counters(self, peer: PeerId) -> Counters:
        return Counter(self._engine.peer_counters(peer))

    def track_counters(self, id: UpId | DownId) -> Counters:
        return Counter(self._engine.track_counters(id))

    @property
    def _engine(self) -> _engine.Engine:
        assert self._opened is not None, "the engine is not open"
        return self._opened

    def _stands_still(self) -> bool:
        """Whether the thread has not gone round since it was looked at, `STILL_S` ago or longer."""
        if self._loop is None:
            return False
        turns, now = self._engine.counters()["turns"], self._loop.time()
        if turns != self._turns:
            self._turns, self._turned_at = turns, now
        return now - self._turned_at > STILL_S

    def _gather(self) -> None:
        failed = self.failed  # before the events: then these are the last
        for event in _read(self._engine.events()):
            match event:
                case PathUp(peer, generation) if peer in self._paths:  # else it was removed meanwhile
                    self._paths[peer] = generation
                case PathDown(peer) if peer in self._paths:
                    self._paths[peer] = None
                case _:
                    pass
            self._held.put(event)
        if failed and not self._mourned:
            self._mourned = True
            log.error("the native engine has failed")  # its thread has said on standard error where
            for peer, up in self._paths.items():
                if up is not None:
                    self._held.put(PathDown(peer, up))
            self._paths.clear()


class NativeCore:
    """The core in virtual time, as `media.core.Core`; `group` has what it sends grouped and padded, as for UDP GSO."""

    def __init__(self, *, group: bool = False) -> None:
        self._core = _engine.Core()
        self._group = group
        self.transmits: list[tuple[bytes, Path]] = []
        self.events = _Events(self._core)

    def add_peer(self, ice: IceCredentials) -> PeerId:
        return PeerId(self._core.add_peer(ice))

    def restart(self, peer: PeerId, ice: IceCredentials) -> Generation:
        return Generation(self._core.restart(peer, ice))

    def remove(self, what: PeerId | UpId | DownId, now: float) -> None:
        self._core.remove(what, now)
        self._seal()

    def gate(self, peer: PeerId, open: bool, now: float) -> None:
        self._core.gate(peer, open, now)
        self._seal()

    def send_dtls(self, peer: PeerId, datagram: bytes) -> None:
        self._core.send_dtls(peer, datagram)
        self._seal()

    def set_keys(self, peer: PeerId, keys: SrtpKeys) -> None:
        self._core.set_keys(peer, keys)

    def add_up(self, peer: PeerId, track: UpParameters) -> UpId:
        return UpId(self._core.add_up(peer, track))

    def add_down(self, peer: PeerId, slot: DownParameters) -> DownId:
        return DownId(self._core.add_down(peer, slot))

    def route(self, down: DownId, up: UpId | None, rid: str | None, now: float) -> None:
        self._core.route(down, up, rid, now)
        self._seal()

    def ask_key_frame(self, up: UpId) -> None:
        self._core.ask_key_frame(up)

    def cap(self, peer: PeerId, bitrate_bps: int | None) -> None:
        self._core.cap(peer, bitrate_bps)

    def tap(self, up: UpId, on: bool) -> None:
        self._core.tap(up, on)

    def tapped(self) -> list[Tapped]:
        return _read_tapped(self._core.tapped())

    def counters(self) -> Counter[str]:
        return Counter(self._core.counters())

    def peer_counters(self, peer: PeerId) -> Counter[str]:
        return Counter(self._core.peer_counters(peer))

    def track_counters(self, id: UpId | DownId) -> Counter[str]:
        return Counter(self._core.track_counters(id))

    def handle(
        self, datagram: bytes, local: SocketAddress, remote: SocketAddress, now: float, arrived_s: float | None = None
    ) -> None:
        self._core.handle(datagram, local, remote, now, now if arrived_s is None else arrived_s)
        self._seal()

    def tick(self, now: float) -> None:
        self._core.tick(now)
        self._seal()

    def _seal(self) -> None:
        self.transmits += self._core.transmits(self._group)


class _Events:
    """As `media.events.Events`, for reading."""

    def __init__(self, core: _engine.Core) -> None:
        self._core = core

    def take(self) -> list[Event]:
        return _read(self._core.events())


def _read(events: list[tuple[str, tuple[Any, ...]]]) -> list[Event]:
    return [_EVENTS[name](*fields) for name, fields in events]


def _read_tapped(tapped: list[tuple[int, str, int, float, bytes]]) -> list[Tapped]:
    return [Tapped(UpId(up), rid, sequence, arrived_s, packet) for up, rid, sequence, arrived_s, packet in tapped]
