"""That there is no such thing and that it is not yours is the same answer, on the same way through the store.

What is compared is the work, not the time: each read and each write that the server does for the one and for the other.
The way through the code between them has no other wait.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import pytest
from aiohttp import web

from api.route import Route
from api.routes import ROUTES
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.grants import Kind, StaffRole, Standing
from medinova_rt.ids import AccountId
from medinova_rt.ports import Find, Write
from medinova_rt.principals import Principal, Service, Stranger
from tests.api.conftest import Door
from tests.api.objects import OTHER, World, grant, person

WHO = "X-Who"
GUESSABLE = [route for route in ROUTES if route.parameters and not route.is_public and not route.is_seated]
OUTSIDERS: dict[str, Principal] = {
    "nobody's user": person("usr-nobody", Standing()),
    "another clinic's administrator": person(
        "usr-there", Standing(members={OTHER: grant(Kind.MEMBER, OTHER, StaffRole.ADMINISTRATOR)})
    ),
    "another clinic's system": Service(OTHER, account=AccountId("acc-there")),
}


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the store, in order."""
    done: list[str] = []
    get, find, transact = SqliteStore.get, SqliteStore.find, SqliteStore.transact

    async def counted_get(store: SqliteStore, collection: str, id_: str) -> Any:
        done.append(f"get {collection}")
        return await get(store, collection, id_)

    async def counted_find(store: SqliteStore, what: Find, *said: Any, **more: Any) -> Any:
        done.append(f"find {what.collection}")
        return await find(store, what, *said, **more)

    async def counted_transact(store: SqliteStore, writes: Sequence[Write]) -> Any:
        done.append("transact " + " ".join(f"{type(each).__name__} {each.collection}" for each in writes))
        return await transact(store, writes)

    monkeypatch.setattr(SqliteStore, "get", counted_get)
    monkeypatch.setattr(SqliteStore, "find", counted_find)
    monkeypatch.setattr(SqliteStore, "transact", counted_transact)
    return done


@pytest.mark.parametrize("route", GUESSABLE, ids=lambda route: route.operation)
async def test_it_is_the_same_work(door: Door, route: Route, work: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def authenticate(request: web.Request, now: datetime) -> Principal:
        return OUTSIDERS.get(request.headers.get(WHO, ""), Stranger("127.0.0.1"))

    monkeypatch.setattr("api.caller.authenticate", authenticate)
    world = World(door)
    path = await world.path(route.template, route.parameters)
    for who in OUTSIDERS:
        answers = await asked(door, route, path, world, who, work)
        assert all(each == answers[0] for each in answers), (who, answers)


async def asked(
    door: Door, route: Route, path: str, world: World, who: str, work: list[str]
) -> list[tuple[bytes, list[str]]]:
    """The answer and what it took: for what is there, then with one part of the path after the other of nothing."""
    answers = []
    for parameter in ("", *route.parameters):
        made = world.made.get(parameter, "")
        guessed = path.replace(made, f"{made[:4]}x{made[5:]}") if parameter else path
        work.clear()
        answer = await door.ask(route.method, guessed, key=None, headers={WHO: who}, data=b"")
        assert answer.problem == (404, "not-found")
        answers.append((msgspec.json.encode({**answer.json, "request_id": ""}), list(work)))
    return answers
