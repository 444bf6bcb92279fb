from datetime import UTC, datetime, timedelta

import pytest

from api import call
from medinova_rt import mail
from medinova_rt.clinics import DEMO
from medinova_rt.grants import StaffRole
from medinova_rt.sessions import Stage
from medinova_rt.staffing import Staffing
from tests.api.conftest import Answer, Door, Json

NOW = datetime.now(UTC)
PASSWORD = "blue window over nothing"
PEOPLE = f"/v1/clinics/{DEMO.id}/people"
INVITATIONS = f"/v1/clinics/{DEMO.id}/invitations"
INVITED = {"email": "Noor@demo.example", "name": "Noor Karim", "roles": ["interpreter"]}


class Browser:
    def __init__(self, door: Door, user: str, cookie: str) -> None:
        self.door, self.user, self.cookie = door, user, cookie

    async def ask(self, method: str, path: str, json: Json | None = None, **headers: str | None) -> Answer:
        said = {"Cookie": self.cookie, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if method == "PATCH":
            said["Content-Type"] = "application/merge-patch+json"
        return await self.door.ask(method, path, key=None, headers=said, **({"json": json} if json is not None else {}))


async def signed_in(door: Door, name: str, *roles: StaffRole, operator: bool = False) -> Browser:
    staffing = Staffing(door.app[call.STORE], door.app[call.IDENTITY])
    user, _ = await staffing.user(f"{name}@demo.example", name.title(), PASSWORD, NOW)
    if roles:
        await staffing.member(DEMO.id, user.id, roles, NOW)
    if operator:
        await staffing.operator(user.id, NOW)
    _, secret = await door.app[call.SESSIONS].open(user.id, stage=Stage.FULL, strong=True, now=door.clock())
    return Browser(door, user.id, f"{door.app[call.SETTINGS].session_cookie}={secret}")


@pytest.fixture
async def ana(door: Door) -> Browser:
    await door.app[call.CLINICS].ensure(DEMO)
    return await signed_in(door, "ana", StaffRole.ADMINISTRATOR)


async def token(door: Door) -> str:
    [*_, row] = (await door.app[call.STORE].find(mail.BY_AGE)).rows
    return str(row.document["parameters"]["link"]).partition("#")[2]


async def test_me(ana: Browser) -> None:
    read = await ana.ask("GET", "/v1/me")
    assert (read.json["email"], read.json["operator"], read.json["strong"]) == ("ana@demo.example", False, True)
    assert read.json["idle_s"] == 15 * 60
    assert read.json["memberships"] == [
        {"clinic": DEMO.id, "name": DEMO.name, "roles": ["administrator"], "second_factor_needed": False}
    ]
    changed = await ana.ask("PATCH", "/v1/me", {"zone": "Europe/Madrid"}, If_Match=read.headers["ETag"])
    assert (changed.status, changed.json["zone"], changed.json["name"]) == (200, "Europe/Madrid", "Ana")
    assert (await ana.ask("PATCH", "/v1/me", {"name": "A"}, If_Match=read.headers["ETag"])).status == 412
    assert (await ana.ask("PATCH", "/v1/me", {"zone": "Mars/Base"})).json["errors"][0]["pointer"] == "/zone"
    assert (await ana.ask("PATCH", "/v1/me", {"email": "a@b.example"})).status == 400


async def test_me_knows_how_long_a_record_is_open_in_an_emergency(door: Door, ana: Browser) -> None:
    noor = await signed_in(door, "noor", StaffRole.CLINICIAN)
    patient = {"given": "Kim", "family": "Lee", "birth_date": "1970-01-01", "language": "en", "zone": "UTC"}
    made = await door.ask("POST", f"/v1/clinics/{DEMO.id}/patients", json=patient)
    assert (await noor.ask("GET", "/v1/me")).json["emergencies"] == []
    path = f"/v1/patients/{made.json['id']}/emergency"
    taken = await noor.ask("POST", path, {"reason": "Unconscious, allergies unknown"})
    held = {"patient": made.json["id"], "clinic": DEMO.id, "ends_at": taken.json["ends_at"]}
    assert (await noor.ask("GET", "/v1/me")).json["emergencies"] == [held]
    [emergency] = (await ana.ask("GET", f"/v1/clinics/{DEMO.id}/emergencies")).json["items"]
    assert (await ana.ask("DELETE", f"/v1/clinics/{DEMO.id}/emergencies/{emergency['id']}")).status == 204
    assert (await noor.ask("GET", "/v1/me")).json["emergencies"] == []


async def test_people_come_and_go(door: Door, ana: Browser) -> None:
    noor = await signed_in(door, "noor", StaffRole.CLINICIAN)
    listed = await ana.ask("GET", f"{PEOPLE}?limit=1")
    assert (len(listed.json["items"]), bool(listed.json["next_cursor"])) == (1, True)
    assert (await noor.ask("PATCH", f"{PEOPLE}/{noor.user}", {"roles": ["billing"]})).status == 403
    changed = await ana.ask("PATCH", f"{PEOPLE}/{noor.user}", {"roles": ["billing", "clinician"]})
    assert changed.json["roles"] == ["clinician", "billing"]
    assert not (await ana.ask("POST", f"{PEOPLE}/{noor.user}/deactivate")).json["active"]
    assert (await noor.ask("GET", PEOPLE)).status == 404  # in this very session
    assert (await ana.ask("POST", f"{PEOPLE}/{noor.user}/reactivate")).json["active"]
    assert (await noor.ask("GET", PEOPLE)).status == 200


async def test_the_last_administrator_stays(ana: Browser) -> None:
    for method, path, body in (
        ("PATCH", f"{PEOPLE}/{ana.user}", {"roles": ["billing"]}),
        ("POST", f"{PEOPLE}/{ana.user}/deactivate", None),
    ):
        answer = await ana.ask(method, path, body)
        assert (answer.status, answer.json["code"]) == (409, "wrong-state")


async def test_an_invitation_is_sent_once_and_accepted_once(door: Door, ana: Browser) -> None:
    assert (await ana.ask("POST", INVITATIONS, INVITED, Idempotency_Key=None)).json["code"] == "idempotency-key"
    first, again = [await ana.ask("POST", INVITATIONS, INVITED, Idempotency_Key="one") for _ in range(2)]
    assert (first.status, again.json) == (201, first.json)
    assert len((await ana.ask("GET", INVITATIONS)).json["items"]) == 1
    secret = await token(door)
    shown = await door.ask("POST", "/v1/invitations/look", key=None, json={"token": secret})
    assert (shown.json["clinic"]["name"], shown.json["has_account"]) == (DEMO.name, False)
    accepting = {"token": secret, "name": "Noor", "password": PASSWORD, "language": "es", "zone": "Europe/Madrid"}
    accepted = await door.ask("POST", "/v1/invitations/accept", key=None, json=accepting)
    assert (accepted.status, accepted.json["state"]) == (200, "signed-in")
    assert door.app[call.SETTINGS].session_cookie in accepted.headers["Set-Cookie"]
    assert (await door.ask("POST", "/v1/invitations/accept", key=None, json=accepting)).status == 401
    signing_in = {"email": "noor@demo.example", "password": PASSWORD}
    assert (await door.ask("POST", "/v1/sign-in/password", key=None, json=signing_in)).status == 200


async def test_who_has_a_password_signs_in_as_always(door: Door, ana: Browser) -> None:
    await signed_in(door, "noor")
    await ana.ask("POST", INVITATIONS, INVITED)
    accepted = await door.ask("POST", "/v1/invitations/accept", key=None, json={"token": await token(door)})
    assert (accepted.json["state"], accepted.headers.get("Set-Cookie")) == ("sign-in", None)


async def test_an_invitation_is_withdrawn(door: Door, ana: Browser) -> None:
    made = await ana.ask("POST", INVITATIONS, INVITED)
    assert (await ana.ask("DELETE", f"{INVITATIONS}/{made.json['id']}")).status == 204
    assert (await ana.ask("DELETE", f"{INVITATIONS}/{made.json['id']}")).status == 404
    assert (await door.ask("POST", "/v1/invitations/look", key=None, json={"token": await token(door)})).status == 401


async def test_clinics_are_made_by_operators_and_set_by_administrators(door: Door, ana: Browser) -> None:
    operator = await signed_in(door, "op", operator=True)
    wanted = {"name": "Clínica Sol", "administrator": {"email": "eva@sol.example", "name": "Eva"}}
    assert (await ana.ask("POST", "/v1/clinics", wanted)).status == 403
    made = await operator.ask("POST", "/v1/clinics", wanted)
    assert (made.status, made.headers["Location"]) == (201, f"/v1/clinics/{made.json['id']}")
    assert {each["id"] for each in (await operator.ask("GET", "/v1/clinics")).json["items"]} == {
        DEMO.id,
        made.json["id"],
    }
    assert [each["id"] for each in (await ana.ask("GET", "/v1/clinics")).json["items"]] == [DEMO.id]
    assert (await ana.ask("GET", made.headers["Location"])).status == 404
    changed = await ana.ask("PATCH", f"/v1/clinics/{DEMO.id}", {"adult_age": 16, "language": "es"})
    assert (changed.json["adult_age"], changed.json["language"]) == (16, "es")
    assert (await ana.ask("PATCH", f"/v1/clinics/{DEMO.id}", {"adult_age": 99})).status == 400


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", INVITATIONS, INVITED),
        ("PATCH", f"/v1/clinics/{DEMO.id}", {"second_factor": False}),
        ("PATCH", f"/v1/clinics/{DEMO.id}/people/{{ana}}", {"roles": ["administrator"]}),
    ],
)
async def test_what_makes_members_or_weakens_them_asks_for_a_fresh_proof(
    ana: Browser, method: str, path: str, body: Json
) -> None:
    ana.door.clock.ahead = timedelta(minutes=11)
    assert (await ana.ask(method, path.format(ana=ana.user), body)).problem == (403, "prove-again")


async def test_the_trail_of_the_clinic_is_read_by_pages_and_reading_it_is_on_record(door: Door, ana: Browser) -> None:
    patient = {"given": "Kim", "family": "Lee", "birth_date": "1970-01-01", "language": "en", "zone": "UTC"}
    made = await door.ask("POST", f"/v1/clinics/{DEMO.id}/patients", json=patient)
    first = await ana.ask("GET", f"/v1/clinics/{DEMO.id}/audit?limit=1")
    [record] = first.json["items"]
    assert (record["action"], record["patient"], record["role"]) == ("patient.create", made.json["id"], "service")
    assert first.headers["Link"].endswith('; rel="next"')
    assert [each["action"] for each in (await ana.ask("GET", f"/v1/clinics/{DEMO.id}/audit")).json["items"]][:2] == [
        "audit.read",
        "patient.create",
    ]
    noor = await signed_in(door, "noor", StaffRole.FRONT_DESK)
    assert (await noor.ask("GET", f"/v1/clinics/{DEMO.id}/audit")).status == 403
