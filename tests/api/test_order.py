"""The one order of answers, tried on every route: what is wrong in a step and in all after it is answered by that step.

    size 413 → sign-in 401 → limits 429 → seen? 404, allowed? 403 → repeats 400, 422, 409, or the answer again
    → versions 428, 412 → 406, 415, 400 → state 409

Nothing here knows any route: callers of every kind are tried, and those who may, may not and may not even know are told
apart by the answers to a request that is wrong only in what comes after access.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
import pytest
from aiohttp import web

from api import bodies, repeating
from api.call import CLOCK, COUNTERS, REPEATS, STORE, VISITS
from api.limits import LIMITS
from api.repeating import Repeat
from api.route import Route
from api.routes import ROUTES
from medinova_rt import clinics, grants, members, patients, repeats, users
from medinova_rt.adapters import embedded_credentials
from medinova_rt.clinics import DEMO
from medinova_rt.errors import WrongState
from medinova_rt.ids import PatientId, VisitId
from medinova_rt.operations.limit import Limit
from medinova_rt.ports import Replace
from medinova_rt.principals import Principal, Service, Stranger
from medinova_rt.riders import Rider
from tests.api.conftest import Answer, Door
from tests.api.objects import MAKERS, NOW, PATIENT, USER, World, callers

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
    key_text: str = "a-key-of-its-own"
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
REPEATED = replace(NO_VERSION, key_text="a-key-that-is-known")
KEY = replace(NO_VERSION, key=True)
SIGN_IN = replace(KEY, sign_in=True)
SIZE = replace(SIGN_IN, size=True)


async def send(door: Door, route: Route, path: str, who: int | None, wrong: Wrong) -> Answer:
    headers: dict[str, Any] = {
        "Accept": "application/x-unheard-of" if wrong.accept else None,
        "Content-Type": "application/x-unheard-of" if wrong.media_type else route.media_type,
        "If-Match": wrong.version or None,
        repeating.HEADER: ("" if route.repeats is Repeat.ALLOWED else None) if wrong.key else wrong.key_text,
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
    if route.repeats is not Repeat.NEVER:
        await _repeats(door, route, path, known[may], may)
    for number in {may, by_status.get(403, may), by_status.get(404, may)}:
        principal = known[number]
        exhaust(door.app[LIMITS]._of(principal), f"{type(principal).__name__}:{principal.id}")
        assert (await send(door, route, path, number, KEY)).problem == (429, "too-fast")
        assert (await send(door, route, path, number, SIGN_IN)).problem == (401, "not-authenticated")
        assert (await send(door, route, path, number, SIZE)).problem == (413, "too-large")


async def _repeats(door: Door, route: Route, path: str, principal: Principal, may: int) -> None:
    """Whatever is wrong afterwards: a key under way is 409, one for something else 422, one that was answered is so."""
    now, kept = door.app[CLOCK](), door.app[REPEATS]
    clinic = principal.clinic if isinstance(principal, Service) else ""
    who = (type(principal).__name__, clinic, principal.id)
    asked = [
        repeats.ask(who, (route.method, path), key, (sent, b"unheard-of=1", b""))
        for key, sent in ((REPEATED.key_text, b"["), ("under-way", b"["), ("for-something-else", b"{"))
    ]
    riders = [await kept.claim(each, now) for each in asked]
    refused = await send(door, route, path, may, KEY)
    headers = {"Content-Type": refused.headers["Content-Type"]}
    for rider in (riders[0], riders[2]):
        assert isinstance(rider, Rider)
        await kept.keep(rider, repeats.Answer(status=400, headers=headers, body=refused.body.decode()))

    again = await send(door, route, path, may, REPEATED)
    assert (again.status, again.body, again.headers[repeating.REPLAYED]) == (400, refused.body, "true")
    assert (await send(door, route, path, may, replace(REPEATED, key_text="under-way"))).problem[0] == 409
    other = replace(REPEATED, key_text="for-something-else")
    assert (await send(door, route, path, may, other)).problem == (422, "idempotency-mismatch")


async def _nothing(world: World) -> None:
    """It is in that state as it is made."""


async def _ended(world: World) -> None:
    await world.door.app[VISITS].end(Service(DEMO.id), VisitId(world.made["visit"]), NOW, None)


async def _two(world: World) -> None:
    one = await world.door.app[STORE].get(patients.COLLECTION, PATIENT)
    assert one is not None
    other = msgspec.structs.replace(patients.read(one), id=PatientId("pat-2"), number="2")
    await world.put(patients.COLLECTION, "pat-2", other)


async def _merged(world: World) -> None:
    await _two(world)
    await _set(world, patients.COLLECTION, PATIENT, state="merged", merged_into="pat-2")


async def _last(world: World) -> None:
    await _set(world, grants.COLLECTION, members.grant_id(DEMO.id, USER), roles=["administrator"])
    roster = members.Roster(clinic=DEMO.id, administrators=[USER], active=1)
    await world.put(members.ROSTERS, DEMO.id, roster)


async def _works_here(world: World) -> None:
    await MAKERS["member"](world)
    await world.door.app[STORE].transact([users.taking("main@demo.example", USER)])


async def _needs_its_key(world: World) -> None:
    """The clinic asks for a second factor, and there is one."""
    await MAKERS["member"](world)
    await _set(world, clinics.COLLECTION, DEMO.id, second_factor=True)


async def _needs_its_app(world: World) -> None:
    app = embedded_credentials.App(id="totp-1", secret="JBSWY3DPEHPK3PXP", last_step=0, created_at=NOW)
    kept = embedded_credentials.Credentials(id=embedded_credentials.id_of(USER), user=USER, app=app)
    await world.put(embedded_credentials.COLLECTION, kept.id, kept)
    await _needs_its_key(world)


async def _set(world: World, collection: str, id_: str, **fields: Any) -> None:
    held = await world.door.app[STORE].get(collection, id_)
    assert held is not None
    await world.door.app[STORE].transact([Replace(collection, id_, {**held.document, **fields}, held.token)])


# operation → what brings about the state in which it cannot be done, and a body with which it otherwise could
STATES: dict[str, tuple[Callable[[World], Awaitable[None]], Any]] = {
    "endVisit": (_ended, None),
    "addSeat": (_ended, {"role": "patient", "name": "Ben"}),
    "addLink": (_ended, None),
    "changePatient": (_merged, {"language": "es"}),
    "mergePatients": (_merged, {"other": "pat-2"}),
    "unmergePatients": (_two, {"other": "pat-2"}),
    "erasePatient": (_merged, {"asked_on": NOW.date().isoformat()}),
    "addTreating": (_merged, None),
    "removeTreating": (_merged, None),
    "addRelation": (_merged, {"kind": "carer", "scope": ["record"], "email": "new@demo.example", "name": "Noor"}),
    "takeEmergency": (_nothing, {"reason": "She cannot speak."}),  # whoever asks treats the patient
    "changeMember": (_last, {"roles": ["billing"]}),
    "deactivateMember": (_last, None),
    "createInvitation": (_works_here, {"email": "main@demo.example", "name": "Max Main", "roles": ["billing"]}),
    "removeTotp": (_needs_its_app, None),
    "removePasskey": (_needs_its_key, None),
}
# taking back who is there changes nothing; what is public has its secret in the body (test_links, test_people)
NEVER_IN_A_WRONG_STATE = {"reactivateMember"}
# only where what one proves who one is with is kept elsewhere, which is no state that these tests can make
KEPT_ELSEWHERE = {"setPassword", "beginTotp", "confirmTotp", "makePasskey", "addPasskey", "renewRecoveryCodes"}


def test_every_route_that_asks_for_a_state_is_tried() -> None:
    stating = {route.operation for route in ROUTES if WrongState in route.errors and not route.is_public}
    assert stating - NEVER_IN_A_WRONG_STATE - KEPT_ELSEWHERE == set(STATES)


@pytest.mark.parametrize("operation", STATES)
async def test_the_state_is_asked_last(door: Door, known: list[Principal], operation: str) -> None:
    (route,) = (route for route in ROUTES if route.operation == operation)
    prepare, body = STATES[operation]
    world = World(door)
    path = await world.path(route.template, route.parameters)
    known += callers(world)
    await prepare(world)
    for wrong, problem in steps(route):
        wrong = replace(wrong, version="*") if wrong.version == CONTENT.version else wrong
        assert (await send(door, route, path, 0, wrong)).problem == problem, wrong
    headers = {WHO: "0", "Content-Type": route.media_type}
    data = None if body is None else msgspec.json.encode(body)
    assert (await door.ask(route.method, path, key=None, headers=headers, data=data)).problem == (409, "wrong-state")


def _text(answer: Answer) -> bytes:
    return msgspec.json.encode({**answer.json, "request_id": ""})
