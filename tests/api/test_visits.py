from datetime import UTC, datetime
from typing import Any

import pytest

from api import call
from medinova_rt import audit
from medinova_rt.ids import ClinicId
from medinova_rt.principals import Role, Service
from tests.api.conftest import SEATS, Door, token


async def test_a_visit_is_created_with_a_link_for_each_seat(door: Door) -> None:
    answer = await door.ask("POST", "/v1/visits", json={"seats": SEATS})
    visit = answer.json
    assert (answer.status, answer.headers["Location"]) == (201, f"/v1/visits/{visit['id']}")
    assert visit["state"] == "waiting"
    assert [(seat["role"], seat["name"], seat["admitted"], len(seat["links"])) for seat in visit["seats"]] == [
        ("clinician", "Dr. Ada", True, 1),
        ("patient", "Ben", False, 1),
    ]
    assert all(seat["links"][0]["url"].startswith(f"{door.url}/join#join.vis-") for seat in visit["seats"])


async def test_a_visit_reads_as_it_was_created(door: Door) -> None:
    visit = await door.visit()
    assert (await door.ask("GET", f"/v1/visits/{visit['id']}")).json == visit


async def test_a_seat_is_added_and_the_room_is_told(door: Door) -> None:
    visit = await door.visit()
    answer = await door.ask("POST", f"/v1/visits/{visit['id']}/seats", json={"role": "carer", "name": "Cleo"})
    assert (answer.status, answer.json["role"], answer.json["admitted"]) == (201, "carer", False)
    assert answer.headers["Location"] == f"/v1/visits/{visit['id']}"
    assert door.rooms.told == [("changed", visit["id"])]
    assert (await door.exchange(token(answer.json))).status == 200


async def test_a_further_link_opens_the_same_seat(door: Door) -> None:
    visit = await door.visit()
    seat = visit["seats"][1]["id"]
    answer = await door.ask("POST", f"/v1/visits/{visit['id']}/seats/{seat}/links")
    assert answer.status == 201
    admission = await door.exchange(answer.json["url"].partition("#")[2])
    assert (admission.status, admission.json["seat"]) == (200, seat)


async def test_a_revoked_link_opens_nothing_and_ends_what_came_of_it(door: Door) -> None:
    visit = await door.visit()
    seat = visit["seats"][1]
    cookie = await door.cookie(seat)
    link = seat["links"][0]["id"]
    for _ in range(2):  # again is fine
        answer = await door.ask("DELETE", f"/v1/visits/{visit['id']}/links/{link}")
        assert (answer.status, answer.body) == (204, b"")
    assert door.rooms.told[0] == ("revoke", visit["id"], link)
    assert (await door.exchange(token(seat))).problem == (401, "link-revoked")
    read = await door.ask("GET", f"/v1/visits/{visit['id']}/seats/{seat['id']}", key=None, headers={"Cookie": cookie})
    assert read.problem == (401, "link-revoked")


async def test_an_ended_visit_stays_ended(door: Door) -> None:
    visit = await door.visit()
    end = f"/v1/visits/{visit['id']}/end"
    answer = await door.ask("POST", end)
    assert (answer.status, answer.json["state"]) == (200, "ended")
    assert door.rooms.told == [("close", visit["id"], "ended")]
    assert (await door.ask("POST", end)).problem == (409, "wrong-state")
    more = {"role": "carer", "name": "Cleo"}
    assert (await door.ask("POST", f"/v1/visits/{visit['id']}/seats", json=more)).problem == (409, "wrong-state")
    seat = visit["seats"][0]
    assert (await door.ask("POST", f"/v1/visits/{visit['id']}/seats/{seat['id']}/links")).problem == (
        409,
        "wrong-state",
    )
    assert (await door.exchange(token(seat))).problem == (409, "wrong-state")


async def test_seats_and_links_are_bounded(door: Door) -> None:
    visit = await door.visit(SEATS * 4)
    more = {"role": "carer", "name": "Cleo"}
    assert (await door.ask("POST", f"/v1/visits/{visit['id']}/seats", json=more)).problem == (409, "limit-reached")
    path = f"/v1/visits/{visit['id']}/seats/{visit['seats'][0]['id']}/links"
    answers = [await door.ask("POST", path) for _ in range(8)]
    assert [answer.status for answer in answers] == [201] * 7 + [409]
    assert answers[-1].problem == (409, "limit-reached")


NAMELESS = {"role": "patient"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"seats": []}, "/seats"),
        ({"seats": SEATS * 5}, "/seats"),
        ({"seats": SEATS, "expires_in_s": 59}, "/expires_in_s"),
        ({"seats": SEATS, "expires_in_s": 32 * 86400}, "/expires_in_s"),
        ({"seats": SEATS, "expires_in_s": "60"}, "/expires_in_s"),
        ({"seats": SEATS, "expires_in_s": 1e300}, "/expires_in_s"),
        ({"seats": [NAMELESS]}, "/seats/0"),
        ({"seats": [{**NAMELESS, "name": ""}]}, "/seats/0/name"),
        ({"seats": [{**NAMELESS, "name": "   "}]}, "/seats/0/name"),
        ({"seats": [{**NAMELESS, "name": " Ben"}]}, "/seats/0/name"),
        ({"seats": [{**NAMELESS, "name": "x" * 81}]}, "/seats/0/name"),
        ({"seats": [{**NAMELESS, "name": "a\nb"}]}, "/seats/0/name"),
        ({"seats": [{**NAMELESS, "name": "a\u202eb"}]}, "/seats/0/name"),
        ({"seats": [{**NAMELESS, "name": None}]}, "/seats/0/name"),
        ({"seats": [{"role": "surgeon", "name": "Ada"}]}, "/seats/0/role"),
        ({"seats": [{**NAMELESS, "name": "Ben", "admitted": True}]}, "/seats/0"),
        ({"seats": SEATS, "clinic": "cli-other"}, ""),
        ([], ""),
    ],
)
async def test_what_does_not_fit_the_schema_is_refused_where_it_does_not(door: Door, body: Any, pointer: str) -> None:
    answer = await door.ask("POST", "/v1/visits", json=body)
    assert answer.problem == (400, "bad-input")
    assert [fault["pointer"] for fault in answer.json.get("errors", [])] == ([pointer] if pointer else [])


async def test_a_refusal_repeats_nothing_that_was_sent(door: Door) -> None:
    seats = [{"role": "Zebedee", "name": "Zebedee"}]
    for body in ({"seats": seats}, {"seats": SEATS, "Zebedee": 1}):
        assert b"Zebedee" not in (await door.ask("POST", "/v1/visits", json=body)).body


@pytest.mark.parametrize(
    ("data", "content_type", "problem"),
    [
        (b"", "application/json", (400, "bad-input")),
        (b"null", "application/json", (400, "bad-input")),
        (b"{", "application/json", (400, "bad-input")),
        (b'{"seats": [{"role": "patient", "name": "\xff"}]}', "application/json", (400, "bad-input")),
        (b'{"seats": [{"role": "patient", "name": "\\ud800"}]}', "application/json", (400, "bad-input")),
        (b'{"seats":' + b"[" * 30_000, "application/json", (400, "bad-input")),
        (b'{"x":' * 10_000, "application/json", (400, "bad-input")),
        (b'{"seats": [' + b" " * 70_000, "application/json", (413, "too-large")),
        (b"{}", "text/plain", (415, "wrong-media-type")),
        (b"seats=1", "application/x-www-form-urlencoded", (415, "wrong-media-type")),
    ],
)
async def test_bodies_that_are_not_json(door: Door, data: bytes, content_type: str, problem: tuple[int, str]) -> None:
    answer = await door.ask("POST", "/v1/visits", data=data, headers={"Content-Type": content_type})
    assert answer.problem == problem


async def test_a_compressed_body_is_refused(door: Door) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await door.ask("POST", "/v1/visits", data=b"\x1f\x8b", headers=headers)
    assert answer.problem == (415, "wrong-media-type")


PATHS = [
    ("GET", "/v1/visits/{visit}", None),
    ("POST", "/v1/visits/{visit}/end", None),
    ("POST", "/v1/visits/{visit}/seats", {"role": "carer", "name": "Cleo"}),
    ("POST", "/v1/visits/{visit}/seats/{seat}/links", None),
    ("DELETE", "/v1/visits/{visit}/links/{link}", None),
]
NOBODY = {"visit": "vis-06ev2x3k8m0000000000000000", "seat": "sea-1", "link": "lnk-1"}


@pytest.mark.parametrize(("method", "path", "body"), PATHS)
async def test_what_is_not_there_is_not_found(door: Door, method: str, path: str, body: Any) -> None:
    for visit in (NOBODY["visit"], "x", "%2e%2e", "%00", "%ff", "a" * 4000):
        answer = await door.ask(method, path.format(**{**NOBODY, "visit": visit}), json=body)
        assert answer.problem == (404, "not-found")


async def test_a_seat_or_link_of_another_visit_is_not_found(door: Door) -> None:
    visit, other = await door.visit(), await door.visit()
    seat = other["seats"][0]
    for method, path in (
        ("POST", f"/v1/visits/{visit['id']}/seats/{seat['id']}/links"),
        ("DELETE", f"/v1/visits/{visit['id']}/links/{seat['links'][0]['id']}"),
    ):
        assert (await door.ask(method, path)).problem == (404, "not-found")


@pytest.mark.parametrize(("method", "path", "body"), [("POST", "/v1/visits", {"seats": SEATS}), *PATHS])
@pytest.mark.parametrize("key", [None, "wrong", "schlüssel"])
async def test_strangers_are_refused_alike_whether_it_exists_or_not(
    door: Door, method: str, path: str, body: Any, key: str | None
) -> None:
    visit = await door.visit()
    real = {
        "visit": visit["id"],
        "seat": visit["seats"][0]["id"],
        "link": visit["seats"][0]["links"][0]["id"],
    }
    for names in (NOBODY, real):
        answer = await door.ask(method, path.format(**names), key=key, json=body)
        assert answer.problem == (401, "not-authenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert (await door.ask("GET", f"/v1/visits/{visit['id']}")).json == visit


async def test_other_schemes_than_bearer_are_refused(door: Door) -> None:
    for scheme in ("Basic", "Token", ""):
        headers = {"Authorization": f"{scheme} service-key-of-the-tests-0123456789"}
        assert (await door.ask("GET", "/v1/visits/x", headers=headers)).problem == (401, "not-authenticated")


async def test_another_clinics_visit_is_not_found_and_the_try_leaves_a_record(door: Door) -> None:
    other = Service(ClinicId("cli-other"))
    visit = await door.app[call.VISITS].create(other, [(Role.PATIENT, "Ben")], datetime.now(UTC))
    names = {"visit": visit.id, "seat": visit.seats[0].id, "link": visit.seats[0].links[0].id}
    for method, path, body in PATHS:
        assert (await door.ask(method, path.format(**names), json=body)).problem == (404, "not-found")
    trail = await audit.trail(door.app[call.STORE], visit.id)
    assert [(record.actor_kind, record.outcome) for record in trail] == [
        ("service", "done"),
        *[("service", "denied")] * len(PATHS),
    ]


async def test_the_service_key_opens_no_seat(door: Door) -> None:
    visit = await door.visit()
    answer = await door.ask("GET", f"/v1/visits/{visit['id']}/seats/{visit['seats'][0]['id']}")
    assert answer.problem == (403, "forbidden")


async def test_each_act_leaves_an_audit_record(door: Door) -> None:
    visit = await door.visit()
    place = f"/v1/visits/{visit['id']}"
    seat = visit["seats"][1]
    cookie = await door.cookie(seat)
    await door.ask("GET", place)
    await door.ask("GET", f"{place}/seats/{seat['id']}", key=None, headers={"Cookie": cookie})
    await door.ask("POST", f"{place}/seats", json={"role": "carer", "name": "Cleo"})
    await door.ask("POST", f"{place}/seats/{seat['id']}/links")
    await door.ask("DELETE", f"{place}/links/{seat['links'][0]['id']}")
    await door.ask("POST", f"{place}/end")
    trail = await audit.trail(door.app[call.STORE], visit["id"])
    assert [(record.actor_kind, record.action, record.address) for record in trail] == [
        ("service", "visit.create", "127.0.0.1"),
        ("patient", "link.exchange", "127.0.0.1"),
        ("service", "visit.read", "127.0.0.1"),
        ("patient", "seat.read", "127.0.0.1"),
        ("service", "seat.add", "127.0.0.1"),
        ("service", "link.add", "127.0.0.1"),
        ("service", "link.revoke", "127.0.0.1"),
        ("service", "visit.end", "127.0.0.1"),
    ]
