from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from api import call
from medinova_rt import audit, documents, grants, invited
from medinova_rt.clinics import DEMO, Clinic
from medinova_rt.grants import Grant, Kind, Scope, StaffRole, standing
from medinova_rt.ids import ClinicId, GrantId, PatientId, SessionId, UserId
from medinova_rt.ports import Insert
from medinova_rt.principals import Person, Principal, Stranger
from medinova_rt.users import Users
from tests.api.conftest import Answer, Door, Json

NOW = datetime.now(UTC)
WHO = "X-Who"  # in these tests, a user
OTHER = Clinic(id=ClinicId("cli-other"), clinic=ClinicId("cli-other"), name="Other Clinic", second_factor=False)
BAD, SENSELESS = (400, "bad-input"), (422, "senseless")
ANNA = {
    "given": "Anna",
    "family": "Nowak",
    "birth_date": "1990-05-17",
    "language": "en",
    "zone": "Europe/Madrid",
    "email": "anna@example.org",
    "phone": "+34 600 123 456",
    "number": "A-1",
}
PATCH = {"Content-Type": "application/merge-patch+json"}


class Clinics:
    """Two clinics with people whose grants are looked up at each request, as a session's are."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.store = door.app[call.STORE]

    async def staff(self, user: str, *roles: StaffRole, clinic: ClinicId = DEMO.id) -> None:
        grant = Grant(
            id=GrantId(f"gra-{user.removeprefix('usr-')}"),
            clinic=clinic,
            user=UserId(user),
            kind=Kind.MEMBER,
            roles=list(roles),
            created_at=NOW - timedelta(hours=1),
            starts_at=NOW - timedelta(hours=1),
        )
        await self.store.transact([Insert(grants.COLLECTION, grant.id, documents.encode(grant))])

    async def authenticate(self, request: web.Request, now: datetime) -> Principal:
        user = request.headers.get(WHO)
        if user is None:
            return Stranger("127.0.0.1")
        mine = standing(await grants.of_user(self.store, UserId(user), now), now)
        return Person(UserId(user), SessionId("ses-1"), mine, strong=True, authenticated_at=now)

    async def ask(self, user: str, method: str, path: str, json: Any = None, **headers: str) -> Answer:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        kind = PATCH if method == "PATCH" else {}
        return await self.door.ask(method, path, key=None, json=json, headers={WHO: user, **kind, **said})

    async def known(self, email: str, name: str, clinic: ClinicId = DEMO.id) -> UserId:
        """Make a user who acts for some patient of the clinic."""
        user = await Users(self.store).create(email, name, "en", "UTC", NOW)
        grant = Grant(
            id=GrantId(f"gra-{user.id}"),
            clinic=clinic,
            user=user.id,
            kind=Kind.CARER,
            patient=PatientId("pat-some"),
            scope=[Scope.VISITS],
            created_at=NOW,
            starts_at=NOW,
        )
        await self.store.transact([Insert(grants.COLLECTION, grant.id, documents.encode(grant))])
        return user.id

    async def patient(self, clinic: ClinicId = DEMO.id, user: str = "usr-desk", **more: Any) -> Json:
        answer = await self.ask(user, "POST", f"/v1/clinics/{clinic}/patients", {**ANNA, **more})
        assert answer.status == 201, answer.body
        made: Json = answer.json
        return made


@pytest.fixture
async def clinics(door: Door, monkeypatch: pytest.MonkeyPatch) -> Clinics:
    made = Clinics(door)
    monkeypatch.setattr("api.caller.authenticate", made.authenticate)
    await door.app[call.CLINICS].ensure(OTHER)
    for role in StaffRole:
        await made.staff(f"usr-{role}", role)
    await made.staff("usr-desk", StaffRole.FRONT_DESK)
    await made.staff("usr-elsewhere", *StaffRole, clinic=OTHER.id)
    return made


async def test_a_patient_is_made_read_and_changed(clinics: Clinics) -> None:
    made = await clinics.ask("usr-desk", "POST", f"/v1/clinics/{DEMO.id}/patients", ANNA)
    path = f"/v1/patients/{made.json['id']}"
    assert (made.status, made.headers["Location"]) == (201, path)
    read = await clinics.ask("usr-desk", "GET", path)
    assert (read.status, read.json) == (200, made.json)
    assert read.headers["ETag"] == made.headers["ETag"]
    assert read.headers["Cache-Control"] == "no-store"
    expected = {**ANNA, "phone": "+34600123456", "clinic": DEMO.id, "state": "active", "treating": [], "merged": []}
    assert {name: read.json[name] for name in expected} == expected
    changed = await clinics.ask(
        "usr-desk", "PATCH", path, {"email": None, "given": "Ana"}, If_Match=read.headers["ETag"]
    )
    assert (changed.status, changed.json["email"], changed.json["given"]) == (200, None, "Ana")
    stale = await clinics.ask("usr-desk", "PATCH", path, {"given": "Eve"}, If_Match=read.headers["ETag"])
    assert stale.problem == (412, "changed")


async def test_the_same_request_again_makes_no_second_one(clinics: Clinics) -> None:
    path, key = f"/v1/clinics/{DEMO.id}/patients", {"Idempotency_Key": "once"}
    first = await clinics.ask("usr-desk", "POST", path, ANNA, **key)
    again = await clinics.ask("usr-desk", "POST", path, ANNA, **key)
    assert (again.status, again.json) == (201, first.json)


@pytest.mark.parametrize(
    "body", [{"name": "now"}, {"number": "a-1"}, {"email": "ANNA@example.org"}, {"phone": "+34600123456"}]
)
async def test_a_patient_is_found(clinics: Clinics, body: Json) -> None:
    made = await clinics.patient()
    path = f"/v1/clinics/{DEMO.id}/patients/search"
    for user in ("usr-clinician", "usr-desk", "usr-billing", "usr-administrator"):
        found = await clinics.ask(user, "POST", path, {**body, "birth_date": "1990-05-17"})
        assert found.json == {"items": [brief(made)], "next_cursor": None}
    none = await clinics.ask("usr-desk", "POST", path, {**body, "birth_date": "1990-05-18"})
    assert none.json["items"] == []


def brief(patient: Json) -> Json:
    names = ("id", "given", "family", "birth_date", "number", "state", "merged_into")
    return {name: patient[name] for name in names}


async def test_a_search_goes_on_where_it_stopped(clinics: Clinics) -> None:
    made = set()
    for n in range(5):
        family = "Zz" + "abcde"[n] * 6
        one = await clinics.patient(
            given="Same", family=family, number=f"{n}", birth_date=f"19{50 + n}-01-01", email=None, phone=None
        )
        made.add(one["id"])
    path, found, cursor = f"/v1/clinics/{DEMO.id}/patients/search", set(), None
    for _ in range(5):
        page = await clinics.ask("usr-desk", "POST", path, {"name": "same", "limit": 2, "cursor": cursor})
        found |= {each["id"] for each in page.json["items"]}
        cursor = page.json["next_cursor"]
        assert "Link" not in page.headers
        if cursor is None:
            break
    assert found == made
    for wrong, problem in (
        ("%%%", (400, "bad-input")),
        ("x", (422, "senseless")),
        ("YQ==A", (422, "senseless")),
        ("IDA=", (422, "senseless")),
    ):
        answer = await clinics.ask("usr-desk", "POST", path, {"name": "same", "cursor": wrong})
        assert answer.problem == problem


async def test_a_likely_duplicate_is_shown_and_has_to_be_named(clinics: Clinics) -> None:
    made = await clinics.patient()
    path = f"/v1/clinics/{DEMO.id}/patients"
    shown = await clinics.ask(
        "usr-desk", "POST", f"{path}/duplicates", {"name": "Ana Novak", "birth_date": "1990-05-17"}
    )
    assert shown.json == {"items": [{"patient": brief(made), "reasons": ["birth-date", "similar-name"], "score": 65}]}
    again = {**ANNA, "number": "A-2"}
    refused = await clinics.ask("usr-desk", "POST", path, again)
    assert refused.problem == (409, "likely-duplicates")
    assert refused.json["candidates"] == [made["id"]]
    assert b"Nowak" not in refused.body
    assert (await clinics.ask("usr-desk", "POST", path, {**again, "despite": [made["id"]]})).status == 201
    taken = {**ANNA, "given": "Zoe", "family": "Smith", "birth_date": "1960-01-02"}
    assert (await clinics.ask("usr-desk", "POST", path, taken)).problem == (409, "number-taken")


@pytest.mark.parametrize(
    ("body", "pointer", "problem"),
    [
        ({"given": ""}, "/given", BAD),
        ({"given": "..."}, "/given", SENSELESS),
        ({"birth_date": "17.5.1990"}, "/birth_date", BAD),
        ({"birth_date": "2990-05-17"}, "/birth_date", SENSELESS),
        ({"email": "anna"}, "/email", SENSELESS),
        ({"email": "anna@localhost"}, "/email", SENSELESS),
        ({"phone": "600123456"}, "/phone", BAD),
        ({"phone": "+999 000 0000"}, "/phone", SENSELESS),
        ({"language": "xx"}, "/language", BAD),
        ({"zone": "Nowhere/City"}, "/zone", SENSELESS),
        ({"number": "a\nb"}, "/number", BAD),
        ({"identifiers": [{"system": "x", "value": "1"}] * 7}, "/identifiers", BAD),
        ({"identifiers": [{"system": "", "value": "1"}]}, "/identifiers/0/system", BAD),
        ({"despite": ["no id"]}, "/despite/0", BAD),
        ({"treating": []}, "", BAD),
    ],
)
async def test_what_does_not_fit_is_refused_where_it_does_not(
    clinics: Clinics, body: Json, pointer: str, problem: tuple[int, str]
) -> None:
    answer = await clinics.ask("usr-desk", "POST", f"/v1/clinics/{DEMO.id}/patients", {**ANNA, **body})
    assert answer.problem == problem
    assert [fault["pointer"] for fault in answer.json.get("errors", [])] == ([pointer] if pointer else [])
    assert b"Nowak" not in answer.body


async def test_a_merge_and_back(clinics: Clinics) -> None:
    one = await clinics.patient()
    other = await clinics.patient(number="B-2", despite=[one["id"]])
    path, there = f"/v1/patients/{one['id']}", f"/v1/patients/{other['id']}"
    assert (await clinics.ask("usr-clinician", "POST", f"{path}/merge", {"other": other["id"]})).problem[0] == 403
    merged = await clinics.ask("usr-desk", "POST", f"{path}/merge", {"other": other["id"]})
    assert (merged.status, merged.json["merged"]) == (200, [other["id"]])
    read = await clinics.ask("usr-desk", "GET", there)
    assert (read.status, read.json["state"], read.json["merged_into"]) == (200, "merged", one["id"])
    assert (await clinics.ask("usr-desk", "PATCH", there, {"language": "es"})).problem == (409, "wrong-state")
    parted = await clinics.ask("usr-desk", "POST", f"{path}/unmerge", {"other": other["id"]})
    assert (parted.status, parted.json) == (200, one)
    assert (await clinics.ask("usr-desk", "GET", there)).json == other
    assert (await clinics.ask("usr-desk", "POST", f"{path}/unmerge", {"other": other["id"]})).problem[0] == 409


async def test_who_treats_reads(clinics: Clinics) -> None:
    path = f"/v1/patients/{(await clinics.patient())['id']}"
    assert (await clinics.ask("usr-clinician", "GET", path)).problem == (403, "forbidden")
    for _ in range(2):
        added = await clinics.ask("usr-desk", "PUT", f"{path}/treating/usr-clinician")
        assert (added.status, added.json["treating"]) == (200, ["usr-clinician"])
    assert (await clinics.ask("usr-clinician", "GET", path)).status == 200
    assert (await clinics.ask("usr-clinician", "PATCH", path, {"family": "Nowak-Smith"})).status == 200
    for user in ("usr-desk", "usr-elsewhere", "usr-none", "%00", "a" * 41):
        assert (await clinics.ask("usr-desk", "PUT", f"{path}/treating/{user}")).problem == (404, "not-found")
    for _ in range(2):
        assert (await clinics.ask("usr-desk", "DELETE", f"{path}/treating/usr-clinician")).json["treating"] == []
    assert (await clinics.ask("usr-clinician", "GET", path)).problem == (403, "forbidden")


BODIES: list[tuple[str, str, Any]] = [
    ("GET", "/v1/patients/{patient}", None),
    ("PATCH", "/v1/patients/{patient}", {"language": "es"}),
    ("POST", "/v1/patients/{patient}/merge", {"other": "{patient}"}),
    ("POST", "/v1/patients/{patient}/unmerge", {"other": "{patient}"}),
    ("PUT", "/v1/patients/{patient}/treating/usr-clinician", None),
    ("DELETE", "/v1/patients/{patient}/treating/usr-clinician", None),
    ("GET", "/v1/patients/{patient}/relations", None),
    ("POST", "/v1/patients/{patient}/relations", {"user": "usr-x", "kind": "self"}),
    ("GET", "/v1/patients/{patient}/relations/gra-1", None),
    ("DELETE", "/v1/patients/{patient}/relations/gra-1", None),
    ("POST", f"/v1/clinics/{DEMO.id}/patients", ANNA),
    ("POST", f"/v1/clinics/{DEMO.id}/patients/search", {"name": "nowak"}),
    ("POST", f"/v1/clinics/{DEMO.id}/patients/duplicates", {"name": "Anna Nowak", "birth_date": "1990-05-17"}),
]


@pytest.mark.parametrize(("method", "path", "body"), BODIES)
@pytest.mark.parametrize("user", ["usr-elsewhere", "usr-nobody"])
async def test_another_clinics_patients_are_never_reached(
    clinics: Clinics, user: str, method: str, path: str, body: Any
) -> None:
    """Neither is told from one that is not there."""
    made = await clinics.patient()
    for patient in (made["id"], "pat-none"):
        answer = await clinics.ask(user, method, path.format(patient=patient), body)
        assert answer.problem == (404, "not-found")
        assert b"Nowak" not in answer.body


async def test_another_clinics_patient_cannot_be_merged(clinics: Clinics) -> None:
    one = await clinics.patient()
    there = await clinics.patient(OTHER.id, "usr-elsewhere")
    answer = await clinics.ask("usr-desk", "POST", f"/v1/patients/{one['id']}/merge", {"other": there["id"]})
    assert answer.problem == (404, "not-found")


async def test_a_patient_changes_their_own_contact_only(clinics: Clinics) -> None:
    made = await clinics.patient()
    user = await clinics.known("anna@example.org", "Anna")
    path = f"/v1/patients/{made['id']}"
    given = await clinics.ask("usr-desk", "POST", f"{path}/relations", {"user": user, "kind": "self"})
    assert given.status == 201
    assert (await clinics.ask(user, "GET", path)).json["id"] == made["id"]
    assert (await clinics.ask(user, "PATCH", path, {"phone": None, "language": "es"})).status == 200
    for body in (
        {"family": "Smith"},
        {"phone": None, "number": "1"},
        {"identifiers": None},
        {"birth_date": "1991-01-01"},
    ):
        assert (await clinics.ask(user, "PATCH", path, body)).problem == (403, "forbidden")


async def test_what_was_seen_is_in_the_trail(clinics: Clinics) -> None:
    made = await clinics.patient()
    await clinics.ask("usr-desk", "GET", f"/v1/patients/{made['id']}")
    await clinics.ask("usr-billing", "POST", f"/v1/clinics/{DEMO.id}/patients/search", {"name": "nowak"})
    await clinics.ask("usr-clinician", "GET", f"/v1/patients/{made['id']}")
    page = await clinics.store.find(audit.BY_PATIENT, (made["id"],))
    rows = [row.document for row in page.rows]
    assert sorted((each["action"], each["actor_kind"], each["outcome"]) for each in rows) == [
        ("patient.create", "front-desk", "done"),
        ("patient.find", "billing", "done"),
        ("patient.read", "front-desk", "done"),
        ("patient.read", "user", "denied"),
    ]


# --- relations ----------------------------------------------------------------------------------------------------


async def test_a_relation_is_given_listed_read_and_ended(clinics: Clinics) -> None:
    made = await clinics.patient(birth_date="2018-05-17")
    user = await clinics.known("parent@example.org", "Parent")
    path = f"/v1/patients/{made['id']}/relations"
    body = {"email": "Parent@example.org", "kind": "parent", "scope": ["record"]}
    given = await clinics.ask("usr-desk", "POST", path, body)
    relation = given.json
    assert (given.status, given.headers["Location"]) == (201, f"{path}/{relation['id']}")
    assert (relation["user"], relation["name"], relation["email"]) == (user, "Parent", "parent@example.org")
    assert relation["ends_at"] == "2036-05-17T00:00:00Z"
    assert (await clinics.ask("usr-desk", "GET", path)).json == {"items": [relation], "next_cursor": None}
    read = await clinics.ask("usr-desk", "GET", f"{path}/{relation['id']}")
    assert (read.json, read.headers["ETag"]) == (relation, given.headers["ETag"])
    assert (await clinics.ask("usr-desk", "POST", path, body)).problem == (409, "wrong-state")
    record = f"/v1/patients/{made['id']}"
    assert (await clinics.ask(user, "GET", record)).status == 200
    assert (await clinics.ask(user, "GET", path)).problem == (403, "forbidden")
    for _ in range(2):
        assert (await clinics.ask("usr-desk", "DELETE", f"{path}/{relation['id']}")).status == 204
    assert (await clinics.ask("usr-desk", "GET", path)).json["items"] == []
    assert (await clinics.ask(user, "GET", record)).problem == (404, "not-found")


async def test_patients_see_and_end_what_others_are_to_them(clinics: Clinics) -> None:
    made = await clinics.patient()
    anna = await clinics.known("anna@example.org", "Anna")
    carer = await clinics.known("carer@example.org", "Carer")
    path = f"/v1/patients/{made['id']}/relations"
    own = (await clinics.ask("usr-desk", "POST", path, {"user": anna, "kind": "self"})).json
    theirs = (await clinics.ask("usr-desk", "POST", path, {"user": carer, "kind": "carer", "scope": ["visits"]})).json
    assert own["ends_at"] is None
    assert {each["id"] for each in (await clinics.ask(anna, "GET", path)).json["items"]} == {own["id"], theirs["id"]}
    assert (await clinics.ask(anna, "DELETE", f"{path}/{own['id']}")).problem == (403, "forbidden")
    assert (await clinics.ask(anna, "DELETE", f"{path}/{theirs['id']}")).status == 204
    more = {"user": carer, "kind": "carer", "scope": ["visits"]}
    assert (await clinics.ask(anna, "POST", path, more)).problem == (403, "forbidden")


async def test_a_scope_is_what_it_says(clinics: Clinics) -> None:
    made = await clinics.patient()
    carer = await clinics.known("carer@example.org", "Carer")
    body = {"user": carer, "kind": "carer", "scope": [Scope.VISITS]}
    assert (await clinics.ask("usr-desk", "POST", f"/v1/patients/{made['id']}/relations", body)).status == 201
    assert (await clinics.ask(carer, "GET", f"/v1/patients/{made['id']}")).problem == (403, "forbidden")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"kind": "self"}, SENSELESS),
        ({"kind": "self", "user": "usr-1", "email": "a@example.org"}, SENSELESS),
        ({"kind": "member", "user": "usr-1"}, BAD),
        ({"kind": "emergency", "user": "usr-1"}, BAD),
        ({"kind": "carer", "user": "usr-none", "scope": ["record"]}, SENSELESS),
        ({"kind": "carer", "user": "usr-desk", "scope": ["everything"]}, BAD),
    ],
)
async def test_what_is_no_relation(clinics: Clinics, body: Json, problem: tuple[int, str]) -> None:
    made = await clinics.patient()
    answer = await clinics.ask("usr-desk", "POST", f"/v1/patients/{made['id']}/relations", body)
    assert answer.problem == problem


@pytest.mark.parametrize("span", [{"ends_at": "9999-12-31T23:59:59-14:00"}, {"starts_at": "0001-01-01T00:00:00+14:00"}])
@pytest.mark.parametrize("given", [201, 202])
async def test_a_relation_spans_what_no_calendar_holds(clinics: Clinics, span: Json, given: int) -> None:
    made = await clinics.patient()
    if given == 201:
        await clinics.known("cleo@example.org", "Cleo")
    body = {"email": "cleo@example.org", **span, "kind": "carer", "scope": ["record"]}
    assert (await clinics.ask("usr-desk", "POST", f"/v1/patients/{made['id']}/relations", body)).status == given


async def test_a_relation_of_another_patient_is_not_found(clinics: Clinics) -> None:
    one = await clinics.patient()
    other = await clinics.patient(number="B-2", despite=[one["id"]])
    carer = await clinics.known("carer@example.org", "Carer")
    body = {"user": carer, "kind": "carer", "scope": ["record"]}
    made = (await clinics.ask("usr-desk", "POST", f"/v1/patients/{one['id']}/relations", body)).json
    for method in ("GET", "DELETE"):
        path = f"/v1/patients/{other['id']}/relations/{made['id']}"
        assert (await clinics.ask("usr-desk", method, path)).problem == (404, "not-found")


async def test_somebody_without_an_account_is_invited(clinics: Clinics) -> None:
    made = await clinics.patient()
    path = f"/v1/patients/{made['id']}/relations"
    asked = await clinics.ask("usr-desk", "POST", path, {"email": "anna@example.org", "kind": "self"})
    assert (asked.status, list(asked.json)) == (202, ["invitation"])
    assert (await clinics.ask("usr-desk", "GET", path)).json["items"] == []
    stored = await clinics.store.get(invited.COLLECTION, asked.json["invitation"])
    assert stored is not None
    assert stored.document["relation"]["patient"] == made["id"]
    assert (stored.document["email"], stored.document["name"]) == ("anna@example.org", "Anna Nowak")
    letters = f"/v1/patients/{made['id']}/invitations"
    shown = await clinics.ask("usr-desk", "GET", letters)
    assert [(each["email"], each["kind"]) for each in shown.json["items"]] == [("anna@example.org", "self")]
    assert (await clinics.ask("usr-desk", "DELETE", f"{letters}/{asked.json['invitation']}")).status == 204
    assert (await clinics.ask("usr-desk", "GET", letters)).json["items"] == []
    given = await clinics.known("ben@example.org", "Ben")
    assert (await clinics.ask("usr-desk", "POST", path, {"user": given, "kind": "self"})).status == 201
    again = await clinics.ask("usr-desk", "POST", path, {"email": "eve@example.org", "kind": "self"})
    assert again.problem == (409, "wrong-state")  # before a letter is sent


async def test_whether_an_address_has_an_account_elsewhere_is_not_told(clinics: Clinics) -> None:
    made = await clinics.patient()
    path = f"/v1/patients/{made['id']}/relations"
    there = await clinics.known("there@example.org", "There", OTHER.id)
    answers = [
        await clinics.ask("usr-desk", "POST", path, {"email": email, "kind": "carer", "scope": ["visits"]})
        for email in ("there@example.org", "nobody@example.org")
    ]
    assert [(answer.status, list(answer.json)) for answer in answers] == [(202, ["invitation"])] * 2
    body = {"user": there, "kind": "carer", "scope": ["visits"]}
    assert (await clinics.ask("usr-desk", "POST", path, body)).problem == SENSELESS
    assert (await clinics.ask("usr-desk", "GET", path)).json["items"] == []
