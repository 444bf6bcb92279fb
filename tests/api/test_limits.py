import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from api import call, limits
from api.limits import ADDRESS, CLINIC, FAILURE, LIMITS, PERSON, Limits
from medinova_rt.access import Thing
from medinova_rt.clinics import DEMO
from medinova_rt.config import load
from medinova_rt.errors import TooFast
from medinova_rt.grants import Kind, StaffRole, Standing
from medinova_rt.ids import ClinicId, UserId
from medinova_rt.principals import Person, Principal, Service
from tests.api.conftest import Door, token
from tests.api.objects import OTHER, grant, person


@pytest.fixture(autouse=True)
def at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, by a clock of its own: nothing refills while a test counts, however long that takes."""
    at = [1000.0]
    monkeypatch.setattr(limits, "_now", lambda: at[0])
    return at


STAFF = Standing(members={DEMO.id: grant(Kind.MEMBER, DEMO.id, StaffRole.FRONT_DESK)})


def asks(address: str = "192.0.2.1") -> web.Request:
    app = web.Application()
    app[call.SETTINGS] = load({})
    return make_mocked_request("POST", "/", CIMultiDict(), app=app).clone(remote=address)


async def used_up(take: "Taken") -> int:
    """How often it can be done until it is refused."""
    for count in range(100_000):
        try:
            take()
        except TooFast:
            return count
    raise AssertionError("there is no limit")


class Taken:
    def __init__(self, held: Limits, principal: Principal | None, thing: Thing | None = None) -> None:
        self.held, self.principal, self.thing = held, principal, thing

    def __call__(self) -> None:
        if self.thing is not None and self.principal is not None:
            self.held.clinic(asks(), self.principal, self.thing)
        elif self.principal is not None:
            self.held.caller(asks(), self.principal)
        else:
            self.held.stranger(asks(), guessable=True)


async def test_a_person_is_limited_by_themselves_wherever_they_come_from() -> None:
    held = Limits()
    assert await used_up(Taken(held, person("usr-1", STAFF))) == PERSON[0]
    held.caller(asks(), person("usr-2", STAFF))  # at the same address
    with pytest.raises(TooFast):
        held.caller(asks("198.51.100.1"), person("usr-1", STAFF))


async def test_one_clinic_cannot_use_up_what_is_another_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CLINIC", (20, 1.0))
    held = Limits()
    here, there = Thing(DEMO.id), Thing(OTHER)
    assert await used_up(Taken(held, person("usr-1", STAFF), here)) == 20
    with pytest.raises(TooFast):
        held.clinic(asks(), person("usr-2", STAFF), here)
    with pytest.raises(TooFast):
        held.clinic(asks(), Service(DEMO.id), here)
    held.clinic(asks(), Service(OTHER), there)
    held.clinic(asks(), Service(ClinicId("cli-third")), here)  # not theirs: neither counted nor told


def people_of_a_hospital() -> list[Person]:
    return [person(f"usr-{n}", STAFF) for n in range(2_000)]


async def test_two_thousand_behind_one_address_sign_in_at_eight_o_clock(at: list[float]) -> None:
    """Within a minute each loads a page, mistypes now and then, signs in, and asks for what the first page shows."""
    held, mistyped = Limits(), 0
    for number, each in enumerate(people_of_a_hospital()):
        at[0] += 60 / 2_000
        request = asks()
        for _ in range(5):
            held.stranger(request, guessable=False)
        if number % 20 == 0:
            held.stranger(request, guessable=True)
            held.failed(request)
            mistyped += 1
        held.stranger(request, guessable=True)
        for _ in range(2):
            held.caller(request, each)
            held.clinic(request, each, Thing(DEMO.id))
    assert mistyped == 100


async def test_who_goes_on_guessing_is_stopped_and_nobody_signed_in_with_them() -> None:
    held = Limits()
    for _ in range(FAILURE[0]):
        held.stranger(asks(), guessable=True)
        held.failed(asks())
    held.failed(asks())  # what was under way
    with pytest.raises(TooFast):
        held.stranger(asks(), guessable=True)
    held.stranger(asks(), guessable=False)
    held.caller(asks(), person("usr-1", STAFF))
    held.stranger(asks("198.51.100.1"), guessable=True)


async def test_guesses_made_all_at_once_are_waited_for_afterwards(at: list[float]) -> None:
    held = Limits()
    for _ in range(3 * FAILURE[0]):  # each was let in before any had failed
        held.stranger(asks(), guessable=True)
    for _ in range(3 * FAILURE[0]):
        held.failed(asks())
    at[0] += FAILURE[0] * FAILURE[1] - 1
    with pytest.raises(TooFast):
        held.stranger(asks(), guessable=True)
    at[0] += 2 * FAILURE[1]  # but not for ever
    held.stranger(asks(), guessable=True)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
    ],
)
async def test_a_network_is_one_guesser(one: str, other: str, shared: bool) -> None:
    held = Limits()
    for _ in range(FAILURE[0]):
        held.failed(asks(one))
    if shared:
        with pytest.raises(TooFast):
            held.stranger(asks(other), guessable=True)
    else:
        held.stranger(asks(other), guessable=True)


async def test_an_answer_says_what_is_left(door: Door) -> None:
    headers = (await door.ask("GET", "/healthz", key=None)).headers
    assert headers["RateLimit-Policy"] == f'"address";q={ADDRESS[0]};w=24'
    assert headers["RateLimit"] == f'"address";r={ADDRESS[0] - 1};t=1'
    headers = (await door.ask("GET", f"/v1/visits/{(await door.visit())['id']}")).headers
    assert headers["RateLimit-Policy"] == f'"caller";q=2000;w=20, "clinic";q={CLINIC[0]};w=20'


async def test_a_refusal_says_so_too(door: Door, at: list[float]) -> None:
    door.app[LIMITS].clinics.take(DEMO.id, at[0], CLINIC[0])
    answer = await door.ask("POST", "/v1/visits", json={"seats": []})
    assert answer.problem == (429, "too-fast")
    assert '"clinic";r=0' in answer.headers["RateLimit"]
    assert int(answer.headers["Retry-After"]) > 0


async def test_right_links_are_never_too_many(door: Door, at: list[float]) -> None:
    link = token((await door.visit())["seats"][1])
    door.app[LIMITS].failures.take("127.0.0.1", at[0], FAILURE[0] - 1)
    assert {(await door.exchange(link)).status for _ in range(20)} == {200}


def test_a_person_counts_where_they_belong() -> None:
    patient = Standing(patients={grant(Kind.SELF).patient: grant(Kind.SELF)})  # type: ignore[dict-item]
    assert limits.clinics_of(person("usr-1", patient)) == {DEMO.id}
    assert limits.clinics_of(person("usr-1", STAFF)) == {DEMO.id}
    assert limits.clinics_of(person(UserId("usr-1"), Standing())) == set()


async def test_two_thousand_open_their_links_behind_one_address(door: Door, at: list[float]) -> None:
    """Over HTTP; one in twenty gets it wrong at first, and those alone are counted."""
    link = token((await door.visit())["seats"][1])

    async def person_at(number: int) -> list[int]:
        wrong = [(await door.exchange("mistyped")).status] if number % 20 == 0 else []
        return [*wrong, (await door.exchange(link)).status]

    statuses = [status for each in range(0, 2_000, 50) for status in await a_crowd(person_at, each)]
    assert (statuses.count(200), statuses.count(401), len(statuses)) == (2_000, 100, 2_100)
    assert door.app[LIMITS].failures.left("127.0.0.1", at[0]).tries == FAILURE[0] - 100


async def a_crowd(person_at: Callable[[int], Awaitable[list[int]]], first: int) -> list[int]:
    return [status for one in await asyncio.gather(*map(person_at, range(first, first + 50))) for status in one]
