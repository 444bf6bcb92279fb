"""Who a request is from, by the credential that it shows, and what happens when that does not hold."""

from datetime import timedelta
from typing import Any

import pytest

from api import call
from medinova_rt import documents, grants
from medinova_rt.clinics import DEMO
from medinova_rt.grants import Grant, Kind, StaffRole
from medinova_rt.ids import GrantId, UserId, new_id
from medinova_rt.ports import Insert
from medinova_rt.principals import System
from medinova_rt.sessions import Session, Stage
from tests.api.conftest import KEY, Answer, Door

USER = UserId("usr-1")
NAME = "__Host-session"


async def sign_in(
    door: Door, *roles: StaffRole, user: UserId = USER, stage: Stage = Stage.FULL
) -> tuple[Session, dict[str, str]]:
    """Return the session and the header that shows it."""
    now = door.clock()
    if roles:
        member = Grant(
            id=GrantId(new_id("gra", now)),
            clinic=DEMO.id,
            user=user,
            kind=Kind.MEMBER,
            roles=list(roles),
            created_at=now,
            starts_at=now,
        )
        await door.app[call.STORE].transact([Insert(grants.COLLECTION, member.id, documents.encode(member))])
    session, cookie = await door.app[call.SESSIONS].open(
        user, stage=stage, strong=False, now=now, device="Mozilla/5.0 (X11; Linux) Firefox/147.0", address="192.0.2.1"
    )
    return session, {"Cookie": f"{NAME}={cookie}"}


async def ask(door: Door, method: str, path: str, shown: dict[str, str], **more: Any) -> Answer:
    return await door.ask(method, path, key=None, headers={**shown, **more.pop("headers", {})}, **more)


async def bearer(door: Door, shown: dict[str, str]) -> dict[str, str]:
    answer = await ask(door, "POST", "/v1/me/token", shown)
    assert answer.status == 200
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 300)
    return {"Authorization": f"Bearer {answer.json['access_token']}"}


def cleared(answer: Answer) -> bool:
    return any(each.startswith(f'{NAME}="";') for each in answer.headers.getall("Set-Cookie", []))


async def test_a_session_is_its_user(door: Door) -> None:
    session, shown = await sign_in(door)
    answer = await ask(door, "GET", "/v1/me/sessions", shown)
    assert [(each["id"], each["device"], each["current"]) for each in answer.json["items"]] == [
        (session.id, "Firefox on Linux", True)
    ]


async def test_half_a_sign_in_may_sign_out_and_no_more(door: Door) -> None:
    _, shown = await sign_in(door, StaffRole.ADMINISTRATOR, stage=Stage.HALF)
    for method, path in (("GET", "/v1/me/sessions"), ("POST", "/v1/me/token")):
        assert (await ask(door, method, path, shown)).problem[0] in (403, 404)
    assert (await ask(door, "POST", "/v1/sign-out", shown)).status == 204


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/v1/me/token", "forbidden"),
        ("POST", "/v1/me/proof", "forbidden"),
        ("PUT", "/v1/me/password", "prove-again"),
        ("POST", "/v1/me/totp", "prove-again"),
    ],
)
async def test_a_token_makes_no_other_and_takes_no_account_over(door: Door, method: str, path: str, code: str) -> None:
    _, shown = await sign_in(door)
    body = {"password": "seven yellow birds"} if path.endswith(("proof", "password")) else None
    answer = await ask(door, method, path, await bearer(door, shown), **({"json": body} if body else {}))
    assert answer.problem == (403, code)
    assert "Set-Cookie" not in answer.headers


async def test_a_token_is_its_session_and_ends_with_it(door: Door) -> None:
    session, shown = await sign_in(door)
    token = await bearer(door, shown)
    assert (await ask(door, "GET", "/v1/me/sessions", token)).status == 200
    await door.app[call.SESSIONS].revoke(System(), session.id, door.clock())
    answer = await ask(door, "GET", "/v1/me/sessions", token)
    assert answer.problem == (401, "not-authenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_token_outlives_a_new_proof_but_not_its_time(door: Door) -> None:
    session, shown = await sign_in(door)
    token = await bearer(door, shown)
    await door.app[call.SESSIONS].prove(session.id, door.clock(), strong=True)
    assert (await ask(door, "GET", "/v1/me/sessions", token)).status == 200
    door.clock.ahead = timedelta(minutes=5)
    assert (await ask(door, "GET", "/v1/me/sessions", token)).problem == (401, "not-authenticated")


@pytest.mark.parametrize(
    "shown",
    [
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "Bearer"},
        {"Cookie": f"{NAME}=nonsense"},
        {"Cookie": f"{NAME}=ses-{'0' * 26}.{'a' * 43}"},
    ],
    ids=str,
)
async def test_what_does_not_hold_is_refused(door: Door, shown: dict[str, str]) -> None:
    answer = await ask(door, "GET", "/v1/me/sessions", shown)
    assert answer.problem == (401, "not-authenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_authorization_goes_before_cookies(door: Door) -> None:
    _, shown = await sign_in(door)
    both = {**shown, "Authorization": "Bearer a.b.c"}
    assert (await ask(door, "GET", "/v1/me/sessions", both)).status == 401


async def test_a_seat_goes_before_the_session_where_the_path_names_it(door: Door) -> None:
    _, shown = await sign_in(door, StaffRole.FRONT_DESK)
    visit = await door.visit()
    seat = visit["seats"][1]
    both = {"Cookie": f"{shown['Cookie']}; {await door.cookie(seat)}"}
    own = f"/v1/visits/{visit['id']}/seats/{seat['id']}"
    assert (await ask(door, "GET", own, both)).json["name"] == "Ben"
    assert (await ask(door, "GET", f"/v1/visits/{visit['id']}", both)).status == 200
    assert (await ask(door, "GET", own, shown)).status == 403


async def test_the_cookie_of_a_session_that_is_over_is_taken_back(door: Door) -> None:
    _, shown = await sign_in(door)
    door.clock.ahead = timedelta(minutes=31)
    answer = await ask(door, "GET", "/v1/me/sessions", shown)
    assert (answer.status, cleared(answer)) == (401, True)


async def test_the_cookie_of_before_is_not_taken_back_since_the_browser_may_hold_the_next(door: Door) -> None:
    session, shown = await sign_in(door)
    await door.app[call.SESSIONS].prove(session.id, door.clock(), strong=True)
    answer = await ask(door, "GET", "/v1/me/sessions", shown)
    assert (answer.status, cleared(answer)) == (401, False)


async def test_a_seat_goes_on_when_the_session_has_idled_out_or_was_signed_out(door: Door) -> None:
    _, shown = await sign_in(door, StaffRole.CLINICIAN)
    visit = await door.visit()
    seat = visit["seats"][0]
    cookie = await door.cookie(seat)
    both = {"Cookie": f"{shown['Cookie']}; {cookie}"}
    own = f"/v1/visits/{visit['id']}/seats/{seat['id']}"
    door.clock.ahead = timedelta(minutes=16)
    assert (await ask(door, "GET", "/v1/me/sessions", both)).status == 401
    assert (await ask(door, "GET", own, both)).status == 200

    _, shown = await sign_in(door)
    both = {"Cookie": f"{shown['Cookie']}; {cookie}"}
    answer = await ask(door, "POST", "/v1/sign-out", both)
    assert (answer.status, cleared(answer)) == (204, True)
    assert [each for each in answer.headers.getall("Set-Cookie") if "seat-" in each] == []
    assert "Clear-Site-Data" not in answer.headers  # which would take the cookies and notes of the visit, too
    assert (await ask(door, "GET", own, {"Cookie": cookie})).status == 200


async def test_signing_out_ends_the_session_and_clears_what_pages_kept(door: Door) -> None:
    _, shown = await sign_in(door)
    answer = await ask(door, "POST", "/v1/sign-out", shown)
    assert (answer.headers["Clear-Site-Data"], cleared(answer)) == ('"storage"', True)
    assert (await ask(door, "GET", "/v1/me/sessions", shown)).status == 401


async def test_the_cookie_is_for_this_host_alone(door: Door) -> None:
    """`__Host-` asks for Secure, Path=/ and no Domain; a page's scripts see none of it."""
    from aiohttp import web

    from api import caller

    response = web.Response()
    caller.set_session(response, door.app[call.SETTINGS], "secret")
    said = {part.strip().lower() for part in response.cookies[NAME].OutputString().split(";")}
    assert said == {f"{NAME}=secret".lower(), "path=/", "httponly", "secure", "samesite=lax"}


async def test_sessions_are_listed_and_revoked_by_their_user_alone(door: Door) -> None:
    mine, shown = await sign_in(door)
    other, shown_there = await sign_in(door)
    strange, shown_strange = await sign_in(door, user=UserId("usr-2"))
    listed = await ask(door, "GET", "/v1/me/sessions", shown)
    assert [each["id"] for each in listed.json["items"]] == [other.id, mine.id]
    for unknown in (strange.id, "ses-none", "%00"):
        assert (await ask(door, "DELETE", f"/v1/me/sessions/{unknown}", shown)).problem == (404, "not-found")
    assert (await ask(door, "DELETE", f"/v1/me/sessions/{other.id}", shown)).status == 204
    assert (await ask(door, "GET", "/v1/me/sessions", shown_there)).status == 401
    assert (await ask(door, "GET", "/v1/me/sessions", shown_strange)).status == 200
    answer = await ask(door, "DELETE", f"/v1/me/sessions/{mine.id}", shown)
    assert (answer.status, cleared(answer)) == (204, True)


async def test_all_others_are_revoked_at_once(door: Door) -> None:
    here, *there = [(await sign_in(door))[1] for _ in range(3)]
    assert (await ask(door, "POST", "/v1/me/sessions/revoke-others", here)).status == 204
    assert [(await ask(door, "GET", "/v1/me/sessions", each)).status for each in (here, *there)] == [200, 401, 401]
