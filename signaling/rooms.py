"""All live rooms of this process, as the domain sees them (ports.Rooms) and as people come into them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from media.plane import MediaPlane
from medinova_rt.chat import ChatLine
from medinova_rt.errors import Conflict, NotFound, WrongState
from medinova_rt.ids import LinkId, VisitId
from medinova_rt.operations.telemetry import Counters
from medinova_rt.visits import OVER, State, Visit, Visits
from signaling.room import LiveRoom, Member
from signaling.session import Ending

ATTEMPTS = 8

M = TypeVar("M", bound=Member)


class LiveRooms:
    """Implements ports.Rooms."""

    def __init__(self, visits: Visits, plane: MediaPlane, counters: Counters) -> None:
        self._visits = visits
        self._plane = plane
        self._counters = counters
        self._rooms: dict[VisitId, LiveRoom] = {}
        self._looks: dict[VisitId, set[asyncio.Event]] = {}  # being read now; set: what was read may be out of date

    def get(self, visit: VisitId) -> LiveRoom | None:
        return self._rooms.get(visit)

    async def seat(self, visit: VisitId, make: Callable[[LiveRoom], M]) -> tuple[LiveRoom, M]:
        """Make a member and give them their seat, in a room that knows the visit as it stands.

        Raises NotFound, WrongState (it is over), Conflict (it changes all the time).
        """
        for _ in range(ATTEMPTS):
            document, lines, fresh = await self._look(visit)
            if fresh:
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

    async def _look(self, visit: VisitId) -> tuple[Visit | None, Sequence[ChatLine], bool]:
        """Return the visit, its chat if there is no room yet that has it, and whether that still holds."""
        outdated = asyncio.Event()
        looks = self._looks.setdefault(visit, set())
        looks.add(outdated)
        try:
            document = await self._visits.find(visit)
            lines = [] if visit in self._rooms else await self._visits.chat_lines(visit)
        finally:
            looks.discard(outdated)
            if not looks:
                self._looks.pop(visit, None)
        return document, lines, not outdated.is_set()

    def _outdate(self, visit: VisitId) -> None:
        for look in self._looks.get(visit, ()):
            look.set()

    def tidy(self, room: LiveRoom) -> None:
        """Let the room go if nobody is in it."""
        if not room.members and self._rooms.get(room.id) is room:
            self._outdate(room.id)
            del self._rooms[room.id]
            room.media.close()

    async def close(self, visit: VisitId, reason: str) -> None:
        self._outdate(visit)
        await self._learn(visit)
        if room := self._rooms.get(visit):
            for member in room.members:
                member.finish(Ending.ENDED, State.ENDED)  # no-op for those who have just learnt it

    async def revoke(self, visit: VisitId, link: str) -> None:
        self._outdate(visit)
        if room := self._rooms.get(visit):
            room.cut(LinkId(link))

    async def changed(self, visit: VisitId) -> None:
        self._outdate(visit)
        await self._learn(visit)

    async def _learn(self, visit: VisitId) -> None:
        if visit in self._rooms:
            document = await self._visits.find(visit)
            room = self._rooms.get(visit)
            if room and document:
                room.learn(document)

    def __len__(self) -> int:
        return len(self._rooms)
