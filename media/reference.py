"""The engine in plain Python: the sockets and the clock around `media.core`, on the event loop.

One UDP socket per local address, all on one port, so that a reply always leaves from the address the check came to. A
readable socket is emptied in batches, and what the core wants sent leaves right behind each batch. The kernel says
when each datagram came: were it the time at which the loop got round to it, senders would take a busy loop for a full
network and slow down.
"""

import asyncio
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

from media.core import Core
from media.engine import (
    Address,
    Counters,
    DownId,
    DownParameters,
    Event,
    Generation,
    IceCredentials,
    PeerId,
    SrtpKeys,
    Tapped,
    UpId,
    UpParameters,
)
from media.rtp import MAX_BYTES

TICK_S = 0.015
BATCH = 64  # datagrams read from one socket before others get their turn
BUFFER_BYTES = 4 << 20  # of each socket; the kernel grants what its limit allows
MAX_WAIT_S = 1.0  # of a datagram in the kernel's queue; more is a clock that was set
BIND_TRIES = 16  # for a free port that is free on every address

_SO_TIMESTAMPNS = 35  # Linux; Python has no name for it
_STAMP = struct.Struct("qq")
_STAMP_ROOM = socket.CMSG_SPACE(_STAMP.size)


class ReferenceEngine:
    """`addresses` are local ones to bind, IPv4 or IPv6; port 0 takes one that is free on all of them."""

    name = "reference"
    estimates = False

    def __init__(self, addresses: Sequence[str] = ("127.0.0.1",), port: int = 0) -> None:
        self._addresses = tuple(addresses)
        self._port = port
        self._core = Core()
        self._sockets: dict[tuple[object, ...], socket.socket] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._counters: Counter[str] = Counter()

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        for bound in _bind(self._addresses, self._port):
            local = bound.getsockname()
            self._sockets[local] = bound
            self._loop.add_reader(bound.fileno(), self._readable, bound, local)
        self._tick()

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for bound in self._sockets.values():
            if self._loop is not None:
                self._loop.remove_reader(bound.fileno())
            bound.close()
        self._sockets.clear()

    def listening(self) -> list[Address]:
        return [bound.getsockname()[:2] for bound in self._sockets.values()]

    def wake(self, callback: Callable[[], None]) -> None:
        def soon() -> None:
            if self._loop is not None:
                self._loop.call_soon(callback)

        self._core.events.wake = soon

    def events(self) -> list[Event]:
        return self._core.events.take()

    def add_peer(self, ice: IceCredentials) -> PeerId:
        return self._core.add_peer(ice)

    def restart(self, peer: PeerId, ice: IceCredentials) -> Generation:
        return self._core.restart(peer, ice)

    def remove(self, what: PeerId | UpId | DownId) -> None:
        self._core.remove(what, self._now())

    def gate(self, peer: PeerId, open: bool) -> None:
        self._core.gate(peer, open, self._now())

    def send_dtls(self, peer: PeerId, datagram: bytes) -> None:
        self._core.send_dtls(peer, datagram)
        self._flush()

    def set_keys(self, peer: PeerId, keys: SrtpKeys) -> None:
        self._core.set_keys(peer, keys)

    def add_up(self, peer: PeerId, track: UpParameters) -> UpId:
        return self._core.add_up(peer, track)

    def add_down(self, peer: PeerId, slot: DownParameters) -> DownId:
        return self._core.add_down(peer, slot)

    def route(self, down: DownId, up: UpId | None, rid: str | None = None) -> None:
        self._core.route(down, up, rid, self._now())

    def ask_key_frame(self, up: UpId) -> None:
        self._core.ask_key_frame(up)

    def cap(self, peer: PeerId, bitrate_bps: int | None) -> None:
        self._core.cap(peer, bitrate_bps)

    def tap(self, up: UpId, on: bool) -> None:
        self._core.tap(up, on)

    def tapped(self) -> list[Tapped]:
        return self._core.tapped()

    def counters(self) -> Counters:
        counters = self._core.counters()
        counters.update(self._counters)
        return counters

    def peer_counters(self, peer: PeerId) -> Counters:
        return self._core.peer_counters(peer)

    def track_counters(self, id: UpId | DownId) -> Counters:
        return self._core.track_counters(id)

    # --- sockets and clock ----------------------------------------------------------------------------------------

    def _now(self) -> float:
        return self._loop.time() if self._loop is not None else 0.0

    def _tick(self) -> None:
        loop = self._loop
        assert loop is not None
        self._core.tick(loop.time())
        self._flush()
        self._timer = loop.call_later(TICK_S, self._tick)

    def _readable(self, bound: socket.socket, local: tuple[object, ...]) -> None:
        handle, receive, now, wall = self._core.handle, bound.recvmsg, self._now(), time.time()
        try:
            for _ in range(BATCH):
                datagram, stamps, _, remote = receive(MAX_BYTES + 1, _STAMP_ROOM)
                waited_s = wall - _read_stamp(stamps, wall)
                handle(datagram, local, remote, now, now - waited_s if 0 < waited_s < MAX_WAIT_S else now)
        except BlockingIOError:
            pass
        except OSError:  # an ICMP error of an earlier datagram: UDP has none to answer for
            self._counters["receive_errors"] += 1
        self._flush()

    def _flush(self) -> None:
        transmits = self._core.transmits
        sockets = self._sockets
        for datagram, (local, remote) in transmits:
            bound = sockets.get(local)
            if bound is None:
                continue
            try:
                bound.sendto(datagram, remote)
            except BlockingIOError:
                self._counters["send_dropped"] += 1  # the kernel's queue is full; waiting would hold up everyone
            except OSError:
                self._counters["send_errors"] += 1
        transmits.clear()


def _read_stamp(stamps: list[tuple[int, int, bytes]], default: float) -> float:
    """Return the wall time at which the kernel got a datagram."""
    for level, kind, data in stamps:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) == _STAMP.size:
            seconds, nanoseconds = _STAMP.unpack(data)
            return float(seconds) + float(nanoseconds) * 1e-9
    return default


def _bind(addresses: Sequence[str], port: int) -> list[socket.socket]:
    """Bind every address to one port; raises OSError when it is taken."""
    for attempt in range(BIND_TRIES):
        bound: list[socket.socket] = []
        try:
            for address in addresses:
                at = bound[0].getsockname()[1] if bound else port
                bound.append(_bind_one(address, at))
            return bound
        except OSError:
            for one in bound:
                one.close()
            # only a port chosen by the kernel for the first address may be tried anew for all
            if port or not bound or attempt == BIND_TRIES - 1:
                raise
    raise OSError("no address to bind")


def _bind_one(address: str, port: int) -> socket.socket:
    family, _, _, _, where = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            bound.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        if sys.platform == "linux":
            bound.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(where)
    except OSError:
        bound.close()
        raise
    return bound
