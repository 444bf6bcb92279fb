"""The one order of answers, tried on every route: what is wrong in a step and in all after it is answered by that step.

    size 413 → sign-in 401 → limits 429 → seen? 404, allowed? 403 → repeats 400 → versions 428, 412 → 406, 415, 400

Nothing here knows any route: callers of every kind are tried, and those who may, may not and may not even know are told
apart by the answers to a request that is wrong only in what comes after access.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
import pytest
from aiohttp import web

from api import bodies, repeating
from api.call import COUNTERS
from api.limits import LIMITS
from api.repeating import Repeat
from api.route import Route
from api.routes import ROUTES
from medinova_rt.operations.limit import Limit
from medinova_rt.principals import Principal, Stranger
from tests.api.conftest import Answer, Door
from tests.api.objects import MAKERS, World, callers

WHO = "X-Who"  # in these tests, the number of a caller


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> list[Principal]:
    """Callers by number; who they are is proven elsewhere."""
    people: list[Principal] = []

    async def authenticate(request: web.Request, now: datetime) -> Principal:
        return people[int(request.headers[WHO])] if WHO in request.headers else Stranger("127.0.0.1")

    monkeypatch.setattr("api.caller.authenticate", authenticate)
    return people


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a request; nothing, unless said."""

    size: bool = False
    sign_in: bool = False
    key: bool = False
    version: str = '"1-0123456789abcdef"'
    accept: bool = False
    media_type: bool = False
    content: bool = False


# everything that comes after access, the first step last
CONTENT = Wrong(content=True)
MEDIA_TYPE = replace(CONTENT, media_type=True)
ACCEPT = replace(MEDIA_TYPE, accept=True)
OTHER_VERSION = replace(ACCEPT, version='"99-0123456789abcdef"')
NO_VERSION = replace(ACCEPT, version="")
KEY = replace(NO_VERSION, key=True)
SIGN_IN = replace(KEY, sign_in=True)
SIZE = replace(SIGN_IN, size=True)


async def send(door: Door, route: Route, path: str, who: int | None, wrong: Wrong) -> Answer:
    headers: dict[str, Any] = {
        "Accept": "application/x-unheard-of" if wrong.accept else None,
        "Content-Type": "application/x-unheard-of" if wrong.media_type else route.media_type,
        "If-Match": wrong.version or None,
        repeating.HEADER: ("" if route.repeats is Repeat.ALLOWED else None) if wrong.key else "a-key-of-its-own",
        WHO: None if who is None or wrong.sign_in else str(who),
    }
    data = b"[" * (bodies.MAX_BODY_BYTES + 1) if wrong.size else b"["
    query = "?unheard-of=1" if wrong.content else ""
    sent = {} if route.is_safe and not wrong.size else {"data": data}
    return await door.ask(route.method, path + query, key=None, headers=headers, **sent)


def steps(route: Route) -> Iterator[tuple[Wrong, tuple[int, str]]]:
    """What is wrong from each step on that comes after access, and what is answered, as far as the route has it."""
    if route.repeats is Repeat.REQUIRED or route.repeats is Repeat.ALLOWED:
        yield KEY, (400, "idempotency-key")
    if route.precondition:
        yield NO_VERSION, (428, "precondition-required")
        yield OTHER_VERSION, (412, "changed")
    if route.is_api:
        yield ACCEPT, (406, "not-acceptable")
    if route.request:
        yield MEDIA_TYPE, (415, "wrong-media-type")
    if route.request or (route.is_api and route.query is None):
        yield CONTENT, (400, "bad-input")


def exhaust(limit: Limit, who: str) -> None:
    limit._spent_until[who] = asyncio.get_running_loop().time() + limit.burst * limit.every_s + 60


@pytest.mark.parametrize("route", [route for route in ROUTES if route.is_public], ids=lambda route: route.operation)
async def test_what_anybody_may_ask(door: Door, route: Route) -> None:
    path = route.template.format(**dict.fromkeys(route.parameters, "app.js"))
    for wrong, problem in steps(route):
        assert (await send(door, route, path, None, wrong)).problem == problem
    limits = door.app[LIMITS]
    exhaust(limits.failures if route.guessable else limits.addresses, "127.0.0.1")
    assert (await send(door, route, path, None, SIGN_IN)).problem == (429, "too-fast")
    assert (await send(door, route, path, None, SIZE)).problem == (413, "too-large")


@pytest.mark.parametrize("route", [route for route in ROUTES if not route.is_public], ids=lambda route: route.operation)
async def test_what_needs_a_right(door: Door, route: Route, known: list[Principal]) -> None:
    assert set(route.parameters) <= set(MAKERS), "tests/api/objects.py says how to make one"
    world = World(door)
    door.app[COUNTERS].add("so that there is something to read")
    path = await world.path(route.template, route.parameters)
    known += callers(world)

    answers = [await send(door, route, path, number, KEY) for number in range(len(known))]
    by_status = {answer.status: number for number, answer in reversed([*enumerate(answers)])}
    may = next((number for number, answer in enumerate(answers) if answer.status not in (403, 404)), None)
    assert may is not None, "somebody may do it"
    if route.parameters:
        assert 404 in by_status, "somebody may not even know of it"
        blind = answers[by_status[404]]
        assert blind.problem == (404, "not-found")
        nothing = await send(
            door, route, path.replace(made := world.made[route.parameters[-1]], f"{made[:4]}x1"), by_status[404], KEY
        )
        assert _text(nothing) == _text(blind)  # as if there were none
    for status, code in ((403, {"forbidden"}), (404, {"not-found"})):
        assert {answer.json["code"] for answer in answers if answer.status == status} <= code

    for wrong, problem in steps(route):
        assert (await send(door, route, path, may, wrong)).problem == problem, wrong
    for number in {may, by_status.get(403, may), by_status.get(404, may)}:
        principal = known[number]
        exhaust(door.app[LIMITS]._of(principal), f"{type(principal).__name__}:{principal.id}")
        assert (await send(door, route, path, number, KEY)).problem == (429, "too-fast")
        assert (await send(door, route, path, number, SIGN_IN)).problem == (401, "not-authenticated")
        assert (await send(door, route, path, number, SIZE)).problem == (413, "too-large")


def _text(answer: Answer) -> bytes:
    return msgspec.json.encode({**answer.json, "request_id": ""})
