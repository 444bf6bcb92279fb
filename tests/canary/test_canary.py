"""Tokens in every private field, a walk through the whole server, and a search of whatever it leaves behind.

| Place | What may be there | Why |
| --- | --- | --- |
| answers to who may see them | what they asked for | that is what the server is for |
| a letter | the address and name of who it goes to | it is theirs |
| everything else | nothing | |
"""

import base64
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from medinova_rt import audit, documents
from medinova_rt.audit import Record
from medinova_rt.cabinet import Cabinet
from medinova_rt.config import load
from tests.api.town import town
from tests.canary import tokens
from tests.canary.tokens import NOT_PLANTED, NOWHERE, PLANTED, all_but, found, hits, joined
from tests.canary.walk import Walk, walk
from tests.e2e.server import Server, free_port
from tests.medinova_rt.adapters.smtp import LOCAL, MailServer

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Left:
    """What a server leaves behind, by place."""

    step: Walk
    folder: Path
    running: Mapping[str, bytes]  # read while it ran
    after: Mapping[str, bytes]  # and after it was killed in the middle
    letters: list[tuple[str, bytes]]  # to whom, and all of it


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def left(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Left]:
    folder = tmp_path_factory.mktemp("canary")
    async with town(folder) as built:
        people, ids = dict(built.people), {**built.ids, "treating": built.users["treating"]}
    (folder / "tmp").mkdir()
    post = MailServer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder / "tmp"))
        patch.setenv("PYTHONFAULTHANDLER", "1")
        async with post.listening(LOCAL) as port, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
            server = Server(
                folder,
                DATA=str(folder / "var"),
                LISTEN_PORT=str(free_port()),
                SERVICE_KEY="",
                LOG_LEVEL="debug",
                PROXIES="127.0.0.1,::1",
                MAIL_URL=f"smtp://{LOCAL}:{port}",
                MAIL_FROM="Clinic <clinic@example.org>",
            )
            await server.start()
            try:
                step = Walk(server.url, people, ids, post, client)
                await walk(step)
                await step.letter(PLANTED["Invitation.email"])
                running = {**_files(folder), **_process(server), "metrics": await _metrics(step)}
            finally:
                await server.stop(signal.SIGABRT)
        letters = [(",".join(to), raw + letter.get_content().encode()) for to, raw, letter in _sent(post)]
        yield Left(step, folder, running, _files(folder), letters)


def _sent(post: MailServer) -> Iterator[tuple[list[str], bytes, EmailMessage]]:
    return zip(post.recipients, post.raw, post.letters, strict=True)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def _process(server: Server) -> dict[str, bytes]:
    process = Path(f"/proc/{server._process.pid}")
    return {name: (process / name).read_bytes() for name in ("cmdline", "environ") if process.exists()}


async def _metrics(step: Walk) -> bytes:
    content = await step.ask("service", "GET", "/metrics")
    assert isinstance(content, bytes)
    assert step.status == 200
    return content


async def test_every_private_field_has_a_canary() -> None:
    assert PLANTED.keys() | NOT_PLANTED.keys() == tokens.private_fields()


async def test_the_walk_planted_every_canary(left: Left) -> None:
    seen = found(PLANTED, joined(left.step.given))
    cabinet = Cabinet(load({"MEDINOVA_DATA": str(left.folder / "var")}))
    await cabinet.open()
    try:
        trail = await cabinet.store.find(audit.BY_CLINIC, (left.step.ids["clinic"],), limit=100)
        records = [documents.decode(Record, row.document, audit.SCHEMA, {}) for row in trail.rows]
        if any(record.address == tokens.ADDRESS for record in records):
            seen.add("Record.address")
    finally:
        await cabinet.close()
    assert PLANTED.keys() - seen <= {"Session.address"}  # which no answer shows; the same as of the record


async def test_every_route_was_walked_and_every_kind_of_refusal_met(left: Left) -> None:
    codes = {b"bad-input", b"not-found", b"forbidden", b"not-authenticated", b"cross-origin"}
    assert len(left.step.refused) > 300
    assert not {code for code in codes if code not in joined(left.step.refused)}


async def test_log_and_crash_dump_hold_nothing(left: Left) -> None:
    log = left.after["server.log"]
    assert log.count(b"\n") > 300
    assert b"Fatal Python error: Aborted" in log
    assert hits(all_but(), {"log": log, "output": left.after["printed.txt"]}) == {}


async def test_metrics_hold_nothing(left: Left) -> None:
    assert b"medinova_log_dropped_fields_total 0" in left.running["metrics"]
    assert hits(all_but(), {"metrics": left.running["metrics"]}) == {}


async def test_the_process_shows_nothing(left: Left) -> None:
    shown = {name: left.running[name] for name in ("cmdline", "environ")}
    assert all(shown.values())
    assert hits(all_but(), shown) == {}


async def test_refusals_and_headers_hold_nothing(left: Left) -> None:
    """Nor do they repeat what was sent: a problem names the member, never its value."""
    assert hits(all_but(), {"problems": joined(left.step.refused), "headers": joined(left.step.headers)}) == {}


async def test_what_is_wrong_or_secret_is_kept_nowhere(left: Left) -> None:
    assert hits(NOWHERE, {**left.running, **left.after}) == {}
    assert hits(NOWHERE, dict(left.letters)) == {}


async def test_letters_name_nobody_but_whom_they_go_to(left: Left) -> None:
    theirs = {
        PLANTED["User.email"]: {"User.email", "User.name"},
        PLANTED["Invitation.email"]: {"Invitation.email", "Invitation.name"},
        PLANTED["NewAddress.email"]: {"NewAddress.email", "Profile.name"},
    }
    assert {to for to, _ in left.letters} >= theirs.keys()
    for to, content in left.letters:
        assert found(all_but(), content) <= theirs.get(to, set()), to


async def test_temporary_files_hold_nothing(left: Left) -> None:
    others = {
        name: content
        for name, content in {**left.running, **left.after}.items()
        if name.startswith("tmp/") or (name.startswith("var/") and ".db" not in name)
    }
    assert "var/secret.key" in others
    assert hits(all_but(), others) == {}


async def test_the_database_holds_nothing_in_the_open(left: Left) -> None:
    """With its write-ahead log, shared memory and the key store, while it runs and after it was killed."""
    databases = {
        f"{when} {name}": content
        for when, files in (("running", left.running), ("killed", left.after))
        for name, content in files.items()
        if ".db" in name
    }
    assert {"running var/medinova.db", "running var/medinova.db-wal", "killed var/medinova.db"} <= databases.keys()
    assert hits(all_but(), databases) == {}


async def test_the_search_finds_what_is_there() -> None:
    token = PLANTED["ChatLine.text"]
    for written in (
        token.encode(),
        token.upper().encode(),
        f"…{token}…".encode("utf-16-le"),
        base64.b64encode(b"ab" + token.encode() + b"c"),
        base64.b64encode(b"a" + token.encode()),
        base64.b64encode(token.encode()),
        token.encode().hex().encode(),
    ):
        assert found(PLANTED, b"x" + written + b"y") == {"ChatLine.text"}
