"""An engine that moves nothing: it passes checks and handshakes on, and costs next to nothing besides.

With it in an engine's place, what is measured is the cost of everything that is not the engine. It believes whoever
knows a username fragment, so it is for the bench alone.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from media.engine import (
    Address,
    Counters,
    DownId,
    DownParameters,
    DtlsReceived,
    Event,
    Generation,
    IceCredentials,
    PathUp,
    PeerId,
    SrtpKeys,
    Tapped,
    UpId,
    UpParameters,
)
from media.stun import username_of

BATCH = 64


class NullEngine:
    """Replies to a check with the first 20 bytes of a success response, unsigned."""

    name = "null"
    estimates = False

    def __init__(self, address: str = "127.0.0.1") -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self._socket.setsockopt(socket.SOL_SOCKET, option, 4 << 20)
        self._socket.bind((address, 0))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: Callable[[], None] = lambda: None
        self._events: list[Event] = []
        self._ids = 0
        self._fragments: dict[str, PeerId] = {}
        self._ice: dict[PeerId, str] = {}
        self._peers: dict[Any, PeerId] = {}  # by remote address
        self._paths: dict[PeerId, Any] = {}

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    async def close(self) -> None:
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def listening(self) -> list[Address]:
        return [self._socket.getsockname()]

    def wake(self, callback: Callable[[], None]) -> None:
        self._wake = callback

    def events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def add_peer(self, ice: IceCredentials) -> PeerId:
        peer = PeerId(self._next())
        self._fragments[ice.local_ufrag] = peer
        self._ice[peer] = ice.local_ufrag
        return peer

    def restart(self, peer: PeerId, ice: IceCredentials) -> Generation:
        raise NotImplementedError

    def remove(self, what: PeerId | UpId | DownId) -> None:
        peer = PeerId(int(what))
        self._fragments.pop(self._ice.pop(peer, ""), None)
        self._peers.pop(self._paths.pop(peer, None), None)

    def gate(self, peer: PeerId, open: bool) -> None:
        pass

    def send_dtls(self, peer: PeerId, datagram: bytes) -> None:
        if peer in self._paths:
            self._socket.sendto(datagram, self._paths[peer])

    def set_keys(self, peer: PeerId, keys: SrtpKeys) -> None:
        pass

    def add_up(self, peer: PeerId, track: UpParameters) -> UpId:
        return UpId(self._next())

    def add_down(self, peer: PeerId, slot: DownParameters) -> DownId:
        return DownId(self._next())

    def route(self, down: DownId, up: UpId | None, rid: str | None = None) -> None:
        pass

    def ask_key_frame(self, up: UpId) -> None:
        pass

    def cap(self, peer: PeerId, bitrate_bps: int | None) -> None:
        pass

    def tap(self, up: UpId, on: bool) -> None:
        pass

    def tapped(self) -> list[Tapped]:
        return []

    def counters(self) -> Counters:
        return {}

    def peer_counters(self, peer: PeerId) -> Counters:
        return {}

    def track_counters(self, id: UpId | DownId) -> Counters:
        return {}

    def _next(self) -> int:
        self._ids += 1
        return self._ids

    def _readable(self) -> None:
        try:
            for _ in range(BATCH):
                self._take(*self._socket.recvfrom(2000))
        except BlockingIOError:
            pass
        if self._events:
            self._wake()

    def _take(self, datagram: bytes, remote: Any) -> None:
        if 20 <= datagram[0] < 64:
            if remote in self._peers:
                self._events.append(DtlsReceived(self._peers[remote], datagram))
            return
        peer = self._fragments.get((username_of(datagram) or "").partition(":")[0])
        if peer is not None:
            self._socket.sendto(b"\x01\x01\0\0" + datagram[4:20], remote)
            if self._paths.get(peer) != remote:
                self._paths[peer], self._peers[remote] = remote, peer
                self._events.append(PathUp(peer, Generation(0)))
