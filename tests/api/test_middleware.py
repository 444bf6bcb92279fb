import json
import logging
from typing import Any

import pytest

from api import call
from api.middleware import security_headers
from medinova_rt.config import load
from tests.api.conftest import SEATS, Door

PAGES = ["/", "/join", "/visit/vis-1/sea-1", "/docs", "/docs/style.css", "/web/app.js", "/healthz", "/nowhere"]


@pytest.mark.parametrize("path", PAGES)
async def test_every_answer_carries_the_browsers_orders(door: Door, path: str) -> None:
    headers = (await door.ask("GET", path, key=None)).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Permissions-Policy"] == "camera=(self), microphone=(self), display-capture=(self)"
    assert headers["Cache-Control"] == ("no-cache" if path in {*PAGES[:3], *PAGES[4:6]} else "no-store")


@pytest.mark.parametrize(
    ("url", "sockets", "strict"),
    [
        ("https://visits.example.org", "wss://visits.example.org", True),
        ("http://localhost:8080", "ws://localhost:8080", False),
        ("https://localhost:8080", "wss://localhost:8080", False),
    ],
)
def test_orders_follow_the_public_url(url: str, sockets: str, strict: bool) -> None:
    headers = security_headers(load({"MEDINOVA_PUBLIC_URL": url}))
    assert f"connect-src 'self' {sockets};" in headers["Content-Security-Policy"]
    assert ("Strict-Transport-Security" in headers) is strict


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, False),
        ({"Origin": "{url}", "Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": "https://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": "{url}.evil.example"}, True),
        ({"Origin": "{url}", "Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site"}, True),
    ],
)
async def test_other_sites_are_kept_out(door: Door, headers: dict[str, str], refused: bool) -> None:
    headers = {name: value.format(url=door.url) for name, value in headers.items()}
    answer = await door.ask("POST", "/v1/links/exchange", key=None, json={"token": "x"}, headers=headers)
    assert answer.problem == ((403, "cross-origin") if refused else (401, "not-authenticated"))


async def test_other_sites_may_read_pages(door: Door) -> None:
    headers = {"Origin": "https://mail.example", "Sec-Fetch-Site": "cross-site"}
    assert (await door.ask("GET", "/join", key=None, headers=headers)).status == 200


async def test_no_other_site_is_given_leave_to_read(door: Door) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = await door.ask("OPTIONS", "/v1/links/exchange", key=None, headers=headers)
    assert answer.problem == (405, "wrong-method")
    assert not [name for name in answer.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize(
    ("method", "path", "problem"),
    [
        ("GET", "/nowhere", (404, "not-found")),
        ("GET", "/v1/visits/a/b/c", (404, "not-found")),
        ("GET", "/v1/visits", (405, "wrong-method")),
        ("DELETE", "/healthz", (405, "wrong-method")),
        ("HEAD", "/v1/links/exchange", (405, None)),
    ],
)
async def test_what_the_router_refuses_is_a_problem_too(
    door: Door, method: str, path: str, problem: tuple[int, str]
) -> None:
    answer = await door.ask(method, path)
    assert answer.problem == problem if answer.body else answer.status == problem[0]
    assert ("Allow" in answer.headers) is (problem[0] == 405)


async def test_a_problem_is_complete(door: Door) -> None:
    answer = await door.ask("GET", "/v1/visits/x", key=None)
    assert answer.json == {
        "type": f"{door.url}/docs#not-authenticated",
        "title": "No valid credential",
        "status": 401,
        "code": "not-authenticated",
        "detail": answer.json["detail"],
        "request_id": answer.headers["X-Request-Id"],
    }


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("0123456789abcdef0123456789abcdef", True),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", True),
        ("0123456789abcdef", False),
        ("Ben-Rivers-of-12-Baker-Street-NW1", False),
        ("name of a patient", False),
    ],
)
async def test_a_proxys_request_id_is_kept_if_it_is_one(door: Door, given: str, kept: bool) -> None:
    answer = await door.ask("GET", "/healthz", key=None, headers={"X-Request-Id": given})
    assert (answer.headers["X-Request-Id"] == given) is kept
    assert len(answer.headers["X-Request-Id"]) >= 16


async def test_what_nobody_expected_is_internal_and_says_nothing(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*given: Any, **more: Any) -> None:
        raise RuntimeError("the patient is called Ben")

    monkeypatch.setattr(door.app[call.VISITS], "create", fail)
    with caplog.at_level(logging.ERROR):
        answer = await door.ask("POST", "/v1/visits", json={"seats": SEATS})
    assert answer.problem == (500, "internal")
    assert b"Ben" not in answer.body
    assert [record.message for record in caplog.records] == ["a request failed"]
    assert (await door.ask("GET", "/healthz", key=None)).status == 200


async def test_what_takes_too_long_is_unavailable(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    async def hang(*given: Any, **more: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("api.route.TIME_LIMIT_S", 0.05)
    monkeypatch.setattr(door.app[call.VISITS], "create", hang)
    answer = await door.ask("POST", "/v1/visits", json={"seats": SEATS})
    assert answer.problem == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_problems_are_counted(door: Door) -> None:
    await door.ask("GET", "/nowhere")
    await door.ask("GET", "/v1/visits/x", key=None)
    assert door.app[call.COUNTERS].snapshot() == {"api.problem.not-authenticated": 1, "api.problem.not-found": 1}


async def test_a_log_line_names_the_route_and_never_the_path(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "api.middleware"):
        for path in ("/v1/visits/Ben", "/Ben", "/web/Ben"):
            await door.ask("GET", path)
    assert [(record.route, record.status) for record in caplog.records if record.name == "api.middleware"] == [  # type: ignore[attr-defined]
        ("/v1/visits/{visit}", 404),
        ("none", 404),
        ("/web/{name}", 404),
    ]
    assert "Ben" not in json.dumps([vars(record) for record in caplog.records], default=str)


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/v1/me"])
async def test_what_it_is_made_of_is_not_told(door: Door, path: str) -> None:
    assert (await door.ask("GET", path, key=None)).headers["Server"] == "MediNova RT"
