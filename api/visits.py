"""Visits, their seats and links, for the systems of a clinic."""

from datetime import timedelta
from typing import Annotated, Any

from aiohttp import web
from msgspec import Meta, Struct

from api.call import LINKS, ROOMS, SETTINGS, VISITS, Call, Instant, Reply
from api.persons import Name
from medinova_rt.ids import LinkId, SeatId, VisitId
from medinova_rt.principals import Role, Service
from medinova_rt.visits import DEFAULT_LIFE, LONGEST_LIFE, MAX_SEATS, SHORTEST_LIFE, Link, Seat, State, Visit

MIN_LIFE_S = int(SHORTEST_LIFE.total_seconds())
MAX_LIFE_S = int(LONGEST_LIFE.total_seconds())
DEFAULT_LIFE_S = int(DEFAULT_LIFE.total_seconds())


class LinkView(Struct, frozen=True):
    """A join link. Whoever has its `url` can take the seat until it expires or is revoked."""

    id: LinkId
    url: str
    expires_at: Instant
    revoked: bool


class SeatView(Struct, frozen=True):
    """A place in a visit for one person, on whatever device."""

    id: SeatId
    role: Role
    name: str
    admitted: bool
    links: list[LinkView]


class VisitView(Struct, frozen=True):
    """A visit: waiting until a clinician admits somebody, live until it is ended, missed if nobody came."""

    id: VisitId
    state: State
    created_at: Instant
    expires_at: Instant
    seats: list[SeatView]


class NewSeat(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is to have a seat."""

    role: Role
    name: Name


class NewVisit(Struct, frozen=True, forbid_unknown_fields=True):
    """The seats to begin with (more can be added), and how long the visit and its links stand."""

    seats: Annotated[list[NewSeat], Meta(min_length=1, max_length=MAX_SEATS)]
    expires_in_s: Annotated[int, Meta(ge=MIN_LIFE_S, le=MAX_LIFE_S, description="Seconds from now.")] = DEFAULT_LIFE_S


async def create(call: Call[NewVisit]) -> Reply:
    """Make a visit with its seats and one join link for each."""
    assert isinstance(call.principal, Service)
    seats = [(seat.role, seat.name) for seat in call.body.seats]
    life = timedelta(seconds=call.body.expires_in_s)
    visit = await call.app[VISITS].create(call.principal, seats, call.now, life)
    return Reply(visit_view(call.app, visit), _location(visit), etag=1)


async def read(call: Call[None]) -> Reply:
    """Read a visit as it is now."""
    found = await call.app[VISITS].read(call.principal, _id(call), call.now)
    return Reply(visit_view(call.app, found.value), etag=found.version)


async def add_seat(call: Call[NewSeat]) -> Reply:
    """Give one more person a seat and a join link, also while the visit is live."""
    visit, seat = await call.app[VISITS].add_seat(call.principal, _id(call), call.body.role, call.body.name, call.now)
    await call.app[ROOMS].changed(visit.id)
    return Reply(seat_view(call.app, visit, seat), _location(visit))


async def add_link(call: Call[None]) -> Reply:
    """Make another link for the same seat; the older ones go on working."""
    seat = SeatId(call.path["seat"])
    visit, link = await call.app[VISITS].add_link(call.principal, _id(call), seat, call.now)
    return Reply(link_view(call.app, visit, visit.seat(seat), link), _location(visit))


async def revoke_link(call: Call[None]) -> Reply:
    """Make a link worthless; whoever came in by it is cut off. Doing it again changes nothing."""
    link = LinkId(call.path["link"])
    visit = await call.app[VISITS].revoke_link(call.principal, _id(call), link, call.now, call.expected)
    await call.app[ROOMS].revoke(visit.id, link)
    return Reply()


async def end(call: Call[None]) -> Reply:
    """End a visit for everyone in it."""
    ended = await call.app[VISITS].end(call.principal, _id(call), call.now, call.expected)
    await call.app[ROOMS].close(ended.value.id, "ended")
    return Reply(visit_view(call.app, ended.value), etag=ended.version)


def visit_view(app: web.Application, visit: Visit) -> VisitView:
    return VisitView(
        visit.id,
        visit.state,
        visit.created_at,
        visit.expires_at,
        [seat_view(app, visit, seat) for seat in visit.seats],
    )


def seat_view(app: web.Application, visit: Visit, seat: Seat) -> SeatView:
    links = [link_view(app, visit, seat, link) for link in seat.links]
    return SeatView(seat.id, seat.role, seat.name, seat.admitted, links)


def link_view(app: web.Application, visit: Visit, seat: Seat, link: Link) -> LinkView:
    token = app[LINKS].make_token(visit.id, seat.id, link.id, link.expires_at)
    return LinkView(link.id, app[SETTINGS].link_url(token), link.expires_at, link.revoked)


def _id(call: Call[Any]) -> VisitId:
    return VisitId(call.path["visit"])


def _location(visit: Visit) -> dict[str, str]:
    return {"Location": f"/v1/visits/{visit.id}"}
