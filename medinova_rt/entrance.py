"""How people come in: a join link is exchanged for a cookie or a ticket, and either makes its bearer a seat's holder.

A link works again until it expires or is revoked. A ticket works once: using it inserts a document under an id derived
from the ticket, and whoever comes second finds it there. Whether a link still stands is asked of the visit each time,
so its revocation ends at once whatever came of it.
"""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from medinova_rt import audit, documents
from medinova_rt.errors import Conflict, LinkRevoked, NotAuthenticated
from medinova_rt.ids import ClinicId, VisitId, derived_id
from medinova_rt.links import COOKIE_LIFE, TICKET_LIFE, Grant, Links
from medinova_rt.phi import Open, Private
from medinova_rt.ports import MAX_TRANSACT_WRITES, Delete, Find, Insert, Store
from medinova_rt.principals import SeatHolder
from medinova_rt.rights import Action
from medinova_rt.visits import Seat, Visit, Visits, still_on

TICKETS = "used-tickets"
SCHEMA = 1
USED_IN = Find(TICKETS, equal=("visit",))
FINDS: tuple[Find, ...] = (USED_IN,)


class UsedTicket(Struct, frozen=True, kw_only=True):
    """That it is there says that the ticket was used."""

    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    visit: Open[VisitId]


class Entry(Struct, frozen=True, kw_only=True):
    """What a join link was exchanged for; `credential` is the cookie or the ticket."""

    visit: Open[Visit]
    seat: Open[Seat]
    credential: Private[str]
    expires_at: Open[datetime]


def holder(visit: Visit, grant: Grant, address: str | None = None) -> SeatHolder:
    """Who a cookie or ticket makes its bearer in this visit, as the visit stands now; raises NotAuthenticated,
    LinkRevoked where the link was withdrawn.

    Ask again whenever the visit changed: a revoked link ends what came of it, an expired one does not.
    """
    for seat in visit.seats:
        for link in seat.links:
            if (visit.id, seat.id, link.id) == (grant.visit, grant.seat, grant.link):
                if link.revoked:
                    raise LinkRevoked("this link was withdrawn")
                return SeatHolder(visit.clinic, visit.id, seat.id, seat.role, link.id, address)
    raise NotAuthenticated("this link is not valid")


class Entrance:
    def __init__(self, store: Store, visits: Visits, links: Links) -> None:
        self._store = store
        self._visits = visits
        self._links = links

    async def exchange(
        self, token: str, want: Literal["cookie", "ticket"], now: datetime, address: str | None = None
    ) -> Entry:
        """Raises LinkExpired, LinkRevoked, NotAuthenticated, WrongState when the visit is over."""
        grant = self._links.read_token(token, now)
        visit, held = await self._held(grant, address)
        if want == "cookie":
            credential, life = self._links.make_cookie(grant.visit, grant.seat, grant.link, now), COOKIE_LIFE
        else:
            credential, life = self._links.make_ticket(grant.visit, grant.seat, grant.link, now), TICKET_LIFE
        await self._store.transact(
            [
                audit.record(
                    held,
                    Action.LINK_EXCHANGE,
                    now,
                    clinic=visit.clinic,
                    visit=visit.id,
                    seat=grant.seat,
                    link=grant.link,
                )
            ]
        )
        return Entry(visit=visit, seat=visit.seat(grant.seat), credential=credential, expires_at=now + life)

    async def redeem(self, ticket: str, now: datetime, address: str | None = None) -> tuple[Visit, SeatHolder]:
        """Use a ticket up; raises NotAuthenticated (also the second time), WrongState when the visit is over."""
        grant = self._links.read_ticket(ticket, now)
        visit, held = await self._held(grant, address)
        used = documents.encode(UsedTicket(clinic=visit.clinic, visit=visit.id))
        try:
            await self._store.transact([Insert(TICKETS, derived_id("tic", grant.nonce), used)])
        except Conflict:
            raise NotAuthenticated("this ticket was used before") from None
        return visit, held

    async def forget(self, visit: VisitId) -> None:
        """Drop the used tickets of a visit that is over, where none is accepted any more; idempotent."""
        while used := (await self._store.find(USED_IN, (visit,), limit=MAX_TRANSACT_WRITES)).rows:
            await self._store.transact([Delete(TICKETS, row.id, row.token) for row in used])

    async def _held(self, grant: Grant, address: str | None) -> tuple[Visit, SeatHolder]:
        visit = await self._visits.find(grant.visit)
        if visit is None:
            raise NotAuthenticated("this link is not valid")
        held = holder(visit, grant, address)
        still_on(visit)
        return visit, held
