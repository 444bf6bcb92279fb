"""What people in a visit write to each other: one document per line, numbered within the visit without gaps.

A line's id is derived from (visit, seat, key), so that a repeat after a reconnect is not said twice. The visit's tally
changes in the same transact as the line: it gives the number, holds the bound, and lets the latest lines be found by
a range, since a store finds in ascending order only.
"""

from datetime import datetime

from msgspec import Struct

from medinova_rt import audit, documents
from medinova_rt.errors import Conflict, LimitReached
from medinova_rt.ids import ChatId, ClinicId, SeatId, VisitId, derived_id
from medinova_rt.phi import Open, Private, Sealing
from medinova_rt.ports import Find, Insert, Replace, Store, Write
from medinova_rt.principals import SeatHolder
from medinova_rt.rights import Action

LINES = "chat-lines"
TALLIES = "chat-tallies"
SCHEMA = 1
BY_VISIT = Find(LINES, equal=("visit",), ordered_by="number")
FINDS: tuple[Find, ...] = (BY_VISIT,)

MAX_LINES = 5000  # per visit
MAX_SHOWN = 200
ATTEMPTS = 16  # everyone in a full visit may write at the same moment, twice


class ChatLine(Struct, frozen=True, kw_only=True):
    id: Open[ChatId]
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    visit: Open[VisitId]
    seat: Open[SeatId]
    number: Open[int]  # from 0, in the order stored
    key: Open[str]  # made by the client
    text: Private[str]
    said_at: Open[datetime]


SEALINGS: tuple[Sealing, ...] = (Sealing(LINES, ChatLine),)  # the clinic's: it belongs to everybody in the visit


class Tally(Struct, frozen=True, kw_only=True):
    """Its id is the visit's."""

    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    lines: Open[int]


class Chat:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def say(self, holder: SeatHolder, key: str, text: str, now: datetime) -> ChatLine:
        """Store a line, or return the one said under this key before; raises LimitReached, and Conflict in a storm."""
        line_id = ChatId(derived_id("cht", holder.visit, holder.seat, key))
        for _ in range(ATTEMPTS):
            before = await self._store.get(TALLIES, holder.visit)
            number = 0 if before is None else documents.decode(Tally, before.document, SCHEMA, {}).lines
            if number >= MAX_LINES:
                return await self._said(line_id) or _full()
            line = ChatLine(
                id=line_id,
                clinic=holder.clinic,
                visit=holder.visit,
                seat=holder.seat,
                number=number,
                key=key,
                text=text,
                said_at=now,
            )
            tally = documents.encode(Tally(clinic=holder.clinic, lines=number + 1))
            writes: list[Write] = [
                Insert(LINES, line_id, documents.encode(line)),
                Insert(TALLIES, holder.visit, tally)
                if before is None
                else Replace(TALLIES, holder.visit, tally, before.token),
                audit.record(holder, Action.CHAT_SAY, now, clinic=holder.clinic, visit=holder.visit, seat=holder.seat),
            ]
            try:
                await self._store.transact(writes)
            except Conflict:
                if said := await self._said(line_id):
                    return said
                continue
            return line
        raise Conflict("too many are writing at once; try again")

    async def lines(self, visit: VisitId, limit: int = MAX_SHOWN) -> list[ChatLine]:
        """The latest lines, at most `limit` and never more than 200, oldest first."""
        stored = await self._store.get(TALLIES, visit)
        if stored is None:
            return []
        count = documents.decode(Tally, stored.document, SCHEMA, {}).lines
        shown = min(limit, MAX_SHOWN)
        page = await self._store.find(BY_VISIT, (visit,), at_least=max(0, count - shown), limit=shown)
        return [documents.decode(ChatLine, row.document, SCHEMA, {}) for row in page.rows]

    async def _said(self, line_id: ChatId) -> ChatLine | None:
        stored = await self._store.get(LINES, line_id)
        return None if stored is None else documents.decode(ChatLine, stored.document, SCHEMA, {})


def _full() -> ChatLine:
    raise LimitReached("this visit's chat is full")
