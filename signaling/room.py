"""The live side of one visit: who sits in it, and its room of media.

This is the one place that sees both a visit and a room of media. Media calls a participant by the seat's id; what it
reports is turned into messages here. Everything here is synchronous and belongs to the loop: it changes what is shared
(presence, slots, chat), sends messages, and posts to participants, who change their own state themselves.
"""

from collections import deque
from collections.abc import Sequence
from hmac import compare_digest
from typing import Protocol, assert_never

from media.plane import MediaPlane
from media.room import (
    CodecWanted,
    Connected,
    Disconnected,
    Name,
    RoomEvent,
    SlotsChanged,
    SpeakersChanged,
)
from media.room import Slot as MediaSlot
from medinova_rt import chat
from medinova_rt.ids import LinkId, SeatId
from medinova_rt.operations.telemetry import Counters
from medinova_rt.ports import encode_instant
from medinova_rt.principals import SeatHolder
from medinova_rt.visits import OVER, State, Visit
from signaling import session
from signaling.messages import (
    CAPABILITIES,
    HEARTBEAT_S,
    PROTOCOL,
    ChatLine,
    Codec,
    ServerMessage,
    Slot,
    Slots,
    Speakers,
    VisitChanged,
    Welcome,
)
from signaling.presence import Presence

MAX_SUPERSEDED = 32  # resume secrets of sessions whose seat was taken elsewhere; the oldest is forgotten


class Member(Protocol):
    """A participant, as the room sees one."""

    holder: SeatHolder
    resume: str

    def send(self, message: ServerMessage) -> None: ...
    def let_in(self) -> None: ...
    def finish(self, ending: session.Ending, state: State | None = None) -> None: ...


class LiveRoom:
    """One visit with somebody in it."""

    def __init__(self, visit: Visit, lines: Sequence[chat.ChatLine], plane: MediaPlane, counters: Counters) -> None:
        self.id = visit.id
        self.presence = Presence()
        self.presence.learn(visit.seats)
        self.media = plane.room(self._heard)
        self._counters = counters
        self._state = visit.state
        self._members: dict[SeatId, Member] = {}
        self._slots: dict[SeatId, Slots] = {}
        self._speakers: list[SeatId] = []
        self._chat = deque((_line(each) for each in lines), maxlen=chat.MAX_SHOWN)
        self._superseded: deque[str] = deque(maxlen=MAX_SUPERSEDED)

    # --- coming and going ---

    @property
    def members(self) -> list[Member]:
        return list(self._members.values())

    def find(self, seat: SeatId, resume: str) -> Member | None:
        """The session left behind in the seat, if `resume` is its secret."""
        member = self._members.get(seat)
        return member if member and compare_digest(member.resume.encode(), resume.encode()) else None

    def superseded(self, resume: str) -> bool:
        """Whether that session lost its seat to another one: it must not take it back by itself."""
        return any(compare_digest(each.encode(), resume.encode()) for each in self._superseded)

    def seat(self, member: Member) -> None:
        """Give them their seat; whoever had it is told, and their media is let go of."""
        seat = member.holder.seat
        before = self._members.get(seat)
        self.media.join(Name(seat))
        self._members[seat] = member
        self._slots.pop(seat, None)
        self.presence.forget(seat)
        if before:
            self._superseded.append(before.resume)
            self._counters.add("signaling.takeover")
            before.finish(session.Ending.TAKEN)

    def holds(self, member: Member) -> bool:
        """Whether the seat is still theirs; a session that was taken over has no say any more."""
        return self._members.get(member.holder.seat) is member

    def unseat(self, member: Member) -> None:
        if self.holds(member):
            seat = member.holder.seat
            del self._members[seat]
            self._slots.pop(seat, None)
            self.presence.forget(seat)
            self.media.leave(Name(seat))

    def greet(self, member: Member, *, resumed: bool) -> None:
        """Send `welcome`, and from then on what changes."""
        seat = member.holder.seat
        inside = self.presence.admitted(seat)
        slots = self._slots.get(seat)
        member.send(
            Welcome(
                protocol=PROTOCOL,
                capabilities=list(CAPABILITIES),
                visit=self.id,
                state=self._state,
                seat=seat,
                resume=member.resume,
                resumed=resumed,
                heartbeat_s=HEARTBEAT_S,
                participants=self.presence.snapshot(seat),
                chat=list(self._chat) if inside else [],
                slots=slots.slots if slots else [],
                speakers=self._speakers if inside else [],
                codec=self.media.codec,
            )
        )
        if slots:
            member.send(slots)  # `wanted` may have grown while the socket was gone

    # --- what is told ---

    def spread(self) -> None:
        """Tell everyone what they may see and have not been shown yet."""
        for viewer, participant in self.presence.changes():
            self._members[viewer].send(participant)

    def catch_up(self, member: Member) -> None:
        """Send what is withheld from those who wait."""
        for line in self._chat:
            member.send(line)
        if self._speakers:
            member.send(Speakers(self._speakers))

    def said(self, stored: chat.ChatLine, by: Member) -> None:
        """Tell everyone let in; a line that was said before is confirmed to its speaker alone."""
        line = _line(stored)
        if any(each.id == line.id for each in self._chat):
            by.send(line)
            return
        self._chat.append(line)
        self._tell_inside(line)

    def learn(self, visit: Visit) -> None:
        """Take over the visit's document after a change; a copy older than what is known changes nothing back."""
        if self._state in OVER or (self._state is State.LIVE and visit.state is State.WAITING):
            return
        changed, self._state = visit.state is not self._state, visit.state
        self.presence.learn(visit.seats)
        for member in self.members:
            if visit.state in OVER:
                member.finish(session.Ending.ENDED, visit.state)
            elif not _stands(visit, member.holder):
                member.finish(session.Ending.REVOKED)
            else:
                if changed:
                    member.send(VisitChanged(visit.state))
                if self.presence.admitted(member.holder.seat):
                    member.let_in()
        self.spread()

    def cut(self, link: LinkId) -> None:
        for member in self.members:
            if member.holder.link == link:
                member.finish(session.Ending.REVOKED)

    def _tell_inside(self, message: ServerMessage) -> None:
        for seat, member in list(self._members.items()):
            if self.presence.admitted(seat):
                member.send(message)

    # --- what media reports ---

    def _heard(self, event: RoomEvent) -> None:
        match event:
            case SlotsChanged():
                if member := self._members.get(SeatId(event.to)):
                    slots = Slots([_slot(each) for each in event.slots], event.wanted)
                    self._slots[member.holder.seat] = slots
                    member.send(slots)
            case SpeakersChanged():
                self._speakers = [SeatId(name) for name in event.speakers]
                self._tell_inside(Speakers(self._speakers))
            case CodecWanted():
                if member := self._members.get(SeatId(event.name)):
                    member.send(Codec(event.codec))
            case Connected() | Disconnected():
                pass  # asked for, with `media.connected`, when somebody's socket is gone
            case _:
                assert_never(event)


def _stands(visit: Visit, holder: SeatHolder) -> bool:
    return any(link.id == holder.link and not link.revoked for link in visit.seat(holder.seat).links)


def _line(stored: chat.ChatLine) -> ChatLine:
    return ChatLine(
        id=stored.id,
        seat=stored.seat,
        key=stored.key,
        text=stored.text,
        said_at=encode_instant(stored.said_at),
    )


def _slot(slot: MediaSlot) -> Slot:
    return Slot(slot.mid, slot.kind, slot.source, SeatId(slot.shows) if slot.shows else None)
