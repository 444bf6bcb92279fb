"""A server whose documents are in Firestore, by its settings alone, and what it says when Firestore does not answer.

With `--store firestore` all of tests/e2e runs so.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.bad_line import BadLine, bad_line
from tests.e2e.polling import until
from tests.e2e.server import Server
from tests.firestore import Emulator

EMAIL = "robin@example.org"


@pytest_asyncio.fixture(loop_scope="session")
async def line(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BadLine]:
    async with bad_line(emulator.host) as line:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", line.host)
        yield line


@pytest_asyncio.fixture(loop_scope="session")
async def cloudy(tmp_path: Path, emulator: Emulator, line: BadLine) -> AsyncIterator[Server]:
    server = Server(tmp_path, STORE=f"firestore://{emulator.project()}/(default)")
    await server.start()
    yield server
    await line.up()
    await server.stop()


async def _password(server: Server) -> str:
    """Of somebody who was added beside the running server."""
    adding = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "medinova_rt", "user", "add", EMAIL, "--name", "Robin Roe"),
        env={**os.environ, **server.environment},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await adding.communicate()
    assert adding.returncode == 0
    return printed.decode().rpartition("password ")[2].strip()


async def test_signing_in_and_a_visit_on_firestore(cloudy: Server) -> None:
    password = await _password(cloudy)
    visit = await cloudy.create(clinician="Dr. Amira Haddad", patient="Sam Rivers")
    view = await cloudy.request("GET", f"/v1/visits/{visit.id}")
    assert [seat["name"] for seat in view["seats"]] == ["Dr. Amira Haddad", "Sam Rivers"]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as browser:
        typed = {"email": EMAIL, "password": password}
        async with browser.post(f"{cloudy.url}/v1/sign-in/password", json=typed) as answer:
            assert answer.status == 200, await answer.text()
            # a browser sends cookies that are for https to its own machine too; this client does not
            cookies = "; ".join(f"{each.key}={each.value}" for each in answer.cookies.values())
        async with browser.get(f"{cloudy.url}/v1/me", headers={"Cookie": cookies}) as answer:
            assert EMAIL in await answer.text()
    assert not (Path(cloudy.environment["MEDINOVA_DATA"]) / "medinova.db").exists()
    assert cloudy.complaints() == []


async def test_while_firestore_is_away_the_answer_is_503_and_nothing_is_lost(cloudy: Server, line: BadLine) -> None:
    visit = await cloudy.create(clinician="Dr. Amira Haddad", patient="Sam Rivers")
    await line.down()
    with pytest.raises(aiohttp.ClientResponseError) as refused:
        await cloudy.request("GET", f"/v1/visits/{visit.id}")
    assert refused.value.status == 503
    with pytest.raises(aiohttp.ClientResponseError) as unready:
        await cloudy.request("GET", "/readyz", key=None)
    assert unready.value.status == 503
    await line.up()

    async def is_back() -> bool | None:
        try:
            return bool(await cloudy.request("GET", "/readyz", key=None))
        except aiohttp.ClientResponseError:
            return None

    await until(is_back, "the server to be ready again", 30)
    assert (await cloudy.request("GET", f"/v1/visits/{visit.id}"))["id"] == visit.id
