"""A room of participants, each with slots in which the others appear. Knows names, not people.

This is the whole of what the layers above use of media (with `media.plane.MediaPlane`).

Everything that is decided here is decided again from the whole state after each change (`_settle`): the codec, who is
in which slot, what the engine is to route. What comes out the same is not said again, so no order of events can leave a
participant looking at the wrong person.

Who counts for the codec: everybody admitted, and whoever waits with a live connection. So the senders have changed by
the time a newcomer is let in, and the first picture is one that the newcomer can decode; a link that merely was opened
changes nothing. The engine shows a sender in a slot from the first key frame on that the receiver has a payload type
for, so routing needs to wait for nothing: a newcomer's slots begin with the first packet of the new codec.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NewType

from media.agreement import Agreement
from media.cap import SenderCap
from media.engine import DownEstimate, UpId
from media.floor import Floor
from media.peer import OfferError, Peer, Site, Up
from media.view import Shown, View

__all__ = [
    "CodecWanted",
    "Connected",
    "Disconnected",
    "Name",
    "OfferError",
    "Room",
    "RoomEvent",
    "Slot",
    "SlotsChanged",
    "SpeakersChanged",
]

Name = NewType("Name", str)  # whatever the caller calls a participant


@dataclass(frozen=True, slots=True)
class Slot:
    mid: str
    kind: Literal["audio", "video"]
    source: Literal["person", "screen"]
    shows: Name | None


@dataclass(frozen=True, slots=True)
class SlotsChanged:
    """All slots of participant `to`; `wanted`: how many people it should be able to show at once."""

    to: Name
    slots: tuple[Slot, ...]
    wanted: int


@dataclass(frozen=True, slots=True)
class SpeakersChanged:
    speakers: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class CodecWanted:
    """`name` is to send its video in `codec` from now on."""

    name: Name
    codec: str


@dataclass(frozen=True, slots=True)
class Connected:
    name: Name


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The path is down or DTLS ended; a new path (ICE restart) or a new offer brings it back."""

    name: Name
    permanent: bool  # DTLS failed or closed: only a fresh join helps


RoomEvent = SlotsChanged | SpeakersChanged | CodecWanted | Connected | Disconnected


@dataclass(slots=True, eq=False)
class _Participant:
    name: Name
    peer: Peer | None = None
    admitted: bool = False
    camera: bool = False
    sharing_since: float | None = None
    view: View[Name] = field(default_factory=View)
    crowded: bool = False  # has fewer slots than there are people
    told_slots: SlotsChanged | None = None
    told_codec: str | None = None  # by the answer or by CodecWanted
    told_connected: bool = False
    heard_as: UpId | None = None
    limit: SenderCap = field(default_factory=SenderCap)  # what it says it can take
    capped_bps: int | None = None  # what it was asked to stay below


class Room:
    """Sync methods decide; `answer` waits only for its turn. After `close` every method is a no-op.

    Events come by `notify`, on the loop, never from within a method.
    """

    def __init__(self, site: Site, notify: Callable[[RoomEvent], None], closed: Callable[["Room"], None]) -> None:
        self._site = site
        self._notify = notify
        self._closed: Callable[[Room], None] | None = closed
        self._participants: dict[Name, _Participant] = {}  # in order of arrival
        self._agreement = Agreement(site.preference)
        self._floor: Floor[Name] = Floor()
        self._told_speakers: tuple[Name, ...] = ()
        self._events: list[RoomEvent] = []

    # --- what the layers above ask ------------------------------------------------------------------------------------

    def join(self, name: Name) -> None:
        """Have `name` here, without media yet; joining again lets go of the media it had, not of its admission."""
        if self._closed is None:
            return
        participant = self._participants.setdefault(name, _Participant(name))
        self._drop(participant)
        participant.camera, participant.sharing_since = False, None
        self._settle()

    async def answer(self, name: Name, sdp: str) -> str:
        """Return the answer to an offer, the same for the same offer. Raises `OfferError`; then nothing has changed."""
        async with self._site.turn:  # one at a time, so that a burst of joins leaves the loop room between two:
            await asyncio.sleep(0)  # without a pause the turn would never be waited for
            participant = self._participants.get(name)
            if participant is None:
                raise OfferError("not in the room")
            peer = participant.peer or Peer(self._site)
            try:
                text = peer.answer(sdp, self._agreement.codec)
                self._take(participant, peer)
            finally:
                if peer is not participant.peer:
                    peer.close()  # nobody would: a fault of ours half way left it in the engine
            self._settle()
            return text

    def admit(self, name: Name) -> None:
        """Open the gate both ways and give slots."""
        participant = self._participants.get(name)
        if participant is None or participant.admitted:
            return
        participant.admitted = True
        if participant.peer is not None:
            self._site.engine.gate(participant.peer.id, True)
        self._settle()

    def status(self, name: Name, *, camera: bool, screen: bool) -> None:
        """Who shares a screen gets a screen slot, the latest first; a camera that is back begins with a key frame."""
        participant = self._participants.get(name)
        if participant is None:
            return
        if not screen:
            participant.sharing_since = None
        elif participant.sharing_since is None:
            participant.sharing_since = self._site.clock()
        if camera and not participant.camera and participant.peer is not None and "camera" in participant.peer.ups:
            self._site.engine.ask_key_frame(participant.peer.ups["camera"].id)
        participant.camera = camera
        self._settle()

    def leave(self, name: Name) -> None:
        participant = self._participants.pop(name, None)
        if participant is not None:
            self._drop(participant)
            self._floor.forget(name)
            self._settle()

    def connected(self, name: Name) -> bool:
        """Whether the path is up and the keys are there."""
        participant = self._participants.get(name)
        return participant is not None and participant.peer is not None and participant.peer.connected

    @property
    def codec(self) -> str:
        """The video codec in force, by its name in SDP: one that all present can decode."""
        return self._agreement.name

    def close(self) -> None:
        for participant in self._participants.values():
            self._drop(participant)
        self._participants.clear()
        self._events.clear()
        if self._closed is not None:
            self._closed(self)
            self._closed = None

    # --- what the plane brings ----------------------------------------------------------------------------------------

    def hear(self, ups: Sequence[UpId]) -> None:
        """Take all microphones of this room that are heard now, loudest first."""
        names = {
            participant.heard_as: participant.name
            for participant in self._participants.values()
            if participant.admitted
        }
        self._floor.hear([names[up] for up in ups if up in names], self._site.clock())
        self._settle()

    def tick(self) -> None:
        """Let time pass: a few times a second. There is something to decide only where time alone can change it."""
        now = self._site.clock()
        self._floor.advance(now)
        pair = self._pair()
        for receiver, sender in zip(pair, reversed(pair), strict=True):
            self._cap(sender, receiver.limit.at(now))
        crowded = any(participant.crowded for participant in self._participants.values())
        if crowded or self._agreement.waits or self._floor.named(now) != self._told_speakers:
            self._settle()

    # --- participants and their media ---------------------------------------------------------------------------------

    def _take(self, participant: _Participant, peer: Peer) -> None:
        """The answer to an offer of `peer` is made: it is the participant's media from now on."""
        if participant.peer is None:
            participant.peer, participant.view = peer, View()
            peer.changed = lambda: self._peer_changed(participant)
            peer.reported = lambda report: self._peer_reported(participant, report)
            self._site.engine.gate(peer.id, participant.admitted)
        self._hear_by(participant, peer.ups.get("microphone"))
        participant.told_codec = None if peer.sends is None else peer.sends.name

    def _drop(self, participant: _Participant) -> None:
        peer, participant.peer = participant.peer, None
        if peer is None:
            return
        self._hear_by(participant, None)
        peer.close()
        participant.crowded = participant.told_connected = False
        participant.told_slots = participant.told_codec = None
        participant.limit, participant.capped_bps = SenderCap(), None

    def _hear_by(self, participant: _Participant, microphone: Up | None) -> None:
        if participant.heard_as is not None:
            self._site.hearers.pop(participant.heard_as, None)
        participant.heard_as = None if microphone is None else microphone.id
        if participant.heard_as is not None:
            self._site.hearers[participant.heard_as] = self

    def _peer_changed(self, participant: _Participant) -> None:
        peer = participant.peer
        if peer is None or (peer.connected == participant.told_connected and not peer.ended):
            return
        if peer.connected and not participant.told_connected:
            self._emit(Connected(participant.name))
        elif peer.ended or (participant.told_connected and not peer.connected):
            self._emit(Disconnected(participant.name, permanent=peer.ended))
        participant.told_connected = peer.connected
        if peer.ended:
            self._drop(participant)
        self._settle()

    def _peer_reported(self, receiver: _Participant, report: DownEstimate) -> None:
        """In a visit of two, what the one can take bounds what the other sends; with more, nobody's downlink does."""
        pair = self._pair()
        if receiver in pair:
            (sender,) = (one for one in pair if one is not receiver)
            self._cap(sender, receiver.limit.update(report, self._site.clock()))

    # --- deciding -----------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        if self._closed is None:
            return
        now = self._site.clock()
        self._settle_codec(now)
        for participant in self._participants.values():
            if participant.peer is not None:
                self._settle_slots(participant, participant.peer)
        if not self._pair():
            for participant in self._participants.values():
                participant.limit = SenderCap()
                self._cap(participant, None)
        speakers = self._floor.named(now)
        if speakers != self._told_speakers:
            self._told_speakers = speakers
            self._emit(SpeakersChanged(speakers))

    def _settle_codec(self, now: float) -> None:
        peers = [(participant, participant.peer) for participant in self._participants.values() if participant.peer]
        present = [peer for participant, peer in peers if participant.admitted or peer.connected]
        codec = self._agreement.update([ability for peer in present for ability in peer.abilities], now)
        for participant, peer in peers:
            if codec is None or "camera" not in peer.ups or codec not in peer.ups["camera"].codecs:
                continue
            if participant.told_codec != codec.name:
                participant.told_codec = codec.name
                self._emit(CodecWanted(participant.name, codec.name))

    def _settle_slots(self, participant: _Participant, peer: Peer) -> None:
        others = {
            other.name: other
            for other in self._participants.values()
            if participant.admitted and other.admitted and other is not participant
        }
        shared = {name: other.sharing_since for name, other in others.items() if other.sharing_since is not None}
        shown = participant.view.arrange([down.slot for down in peer.downs], list(others), self._floor.latest, shared)
        for down, one in zip(peer.downs, shown, strict=True):
            up = None if one.who is None else self._up(others[one.who], one)
            peer.show(down, up)
        participant.crowded = sum(one.source == "microphone" for one in shown) < len(others)
        slots = tuple(Slot(one.slot.mid, one.slot.kind, one.slot.place, one.who) for one in shown)
        told = SlotsChanged(participant.name, slots, len(others))
        if told != participant.told_slots:
            participant.told_slots = told
            self._emit(told)

    def _up(self, other: _Participant, shown: Shown[Name]) -> Up | None:
        """The track to show; None where two have no codec in common, for whom key frames would be asked for in vain."""
        up = None if other.peer is None else other.peer.ups.get(shown.source)
        codec = self._agreement.codec
        if up is None or codec is None or shown.slot.kind == "audio":
            return up
        known = {one.codec for one in shown.slot.accepted.codecs}
        return up if codec in known and codec in up.codecs else None

    def _pair(self) -> list[_Participant]:
        """Those in the visit with media if they are two, else nobody."""
        inside = [one for one in self._participants.values() if one.admitted and one.peer is not None]
        return inside if len(inside) == 2 else []

    def _cap(self, sender: _Participant, bitrate_bps: int | None) -> None:
        if sender.peer is not None and sender.capped_bps != bitrate_bps:
            sender.capped_bps = bitrate_bps
            self._site.engine.cap(sender.peer.id, bitrate_bps)

    def _emit(self, event: RoomEvent) -> None:
        if not self._events:
            asyncio.get_running_loop().call_soon(self._deliver)
        self._events.append(event)

    def _deliver(self) -> None:
        events, self._events = self._events, []
        for event in events:
            self._notify(event)
