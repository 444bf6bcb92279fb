"""Who reads the outbox, and what they see; how an operator signs in is another matter."""

import re
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from api import call
from medinova_rt.clinics import DEMO, PLATFORM
from medinova_rt.grants import Grant, Kind, StaffRole, Standing
from medinova_rt.ids import ClinicId, GrantId, MailId, SessionId, UserId, new_id
from medinova_rt.ports import Letter
from medinova_rt.principals import Half, Person, Principal
from tests.api.conftest import Door

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
USER, SESSION = UserId("usr-1"), SessionId("ses-1")


def grant(kind: Kind, clinic: ClinicId, *roles: StaffRole) -> Grant:
    return Grant(
        id=GrantId("gra-1"), clinic=clinic, user=USER, kind=kind, roles=list(roles), created_at=NOW, starts_at=NOW
    )


def person(standing: Standing, *, strong: bool = True) -> Person:
    return Person(USER, SESSION, standing, strong, NOW, address="192.0.2.1")


OPERATING = Standing(operator=grant(Kind.OPERATOR, PLATFORM))
OPERATOR = person(OPERATING)
ADMINISTRATOR = person(Standing(members={DEMO.id: grant(Kind.MEMBER, DEMO.id, StaffRole.ADMINISTRATOR)}))


@pytest.fixture
def sign_in(monkeypatch: pytest.MonkeyPatch) -> "SignIn":
    return SignIn(monkeypatch)


class SignIn:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, principal: Principal) -> None:
        async def authenticate(request: web.Request, now: datetime) -> Principal:
            return principal

        self._monkeypatch.setattr("api.caller.authenticate", authenticate)


async def send(door: Door, count: int) -> None:
    for number in range(count):
        at = NOW + timedelta(seconds=number)
        letter = Letter(MailId(new_id("mai", at)), f"robin{number}@example.org", "A letter", "Code 123456.\n", at)
        await door.app[call.OUTBOX].send(letter)


async def test_an_operator_reads_letters_newest_first(door: Door, sign_in: SignIn) -> None:
    sign_in(OPERATOR)
    assert (await door.ask("GET", "/v1/outbox", key=None)).json == {"items": [], "next_cursor": None}
    await send(door, 2)
    answer = await door.ask("GET", "/v1/outbox", key=None)
    newest, oldest = answer.json["items"]
    assert newest == {
        "id": newest["id"],
        "at": "2026-11-24T10:00:01Z",
        "to": "robin1@example.org",
        "subject": "A letter",
        "text": "Code 123456.\n",
    }
    assert oldest["to"] == "robin0@example.org"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_by_pages(door: Door, sign_in: SignIn) -> None:
    sign_in(OPERATOR)
    await send(door, 5)
    seen, path = [], "/v1/outbox?limit=2"
    while path:
        answer = await door.ask("GET", path, key=None)
        seen.append([item["to"][5:6] for item in answer.json["items"]])
        link = re.fullmatch(r'<(.*)>; rel="next"', answer.headers.get("Link", ""))
        path = link.group(1) if link else ""
    assert seen == [["4", "3"], ["2", "1"], ["0"]]


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=", "cursor=%C3%A9", "newest=1"])
async def test_a_query_that_is_none(door: Door, sign_in: SignIn, query: str) -> None:
    sign_in(OPERATOR)
    assert (await door.ask("GET", f"/v1/outbox?{query}", key=None)).problem == (400, "bad-input")


async def test_a_cursor_that_makes_no_sense(door: Door, sign_in: SignIn) -> None:
    sign_in(OPERATOR)
    assert (await door.ask("GET", "/v1/outbox?cursor=gone", key=None)).problem == (422, "senseless")


@pytest.mark.parametrize(
    "principal",
    [person(OPERATING, strong=False), ADMINISTRATOR, person(Standing()), Half(USER, SESSION)],
    ids=["an operator without a second factor", "an administrator", "a user", "half signed in"],
)
async def test_for_nobody_else(door: Door, sign_in: SignIn, principal: Principal) -> None:
    await send(door, 1)
    sign_in(principal)
    assert (await door.ask("GET", "/v1/outbox", key=None)).problem == (404, "not-found")


async def test_not_for_strangers_and_services(door: Door) -> None:
    assert (await door.ask("GET", "/v1/outbox", key=None)).problem == (401, "not-authenticated")
    assert (await door.ask("GET", "/v1/outbox")).problem == (404, "not-found")


async def test_reading_is_on_record(door: Door, sign_in: SignIn) -> None:
    sign_in(OPERATOR)
    await send(door, 1)
    await door.ask("GET", "/v1/outbox", key=None)
    with sqlite3.connect(door.database) as connection:
        rows = connection.execute(
            "SELECT json_extract(body, '$.action', '$.actor', '$.clinic', '$.outcome') FROM documents"
            " WHERE collection = 'audit'"
        ).fetchall()
    connection.close()
    assert rows == [(f'["outbox.read","usr-1","{PLATFORM}","done"]',)]


async def test_a_server_that_sends_its_letters_has_none(door: Door, sign_in: SignIn) -> None:
    sign_in(OPERATOR)
    del door.app._state[call.OUTBOX]
    assert (await door.ask("GET", "/v1/outbox", key=None)).problem == (404, "not-found")
