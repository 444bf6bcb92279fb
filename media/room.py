"""A room of participants, each with slots in which the others appear. Knows names, not people.

This is the whole of what the layers above use of media (with `media.plane.MediaPlane`).
"""

from dataclasses import dataclass
from typing import Literal, NewType

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


class Room:
    """Sync methods decide; `answer` waits only for its turn. After `close` every method is a no-op."""

    # Room is made by `plane.room(notify)`, with notify: Callable[[RoomEvent], None] called on the loop, never re-entrantly.
    #
    # def join(self, name: Name) -> None                    a participant without media yet; joining again replaces the old one's media
    # async def answer(self, name: Name, sdp: str) -> str   the answer to an offer; raises OfferError (a ValueError) with a fixed sentence
    # def admit(self, name: Name) -> None                   open the gate both ways, give slots
    # def status(self, name: Name, *, camera: bool, screen: bool) -> None    who uses the screen slot; no packets expected of what is off
    # def leave(self, name: Name) -> None
    # def connected(self, name: Name) -> bool               the path is up
    # @property codec -> str                                the video codec all present can decode
    # def close(self) -> None
