import asyncio
import logging
import secrets
import stat
import sys
from collections.abc import AsyncIterator, Coroutine
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from aiohttp import web

import media
from api import call
from medinova_rt import assembly, documents, grants, mail, server, users
from medinova_rt.clinics import PLATFORM
from medinova_rt.config import Settings, load
from medinova_rt.folder import CannotStart
from medinova_rt.grants import Grant, Kind
from medinova_rt.ids import GrantId, UserId, new_id
from medinova_rt.operations.listening import listen
from medinova_rt.operations.telemetry import GAUGES
from medinova_rt.ports import Insert, Write
from medinova_rt.principals import System
from medinova_rt.server import running
from medinova_rt.sessions import Stage
from signaling.messages import PROTOCOL
from tests.media.engines import best, native
from tests.medinova_rt.adapters.smtp import LOCAL, MailServer

NOT_BUILT = "the native engine was not built along"
SEATS = [{"role": "clinician", "name": "Dr. Ada"}, {"role": "patient", "name": "Ben"}]


def settings(tmp_path: Path, **more: str) -> Settings:
    given = {"DATA": str(tmp_path / "var"), "LISTEN_PORT": "0", "MEDIA_PORT": "0", "MEDIA_ADDRESSES": "127.0.0.1"}
    return load({f"MEDINOVA_{name}": value for name, value in {**given, **more}.items()})


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def ask(session: aiohttp.ClientSession, app: web.Application, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {app[call.SERVICE_KEY]}", "Idempotency-Key": secrets.token_hex(16)}
    url = app[call.SETTINGS].public_url + path
    async with session.request(method, url, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return what was logged, without asyncio's remarks on a slow machine."""
    return [record for record in caplog.records if record.name != "asyncio"]


async def test_ready_says_what_is_announced(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with running(settings(tmp_path)) as app:
        status, said = await ask(session, app, "GET", "/readyz")
        port = app[assembly.ENGINE].listening()[0][1]
    assert (status, said) == (
        200,
        {
            "status": "ready",
            "version": app[call.HEALTH].version,
            "url": app[call.SETTINGS].public_url,
            "engine": app[assembly.ENGINE].name,
            "engine_why": app[call.HEALTH].engine_why,
            "media_port": port,
            "media_addresses": ["127.0.0.1"],
            "parts": {"store": "ok", "mail": "ok", "jobs": "ok", "media": "ok"},
        },
    )


async def test_the_start_line_says_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "medinova_rt.server"):
        async with running(settings(tmp_path)) as app:
            said = await app[call.HEALTH].readiness()
    records = ours(caplog)
    line: Any = records[0]
    assert [record.message for record in records] == ["ready", "stopping", "stopped"]
    assert (line.url, line.version, line.engine, line.media_port, line.addresses) == (
        said.url,
        said.version,
        said.engine,
        said.media_port,
        said.media_addresses,
    )


@pytest.mark.parametrize("engine", ["auto", "reference", "native"])
async def test_the_engine_asked_for_runs(tmp_path: Path, engine: str) -> None:
    if engine == "native":
        native()
    async with running(settings(tmp_path, ENGINE=engine)) as app:
        said = await app[call.HEALTH].readiness()
        assert said.engine == app[assembly.ENGINE].name == (best() if engine == "auto" else engine)
        assert said.engine_why == ("" if said.engine == engine or said.engine == "native" else NOT_BUILT)


async def test_without_the_native_engine_the_reference_engine_runs_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "media.native", None)
    with caplog.at_level(logging.INFO, "medinova_rt.server"):
        async with running(settings(tmp_path)) as app:
            said = await app[call.HEALTH].readiness()
    line: Any = ours(caplog)[0]
    assert (said.engine, said.engine_why) == (line.engine, line.engine_why) == ("reference", NOT_BUILT)


@pytest.mark.parametrize("seam", [None, -1])
async def test_a_native_engine_built_from_other_sources_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seam: int | None
) -> None:
    stale = ModuleType("media._engine")
    if seam is not None:
        stale.__dict__["SEAM"] = seam
    monkeypatch.setitem(sys.modules, "media._engine", stale)
    monkeypatch.setattr(media, "_engine", stale, raising=False)
    monkeypatch.delitem(sys.modules, "media.native", raising=False)
    why = "the native engine was built from other sources: make install"
    async with running(settings(tmp_path)) as app:
        said = await app[call.HEALTH].readiness()
        assert (said.engine, said.engine_why) == ("reference", why)
    with pytest.raises(CannotStart, match=f"MEDINOVA_ENGINE: {why}"):
        async with running(settings(tmp_path, ENGINE="native")):
            pass


async def test_a_native_engine_asked_for_and_missing_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "media.native", None)
    with pytest.raises(CannotStart, match="MEDINOVA_ENGINE: the native engine was not built along"):
        async with running(settings(tmp_path, ENGINE="native")):
            pass


async def test_a_server_whose_engine_has_failed_is_not_ready(
    tmp_path: Path, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings(tmp_path)) as app:
        monkeypatch.setattr(app[assembly.ENGINE], "listening", list)  # as tests/media/test_native.py shows
        status, said = await ask(session, app, "GET", "/readyz")
    assert (status, said["status"], said["parts"]["media"]) == (503, "failing", "failing")


async def test_a_second_start_keeps_keys_and_visits(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with running(settings(tmp_path)) as app:
        key = app[call.SERVICE_KEY]
        _, visit = await ask(session, app, "POST", "/v1/visits", {"seats": SEATS})
    async with running(settings(tmp_path, LISTEN_PORT=str(app[call.SETTINGS].listen_port))) as app:
        assert app[call.SERVICE_KEY] == key
        assert await ask(session, app, "GET", f"/v1/visits/{visit['id']}") == (200, visit)
        token = visit["seats"][0]["links"][0]["url"].partition("#")[2]
        status, _ = await ask(session, app, "POST", "/v1/links/exchange", {"token": token})
        assert status == 200


async def test_what_is_kept_is_for_its_user_alone(tmp_path: Path) -> None:
    async with running(settings(tmp_path)):
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "var").iterdir()}
    assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o700
    assert modes.pop("checkpoints") == 0o700
    assert set(modes.values()) == {0o600}
    assert {"service.key", "secret.key", "audit.key", "medinova.db"} <= modes.keys()


async def test_keys_can_be_set(tmp_path: Path) -> None:
    key = "set-by-hand-0123456789-0123456789"
    async with running(settings(tmp_path, SERVICE_KEY=key, SECRET=key)) as app:
        assert app[call.SERVICE_KEY] == key
    made = {each.name for each in (tmp_path / "var").glob("*.key")}
    assert made == {"audit.key"}  # which belongs to the database


async def test_a_visit_expires_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, ahead = assembly.utc_now, timedelta()
    monkeypatch.setattr(assembly, "utc_now", lambda: now() + ahead)
    async with running(settings(tmp_path)) as app, aiohttp.ClientSession() as session:
        _, visit = await ask(session, app, "POST", "/v1/visits", {"seats": SEATS, "expires_in_s": 60})
        ahead = timedelta(seconds=61)
        app[assembly.JOBS].wake()
        async with asyncio.timeout(5):
            while (await ask(session, app, "GET", f"/v1/visits/{visit['id']}"))[1]["state"] != "missed":
                await asyncio.sleep(0.02)
            while app[call.COUNTERS].snapshot()["jobs.done"] < 1:
                await asyncio.sleep(0.02)


async def test_everything_beside_the_table_is_served(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with running(settings(tmp_path)) as app:
        status, said = await ask(session, app, "GET", "/asyncapi.json")
        assert (status, said["asyncapi"]) == (200, "3.0.0")
        assert app[call.COUNTERS].snapshot().keys() >= GAUGES
        for page in ("/", "/join", "/visit/vis-1/sea-1", "/docs"):
            async with session.get(app[call.SETTINGS].public_url + page) as answer:
                assert answer.status == 200


async def test_a_socket_of_another_origin_is_refused_before_it_opens(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with running(settings(tmp_path)) as app:
        url = f"{app[call.SETTINGS].public_url}/v1/visits/vis-1/signal?seat=sea-1"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(url, headers={"Origin": "https://evil.example"})
    assert refused.value.status == 403


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET * HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nCookie: " + b"a" * 20_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n",
    ],
)
async def test_what_is_not_http_is_refused_and_counted_and_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    async with running(settings(tmp_path, LISTEN_HOST="127.0.0.1")) as app:
        caplog.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", app[call.SETTINGS].listen_port)
        writer.write(data)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        assert answer.split(b" ")[1] == b"400"
        assert b"\r\nServer: MediNova RT\r\n" in answer
        assert not [word for word in (b"aiohttp", b"Python", b"garbage", b"aaaa", b"9.9") if word in answer]
        assert app[call.COUNTERS].snapshot()["api.malformed"] == 1
        assert ours(caplog) == []


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n"], ids=["nothing", "half a request"])
async def test_a_connection_without_a_whole_request_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(server, "KEEP_ALIVE_S", 0.2)
    async with running(settings(tmp_path)) as app, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("localhost", app[call.SETTINGS].listen_port)
        writer.write(sent)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_it_stops_in_time_with_sockets_and_requests_open(
    tmp_path: Path, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    hanging = asyncio.Event()

    async def hang(*given: Any, **more: Any) -> None:
        hanging.set()
        await asyncio.Event().wait()

    async def read(socket: aiohttp.ClientWebSocketResponse) -> int | None:
        async for _ in socket:
            pass
        return socket.close_code

    async with asyncio.TaskGroup() as tasks:
        async with running(settings(tmp_path, STOP_S="4")) as app:
            url = app[call.SETTINGS].public_url
            socket = await session.ws_connect(f"{url}/v1/visits/vis-1/signal?seat=sea-1", headers={"Origin": url})
            code = tasks.create_task(read(socket))
            monkeypatch.setattr(app[call.VISITS], "create", hang)
            request = tasks.create_task(refused(ask(session, app, "POST", "/v1/visits", {"seats": SEATS})))
            await hanging.wait()
            began = loop.time()
        assert loop.time() - began < 4.5
    assert (code.result(), request.result()) == (1012, True)


async def refused(asked: Coroutine[Any, Any, Any]) -> bool:
    """Whether the connection was closed without an answer."""
    try:
        await asked
    except aiohttp.ClientError:
        return True
    return False


async def test_it_serves_https(tmp_path: Path) -> None:
    import ssl

    from medinova_rt.operations.certificate import self_signed

    certificate, key = self_signed(tmp_path, ["127.0.0.1"], assembly.utc_now())
    trust = ssl.create_default_context(cafile=str(certificate))
    async with (
        running(settings(tmp_path, TLS_CERTIFICATE=str(certificate), TLS_KEY=str(key))) as app,
        aiohttp.ClientSession() as session,
        session.get(app[call.SETTINGS].public_url + "/healthz", ssl=trust) as answer,
    ):
        assert app[call.SETTINGS].public_url.startswith("https://localhost:")
        assert answer.status == 200


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"LISTEN_PORT": "{taken}"}, "TCP port .* is taken"),
        ({"MEDIA_PORT": "{taken}"}, "UDP port .* is taken"),
        ({"LISTEN_HOST": "203.0.113.1"}, "MEDINOVA_LISTEN_HOST"),
        ({"LISTEN_HOST": "no such host"}, "MEDINOVA_LISTEN_HOST"),
        ({"DATA": "/proc/none"}, "MEDINOVA_DATA"),
        ({"DATA": "{broken}"}, "secret.key cannot be read"),
        ({"TLS_CERTIFICATE": "/none", "TLS_KEY": "/none"}, "MEDINOVA_TLS_CERTIFICATE"),
        ({"MEDIA_ADDRESSES": "203.0.113.1"}, "set MEDINOVA_MEDIA_PORT too"),
    ],
)
async def test_what_stands_in_the_way_is_said(tmp_path: Path, more: dict[str, str], text: str) -> None:
    import socket

    (tcp,) = listen("127.0.0.1", 0)
    port = tcp.getsockname()[1]
    tcp.listen()
    (tmp_path / "secret.key").touch()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", port))
        given = {name: value.format(taken=port, broken=tmp_path) for name, value in more.items()}
        with pytest.raises(CannotStart, match=text):
            async with running(settings(tmp_path, LISTEN_HOST=given.pop("LISTEN_HOST", "127.0.0.1"), **given)):
                pass
    tcp.close()


def code_letter() -> list[Write]:
    return mail.letter(
        "sign-in-code", "robin@example.org", "en", assembly.utc_now(), clinic=PLATFORM, code="123456", link="https://x"
    )


async def test_letters_go_to_the_mail_server(tmp_path: Path) -> None:
    post = MailServer()
    async with (
        post.listening(LOCAL) as port,
        running(settings(tmp_path, MAIL_URL=f"smtp://{LOCAL}:{port}", MAIL_FROM="Clinic <mail@example.org>")) as app,
    ):
        await app[call.STORE].transact(code_letter())
        app[assembly.JOBS].wake()
        async with asyncio.timeout(10):
            while not app[call.COUNTERS].snapshot()["mail.sent"]:
                await asyncio.sleep(0.01)
        assert call.OUTBOX not in app
    assert [(letter["From"], letter["To"]) for letter in post.letters] == [
        ("Clinic <mail@example.org>", "robin@example.org")
    ]


async def test_a_mail_server_that_is_out_is_shown_and_visits_go_on(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with MailServer().listening(LOCAL) as port:
        pass
    more = {"MAIL_URL": f"smtp://{LOCAL}:{port}", "MAIL_FROM": "mail@example.org"}
    async with running(settings(tmp_path, **more)) as app:
        await app[call.STORE].transact(code_letter())
        app[assembly.JOBS].wake()
        async with asyncio.timeout(10):
            while not app[call.COUNTERS].snapshot()["mail.failed"]:
                await asyncio.sleep(0.01)
        status, said = await ask(session, app, "GET", "/readyz")
    assert (status, said["status"], said["parts"]["mail"]) == (200, "ready", "failing")


async def test_an_operator_reads_the_outbox_by_a_session(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with running(settings(tmp_path)) as app:
        now = assembly.utc_now()
        user, writes = users.new_user("olga@example.org", "Olga Byrne", "en", "Europe/Madrid", now)
        grant = Grant(
            id=GrantId(new_id("gra", now)),
            clinic=PLATFORM,
            user=user.id,
            kind=Kind.OPERATOR,
            created_at=now,
            starts_at=now,
        )
        operating = Insert(grants.COLLECTION, grant.id, documents.encode(grant))
        answers = []
        for strong, along in ((False, [*writes, operating]), (True, [])):
            _, cookie = await app[call.SESSIONS].open(user.id, stage=Stage.FULL, strong=strong, now=now, along=along)
            headers = {"Cookie": f"{app[call.SETTINGS].session_cookie}={cookie}"}
            async with session.get(f"{app[call.SETTINGS].public_url}/v1/outbox", headers=headers) as answer:
                answers.append(answer.status)
    assert answers == [404, 200]


async def test_a_seat_goes_on_when_the_session_of_its_browser_is_over(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with running(settings(tmp_path)) as app:
        url, names, now = app[call.SETTINGS].public_url, app[call.SETTINGS], assembly.utc_now()
        _, visit = await ask(session, app, "POST", "/v1/visits", {"seats": SEATS})
        seat = visit["seats"][0]
        token = seat["links"][0]["url"].partition("#")[2]
        async with session.post(f"{url}/v1/links/exchange", json={"token": token}) as answer:
            cookies = [answer.headers["Set-Cookie"].partition(";")[0]]
        signed_in, secret = await app[call.SESSIONS].open(UserId("usr-1"), stage=Stage.FULL, strong=False, now=now)
        cookies.append(f"{names.session_cookie}={secret}")
        headers = {"Cookie": "; ".join(cookies), "Origin": url}
        signal = f"{url}/v1/visits/{visit['id']}/signal?seat={seat['id']}"

        async def knock(socket: aiohttp.ClientWebSocketResponse) -> str:
            await socket.send_json({"type": "hello", "protocol": PROTOCOL})
            return str((await socket.receive_json())["type"])

        async with session.ws_connect(signal, headers=headers) as first:
            assert await knock(first) == "welcome"
            await app[call.SESSIONS].revoke(System(), signed_in.id, now)
            async with session.post(f"{url}/v1/sign-out", headers=headers) as answer:
                assert answer.status == 401
            await first.send_json({"type": "chat", "key": "1", "text": "Still here."})
            while (said := await first.receive_json())["type"] != "chat-line":
                pass
            assert said["text"] == "Still here."
            async with session.ws_connect(signal, headers=headers) as again:  # and it can come back
                assert await knock(again) == "welcome"
