"""An engine that moves nothing and remembers what it was told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

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


@dataclass
class Recording:
    """Everything by id; `calls` names what was asked for in order."""

    name: str = "recording"
    estimates: bool = False
    ice: dict[PeerId, list[IceCredentials]] = field(default_factory=dict)
    gates: dict[PeerId, bool] = field(default_factory=dict)
    ups: dict[UpId, UpParameters] = field(default_factory=dict)
    downs: dict[DownId, DownParameters] = field(default_factory=dict)
    owners: dict[int, PeerId] = field(default_factory=dict)
    routes: dict[DownId, UpId | None] = field(default_factory=dict)
    key_frames: list[UpId] = field(default_factory=list)
    caps: dict[PeerId, int | None] = field(default_factory=dict)
    keys: dict[PeerId, SrtpKeys] = field(default_factory=dict)
    sent: list[tuple[PeerId, bytes]] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    rates: dict[PeerId, Counters] = field(default_factory=dict)
    opened: bool = False

    def __post_init__(self) -> None:
        self._ids = count(1)
        self._events: list[Event] = []
        self._wake: Callable[[], None] = lambda: None

    def happen(self, *events: Event) -> None:
        self._events += events
        self._wake()

    async def open(self) -> None:
        self.opened = True

    async def close(self) -> None:
        self.opened = False

    def listening(self) -> list[Address]:
        return [("127.0.0.1", 5004)]

    def wake(self, callback: Callable[[], None]) -> None:
        self._wake = callback

    def events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def add_peer(self, ice: IceCredentials) -> PeerId:
        peer = PeerId(next(self._ids))
        self.ice[peer], self.gates[peer] = [ice], False
        return peer

    def restart(self, peer: PeerId, ice: IceCredentials) -> Generation:
        self.ice[peer].append(ice)
        return Generation(len(self.ice[peer]) - 1)

    def remove(self, what: PeerId | UpId | DownId) -> None:
        self.removed.append(what)
        for owned in [one for one, owner in self.owners.items() if what in (one, owner)]:
            self.ups.pop(UpId(owned), None)
            self.downs.pop(DownId(owned), None)
            self.routes.pop(DownId(owned), None)
            del self.owners[owned]
        self.ice.pop(PeerId(what), None)
        self.gates.pop(PeerId(what), None)

    def gate(self, peer: PeerId, open: bool) -> None:
        self.gates[peer] = open

    def send_dtls(self, peer: PeerId, datagram: bytes) -> None:
        self.sent.append((peer, datagram))

    def set_keys(self, peer: PeerId, keys: SrtpKeys) -> None:
        assert peer in self.ice
        self.keys[peer] = keys

    def add_up(self, peer: PeerId, track: UpParameters) -> UpId:
        assert peer in self.ice
        up = UpId(next(self._ids))
        self.ups[up], self.owners[up] = track, peer
        return up

    def add_down(self, peer: PeerId, slot: DownParameters) -> DownId:
        assert peer in self.ice
        down = DownId(next(self._ids))
        self.downs[down], self.owners[down] = slot, peer
        return down

    def route(self, down: DownId, up: UpId | None, rid: str | None = None) -> None:
        assert down in self.downs
        assert up is None or up in self.ups
        self.routes[down] = up

    def ask_key_frame(self, up: UpId) -> None:
        self.key_frames.append(up)

    def cap(self, peer: PeerId, bitrate_bps: int | None) -> None:
        self.caps[peer] = bitrate_bps

    def tap(self, up: UpId, on: bool) -> None:
        assert up in self.ups

    def tapped(self) -> list[Tapped]:
        return []

    def counters(self) -> Counters:
        return {"packets_in": 0}

    def peer_counters(self, peer: PeerId) -> Counters:
        return self.rates.get(peer, {})

    def track_counters(self, id: UpId | DownId) -> Counters:
        assert id in self.owners
        return {}
