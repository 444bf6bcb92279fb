import asyncio
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from medinova_rt import audit, entrance, visits
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.entrance import Entrance, holder
from medinova_rt.errors import DomainError, LinkExpired, LinkRevoked, NotAuthenticated, WrongState
from medinova_rt.ids import ClinicId, LinkId, SeatId, VisitId
from medinova_rt.links import COOKIE_LIFE, TICKET_LIFE, Grant, Links
from medinova_rt.principals import Role, SeatHolder, Service
from medinova_rt.visits import Visit, Visits

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
SERVICE = Service(ClinicId("cli-1"))
LINKS = Links(b"s" * 32)
ADDRESS = "192.0.2.9"
Want = Literal["cookie", "ticket"]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore((*visits.FINDS, *audit.FINDS, *entrance.FINDS))


@pytest.fixture
def held(store: MemoryStore) -> Visits:
    return Visits(store)


@pytest.fixture
def door(store: MemoryStore, held: Visits) -> Entrance:
    return Entrance(store, held, LINKS)


@pytest.fixture
async def visit(held: Visits) -> Visit:
    return await held.create(SERVICE, [(Role.CLINICIAN, "Dr Grey"), (Role.PATIENT, "Ann")], NOW)


def token(visit: Visit, index: int = 1, links: Links = LINKS) -> str:
    seat = visit.seats[index]
    return links.make_token(visit.id, seat.id, seat.links[0].id, seat.links[0].expires_at)


def grant(visit: Visit, index: int = 1) -> Grant:
    return LINKS.read_token(token(visit, index), NOW)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize(("want", "life"), [("cookie", COOKIE_LIFE), ("ticket", TICKET_LIFE)])
async def test_a_link_is_exchanged_for_what_makes_its_bearer_the_seats_holder(
    door: Entrance, visit: Visit, want: Want, life: timedelta, index: int
) -> None:
    entry = await door.exchange(token(visit, index), want, NOW, ADDRESS)
    seat = visit.seats[index]
    assert (entry.visit, entry.seat, entry.expires_at) == (visit, seat, NOW + life)
    read = LINKS.read_cookie if want == "cookie" else LINKS.read_ticket
    assert holder(visit, read(entry.credential, NOW)) == SeatHolder(
        visit.clinic, visit.id, seat.id, seat.role, seat.links[0].id
    )


async def test_a_link_works_again_and_each_exchange_is_recorded(
    store: MemoryStore, door: Entrance, visit: Visit
) -> None:
    for _ in range(3):
        await door.exchange(token(visit), "cookie", NOW, ADDRESS)
    trail = await audit.trail(store, visit.id)
    seat = visit.seats[1]
    assert [(each.action, each.actor, each.link, each.address) for each in trail if each.action == "link.exchange"] == [
        ("link.exchange", seat.id, seat.links[0].id, ADDRESS)
    ] * 3


@pytest.mark.parametrize("want", ["cookie", "ticket"])
async def test_a_revoked_link_is_refused(door: Entrance, held: Visits, visit: Visit, want: Want) -> None:
    await held.revoke_link(SERVICE, visit.id, visit.seats[1].links[0].id, NOW)
    with pytest.raises(LinkRevoked):
        await door.exchange(token(visit), want, NOW)


async def test_an_expired_link_is_refused(door: Entrance, visit: Visit) -> None:
    with pytest.raises(LinkExpired):
        await door.exchange(token(visit), "cookie", visit.expires_at)


async def test_a_foreign_or_made_up_link_is_refused(door: Entrance, visit: Visit) -> None:
    unknown = LINKS.make_token(VisitId("vis-none"), visit.seats[1].id, visit.seats[1].links[0].id, visit.expires_at)
    for bad in (token(visit, links=Links(b"t" * 32)), unknown, "", "x"):
        with pytest.raises(NotAuthenticated):
            await door.exchange(bad, "cookie", NOW)


async def test_a_link_into_a_visit_that_is_over_says_so(door: Entrance, held: Visits, visit: Visit) -> None:
    await held.end(SERVICE, visit.id, NOW)
    with pytest.raises(WrongState, match="over"):
        await door.exchange(token(visit), "cookie", NOW)


# --- holding a seat -----------------------------------------------------------------------------------------------


async def test_revoking_ends_what_the_link_was_exchanged_for(door: Entrance, held: Visits, visit: Visit) -> None:
    entry = await door.exchange(token(visit), "cookie", NOW)
    after = await held.revoke_link(SERVICE, visit.id, visit.seats[1].links[0].id, NOW)
    with pytest.raises(NotAuthenticated):
        holder(after, LINKS.read_cookie(entry.credential, NOW))


async def test_a_cookie_outlives_its_links_expiry(held: Visits) -> None:
    short = await held.create(SERVICE, [(Role.PATIENT, "Ann")], NOW, timedelta(minutes=1))
    seat = short.seats[0]
    cookie = LINKS.make_cookie(short.id, seat.id, seat.links[0].id, NOW)
    late = NOW + COOKIE_LIFE - timedelta(seconds=1)
    assert holder(short, LINKS.read_cookie(cookie, late)).seat == seat.id


@pytest.mark.parametrize("part", ["visit", "seat", "link"])
def test_every_part_must_fit(visit: Visit, part: str) -> None:
    right = grant(visit)
    other = grant(visit, 0)
    wrong = {
        "visit": Grant(VisitId("vis-2"), right.seat, right.link, right.expires_at),
        "seat": Grant(right.visit, SeatId(other.seat), right.link, right.expires_at),
        "link": Grant(right.visit, right.seat, LinkId(other.link), right.expires_at),
    }
    with pytest.raises(NotAuthenticated):
        holder(visit, wrong[part])


# --- tickets ------------------------------------------------------------------------------------------------------


async def test_a_ticket_works_once(door: Entrance, visit: Visit) -> None:
    ticket = (await door.exchange(token(visit), "ticket", NOW)).credential
    found, bearer = await door.redeem(ticket, NOW, ADDRESS)
    assert (found, bearer.seat, bearer.address) == (visit, visit.seats[1].id, ADDRESS)
    with pytest.raises(NotAuthenticated, match="used before"):
        await door.redeem(ticket, NOW)


async def test_of_two_who_use_a_ticket_at_once_one_comes_in(door: Entrance, visit: Visit) -> None:
    ticket = (await door.exchange(token(visit), "ticket", NOW)).credential
    results = await asyncio.gather(*(door.redeem(ticket, NOW) for _ in range(5)), return_exceptions=True)
    assert sorted(isinstance(result, NotAuthenticated) for result in results) == [False] + [True] * 4


async def test_a_ticket_dies_after_30_seconds(door: Entrance, visit: Visit) -> None:
    ticket = (await door.exchange(token(visit), "ticket", NOW)).credential
    with pytest.raises(NotAuthenticated, match="expired"):
        await door.redeem(ticket, NOW + timedelta(seconds=30))


async def test_a_ticket_dies_with_its_link_and_its_visit(door: Entrance, held: Visits, visit: Visit) -> None:
    tickets = [(await door.exchange(token(visit, index), "ticket", NOW)).credential for index in (0, 1)]
    await held.revoke_link(SERVICE, visit.id, visit.seats[1].links[0].id, NOW)
    await held.end(SERVICE, visit.id, NOW)
    errors: list[type[DomainError]] = [WrongState, NotAuthenticated]
    for ticket, error in zip(tickets, errors, strict=True):
        with pytest.raises(error):
            await door.redeem(ticket, NOW)


@pytest.mark.parametrize("made", ["token", "cookie"])
async def test_only_a_ticket_is_a_ticket(door: Entrance, visit: Visit, made: str) -> None:
    seat = visit.seats[1]
    other = {"token": token(visit), "cookie": LINKS.make_cookie(visit.id, seat.id, seat.links[0].id, NOW)}
    with pytest.raises(NotAuthenticated):
        await door.redeem(other[made], NOW)


async def test_used_tickets_are_forgotten_with_their_visit(
    store: MemoryStore, door: Entrance, held: Visits, visit: Visit
) -> None:
    ticket = ""
    for _ in range(120):
        ticket = (await door.exchange(token(visit), "ticket", NOW)).credential
        await door.redeem(ticket, NOW)
    await held.expire(visit.id, NOW)
    for _ in range(2):
        await door.forget(visit.id)
        assert (await store.find(entrance.USED_IN, (visit.id,))).rows == []
    with pytest.raises(WrongState):
        await door.redeem(ticket, NOW)
