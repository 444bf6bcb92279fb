"""Signing in over REST, as a browser does: cookies, the order of steps, and a hospital behind one address."""

import asyncio
from datetime import timedelta
from typing import Any

import pyotp
import pytest

from api import call
from api.limits import FAILURE, LIMITS
from medinova_rt.operations.limit import Limit
from medinova_rt.ports import NewPassword
from medinova_rt.users import Users
from tests.api.conftest import Answer, Door
from tests.authenticator import Authenticator

PASSWORD = "five green cats"
one_minute = timedelta(minutes=1)
EMAIL = "robin@example.org"


class Browser:
    """Keeps cookies."""

    def __init__(self, door: Door, address: str = "192.0.2.1") -> None:
        self.door = door
        self.address = address
        self.cookies: dict[str, str] = {}

    async def ask(self, method: str, path: str, body: Any = None) -> Answer:
        headers = {"X-Forwarded-For": self.address}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        more = {} if body is None else {"json": body}
        answer = await self.door.ask(method, path, key=None, headers=headers, **more)
        for said in answer.headers.getall("Set-Cookie", []):
            name, _, value = said.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    async def sign_in(self, password: str = PASSWORD, email: str = EMAIL) -> Answer:
        return await self.ask("POST", "/v1/sign-in/password", {"email": email, "password": password})


async def user(door: Door, email: str = EMAIL) -> None:
    now = door.clock()
    made = await Users(door.app[call.STORE]).create(email, "Robin Roe", "en", "Europe/Madrid", now)
    enrolled = await door.app[call.IDENTITY].enrol(made.id, NewPassword(PASSWORD, 8, ()), now)
    await door.app[call.STORE].transact(enrolled.along)


async def test_a_password_opens_a_session_in_cookies_of_this_host_alone(door: Door) -> None:
    await user(door)
    browser = Browser(door)
    answer = await browser.sign_in()
    assert (answer.status, answer.json["state"], answer.json["methods"]) == (200, "signed-in", [])
    for said in answer.headers.getall("Set-Cookie"):
        assert said.startswith("__Host-")
        assert {"HttpOnly", "Path=/", "SameSite=Lax", "Secure"} <= {part.strip() for part in said.split(";")}
    assert sorted(browser.cookies) == ["__Host-device", "__Host-session"]
    assert (await browser.ask("GET", "/v1/me/factors")).json == {
        "password": True,
        "totp": False,
        "passkeys": [],
        "recovery_codes": 0,
        "elsewhere": False,
    }


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.org"])
async def test_a_wrong_password_and_an_unknown_address_are_answered_alike(door: Door, email: str) -> None:
    await user(door)
    answer = await Browser(door).sign_in("six blue dogs", email)
    assert answer.problem == (401, "not-authenticated")
    assert answer.json["detail"] == "that does not prove who you are"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("email", ["no address", "ро" + EMAIL, f"{EMAIL},other@example.org"])
async def test_addresses_that_are_none(door: Door, email: str) -> None:
    for path, more in (("password", {"password": "x"}), ("code", {})):
        answer = await Browser(door).ask("POST", f"/v1/sign-in/{path}", {"email": email, **more})
        assert answer.problem == (422, "senseless")


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.org"])
async def test_a_letter_is_promised_to_any_address(door: Door, email: str) -> None:
    await user(door)
    answer = await Browser(door).ask("POST", "/v1/sign-in/code", {"email": email})
    assert (answer.status, answer.body) == (202, b"")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("password", {"email": EMAIL}),
        ("password", {"email": EMAIL, "password": "x", "admin": True}),
        ("code/verify", {"email": EMAIL, "code": 123456}),
        ("link", {"token": ""}),
        ("link", {"token": "x" * 101}),
    ],
)
async def test_malformed_sign_ins(door: Door, path: str, body: Any) -> None:
    assert (await Browser(door).ask("POST", f"/v1/sign-in/{path}", body)).problem == (400, "bad-input")


async def test_half_a_sign_in_takes_the_second_step_and_nothing_else(door: Door) -> None:
    await user(door)
    browser = Browser(door)
    await browser.sign_in()
    begun = (await browser.ask("POST", "/v1/me/totp")).json
    assert begun["qr"].startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    app = pyotp.TOTP(begun["secret"])
    before = browser.cookies["__Host-session"]
    codes = await browser.ask("POST", "/v1/me/totp/confirm", {"code": app.at(door.clock())})
    assert len(codes.json["recovery_codes"]) == 10
    assert browser.cookies["__Host-session"] != before
    other = Browser(door, "198.51.100.7")
    answer = await other.sign_in()
    assert (answer.json["state"], answer.json["methods"]) == ("second-factor", ["totp", "recovery"])
    half = other.cookies["__Host-session"]
    for method, path in (("GET", "/v1/me/factors"), ("POST", "/v1/me/totp"), ("GET", "/v1/me/sessions")):
        assert (await other.ask(method, path)).status in (403, 404)
    wrong = await other.ask("POST", "/v1/sign-in/recovery", {"code": "00000-00000"})
    assert wrong.problem == (401, "not-authenticated")
    right = await other.ask("POST", "/v1/sign-in/recovery", {"code": codes.json["recovery_codes"][0]})
    assert (right.status, right.json["state"]) == (200, "signed-in")
    assert other.cookies["__Host-session"] != half
    assert (await other.ask("GET", "/v1/me/factors")).json["recovery_codes"] == 9
    other.cookies["__Host-session"] = half
    assert (await other.ask("GET", "/v1/me/factors")).status == 401


async def test_a_passkey_is_made_used_and_removed(door: Door) -> None:
    await user(door)
    browser, key = Browser(door), Authenticator(door.url, "127.0.0.1")
    await browser.sign_in()
    made = key.create((await browser.ask("POST", "/v1/me/passkeys/options", {})).json)
    added = await browser.ask("POST", "/v1/me/passkeys", {"name": "blue key", "credential": made})
    assert added.status == 201
    other = Browser(door)
    assert (await other.sign_in()).json["methods"] == ["passkey", "recovery"]
    answer = key.get((await other.ask("POST", "/v1/sign-in/passkey/options", {})).json)
    assert (await other.ask("POST", "/v1/sign-in/passkey", {"credential": answer})).json["state"] == "signed-in"
    again = key.get((await other.ask("POST", "/v1/me/proof/options", {})).json)
    assert (await other.ask("POST", "/v1/me/proof", {"credential": again})).status == 204
    assert (await other.ask("DELETE", f"/v1/me/passkeys/{added.json['id']}")).status == 204
    assert (await other.ask("DELETE", f"/v1/me/passkeys/{added.json['id']}")).status == 404


async def test_what_matters_most_asks_for_a_fresh_proof(door: Door) -> None:
    await user(door)
    browser = Browser(door)
    await browser.sign_in()
    change = {"password": "seven red herons on a roof", "current": PASSWORD}
    for minutes in (5, 5.1):
        door.clock.ahead += minutes * one_minute
        await browser.ask("GET", "/v1/me/factors")
    assert (await browser.ask("PUT", "/v1/me/password", change)).problem == (403, "prove-again")
    for bad in ({}, {"password": PASSWORD, "totp": "123456"}):
        assert (await browser.ask("POST", "/v1/me/proof", bad)).problem == (422, "senseless")
    assert (await browser.ask("POST", "/v1/me/proof", {"password": "x"})).problem == (401, "not-authenticated")
    assert (await browser.ask("POST", "/v1/me/proof", {"password": PASSWORD})).status == 204
    wrong = await browser.ask("PUT", "/v1/me/password", {**change, "current": "x"})
    assert wrong.problem == (401, "not-authenticated")
    assert (await browser.ask("PUT", "/v1/me/password", change)).status == 204
    assert (await browser.ask("GET", "/v1/me/factors")).status == 200
    assert (await Browser(door).sign_in(change["password"])).status == 200


async def test_spraying_from_one_address_is_stopped_and_elsewhere_goes_on(door: Door) -> None:
    await user(door)
    door.app[LIMITS].failures = Limit(20, 1e6)  # fewer, and none comes back however long the tries take
    found = [
        (await Browser(door, "198.51.100.7").sign_in("six blue dogs", f"user{n}@example.org")).status for n in range(25)
    ]
    assert found == [401] * 20 + [429] * 5
    assert (await Browser(door, "198.51.100.7").sign_in()).problem == (429, "too-fast")
    assert (await Browser(door).sign_in()).status == 200


async def test_a_hospital_signs_in_behind_one_address(door: Door) -> None:
    """More right ones than wrong ones would be let through; `test_limits` counts the rest of the two thousand."""
    people = [f"nurse{n}@example.org" for n in range(FAILURE[0] + 10)]
    for email in people:
        await user(door, email)
    for start in range(0, len(people), 50):
        some = people[start : start + 50]
        answers = await asyncio.gather(*(Browser(door).sign_in(email=email) for email in some))
        assert {answer.status for answer in answers} == {200}


async def test_a_new_password_that_is_none_leaves_the_session_as_it_was(door: Door) -> None:
    await user(door)
    browser = Browser(door)
    await browser.sign_in()
    refused = await browser.ask("PUT", "/v1/me/password", {"password": "short", "current": PASSWORD})
    assert refused.problem == (422, "senseless")
    assert (await browser.ask("GET", "/v1/me/factors")).status == 200


@pytest.mark.parametrize("session", ["strong", "weak"])
@pytest.mark.parametrize("first", ["password", "code"])
async def test_a_first_factor_takes_no_second_one_away(door: Door, session: str, first: str) -> None:
    """Neither in the session that proved the second one at first, nor in one of before there was any."""
    await user(door)
    weak, strong = Browser(door), Browser(door)
    await weak.sign_in()
    await strong.sign_in()
    app = pyotp.TOTP((await strong.ask("POST", "/v1/me/totp")).json["secret"])
    await strong.ask("POST", "/v1/me/totp/confirm", {"code": app.at(door.clock())})
    browser = strong if session == "strong" else weak
    for _ in range(2):
        door.clock.ahead += 5.5 * one_minute
        for each in (strong, weak):
            await each.ask("GET", "/v1/me/factors")
    proof = {"password": PASSWORD} if first == "password" else {"code": await mailed_code(door)}
    assert (await browser.ask("POST", "/v1/me/proof", proof)).status == 204
    for method, path, body in (
        ("DELETE", "/v1/me/totp", None),
        ("POST", "/v1/me/totp", None),
        ("POST", "/v1/me/passkeys/options", None),
        ("POST", "/v1/me/recovery-codes", None),
        ("PUT", "/v1/me/password", {"password": "seven red herons on a roof"}),
    ):
        assert (await browser.ask(method, path, body)).problem == (403, "prove-again"), path
    assert (await browser.ask("POST", "/v1/me/proof", {"totp": app.at(door.clock())})).status == 204
    assert (await browser.ask("DELETE", "/v1/me/totp")).status == 204


async def mailed_code(door: Door) -> str:
    now = door.clock()
    mailing = await door.app[call.IDENTITY].mailing(EMAIL, now)
    await door.app[call.STORE].transact(mailing.along)
    return mailing.code


# --- an identity provider ---


async def test_how_one_signs_in_here_is_told_to_anybody(door: Door) -> None:
    assert (await Browser(door).ask("GET", "/v1/sign-in")).json == {"identity": "own", "firebase": None}


@pytest.mark.parametrize("token", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
async def test_where_no_provider_was_chosen_none_is_believed(door: Door, token: str) -> None:
    await user(door)
    answer = await Browser(door).ask("POST", "/v1/sign-in/firebase", {"id_token": token})
    assert answer.problem == (401, "not-authenticated")


@pytest.mark.parametrize("body", [{}, {"id_token": ""}, {"id_token": "x" * 8193}, {"id_token": "x", "role": "staff"}])
async def test_malformed_exchanges(door: Door, body: Any) -> None:
    assert (await Browser(door).ask("POST", "/v1/sign-in/firebase", body)).problem == (400, "bad-input")


async def test_one_proof_at_a_time(door: Door) -> None:
    await user(door)
    browser = Browser(door)
    await browser.sign_in()
    for body in ({}, {"password": PASSWORD, "id_token": "x"}):
        assert (await browser.ask("POST", "/v1/me/proof", body)).problem == (422, "senseless")
    assert (await browser.ask("POST", "/v1/me/proof", {"id_token": "x"})).problem == (401, "not-authenticated")
