from collections.abc import Mapping

import msgspec
import pytest

from api import call
from tests.api.conftest import SEATS, Door

APP = "https://app.example.org"
PREFLIGHT = {
    "Origin": APP,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
}


@pytest.fixture
def listed(door: Door) -> Door:
    settings = msgspec.structs.replace(door.app[call.SETTINGS], origins=f"{APP},https://other.example.org")
    door.app._state[call.SETTINGS] = settings  # it is served already
    return door


def cors(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("Access-Control")}


async def test_by_default_no_other_site_may_ask_or_read(door: Door) -> None:
    answer = await door.ask("OPTIONS", "/v1/visits", key=None, headers=dict(PREFLIGHT))
    assert (answer.problem, cors(answer.headers)) == ((405, "wrong-method"), {})
    assert cors((await door.ask("GET", "/healthz", headers={"Origin": APP})).headers) == {}


async def test_a_listed_origin_may_ask_with_a_token(listed: Door) -> None:
    asked = await listed.ask("OPTIONS", "/v1/visits", key=None, headers=dict(PREFLIGHT))
    assert asked.status == 204
    assert asked.headers["Access-Control-Allow-Origin"] == APP
    assert asked.headers["Access-Control-Allow-Methods"] == "POST"
    allowed = {each.strip().lower() for each in asked.headers["Access-Control-Allow-Headers"].split(",")}
    assert {"authorization", "content-type", "idempotency-key", "if-match"} <= allowed
    headers = {"Origin": APP, "Sec-Fetch-Site": "cross-site"}
    answer = await listed.ask("POST", "/v1/visits", json={"seats": SEATS}, headers=headers)
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (201, APP)
    assert "etag" in answer.headers["Access-Control-Expose-Headers"].lower()
    assert answer.headers["Vary"] == "Origin"


async def test_no_answer_lets_a_cookie_count(listed: Door) -> None:
    for answer in (
        await listed.ask("OPTIONS", "/v1/visits", key=None, headers=dict(PREFLIGHT)),
        await listed.ask("GET", "/healthz", headers={"Origin": APP}),
    ):
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({"Origin": APP}, True),
        ({"Origin": APP, "Sec-Fetch-Site": "cross-site"}, True),
        ({"Origin": APP, "Cookie": "__Host-session=x"}, False),
        ({"Origin": APP, "Cookie": "__Host-session=x", "Authorization": ""}, False),
        ({"Origin": f"{APP}.evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": f"{APP},https://other.example.org"}, False),
    ],
)
async def test_what_a_listed_origin_may_send_without_a_token(
    listed: Door, headers: dict[str, str], taken: bool
) -> None:
    answer = await listed.ask("POST", "/v1/links/exchange", key=None, json={"token": "x"}, headers=headers)
    assert answer.problem == ((401, "not-authenticated") if taken else (403, "cross-origin"))
    assert ("Access-Control-Allow-Origin" in answer.headers) is (headers["Origin"] == APP)


@pytest.mark.parametrize("path", ["/nowhere", "/v1/visits"])
async def test_a_question_without_a_method_or_place_is_no_preflight(listed: Door, path: str) -> None:
    headers = dict(PREFLIGHT) if path == "/nowhere" else {"Origin": APP}
    assert (await listed.ask("OPTIONS", path, key=None, headers=headers)).status in (404, 405)
