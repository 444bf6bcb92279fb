"""Video visits: seats for the people in it, join links for each seat, and the one table of what may follow what.

A visit is one document with its seats and their links inside, so every change of it is one compare-and-set; a caller
that loses reads again and decides again, a bounded number of times. Each use case leaves its audit record in the same
transact. Permission was asked before (`access.guard`, by the transport); here only state and bounds are checked.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from medinova_rt import access, audit, changes, chat, documents, jobs
from medinova_rt.access import Thing
from medinova_rt.changes import Held
from medinova_rt.errors import BadInput, LimitReached, NotFound, WrongState
from medinova_rt.ids import ClinicId, LinkId, SeatId, VisitId, new_id
from medinova_rt.names import fit_name
from medinova_rt.phi import Open, Private, Sealing
from medinova_rt.ports import Find, Insert, Store, Stored, Write
from medinova_rt.principals import Principal, Role, SeatHolder, Service, System
from medinova_rt.rights import Action

VISITS = "visits"
SCHEMA = 1
FINDS: tuple[Find, ...] = chat.FINDS

EXPIRE_JOB = "visit-expire"

MAX_SEATS = 8
MAX_LINKS = 8  # per seat
DEFAULT_LIFE = timedelta(hours=24)
SHORTEST_LIFE = timedelta(minutes=1)
LONGEST_LIFE = timedelta(days=31)


class State(StrEnum):
    WAITING = "waiting"
    LIVE = "live"
    ENDED = "ended"
    MISSED = "missed"


class Event(StrEnum):
    ADMIT = "admit"
    END = "end"
    EXPIRE = "expire"


TRANSITIONS = {
    (State.WAITING, Event.ADMIT): State.LIVE,
    (State.LIVE, Event.ADMIT): State.LIVE,
    (State.WAITING, Event.END): State.ENDED,
    (State.LIVE, Event.END): State.ENDED,
    (State.WAITING, Event.EXPIRE): State.MISSED,
    (State.LIVE, Event.EXPIRE): State.ENDED,
}
OVER = frozenset({State.ENDED, State.MISSED})


class Link(Struct, frozen=True, kw_only=True):
    """A join link without its secret, which is made anew from the ids whenever it is shown."""

    id: Open[LinkId]
    expires_at: Open[datetime]
    revoked: Open[bool] = False


class Seat(Struct, frozen=True, kw_only=True):
    id: Open[SeatId]
    role: Open[Role]
    name: Private[str]
    admitted: Open[bool]
    links: Open[list[Link]]


class Visit(Struct, frozen=True, kw_only=True):
    id: Open[VisitId]
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    state: Open[State] = State.WAITING
    created_at: Open[datetime]
    expires_at: Open[datetime]
    started_at: Open[datetime | None] = None
    ended_at: Open[datetime | None] = None
    seats: Open[list[Seat]]

    def seat(self, id: SeatId) -> Seat:
        """Raises NotFound."""
        for seat in self.seats:
            if seat.id == id:
                return seat
        raise NotFound("there is no such seat in this visit")


# the clinic's, since a visit belongs to everybody in it
SEALINGS: tuple[Sealing, ...] = (Sealing(VISITS, Visit), *chat.SEALINGS)


def step(visit: Visit, event: Event, now: datetime) -> Visit:
    """Return the visit after `event`; raises WrongState where the table has no arrow."""
    state = TRANSITIONS.get((visit.state, event))
    if state is None:
        raise WrongState(f"a visit that is {visit.state} has no {event}")
    started_at = now if event is Event.ADMIT and visit.started_at is None else visit.started_at
    return replace(visit, state=state, started_at=started_at, ended_at=now if state in OVER else None)


def admit(visit: Visit, seat: SeatId, now: datetime) -> Visit:
    """Return the visit with the seat let in, the same object if it was; raises NotFound, WrongState."""
    if visit.seat(seat).admitted and visit.state not in OVER:
        return visit
    return _with_seat(step(visit, Event.ADMIT, now), replace(visit.seat(seat), admitted=True))


def thing(visit: Visit | None, seat: SeatId | None = None, version: int | None = None) -> Thing:
    """What `access.guard` is asked about; for a visit that was not found, a thing that nobody may know of."""
    return Thing() if visit is None else Thing(visit.clinic, visit.id, seat, "visit", version=version)


class Visits:
    """The use cases. `principal` is whom the audit record names."""

    def __init__(self, store: Store, wake: Callable[[], None] = lambda: None) -> None:
        """`wake` is called when a job was left (`Jobs.wake`)."""
        self._store = store
        self._chat = chat.Chat(store)
        self._wake = wake

    async def find(self, id: VisitId) -> Visit | None:
        """The visit as it stands, for a transport that has yet to ask whether it may be seen; leaves no record."""
        found = await self.held(id)
        return None if found is None else found.value

    async def held(self, id: VisitId) -> Held[Visit] | None:
        """The same, with its version."""
        return await changes.held(self._store, VISITS, id, _read)

    async def create(
        self,
        principal: Service,
        seats: Sequence[tuple[Role, str]],
        now: datetime,
        life: timedelta = DEFAULT_LIFE,
    ) -> Visit:
        """Open a visit with 1 to 8 seats of (role, name), one join link each; raises BadInput, LimitReached."""
        if not seats:
            raise BadInput("a visit needs a seat", "/seats")
        if len(seats) > MAX_SEATS:
            raise LimitReached(f"a visit has at most {MAX_SEATS} seats")
        if not SHORTEST_LIFE <= life <= LONGEST_LIFE:
            raise BadInput("a visit lasts from a minute to 31 days", "/expires_in_s")
        expires_at = now + life
        visit = Visit(
            id=VisitId(new_id("vis", now)),
            clinic=principal.clinic,
            created_at=now,
            expires_at=expires_at,
            seats=[
                _seat(role, name, expires_at, now, f"/seats/{index}/name") for index, (role, name) in enumerate(seats)
            ],
        )
        await self._store.transact(
            [
                Insert(VISITS, visit.id, documents.encode(visit)),
                jobs.job(EXPIRE_JOB, expires_at, now, clinic=visit.clinic, visit=visit.id),
                _record(principal, Action.VISIT_CREATE, visit, now),
            ]
        )
        self._wake()
        return visit

    async def read(self, principal: Principal, id: VisitId, now: datetime) -> Held[Visit]:
        """The visit with its names and links; raises NotFound."""
        return await self._note(principal, Action.VISIT_READ, id, now)

    async def read_seat(self, principal: SeatHolder, now: datetime) -> tuple[Visit, Seat]:
        """The holder's own seat, before they join; raises NotFound."""
        visit = await self.note(principal, Action.SEAT_READ, principal.visit, now)
        return visit, visit.seat(principal.seat)

    async def note(self, principal: Principal, action: Action, id: VisitId, now: datetime) -> Visit:
        """Record an act that leaves the visit as it is (reading, joining, leaving), and return it; raises NotFound."""
        return (await self._note(principal, action, id, now)).value

    async def _note(self, principal: Principal, action: Action, id: VisitId, now: datetime) -> Held[Visit]:
        found = await self.held(id)
        if found is None:
            raise NotFound("there is no such visit")
        seat = principal.seat if isinstance(principal, SeatHolder) else None
        await self._store.transact([_record(principal, action, found.value, now, seat=seat)])
        return found

    async def add_seat(
        self, principal: Principal, id: VisitId, role: Role, name: str, now: datetime
    ) -> tuple[Visit, Seat]:
        """Raises NotFound, WrongState, LimitReached, BadInput."""
        visit = await self.find(id)
        seat = _seat(role, name, visit.expires_at if visit else now, now, "/name")

        def decide(visit: Visit) -> tuple[Visit, list[Write]]:
            still_on(visit)
            if len(visit.seats) >= MAX_SEATS:
                raise LimitReached(f"a visit has at most {MAX_SEATS} seats")
            grown = replace(visit, seats=[*visit.seats, seat])
            return grown, [_record(principal, Action.SEAT_ADD, visit, now, seat=seat.id)]

        return (await self._change(id, decide)).value, seat

    async def add_link(self, principal: Principal, id: VisitId, seat: SeatId, now: datetime) -> tuple[Visit, Link]:
        """A further join link for the seat, beside the others; raises NotFound, WrongState, LimitReached."""
        visit = await self.find(id)
        link = _link(visit.expires_at if visit else now, now)

        def decide(visit: Visit) -> tuple[Visit, list[Write]]:
            still_on(visit)
            held = visit.seat(seat)
            kept = held.links if len(held.links) < MAX_LINKS else [each for each in held.links if not each.revoked]
            if len(kept) >= MAX_LINKS:
                raise LimitReached(f"a seat has at most {MAX_LINKS} links; revoke one first")
            grown = _with_seat(visit, replace(held, links=[*kept, link]))
            return grown, [_record(principal, Action.LINK_ADD, visit, now, seat=seat, link=link.id)]

        return (await self._change(id, decide)).value, link

    async def revoke_link(
        self, principal: Principal, id: VisitId, link: LinkId, now: datetime, expected: int | None = None
    ) -> Visit:
        """End the link and whatever it was exchanged for; again is fine. Raises NotFound, Changed.

        Tell `Rooms.revoke`.
        """

        def decide(visit: Visit) -> tuple[Visit, list[Write]]:
            for seat in visit.seats:
                for each in seat.links:
                    if each.id != link:
                        continue
                    record = _record(principal, Action.LINK_REVOKE, visit, now, seat=seat.id, link=link)
                    if each.revoked:
                        return visit, [record]
                    links = [replace(one, revoked=one.revoked or one.id == link) for one in seat.links]
                    return _with_seat(visit, replace(seat, links=links)), [record]
            raise NotFound("there is no such link in this visit")

        return (await self._change(id, decide, expected)).value

    async def admit(self, principal: Principal, id: VisitId, seat: SeatId, now: datetime) -> Visit:
        """Let the seat in, which starts the visit; again is fine. Raises NotFound, WrongState."""

        def decide(visit: Visit) -> tuple[Visit, list[Write]]:
            return admit(visit, seat, now), [_record(principal, Action.SEAT_ADMIT, visit, now, seat=seat)]

        return (await self._change(id, decide)).value

    async def end(self, principal: Principal, id: VisitId, now: datetime, expected: int | None = None) -> Held[Visit]:
        """End it for everyone; raises NotFound, Changed, WrongState when it is over. Tell `Rooms.close`."""

        def decide(visit: Visit) -> tuple[Visit, list[Write]]:
            return step(visit, Event.END, now), [_record(principal, Action.VISIT_END, visit, now)]

        return await self._change(id, decide, expected)

    async def expire(self, id: VisitId, now: datetime) -> Visit:
        """What the job `visit-expire` does: end what has not ended. Idempotent; raises NotFound. Tell `Rooms.close`."""
        system = System()

        def decide(visit: Visit) -> tuple[Visit, list[Write]]:
            access.require(system, Action.VISIT_EXPIRE, thing(visit), now)
            if visit.state in OVER:
                return visit, []
            return step(visit, Event.EXPIRE, now), [_record(system, Action.VISIT_EXPIRE, visit, now)]

        return (await self._change(id, decide)).value

    # --- chat ---

    async def say(self, principal: SeatHolder, key: str, text: str, now: datetime) -> chat.ChatLine:
        """A chat line of the holder's; the same `key` again returns the line first said.

        Raises WrongState before the seat is admitted and after the visit, LimitReached after 5000 lines.
        """
        visit = await self.find(principal.visit)
        if visit is None:
            raise NotFound("there is no such visit")
        still_on(visit)
        if not visit.seat(principal.seat).admitted:
            raise WrongState("you have not been let in yet")
        return await self._chat.say(principal, key, text, now)

    async def chat_lines(self, id: VisitId, limit: int = chat.MAX_SHOWN) -> list[chat.ChatLine]:
        """The latest lines, at most 200, oldest first; for those admitted."""
        return await self._chat.lines(id, limit)

    async def _change(
        self, id: VisitId, decide: Callable[[Visit], tuple[Visit, Sequence[Write]]], expected: int | None = None
    ) -> Held[Visit]:
        return await changes.change(self._store, VISITS, id, _read, decide, expected)


def _read(stored: Stored) -> Visit:
    return documents.decode(Visit, stored.document, SCHEMA, {})


def _seat(role: Role, name: str, expires_at: datetime, now: datetime, pointer: str) -> Seat:
    name = fit_name(name, pointer)
    return Seat(
        id=SeatId(new_id("sea", now)),
        role=role,
        name=name,
        admitted=role is Role.CLINICIAN,
        links=[_link(expires_at, now)],
    )


def _link(expires_at: datetime, now: datetime) -> Link:
    return Link(id=LinkId(new_id("lnk", now)), expires_at=expires_at)


def _with_seat(visit: Visit, seat: Seat) -> Visit:
    return replace(visit, seats=[seat if each.id == seat.id else each for each in visit.seats])


def still_on(visit: Visit) -> None:
    """Raises WrongState when it is over."""
    if visit.state in OVER:
        raise WrongState("the visit is over")


def _record(
    principal: Principal,
    action: Action,
    visit: Visit,
    now: datetime,
    *,
    seat: SeatId | None = None,
    link: LinkId | None = None,
) -> Insert:
    return audit.record(principal, action, now, clinic=visit.clinic, visit=visit.id, seat=seat, link=link)
