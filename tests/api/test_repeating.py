import asyncio
import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from api import call
from api.repeating import REPLAYED
from api.routes import ROUTES
from medinova_rt import audit
from medinova_rt.errors import Conflict, TooFast, Unavailable
from medinova_rt.ports import Token, Write
from medinova_rt.repeats import LEASE, LIFE
from tests.api.conftest import SEATS, Answer, Door

BODY = {"seats": SEATS}
KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}


async def create(door: Door, headers: dict[str, Any] = KEY, **more: Any) -> Answer:
    return await door.ask("POST", "/v1/visits", json={**BODY, **more}, headers=headers)


def visits(door: Door) -> int:
    path = door.database
    with sqlite3.connect(path) as connection:
        (count,) = connection.execute("SELECT count(*) FROM documents WHERE collection = 'visits'").fetchone()
    connection.close()
    return int(count)


async def test_a_repeat_gets_the_same_answer_and_makes_no_second_thing(door: Door) -> None:
    first, again = await create(door), await create(door)
    assert (again.status, again.body) == (first.status, first.body)
    for name in ("ETag", "Location", "Content-Type"):
        assert again.headers[name] == first.headers[name]
    assert (REPLAYED in first.headers, again.headers[REPLAYED]) == (False, "true")
    assert visits(door) == 1
    assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]


async def test_that_it_was_given_again_is_on_record(door: Door) -> None:
    visit = (await create(door)).json
    seats = f"/v1/visits/{visit['id']}/seats"
    for _ in range(2):
        await door.ask("POST", seats, json={"role": "carer", "name": "Cleo"}, headers=KEY)
    trail = await audit.trail(door.app[call.STORE], visit["id"])
    assert [(record.action, record.outcome) for record in trail] == [
        ("visit.create", "done"),
        ("seat.add", "done"),
        ("seat.add", "repeated"),
    ]


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        '""',
        '"a',
        'a"',
        "a b",
        "é",
        '"' + "x" * 129 + '"',
        "x" * 129,
        '"a";x=1',
    ],
)
async def test_a_key_is_needed_and_well_formed(door: Door, key: str | None) -> None:
    assert (await create(door, {"Idempotency-Key": key})).problem == (400, "idempotency-key")
    assert visits(door) == 0


async def test_a_bare_token_is_the_same_key(door: Door) -> None:
    await create(door, {"Idempotency-Key": "abc"})
    assert (await create(door, {"Idempotency-Key": '"abc"'})).headers[REPLAYED] == "true"


async def test_the_same_key_for_something_else_is_refused(door: Door) -> None:
    await create(door)
    assert (await create(door, expires_in_s=60)).problem == (422, "idempotency-mismatch")
    assert visits(door) == 1


async def test_it_is_bound_to_the_version_seen(door: Door) -> None:
    visit = (await create(door)).json
    end = f"/v1/visits/{visit['id']}/end"
    etag = (await door.ask("GET", f"/v1/visits/{visit['id']}")).headers["ETag"]
    first = await door.ask("POST", end, headers={**KEY, "If-Match": etag})
    again = await door.ask("POST", end, headers={**KEY, "If-Match": etag})  # though the version has moved on
    assert (first.status, again.status, again.body) == (200, 200, first.body)
    assert (await door.ask("POST", end, headers={**KEY, "If-Match": "*"})).problem == (422, "idempotency-mismatch")


async def test_a_key_is_taken_where_none_is_needed(door: Door) -> None:
    visit = (await create(door)).json
    link = visit["seats"][0]["links"][0]["id"]
    path = f"/v1/visits/{visit['id']}/links/{link}"
    answers = [await door.ask("DELETE", path, headers=KEY) for _ in range(2)]
    assert [(answer.status, REPLAYED in answer.headers) for answer in answers] == [(204, False), (204, True)]


async def test_access_is_asked_again(door: Door) -> None:
    await create(door)
    refused = await door.ask("POST", "/v1/visits", key="wrong", json=BODY, headers=KEY)
    assert refused.problem == (401, "not-authenticated")


async def test_a_key_is_kept_for_a_day(door: Door) -> None:
    first = await create(door)
    door.clock.ahead = LIFE - timedelta(minutes=1)
    assert (await create(door)).body == first.body
    door.clock.ahead = LIFE + timedelta(minutes=1)
    assert (await create(door)).body != first.body


async def test_a_refusal_that_stays_one_is_kept(door: Door) -> None:
    visit = (await create(door)).json
    seats, more = f"/v1/visits/{visit['id']}/seats", {"role": "carer", "name": "Cleo"}
    await door.ask("POST", f"/v1/visits/{visit['id']}/end")
    answers = [await door.ask("POST", seats, json=more, headers=KEY) for _ in range(2)]
    assert [answer.problem for answer in answers] == [(409, "wrong-state")] * 2
    assert [REPLAYED in answer.headers for answer in answers] == [False, True]


@pytest.mark.parametrize("error", [Unavailable("x"), Conflict("x"), TooFast("x", 1), RuntimeError("x")])
async def test_what_is_not_final_is_not_kept(door: Door, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*given: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(door.app[call.VISITS], "create", fail)
        assert (await create(door)).status in (409, 429, 500, 503)
    assert (await create(door)).status == 201


async def test_a_malformed_request_leaves_its_key_free(door: Door) -> None:
    assert (await create(door, expires_in_s=1)).problem == (400, "bad-input")
    assert (await create(door)).status == 201


@pytest.mark.parametrize("word", ["sign-in", "oauth", "token", "ticket", "exchange"])
def test_what_gives_out_credentials_knows_no_key(word: str) -> None:
    assert all(route.repeats.value == "never" for route in ROUTES if word in route.path)


# --- a process that dies ------------------------------------------------------------------------------------------


class Mortal:
    """Stops for good at its `at`-th transact, before or after it: what a kill is to whoever starts again."""

    def __init__(self, door: Door, at: int, *, after: bool) -> None:
        self.inner = door.app[call.STORE]._below  # type: ignore[attr-defined]
        self.at, self.after = at, after
        self.dead, self.revived = asyncio.Event(), asyncio.Event()
        self.do = self.inner.transact
        self.inner.transact = self.transact

    async def transact(self, writes: Sequence[Write]) -> list[Token]:
        self.at -= 1
        if self.at != 0:
            return await self.do(writes)  # type: ignore[no-any-return]
        tokens: list[Token] = await self.do(writes) if self.after else []
        self.dead.set()
        await self.revived.wait()
        return tokens if self.after else await self.do(writes)


CLAIM, ACT, KEEP = 1, 2, 3
RUNNING, UNANSWERED = (409, "idempotency-running"), (409, "idempotency-unanswered")


@pytest.mark.parametrize(
    ("at", "after", "at_once", "later"),
    [
        (CLAIM, False, (201, False), (201, True)),
        (CLAIM, True, RUNNING, (201, False)),
        (ACT, False, RUNNING, (201, False)),
        (ACT, True, RUNNING, UNANSWERED),
        (KEEP, False, RUNNING, UNANSWERED),
        (KEEP, True, (201, True), (201, True)),
    ],
)
async def test_wherever_it_dies_there_is_no_second_thing(
    door: Door, at: int, after: bool, at_once: tuple[int, object], later: tuple[int, object]
) -> None:
    def seen(answer: Answer) -> tuple[int, object]:
        return (answer.status, REPLAYED in answer.headers) if answer.status == 201 else answer.problem

    mortal = Mortal(door, at, after=after)
    killed = asyncio.create_task(create(door))
    await asyncio.wait_for(mortal.dead.wait(), 5)
    assert seen(await create(door)) == at_once
    door.clock.ahead = LEASE
    assert seen(await create(door)) == later
    assert visits(door) == 1
    mortal.revived.set()  # only so that the server of this test can stop
    await asyncio.gather(killed, return_exceptions=True)


async def test_one_that_was_thought_dead_does_nothing_any_more(door: Door) -> None:
    mortal = Mortal(door, ACT, after=False)
    slow = asyncio.create_task(create(door))
    await asyncio.wait_for(mortal.dead.wait(), 5)
    door.clock.ahead = LEASE
    other = await create(door)
    mortal.revived.set()
    assert (await slow).problem == (409, "conflict")
    assert (await create(door)).body == other.body
    assert visits(door) == 1


async def test_of_many_at_once_one_is_carried_out(door: Door) -> None:
    answers = await asyncio.gather(*(create(door) for _ in range(20)))
    assert {answer.status for answer in answers} <= {201, 409}
    assert len({answer.body for answer in answers if answer.status == 201}) == 1
    assert visits(door) == 1
