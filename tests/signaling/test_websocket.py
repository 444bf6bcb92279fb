"""signaling/websocket.py and hub.py: the way in, the bounds of a socket, and what a bad one does to others: nothing."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError

from media.room import Name, SpeakersChanged
from medinova_rt import audit
from medinova_rt.errors import Unavailable
from medinova_rt.principals import Role
from signaling import hub, websocket
from signaling.flood import LARGE_BYTES, MAX_BYTES
from signaling.messages import Close
from tests.signaling.stage import OFFER, ORIGIN, SERVICE, Stage, StageRoom, until

# --- the way in ---


async def test_a_page_joins_by_the_cookie_of_its_seat(stage: Stage) -> None:
    visit = await stage.visit()
    page = await stage.join(visit, 0)
    welcome = page.heard[0]
    assert welcome["seat"] == visit.seats[0].id
    assert (welcome["visit"], welcome["state"], welcome["resumed"]) == (visit.id, "waiting", False)
    assert [each["phase"] for each in welcome["participants"]] == ["present", "away"]


@pytest.mark.parametrize("origin", ["https://evil.example", "http://clinic.example", "null", "https://clinic.example."])
async def test_another_origin_is_refused_before_the_upgrade(stage: Stage, origin: str) -> None:
    visit = await stage.visit()
    with pytest.raises(WSServerHandshakeError) as refused:
        await stage.socket(visit, 0, origin=origin)
    assert refused.value.status == 403
    assert stage.count("cross-origin") == 1


async def test_without_an_origin_the_cookie_does_not_count_and_a_ticket_does(stage: Stage) -> None:
    visit = await stage.visit()
    page = await stage.socket(visit, 0, origin=None)
    await page.send("hello", protocol=1)
    assert await page.over() == Close.NOT_AUTHENTICATED
    page = await stage.socket(visit, 0, origin=None, cookie=None)
    await page.send("hello", protocol=1, ticket=stage.ticket(visit, 0))
    await page.next("welcome")


async def test_a_ticket_works_once(stage: Stage) -> None:
    visit = await stage.visit()
    ticket = stage.ticket(visit, 1)
    first = await stage.socket(visit, 1, cookie=None)
    await first.send("hello", protocol=1, ticket=ticket)
    await first.next("welcome")
    second = await stage.socket(visit, 1, cookie=None)
    await second.send("hello", protocol=1, ticket=ticket)
    assert await second.over() == Close.NOT_AUTHENTICATED
    await first.settle()


def _cookie_of_another_seat(stage: Stage, visit: Any) -> str:
    return stage.cookie(visit, 1)


def _spoilt_cookie(stage: Stage, visit: Any) -> str:
    return stage.cookie(visit, 0)[:-2] + "AA"


def _ticket_as_cookie(stage: Stage, visit: Any) -> str:
    return stage.ticket(visit, 0)


@pytest.mark.parametrize("cookie", [_cookie_of_another_seat, _spoilt_cookie, _ticket_as_cookie, None])
async def test_a_wrong_cookie_is_turned_away(stage: Stage, cookie: Any) -> None:
    visit = await stage.visit()
    page = await stage.socket(visit, 0, cookie=cookie(stage, visit) if cookie else None)
    await page.send("hello", protocol=1)
    assert await page.over() == Close.NOT_AUTHENTICATED
    assert page.heard[-1]["code"] == "not-authenticated"
    assert stage.count("refused.not-authenticated") == 1


@pytest.mark.parametrize("ticket", ["", "x", "ticket." * 50, "ticket.a.b.c.1.-.x"])
async def test_a_ticket_of_another_seat_or_none_at_all_is_turned_away(stage: Stage, ticket: str) -> None:
    visit = await stage.visit()
    page = await stage.socket(visit, 0, cookie=None)
    await page.send("hello", protocol=1, ticket=ticket or stage.ticket(visit, 1))
    assert await page.over() == Close.NOT_AUTHENTICATED


async def test_a_ticket_tried_on_the_wrong_seat_is_not_used_up(stage: Stage) -> None:
    visit = await stage.visit()
    ticket = stage.ticket(visit, 1)
    page = await stage.socket(visit, 0, cookie=None)
    await page.send("hello", protocol=1, ticket=ticket)
    assert await page.over() == Close.NOT_AUTHENTICATED
    page = await stage.socket(visit, 1, cookie=None)
    await page.send("hello", protocol=1, ticket=ticket)
    await page.next("welcome")


async def test_a_visit_that_is_over_says_so(stage: Stage) -> None:
    visit = await stage.visit()
    await stage.visits.end(SERVICE, visit.id, stage.now)
    page = await stage.socket(visit, 0)
    await page.send("hello", protocol=1)
    assert await page.over() == Close.ENDED


async def test_a_seat_of_a_visit_that_is_not_there(stage: Stage) -> None:
    visit = await stage.visit()
    elsewhere = Stage()
    elsewhere.links = stage.links
    page = await stage.socket(await elsewhere.visit(), 0)
    await page.send("hello", protocol=1)
    assert await page.over() == Close.NOT_FOUND
    await stage.join(visit, 0)


async def test_a_store_that_does_not_answer_sends_people_away_for_a_while(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find(*_: object) -> None:
        raise Unavailable("the store does not answer")

    page = await stage.socket(await stage.visit(), 0)
    monkeypatch.setattr(stage.visits, "find", find)
    await page.send("hello", protocol=1)
    assert await page.over() == hub.TRY_AGAIN_LATER
    assert page.heard[-1]["code"] == "unavailable"


async def test_a_visit_that_changes_all_the_time_is_given_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = stage.visits.chat_lines

    async def chat_lines(*arguments: Any) -> Any:
        await stage.hub.rooms.changed(visit.id)
        return await lines(*arguments)

    visit = await stage.visit()
    monkeypatch.setattr(stage.visits, "chat_lines", chat_lines)
    page = await stage.socket(visit, 0)
    await page.send("hello", protocol=1)
    assert await page.over() == hub.TRY_AGAIN_LATER


async def test_another_protocol_is_refused_with_a_sentence(stage: Stage) -> None:
    page = await stage.socket(await stage.visit(), 0)
    await page.send("hello", protocol=2)
    assert await page.over() == Close.BAD_MESSAGE
    assert page.heard == [
        {"type": "error", "code": "bad-input", "detail": "this server speaks protocol 1", "number": None}
    ]


async def test_a_full_server_takes_no_further_socket(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    visit = await stage.visit()
    await stage.join(visit, 0)
    monkeypatch.setattr(hub, "MAX_SOCKETS", 1)
    with pytest.raises(WSServerHandshakeError) as refused:
        await stage.socket(visit, 1)
    assert (refused.value.status, stage.count("full")) == (503, 1)


async def test_one_network_does_not_take_every_socket(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "MAX_STRANGERS", 2)
    visit = await stage.visit()
    greeted = [await stage.join(visit, seat) for seat in (0, 1)]  # whoever was is no stranger
    assert not stage.hub.is_full("127.0.0.1")
    strangers = [await stage.socket(visit, 1) for _ in range(2)]
    with pytest.raises(WSServerHandshakeError) as refused:
        await stage.socket(visit, 1)
    assert (refused.value.status, stage.count("full")) == (503, 1)
    assert not stage.hub.is_full("192.0.2.1")
    await greeted[0].settle()
    for page in strangers:
        await page.socket.close()
    await until(lambda: not stage.hub.is_full("127.0.0.1"))
    await stage.join(visit, 1)


@pytest.mark.parametrize("resumes", [False, True])
async def test_a_seat_is_not_taken_without_end(stage: Stage, resumes: bool) -> None:
    visit = await stage.visit()
    clinician = await stage.join(visit, 0)
    for _ in range(hub.ENTRIES[0] - 1):
        await stage.join(visit, 1)
    last = await stage.join(visit, 1)
    resume = last.heard[0]["resume"] if resumes else None
    records = len(await audit.trail(stage.store, visit.id))
    page = await stage.socket(visit, 1)
    await page.send("hello", protocol=1, resume=resume)
    assert await page.over() == Close.TOO_FAST
    assert stage.count("refused.too-fast") == 1
    assert len(await audit.trail(stage.store, visit.id)) == records
    for each in (clinician, last):
        await each.settle()


async def test_a_plain_get_and_a_head_change_nothing(stage: Stage) -> None:
    visit = await stage.visit()
    url = stage.url(visit, visit.seats[0].id)
    headers = {"Origin": ORIGIN, "Cookie": f"seat-{visit.seats[0].id}={stage.cookie(visit, 0)}"}
    async with stage.http.get(url, headers=headers) as got, stage.http.head(url, headers=headers) as headed:
        assert (got.status, headed.status) == (400, 405)
    assert len(stage.hub.rooms) == 0


# --- the bounds of a socket ---

CHAT = json.dumps({"type": "chat", "key": "k", "text": "x"})


@pytest.mark.parametrize(
    ("frame", "code", "counter"),
    [
        ("", Close.BAD_MESSAGE, "malformed"),
        ("{", Close.BAD_MESSAGE, "malformed"),
        ("[" * 5000, Close.BAD_MESSAGE, "malformed"),
        ("null", Close.BAD_MESSAGE, "malformed"),
        ('{"type":"welcome"}', Close.BAD_MESSAGE, "malformed"),
        ('{"type":"pong","more":1}', Close.BAD_MESSAGE, "malformed"),
        ('{"type":"offer","number":0,"sdp":""}', Close.BAD_MESSAGE, "malformed"),
        ('{"type":"chat","key":"k","text":"' + "x" * 2001 + '"}', Close.BAD_MESSAGE, "malformed"),
        (b"\x00\xff", Close.BAD_MESSAGE, "malformed"),
        ("x" * (MAX_BYTES + 1), 1009, "protocol"),
    ],
)
@pytest.mark.parametrize("greeted", [False, True])
async def test_nonsense_ends_its_own_socket_only(
    stage: Stage, frame: str | bytes, code: int, counter: str, greeted: bool
) -> None:
    visit = await stage.visit()
    other = await stage.join(visit, 0)
    page = await stage.join(visit, 1) if greeted else await stage.socket(visit, 1)
    await (page.socket.send_str(frame) if isinstance(frame, str) else page.socket.send_bytes(frame))
    assert await page.over() == code
    assert stage.count(counter) == 1
    await other.settle()


async def test_hello_comes_first_and_soon(stage: Stage) -> None:
    visit = await stage.visit()
    early = await stage.socket(visit, 0)
    await early.send("pong")
    assert await early.over() == Close.BAD_MESSAGE
    late = await stage.socket(visit, 0)
    await until(lambda: len(stage.hub.wheel) > 0)
    stage.pass_time(websocket.HELLO_S + 1)
    assert await late.over() == Close.SILENT
    assert stage.count("hello-late") == 1


async def test_a_second_hello_is_an_error_and_no_more(stage: Stage) -> None:
    page = await stage.join(await stage.visit(), 0)
    await page.send("hello", protocol=1)
    assert (await page.next("error"))["code"] == "wrong-state"
    await page.settle()


async def test_whoever_answers_no_ping_is_closed_and_whoever_does_is_not(stage: Stage) -> None:
    visit = await stage.visit()
    silent, lively = await stage.join(visit, 1), await stage.join(visit, 0)
    for _ in range(websocket.UNANSWERED + 1):
        stage.pass_time(10.5)
        await lively.settle()
    assert await silent.over() == Close.SILENT
    assert [each["type"] for each in silent.heard].count("ping") == 2
    assert stage.count("silent") == 1
    await lively.settle()


@pytest.mark.parametrize(
    ("frame", "fits"),
    [
        ('{"type":"pong"}', 50),
        (CHAT, 25),
        (json.dumps({"type": "offer", "number": 1, "sdp": OFFER}), 9),
        (json.dumps({"type": "offer", "number": 1, "sdp": OFFER + "x" * LARGE_BYTES}), 4),
    ],
)
async def test_a_flood_is_closed_and_what_pages_send_is_not(stage: Stage, frame: str, fits: int) -> None:
    visit = await stage.visit()
    page, other = await stage.join(visit, 0), await stage.join(visit, 1)
    for _ in range(fits):
        await page.socket.send_str(frame)
    await page.settle()
    assert stage.count("flood") == 0
    for _ in range(70):
        if not page.socket.closed:
            await page.socket.send_str(frame)
    assert await page.over() == Close.TOO_FAST
    assert stage.count("flood") == 1
    await other.settle()


async def test_pings_of_the_websocket_itself_are_answered_and_counted(stage: Stage) -> None:
    page = await stage.join(await stage.visit(), 0)
    for _ in range(100):
        if not page.socket.closed:
            await page.socket.ping(b"x")
    await until(lambda: stage.count("flood") == 1)


async def test_a_slow_reader_is_closed_and_the_others_go_on(stage: Stage) -> None:
    visit = await stage.visit()
    clinician, patient = await stage.meet(visit)
    patient.stop_reading()
    # the kernel holds some megabytes on loopback before the queue begins to fill
    flood = SpeakersChanged(tuple(Name(f"sea-{n:036}") for n in range(1000)))
    for _ in range(3000):
        stage.room().notify(flood)
        await clinician.next("speakers")
        if stage.count("slow-reader"):
            break
    assert stage.count("slow-reader") == 1
    await clinician.settle()
    stage.pass_time(websocket.CLOSE_S + 1)
    await until(lambda: len(stage.hub._sockets) == 1)


async def test_a_client_that_never_answers_the_close_is_cut(stage: Stage) -> None:
    visit = await stage.visit()
    page = await stage.join(visit, 0)
    page.stop_reading()
    await page.socket.send_str("{")
    await until(lambda: stage.count("malformed") == 1)
    stage.pass_time(websocket.CLOSE_S + 1)
    await until(lambda: not stage.hub._sockets)


# --- faults of ours, and the end ---


async def test_a_fault_ends_one_session_and_no_other(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    visit = await stage.visit()
    clinician, patient = await stage.meet(visit)
    await patient.send("offer", number=1, sdp="v=0 bug")
    assert await patient.over() == Close.INTERNAL
    await clinician.next("participant", seat=visit.seats[1].id, phase="away")
    assert "a session failed" in [record.message for record in caplog.records]
    assert stage.count("failed") == 1
    again = await stage.join(visit, 1)
    await again.settle()
    await clinician.settle()


async def test_a_fault_while_coming_in_ends_that_socket(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def join(*_: object) -> None:
        raise KeyError("a fault of ours")

    visit = await stage.visit()
    with monkeypatch.context() as broken:
        broken.setattr(StageRoom, "join", join)
        page = await stage.socket(visit, 0)
        await page.send("hello", protocol=1)
        assert await page.over() == Close.INTERNAL
    assert len(stage.hub.rooms) == 0
    (line,) = (record for record in caplog.records if record.message == "a socket failed")
    assert not vars(line).keys() & {"visit", "seat"}  # so far they are what somebody typed
    await stage.join(visit, 0)


async def test_a_fault_while_letting_go_ends_nobody_else(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def close(*_: object) -> None:
        raise KeyError("a fault of ours")

    other = await stage.join(await stage.visit(), 0)
    page = await stage.join(await stage.visit(), 0)
    monkeypatch.setattr(StageRoom, "close", close)
    await page.send("leave")
    assert await page.over() == 1000
    await until(lambda: stage.count("failed") == 1)
    await other.settle()
    stage.pass_time(1)
    monkeypatch.undo()


async def test_stopping_tells_everyone_and_is_done_in_time(stage: Stage) -> None:
    visit = await stage.visit()
    pages = await stage.meet(visit)
    stopping = asyncio.gather(stage.hub.stop())
    for page in pages:
        assert await page.over() == 1012
        assert page.heard[-1] == {"type": "restarting", "retry_s": 1.0}
    await stopping
    assert stage.room().closed
    with pytest.raises(WSServerHandshakeError) as refused:
        await stage.socket(visit, 0)
    assert refused.value.status == 503
    await stage.hub.stop()


async def test_stopping_does_not_wait_for_whoever_does_not_read(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "STOP_S", 0.2)
    visit = await stage.visit()
    page = await stage.join(visit, 0)
    page.stop_reading()
    async with asyncio.timeout(3):
        await stage.hub.stop()
    await until(lambda: not stage.hub._sockets)


async def test_three_people_and_a_crowd_of_bad_sockets(stage: Stage) -> None:
    visit = await stage.visit(Role.CLINICIAN, Role.PATIENT, Role.CARER)
    pages = await stage.meet(visit, seats=(0, 1, 2))
    for frame in ("{", "[]", '{"type":"hello","protocol":9}'):
        bad = await stage.socket(visit, 1, cookie="nonsense")
        await bad.socket.send_str(frame)
        assert await bad.over() == Close.BAD_MESSAGE
    for page in pages:
        await page.settle()
