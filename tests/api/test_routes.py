import sqlite3
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from api.openapi import IDS
from api.problems import TABLE
from api.repeating import Repeat
from api.route import Route
from api.routes import ROUTES, make_app
from api.things import LOADERS
from medinova_rt.config import load
from medinova_rt.errors import DomainError, TooFast
from tests.api.conftest import KEY, Door, token


def test_operations_and_places_are_unique() -> None:
    assert len({route.operation for route in ROUTES}) == len(ROUTES)
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


def test_the_table_is_all_that_is_served() -> None:
    app = make_app(load({"MEDINOVA_PUBLIC_URL": "http://localhost"}))
    served = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
    table = {(route.method, route.template) for route in ROUTES}
    assert served == table | {("HEAD", path) for method, path in table if method == "GET"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_every_error_of_a_route_has_a_row(route: Any) -> None:
    assert all(kind in TABLE for kind in route.problems)
    assert 500 in {TABLE[kind].status for kind in route.problems}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
async def test_every_error_of_a_route_is_answered_as_documented(
    door: Door, route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = route.template.format(**{name: f"{IDS[name][1]}-x" if name in IDS else "x" for name in route.parameters})
    for kind in route.problems:

        def fail(*given: object, kind: type[DomainError] = kind) -> None:
            raise TooFast("x", 1) if kind is TooFast else kind("x")

        for place in ("api.caller.address", "api.forwarded.address"):
            monkeypatch.setattr(place, fail)
        answer = await door.ask(route.method, path)  # which compares it with the document
        assert answer.problem == (TABLE[kind].status, kind.code)


async def everything(door: Door) -> list[tuple[Any, ...]]:
    """Return the whole store, audit trail included."""
    path = door.database
    with sqlite3.connect(path) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [(table, *row) for table in tables for row in connection.execute(f"SELECT * FROM {table}")]
    connection.close()
    return sorted(rows, key=repr)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_opening_any_address_changes_nothing(door: Door, method: str) -> None:
    """What mail scanners and link previews do: no credential, whatever is in the link, again and again."""
    visit = await door.visit()
    seat = visit["seats"][1]
    link = seat["links"][0]
    before = await everything(door)
    names = {
        "visit": visit["id"],
        "seat": seat["id"],
        "link": link["id"],
        "name": "app.js",
        "passkey": "psk-1",
        "session": "ses-1",
    }
    paths = {route.template.format_map(defaultdict(lambda: "x", names)) for route in ROUTES} | {
        link["url"].removeprefix(door.url).partition("#")[0],
        f"/join?{token(seat)}",
        f"/join/{token(seat)}",
        f"/v1/links/exchange?token={token(seat)}",
    }
    for path in paths:
        await door.ask(method, path, key=None)
    assert await everything(door) == before


async def test_reading_with_the_right_credential_leaves_its_audit_record_and_no_more(door: Door) -> None:
    visit = await door.visit()
    before = await everything(door)
    assert (await door.ask("GET", f"/v1/visits/{visit['id']}")).status == 200
    new = [row for row in await everything(door) if row not in before]
    assert ["audit" in row for row in new] == [True]


async def test_metrics_are_for_the_service(door: Door) -> None:
    await door.ask("GET", "/nowhere")
    assert (await door.ask("GET", "/metrics", key=None)).problem == (401, "not-authenticated")
    answer = await door.ask("GET", "/metrics", key=KEY)
    assert b"medinova_api_problem_not_found_total 1\n" in answer.body


def test_every_route_and_problem_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "rest.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    for route in ROUTES:
        assert any(f"`{route.method}`" in row and f"`{route.template}`" in row for row in rows), route.operation
    for kind, row in TABLE.items():
        assert any(line.startswith(f"| `{kind.code}` | {row.status} |") for line in rows), kind.code


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_what_a_route_acts_on_has_a_loader(route: Route) -> None:
    assert route.is_public or route.thing in LOADERS


# what a caller may do to an existing object without having seen its version, and why
UNSEEN = {
    "revokeSession": "it is seen in use, so its version moves; and whoever has lost a device is in a hurry",
    "removePasskey": "it is there or not, and never changes",
}
ONCE = {"addPasskey": "the challenge in it works once, and recovery codes in the answer are not to be kept"}


@pytest.mark.parametrize("route", [each for each in ROUTES if each.is_api], ids=lambda route: route.operation)
def test_what_changes_an_object_names_its_version_and_what_makes_one_is_made_once(route: Route) -> None:
    if route.method in ("PUT", "PATCH", "DELETE") and route.parameters:
        assert route.precondition is (route.operation not in UNSEEN)
    if route.status == 201 and not route.is_public:
        assert route.repeats is (Repeat.NEVER if route.operation in ONCE else Repeat.REQUIRED)
    if route.precondition and route.is_api:
        reads = {each.template for each in ROUTES if each.method == "GET"}
        assert any(route.template.startswith(read) for read in reads if read != "/"), "where is its ETag read?"
