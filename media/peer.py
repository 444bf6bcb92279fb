"""One participant's media: its offers answered, its tracks and slots laid out in the engine, its path and keys kept.

Only the participant offers: once at join, then to restart ICE, to add slots (lines appended) or to change its codec.
What lines are for and what they keep stands in media/lines.py; an up keeps its id in the engine for as long as it is
offered unchanged.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from media.answer import Accepted, AcceptedUp, Transport, write
from media.engine import (
    Address,
    Codec,
    DownEstimate,
    DownId,
    Engine,
    EngineBusy,
    Generation,
    IceCredentials,
    PeerId,
    SrtpKeys,
    UpId,
    UpParameters,
)
from media.lines import Slot, Source, accept_slots, accept_ups, covers
from media.sdp import Offer, parse
from media.transport import Certificate, DtlsTransport, HandshakeError, Handshakes


class OfferError(ValueError):
    """The offer can't be answered; the text is one fixed sentence."""


class Hearer(Protocol):
    """A room, as the plane tells it who is heard."""

    def hear(self, ups: Sequence[UpId]) -> None: ...


@dataclass(slots=True)
class Site:
    """What all peers of the process share, made by the plane; peers and rooms enter themselves in the registers."""

    engine: Engine
    certificate: Certificate
    handshakes: Handshakes
    addresses: Sequence[Address]  # announced as candidates, the best first
    preference: tuple[str, ...]  # video codecs by name
    max_peers: int
    clock: Callable[[], float]
    start: Callable[[Coroutine[Any, Any, None]], None]  # a task that the plane awaits
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    peers: dict[PeerId, "Peer"] = field(default_factory=dict)
    hearers: dict[UpId, Hearer] = field(default_factory=dict)  # by microphone
    handshakes_failed: int = 0
    dtls_dropped: int = 0  # datagrams beyond the bound of a handshake's queue


@dataclass(frozen=True, slots=True)
class Up:
    id: UpId
    parameters: UpParameters
    codecs: frozenset[Codec]


@dataclass(slots=True, eq=False)
class Down:
    """A slot in the engine; `shows` is what was last routed there."""

    id: DownId
    slot: Slot
    shows: UpId | None = None


def _nothing() -> None:
    """Nobody listens yet, or any more."""


def _no_report(report: DownEstimate) -> None:
    """Nobody listens yet, or any more."""


class Peer:
    """Made at the first offer, gone with `close`. `changed` is called when `connected` or `ended` may have changed."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._fingerprints: tuple[tuple[str, str], ...] = ()
        self._ice = IceCredentials("", "", "")
        self._names = secrets.token_hex(4)  # tells this connection's CNAMEs from any other's
        self._session = secrets.randbits(62)
        self._answered: dict[bytes, Callable[[], str]] = {}  # the last offer's digest → what writes its answer
        self._version = 0
        self._ups: dict[Source, Up] = {}
        self._downs: dict[str, Down] = {}  # by mid, in the order of the offer
        self._path: Generation | None = None
        self._dtls: DtlsTransport | None = None
        self._secured = False
        self._id: PeerId | None = None
        self.sends: Codec | None = None  # what the last answer has the camera send
        self.abilities: list[frozenset[Codec]] = []  # what its camera can send, and what its video slots can all show
        self.ended = False  # DTLS failed or was closed: only another peer helps
        self.changed: Callable[[], None] = _nothing
        self.reported: Callable[[DownEstimate], None] = _no_report

    # --- what there is ------------------------------------------------------------------------------------------------

    @property
    def id(self) -> PeerId:
        assert self._id is not None, "no offer has been answered"
        return self._id

    @property
    def connected(self) -> bool:
        return self._path is not None and self._secured

    @property
    def ups(self) -> dict[Source, Up]:
        return self._ups

    @property
    def downs(self) -> list[Down]:
        """In the order of the offer."""
        return list(self._downs.values())

    # --- offers -------------------------------------------------------------------------------------------------------

    def answer(self, sdp: str, agreed: Codec | None) -> str:
        """Return the answer, the same again for the same offer. Raises `OfferError`; then nothing changed.

        The camera's line says first the codec that is `agreed`: the sender takes it.
        """
        digest = hashlib.sha256(sdp.encode("utf-8", "surrogatepass")).digest()
        if digest in self._answered:
            return self._answered[digest]()
        try:
            offer = parse(sdp)
        except ValueError as error:
            raise OfferError(str(error)) from error
        ups = accept_ups(offer, self._site.preference, agreed)
        before = {slot.mid: slot for slot in self._slots()}
        slots = accept_slots(offer, before, self._names, estimated=self._site.engine.estimates)
        self._check(offer, slots)
        self._enter(offer)
        self._lay_ups(ups)
        self._lay_slots(slots)
        self.abilities = self._find_abilities()
        accepted: dict[str, Accepted] = {up.section.mid: up for up in ups.values()}
        accepted.update((mid, slot.accepted) for mid, slot in slots.items())
        self._version += 1
        again = partial(write, offer, accepted, self._transport())  # pure; the text itself would be 20 kB of each peer
        self._answered = {digest: again}
        return again()

    def _check(self, offer: Offer, slots: Mapping[str, Slot]) -> None:
        if self._id is None:
            if len(self._site.peers) >= self._site.max_peers:
                raise OfferError("the server is full")
            return
        if offer.fingerprints != self._fingerprints:
            raise OfferError("the offer shows another certificate than the first one")
        for first in self._slots():
            if first.mid in slots and not covers(slots[first.mid], first):
                raise OfferError("the offer takes away a codec of a slot")

    def _enter(self, offer: Offer) -> None:
        """Have the peer in the engine, under credentials that go with the offer's."""
        if offer.ice_ufrag == self._ice.remote_ufrag:
            return
        ice = IceCredentials(secrets.token_hex(4), secrets.token_hex(16), offer.ice_ufrag)
        if self._id is None:
            try:
                self._id = self._site.engine.add_peer(ice)
            except EngineBusy as error:
                raise OfferError("the server is busy") from error
            self._fingerprints = offer.fingerprints
            self._site.peers[self._id] = self
        else:
            self._site.engine.restart(self._id, ice)
        self._ice = ice

    def _transport(self) -> Transport:
        return Transport(
            self._ice.local_ufrag,
            self._ice.local_password,
            self._site.certificate.fingerprint,
            self._site.addresses,
            self._session,
            self._version,
        )

    def _lay_ups(self, accepted: dict[Source, AcceptedUp]) -> None:
        wanted = {source: up.parameters() for source, up in accepted.items()}
        for source, up in list(self._ups.items()):
            if wanted.get(source) != up.parameters:
                self._site.engine.remove(up.id)
                del self._ups[source]
        for source, parameters in wanted.items():
            if source not in self._ups:
                number = self._site.engine.add_up(self.id, parameters)
                self._ups[source] = Up(number, parameters, frozenset(parameters.codecs.values()))
        self.sends = accepted["camera"].codecs[0].codec if "camera" in accepted else None

    def _lay_slots(self, slots: Mapping[str, Slot]) -> None:
        for mid, down in self._downs.items():
            if mid not in slots:
                self._site.engine.remove(down.id)
        self._downs = {mid: self._down(slot) for mid, slot in slots.items()}

    def _down(self, slot: Slot) -> Down:
        down = self._downs.get(slot.mid)
        if down is None:
            # 15 bits, so that a packet late at the start isn't taken for one of the round before (RFC 3711 §3.3.1)
            parameters = slot.accepted.parameters(secrets.randbits(15), secrets.randbits(32))
            down = Down(self._site.engine.add_down(self.id, parameters), slot)
        down.slot = slot
        return down

    def _slots(self) -> list[Slot]:
        return [down.slot for down in self._downs.values()]

    def _find_abilities(self) -> list[frozenset[Codec]]:
        found = [self._ups["camera"].codecs] if "camera" in self._ups else []
        slots = [frozenset(one.codec for one in slot.accepted.codecs) for slot in self._slots() if slot.kind == "video"]
        return [*found, frozenset.intersection(*slots)] if slots else found

    def show(self, down: Down, up: Up | None) -> None:
        """Have `up` in the slot; the engine gets the key frame that this takes as soon as it can be sent on."""
        wanted = None if up is None else up.id
        if down.shows != wanted:
            down.shows = wanted
            self._site.engine.route(down.id, wanted)  # the fullest layer that is sent; only one is active so far

    # --- path and keys ------------------------------------------------------------------------------------------------

    def path_up(self, generation: Generation) -> None:
        """A check was authenticated: only now is there a handshake to keep state for."""
        self._path = generation
        if self._dtls is None:
            self._dtls = DtlsTransport(
                self._site.certificate, self._fingerprints, self._site.handshakes, self._send, self._key
            )
            self._site.start(self._secure(self._dtls))
        self.changed()

    def path_down(self, generation: Generation) -> None:
        if generation == self._path:
            self._path = None
            self.changed()

    def feed(self, datagram: bytes) -> None:
        """Take in a DTLS datagram; before the path is up there is nobody to take it."""
        if self._dtls is not None:
            self._dtls.feed(datagram)

    def close(self) -> None:
        """Say goodbye and take everything out of the engine. Idempotent."""
        self.changed, self.reported = _nothing, _no_report
        if self._dtls is not None:
            self._dtls.close()
        if self._id is not None and self._site.peers.pop(self._id, None) is not None:
            self._site.engine.remove(self._id)

    async def _secure(self, dtls: DtlsTransport) -> None:
        try:
            await dtls.run()
        except HandshakeError:
            self._site.handshakes_failed += 1
        finally:
            self._site.dtls_dropped += dtls.dropped
            self.ended = True
            self.changed()

    def _send(self, datagram: bytes) -> None:
        if self.id in self._site.peers:
            self._site.engine.send_dtls(self.id, datagram)

    def _key(self, keys: SrtpKeys) -> None:
        if self.id in self._site.peers:
            self._site.engine.set_keys(self.id, keys)
            self._secured = True
            self.changed()
