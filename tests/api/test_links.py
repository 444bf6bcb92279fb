import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from api import call
from api.limits import FAILURE, LIMITS, SEAT
from api.links import MAX_SEAT_COOKIES
from medinova_rt import audit
from tests.api.conftest import Door, token


async def test_a_link_is_exchanged_for_the_cookie_of_its_seat(door: Door) -> None:
    visit = await door.visit()
    seat = visit["seats"][1]
    answer = await door.exchange(token(seat))
    assert (answer.status, answer.json["ticket"]) == (200, None)
    assert answer.json["path"] == f"/visit/{visit['id']}/{seat['id']}"
    name, _, attributes = answer.headers["Set-Cookie"].partition("=")
    assert name == f"__Host-seat-{seat['id']}"
    assert {each.strip() for each in attributes.split(";")[1:]} == {
        "HttpOnly",
        "Max-Age=43200",
        "Path=/",
        "SameSite=Lax",
        "Secure",
    }
    assert answer.headers["Cache-Control"] == "no-store"


async def test_the_cookie_opens_its_own_seat(door: Door) -> None:
    visit = await door.visit()
    seat = visit["seats"][1]
    headers = {"Cookie": await door.cookie(seat)}
    answer = await door.ask("GET", f"/v1/visits/{visit['id']}/seats/{seat['id']}", key=None, headers=headers)
    assert (answer.status, answer.json) == (
        200,
        {
            "visit": visit["id"],
            "state": "waiting",
            "seat": seat["id"],
            "role": "patient",
            "name": "Ben",
            "clinic": "Demo Clinic",
            "admitted": False,
            "protocol": 1,
        },
    )


async def test_a_ticket_comes_without_a_cookie(door: Door) -> None:
    seat = (await door.visit())["seats"][1]
    answer = await door.exchange(token(seat), want="ticket")
    assert "Set-Cookie" not in answer.headers
    assert answer.json["ticket"].startswith("ticket.vis-")


async def test_a_link_works_again_on_another_device(door: Door) -> None:
    seat = (await door.visit())["seats"][1]
    assert [(await door.exchange(token(seat))).status for _ in range(3)] == [200, 200, 200]


async def test_two_seats_in_one_browser_stay_two(door: Door) -> None:
    visit = await door.visit()
    one, other = visit["seats"]
    headers = {"Cookie": f"{await door.cookie(one)}; {await door.cookie(other)}"}
    names = []
    for seat in (one, other):
        path = f"/v1/visits/{visit['id']}/seats/{seat['id']}"
        names.append((await door.ask("GET", path, key=None, headers=headers)).json["name"])
    assert names == ["Dr. Ada", "Ben"]


async def test_a_cookie_grants_nothing_but_its_seat(door: Door) -> None:
    visit, other = await door.visit(), await door.visit()
    seat = visit["seats"][1]
    cookie = await door.cookie(seat)
    value = cookie.partition("=")[2]
    stranger = other["seats"][1]
    for path, sent in (
        (f"/v1/visits/{visit['id']}", cookie),
        (f"/v1/visits/{visit['id']}/seats/{visit['seats'][0]['id']}", cookie),
        (f"/v1/visits/{other['id']}/seats/{stranger['id']}", f"__Host-seat-{stranger['id']}={value}"),
        (f"/v1/visits/{other['id']}/seats/{seat['id']}", cookie),
        (f"/v1/visits/{visit['id']}/seats/{seat['id']}", f"{cookie}x"),
        (f"/v1/visits/{visit['id']}/seats/{seat['id']}", f"__Host-seat-{seat['id']}={token(seat)}"),
    ):
        answer = await door.ask("GET", path, key=None, headers={"Cookie": sent})
        assert answer.problem == (401, "not-authenticated"), path


async def test_a_link_expires_and_its_cookie_goes_on(door: Door) -> None:
    visit = await door.visit(expires_in_s=3600)
    seat = visit["seats"][1]
    headers = {"Cookie": await door.cookie(seat)}
    door.clock.ahead = timedelta(hours=2)
    assert (await door.exchange(token(seat))).problem == (401, "link-expired")
    path = f"/v1/visits/{visit['id']}/seats/{seat['id']}"
    assert (await door.ask("GET", path, key=None, headers=headers)).status == 200
    door.clock.ahead = timedelta(hours=13)
    assert (await door.ask("GET", path, key=None, headers=headers)).problem == (401, "not-authenticated")


@pytest.mark.parametrize(
    "spoil",
    [str.upper, lambda text: text[:-1], lambda text: text + "A", lambda _: "x", lambda _: "é", lambda _: "." * 6],
)
async def test_wrong_tokens_open_nothing(door: Door, spoil: Callable[[str], str]) -> None:
    seat = (await door.visit())["seats"][1]
    assert (await door.exchange(spoil(token(seat)))).problem == (401, "not-authenticated")


async def test_tickets_and_cookies_are_no_links(door: Door) -> None:
    seat = (await door.visit())["seats"][1]
    ticket = (await door.exchange(token(seat), want="ticket")).json["ticket"]
    cookie = (await door.cookie(seat)).partition("=")[2]
    for text in (ticket, cookie):
        assert (await door.exchange(text)).problem == (401, "not-authenticated")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"token": ""},
        {"token": "x" * 401},
        {"token": "x", "want": "both"},
        {"token": ["x"]},
        {"token": "x", "seat": "sea-1"},
    ],
)
async def test_malformed_exchanges(door: Door, body: dict[str, object]) -> None:
    answer = await door.ask("POST", "/v1/links/exchange", key=None, json=body)
    assert answer.problem == (400, "bad-input")


async def test_strangers_may_only_guess_so_often(door: Door) -> None:
    door.app[LIMITS].failures.take("127.0.0.1", asyncio.get_running_loop().time(), FAILURE[0] - 2)
    answers = [await door.exchange("wrong") for _ in range(3)]
    assert [answer.status for answer in answers] == [401, 401, 429]
    assert answers[-1].problem == (429, "too-fast")
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 2
    elsewhere = await door.ask(
        "POST", "/v1/links/exchange", key=None, json={"token": "wrong"}, headers={"X-Forwarded-For": "192.0.2.9"}
    )
    assert elsewhere.problem == (401, "not-authenticated")


async def test_old_seats_cookies_make_room(door: Door) -> None:
    seat = (await door.visit())["seats"][1]
    held = [f"__Host-seat-sea-{n:026d}" for n in range(MAX_SEAT_COOKIES + 1)]
    headers = {"Cookie": "; ".join([*(f"{name}=x" for name in held), "theme=dark"])}
    async with door.session.post(
        f"{door.url}/v1/links/exchange", json={"token": token(seat)}, headers=headers
    ) as answer:
        set_cookies = answer.headers.getall("Set-Cookie")
    dropped = [each.partition("=")[0] for each in set_cookies if "Max-Age=0" in each]
    assert dropped == held[:2]
    assert len(set_cookies) == 3


async def test_a_seat_is_not_read_without_end(door: Door) -> None:
    visit = await door.visit()
    cookies = [await door.cookie(seat) for seat in visit["seats"]]
    path = f"/v1/visits/{visit['id']}/seats/"
    own, other = (path + seat["id"] for seat in visit["seats"])
    assert (await door.ask("GET", own, key=None, headers={"Cookie": cookies[0]})).status == 200
    holder = f"SeatHolder:{visit['seats'][0]['id']}"
    door.app[LIMITS].seats.take(holder, asyncio.get_running_loop().time(), SEAT[0] - 1)
    written = len(await audit.trail(door.app[call.STORE], visit["id"]))
    for method, at in (("GET", own), ("POST", f"{own}/links")):
        refused = await door.ask(method, at, key=None, headers={"Cookie": cookies[0]})
        assert (refused.problem, "Retry-After" in refused.headers) == ((429, "too-fast"), True)
    assert len(await audit.trail(door.app[call.STORE], visit["id"])) == written
    assert (await door.ask("GET", other, key=None, headers={"Cookie": cookies[1]})).status == 200
