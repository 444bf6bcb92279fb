"""The REST application on a free port of loopback, over a SQLite file, with rooms that write down what they hear."""

import re
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from yarl import URL

from api import call
from api.openapi import document
from api.routes import ROUTES, make_app
from medinova_rt import clinics
from medinova_rt import vault as vaults
from medinova_rt.accounts import Accounts
from medinova_rt.adapters.argon2_hashing import Argon2Hashing
from medinova_rt.adapters.embedded_identity import EmbeddedIdentity
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.local_keys import LocalKeys
from medinova_rt.adapters.outbox_notifier import OutboxNotifier
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.adapters.watched_store import WatchedStore
from medinova_rt.assertions import Assertions
from medinova_rt.clinics import Clinics
from medinova_rt.config import load
from medinova_rt.entrance import Entrance
from medinova_rt.erasures import Erasures
from medinova_rt.exports import Exports
from medinova_rt.factors import OwnFactors
from medinova_rt.folder import FINDS, fields_of_patients
from medinova_rt.ids import VisitId
from medinova_rt.invitations import Invitations
from medinova_rt.links import Links
from medinova_rt.lookups import Lookups, SecretIndex
from medinova_rt.merges import Merges
from medinova_rt.operations.health import Health
from medinova_rt.operations.listening import listen
from medinova_rt.operations.telemetry import Counters
from medinova_rt.patients import Patients
from medinova_rt.register import Register
from medinova_rt.relations import Relations
from medinova_rt.repeats import Repeats
from medinova_rt.riders import RidingStore
from medinova_rt.sessions import Sessions
from medinova_rt.signed_in import SignedIn
from medinova_rt.signin import SignIn
from medinova_rt.signing import SigningKey
from medinova_rt.tokens import Tokens
from medinova_rt.users import Users
from medinova_rt.vault import Vault
from medinova_rt.visits import Visits

SIGNING = SigningKey("A" * 43)
KEY = "service-key-of-the-tests-0123456789"
SEATS = [{"role": "clinician", "name": "Dr. Ada"}, {"role": "patient", "name": "Ben"}]

Json = dict[str, Any]


class Rooms:
    """What REST told the live rooms."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    async def close(self, visit: VisitId, reason: str) -> None:
        self.told.append(("close", visit, reason))

    async def revoke(self, visit: VisitId, link: str) -> None:
        self.told.append(("revoke", visit, link))

    async def changed(self, visit: VisitId) -> None:
        self.told.append(("changed", visit))


DOCUMENT = document(ROUTES, version="1.2.3", public_url="http://localhost")


def check(method: str, path: str, answer: "Answer") -> None:
    """Assert that the answer is one that the OpenAPI document promises."""
    for template, methods in DOCUMENT["paths"].items():
        pattern = re.sub(r"{\w+}", "[^/]+", template)
        if re.fullmatch(pattern, path) and (operation := methods.get(method.lower())):
            content = operation["responses"][str(answer.status)].get("content", {})
            kind = answer.headers.get("Content-Type", "").partition(";")[0]
            assert kind in content if answer.body else not content
            if answer.body and kind.endswith("json"):
                schema = {**content[kind]["schema"], "components": DOCUMENT["components"]}
                assert Draft202012Validator(schema).is_valid(answer.json), (method, template, answer.status)


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Answer:
    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def problem(self) -> tuple[int, str]:
        """(status, code), the status being said twice."""
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.json["status"] == self.status
        return self.status, self.json["code"]


class Door:
    """The application as somebody outside meets it."""

    def __init__(self, app: web.Application, session: aiohttp.ClientSession, clock: Clock, database: Path) -> None:
        self.app = app
        self.database = database
        self.session = session
        self.url = app[call.SETTINGS].public_url
        self.rooms: Any = app[call.ROOMS]
        self.clock = clock

    async def ask(self, method: str, path: str, *, key: str | None = KEY, **more: Any) -> Answer:
        """Send what a well-behaved client does: a key of its own with each POST, `*` where a version is asked for.

        A header given as None is left out.
        """
        said: dict[str, str | None] = {"Authorization": f"Bearer {key}" if key else None}
        said |= {"Idempotency-Key": secrets.token_hex(16)} if method == "POST" else {}
        said |= {"If-Match": "*"} if method not in ("GET", "HEAD", "OPTIONS") else {}
        said |= more.pop("headers", {})
        headers = {name: value for name, value in said.items() if value is not None}
        url = URL(self.url + path, encoded=True)
        async with self.session.request(method, url, headers=headers, allow_redirects=False, **more) as response:
            answer = Answer(response.status, response.headers, await response.read())
        check(method, path.partition("?")[0], answer)
        return answer

    async def visit(self, seats: list[Json] = SEATS, **more: Any) -> Json:
        answer = await self.ask("POST", "/v1/visits", json={"seats": seats, **more})
        assert answer.status == 201, answer.body
        visit: Json = answer.json
        return visit

    async def cookie(self, seat: Json) -> str:
        """Exchange the seat's first link; return the Cookie header."""
        answer = await self.exchange(token(seat))
        assert answer.status == 200, answer.body
        set_cookie: str = answer.headers["Set-Cookie"]
        return set_cookie.partition(";")[0]

    async def exchange(self, token: str, **more: Any) -> Answer:
        return await self.ask("POST", "/v1/links/exchange", key=None, json={"token": token, **more})


def token(seat: Json) -> str:
    url: str = seat["links"][0]["url"]
    return url.partition("#")[2]


@pytest.fixture
def web_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    (folder / "views").mkdir(parents=True)
    for page in ("page", "join", "visit", "lost"):
        (folder / f"{page}.html").write_text(f"<!doctype html><title>{page}</title>")
    (folder / "app.js").write_text("export {};")
    (folder / "views" / "seat.css").write_text("a { color: red }")
    (folder / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return folder


@pytest.fixture
async def door(tmp_path: Path, web_folder: Path) -> AsyncIterator[Door]:
    sockets = listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    settings = load({"MEDINOVA_PUBLIC_URL": f"http://127.0.0.1:{port}", "MEDINOVA_PROXIES": "127.0.0.1"})
    file = SqliteStore(tmp_path / "test.db", FINDS)
    await file.open()
    watched = WatchedStore(file)
    store = RidingStore(watched)
    app = make_app(settings)
    clock = Clock()
    held, links = Visits(store), Links(b"s" * 32)
    app[call.SETTINGS] = settings
    app[call.SERVICE_KEY] = KEY
    app[call.SERVICE_CLINIC] = clinics.DEMO.id
    app[call.STORE] = store
    app[call.REPEATS] = Repeats(store)
    app[call.CLINICS] = Clinics(store)
    app[call.VISITS] = held
    app[call.SESSIONS], app[call.SIGNED_IN] = Sessions(store), SignedIn(store)
    app[call.TOKENS], app[call.ACCOUNTS] = Tokens(b"s" * 32, settings.public_url), Accounts(store)
    app[call.ASSERTIONS] = Assertions(store, app[call.ACCOUNTS], f"{settings.public_url}/oauth/token")
    everybody = Users(store)
    identity = EmbeddedIdentity(store, everybody, b"s" * 32, settings.public_url, Argon2Hashing(memory_kib=8, passes=1))
    await identity.open()
    app[call.IDENTITY] = identity
    app[call.SIGN_IN] = SignIn(store, identity, everybody, app[call.CLINICS], app[call.SESSIONS], settings.public_url)
    app[call.USERS] = everybody
    app[call.INVITATIONS] = Invitations(store, identity, app[call.SIGN_IN], settings.public_url)
    app[call.FACTORS] = OwnFactors(
        store, identity, everybody, app[call.CLINICS], app[call.SESSIONS], app[call.SIGN_IN], settings.public_url
    )
    watched.watch(app[call.SIGNED_IN].watched, app[call.SIGNED_IN].forget_all)
    watched.watch(app[call.ACCOUNTS].watched, app[call.ACCOUNTS].forget_all)
    app[call.LINKS] = links
    index = Lookups(store, SecretIndex(b"i" * 32))
    app[call.PATIENTS] = Patients(store, index)
    app[call.REGISTER] = Register(store, index)
    app[call.MERGES] = Merges(store, index)
    vault = Vault(MemoryStore(vaults.FINDS), LocalKeys(tmp_path / "kek.json"), clock)
    app[call.ERASURES] = Erasures(store, vault, index, SIGNING, fields_of_patients())
    app[call.EXPORTS] = Exports(store, app[call.PATIENTS], SIGNING)
    app[call.RELATIONS] = Relations(store)
    app[call.ENTRANCE] = Entrance(store, held, links)
    app[call.OUTBOX] = OutboxNotifier(store)
    app[call.ROOMS] = Rooms()
    app[call.HEALTH] = Health("1.2.3", settings.public_url)
    app[call.COUNTERS] = Counters()
    app[call.PROTOCOL] = 1
    app[call.WEB] = web_folder
    app[call.CLOCK] = clock
    await app[call.CLINICS].ensure(clinics.DEMO)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.SockSite(runner, sockets[0]).start()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Door(app, session, clock, tmp_path / "test.db")
    await runner.cleanup()
    await identity.close()
    await file.close()
