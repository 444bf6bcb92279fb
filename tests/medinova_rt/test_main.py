"""The command as a user runs it: a process of its own."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from medinova_rt import mail
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.clinics import PLATFORM

START_S = 30
NOW = datetime.now(UTC)


class Command:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self, stream: asyncio.StreamReader | None, holds: str) -> str:
        """Return the first line that matches."""
        assert stream
        async with asyncio.timeout(START_S):
            while line := (await stream.readline()).decode():
                if re.search(holds, line):
                    return line.strip()
        raise AssertionError(f"the command ended without a line like {holds}")

    async def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        await self.process.communicate()
        return await self.process.wait()


async def start(tmp_path: Path, *arguments: str, **settings: str) -> Command:
    given = {"DATA": str(tmp_path / "var"), "LISTEN_PORT": "0", "MEDIA_PORT": "0", **settings}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "medinova_rt", *arguments),
        env={**os.environ, **{f"MEDINOVA_{name}": value for name, value in given.items()}},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    return Command(process)


async def run(tmp_path: Path, *arguments: str, **settings: str) -> tuple[int, str, str]:
    command = await start(tmp_path, *arguments, **settings)
    out, err = await asyncio.wait_for(command.process.communicate(), START_S)
    return await command.process.wait(), out.decode(), err.decode()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_serve_says_in_json_where_it_is_and_stops_when_told(tmp_path: Path, how: signal.Signals) -> None:
    command = await start(tmp_path, "serve", MEDIA_ADDRESSES="127.0.0.1")
    ready = json.loads(await command.line(command.process.stderr, "ready"))
    assert ready["addresses"] == ["127.0.0.1"]
    assert ready["media_port"] > 0
    async with aiohttp.ClientSession() as session, session.get(ready["url"] + "/readyz") as answer:
        assert answer.status == 200
    assert await command.end(how) == 0


async def test_demo_prints_links_that_work(tmp_path: Path) -> None:
    command = await start(tmp_path, "demo")
    links = []
    for role in ("Clinician", "Patient", "Carer", "Interpreter"):
        await command.line(command.process.stdout, f"^ *{role}")
        links.append(await command.line(command.process.stdout, "/join#"))
    url, _, token = links[1].partition("/join#")
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/links/exchange", json={"token": token}) as answer,
    ):
        assert answer.status == 200
    assert len(set(links)) == 4
    assert await command.end(signal.SIGINT) == 0


async def test_demo_https_prints_a_link_for_a_phone(tmp_path: Path) -> None:
    command = await start(tmp_path, "demo", "--https")
    link = await command.line(command.process.stdout, "/join#")
    await command.line(command.process.stdout, "█")
    url = link.partition("/join#")[0]
    assert url.startswith("https://")
    assert "localhost" not in url
    trust = ssl.create_default_context(cafile=str(tmp_path / "var" / "certificate.pem"))
    async with aiohttp.ClientSession() as session, session.get(f"{url}/healthz", ssl=trust) as answer:
        assert answer.status == 200
    assert await command.end(signal.SIGTERM) == 0


async def test_a_taken_port_is_said_plainly(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, out, err = await run(tmp_path, "demo", LISTEN_PORT=str(port))
    assert (code, out) == (1, "")
    assert err == (
        f"medinova cannot start: TCP port {port} is taken; stop whoever has it or set MEDINOVA_LISTEN_PORT.\n"
    )


async def test_an_unknown_setting_is_said_plainly(tmp_path: Path) -> None:
    code, out, err = await run(tmp_path, "serve", STOP="3")
    assert (code, out) == (1, "")
    assert "MEDINOVA_STOP is no setting" in err
    assert "Traceback" not in err


async def test_help(tmp_path: Path) -> None:
    code, out, _ = await run(tmp_path, "--help")
    assert code == 0
    assert {"serve", "demo", "outbox"} <= set(out.split())


async def test_outbox_prints_letters_beside_a_running_server(tmp_path: Path) -> None:
    command = await start(tmp_path, "serve")
    await command.line(command.process.stderr, "ready")
    assert await run(tmp_path, "outbox") == (0, "There are no letters.\n", "")
    writes = mail.letter(
        "sign-in-code", "robin@example.org", "es", NOW, clinic=PLATFORM, code="123456", link="https://x"
    )
    store = SqliteStore(tmp_path / "var" / "medinova.db")
    await store.open()
    await store.transact(writes)  # and the server's runner takes it up
    await store.close()
    async with asyncio.timeout(START_S):
        while "123456" not in (said := await run(tmp_path, "outbox"))[1]:
            assert said[0] == 0
    assert said[1].startswith("To: robin@example.org\nDate: ")
    assert "\nSubject: Su código de acceso\n\nSu código para" in said[1]
    assert said[1].endswith("1 letter.\n")
    assert await command.end(signal.SIGTERM) == 0
    assert (await run(tmp_path, "outbox"))[1] == said[1]


async def test_outbox_of_a_folder_without_a_database(tmp_path: Path) -> None:
    code, out, err = await run(tmp_path, "outbox")
    assert (code, out) == (1, "")
    assert err.startswith("medinova cannot start: MEDINOVA_DATA holds no database")
    assert not (tmp_path / "var").exists()


async def test_the_audit_trail_is_verified_beside_a_server_and_without_one(tmp_path: Path) -> None:
    command = await start(tmp_path, "serve", MEDIA_ADDRESSES="127.0.0.1")
    await command.line(command.process.stderr, "ready")
    assert (await run(tmp_path, "user", "add", "ada@example.org", "--name", "Ada", "--operator"))[0] == 0
    code, out, err = await run(tmp_path, "audit", "verify")
    assert (code, err) == (0, "")
    assert await command.end(signal.SIGTERM) == 0
    code, out, err = await run(tmp_path, "audit", "verify")
    assert (code, err) == (0, "")
    assert re.search(r"cli-platform: 2 records in 1 strand, 1 checkpoint, 0 since the last one", out), out
    assert "The audit trail is intact." in out
    asked = ("--clinic", PLATFORM, "--from", "2020-01-01", "--to", "2100-01-01")
    code, out, err = await run(tmp_path, "audit", "report", *asked)
    assert (code, err) == (0, "")
    assert "2 acts. Patients of whom something was seen or changed: 0." in out
    code, out, err = await run(tmp_path, "audit", "export", *asked)
    assert [json.loads(line)["resourceType"] for line in out.splitlines()] == ["AuditEvent"] * 2
    code, key, _ = await run(tmp_path, "audit", "key")
    assert (code, len(key.strip())) == (0, 64)
    (tmp_path / "var" / "audit.key").unlink()
    assert (await run(tmp_path, "audit", "verify"))[0] == 1
    assert (await run(tmp_path, "audit", "verify", "--key", key.strip()))[0] == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "var" / "medinova.db")) as connection, connection:
        connection.execute(
            "UPDATE documents SET body = replace(body, '\"user.create\"', '\"user.remove\"') WHERE collection = 'audit'"
        )
    code, out, err = await run(tmp_path, "audit", "verify", "--key", key.strip())
    assert code == 3
    assert re.search(r"record 1 \(aud-\w+\) of strand str-\w+ was altered", out), out


async def test_what_is_no_data_folder_cannot_be_verified(tmp_path: Path) -> None:
    code, out, err = await run(tmp_path, "audit", "verify")
    assert (code, out) == (1, "")
    assert "holds no database" in err
