"""The live side of visits: who sits in which, and the media room that each has.

This is the one place that sees both a visit and a room of media. Media calls a participant by the seat's id; what it
reports is turned into messages here. Everything here is synchronous and belongs to the loop: it changes what is shared
(presence, slots, chat), sends messages, and posts to participants, who change their own state themselves.
"""

from collections import deque
from collections.abc import Callable, Sequence
from hmac import compare_digest
from typing import Protocol, TypeVar, assert_never

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
from medinova_rt.access import SeatHolder
from medinova_rt.errors import Conflict, NotFound, WrongState
from medinova_rt.ids import LinkId, SeatId, VisitId
from medinova_rt.operations.telemetry import Counters
from medinova_rt.ports import encode_instant
from medinova_rt.visits import OVER, State, Visit, Visits
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

ATTEMPTS = 8
MAX_SUPERSEDED = 32  # resume secrets of sessions whose seat was taken elsewhere; the oldest is forgotten


class Member(Protocol):
    """A participant, as the room sees one."""

    holder: SeatHolder
    resume: str

    def send(self, message: ServerMessage) -> None: ...
    def let_in(self) -> None: ...
    def finish(self, ending: session.Ending, state: State | None = None) -> None: ...


M = TypeVar("M", bound=Member)


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
        return resume in self._superseded

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


class LiveRooms:
    """All live rooms of this process; implements ports.Rooms."""

    def __init__(self, visits: Visits, plane: MediaPlane, counters: Counters) -> None:
        self._visits = visits
        self._plane = plane
        self._counters = counters
        self._rooms: dict[VisitId, LiveRoom] = {}
        self._turn = 0  # counts what may have made a copy of a visit or its chat, read before, out of date

    def get(self, visit: VisitId) -> LiveRoom | None:
        return self._rooms.get(visit)

    async def seat(self, visit: VisitId, make: Callable[[LiveRoom], M]) -> tuple[LiveRoom, M]:
        """Make a member and give them their seat, in a room that knows the visit as it stands.

        Raises NotFound, WrongState (it is over), Conflict (it changes all the time).
        """
        for _ in range(ATTEMPTS):
            turn = self._turn
            document = await self._visits.find(visit)
            lines = [] if visit in self._rooms else await self._visits.chat_lines(visit)
            if turn == self._turn:
                break
        else:
            raise Conflict("others are changing this visit; try again")
        if document is None:
            raise NotFound("there is no such visit")
        if document.state in OVER:
            raise WrongState("the visit is over")
        # from here on nothing waits, so that nothing can be missed between what was read and who hears of changes
        room = self._rooms.get(visit)
        if room is None:
            room = self._rooms[visit] = LiveRoom(document, lines, self._plane, self._counters)
        try:
            member = make(room)
            room.seat(member)
        finally:
            self.tidy(room)
        room.learn(document)
        return room, member

    def tidy(self, room: LiveRoom) -> None:
        """Let the room go if nobody is in it."""
        if not room.members and self._rooms.get(room.id) is room:
            self._turn += 1
            del self._rooms[room.id]
            room.media.close()

    async def close(self, visit: VisitId, reason: str) -> None:
        self._turn += 1
        await self._learn(visit)
        if room := self._rooms.get(visit):
            for member in room.members:
                member.finish(session.Ending.ENDED, State.ENDED)  # no-op for those who have just learnt it

    async def revoke(self, visit: VisitId, link: str) -> None:
        self._turn += 1
        if room := self._rooms.get(visit):
            room.cut(LinkId(link))

    async def changed(self, visit: VisitId) -> None:
        self._turn += 1
        await self._learn(visit)

    async def _learn(self, visit: VisitId) -> None:
        if visit in self._rooms:
            document = await self._visits.find(visit)
            room = self._rooms.get(visit)
            if room and document:
                room.learn(document)

    def __len__(self) -> int:
        return len(self._rooms)


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
