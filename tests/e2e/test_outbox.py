"""The outbox of a server without a mail server: letters come up by themselves, for an operator and nobody else."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from medinova_rt import documents, grants, mail, users
from medinova_rt.backing import Backing, backing
from medinova_rt.clinics import PLATFORM
from medinova_rt.config import load
from medinova_rt.folder import DATABASE, FINDS
from medinova_rt.grants import Grant, Kind
from medinova_rt.ids import GrantId, new_id
from medinova_rt.ports import Insert, Write
from medinova_rt.sessions import Sessions, Stage
from tests.e2e.faults import faults
from tests.e2e.people import People, Person
from tests.e2e.server import Server
from tests.e2e.tour import DESKTOP, PHONE


@pytest.fixture
def place() -> str:
    return Server.store()


@pytest_asyncio.fixture(loop_scope="session")
async def store(tmp_path: Path, place: str) -> AsyncIterator[Backing]:
    opened = backing(place, tmp_path / DATABASE, FINDS)
    await opened.open()
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def fresh(tmp_path: Path, place: str, store: Backing) -> AsyncIterator[Server]:
    """A server of its own, on whose database the test has its hand too."""
    server = Server(tmp_path, STORE=place)
    await server.start()
    yield server
    await server.stop()


async def sign_in(store: Backing, person: Person, server: Server, *, operator: bool) -> None:
    """Put a session into the browser, as a sign-in with two factors leaves it."""
    now = datetime.now(UTC)
    user, writes = users.new_user(f"{person.role}@example.org", "Olga Byrne", "en", "Europe/Madrid", now)
    along: list[Write] = list(writes)
    if operator:
        grant = Grant(
            id=GrantId(new_id("gra", now)),
            clinic=PLATFORM,
            user=user.id,
            kind=Kind.OPERATOR,
            created_at=now,
            starts_at=now,
        )
        along.append(Insert(grants.COLLECTION, grant.id, documents.encode(grant)))
    _, cookie = await Sessions(store).open(user.id, stage=Stage.FULL, strong=True, now=now, along=along)
    await person.page.goto(f"{server.url}/healthz")
    name = load({"MEDINOVA_PUBLIC_URL": server.url}).session_cookie
    await person.page.evaluate(
        "(name, value) => void (document.cookie = `${name}=${value}; Path=/; Secure`)", name, cookie
    )


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_letters_come_up_by_themselves(
    fresh: Server, store: Backing, people: People, size: tuple[int, int]
) -> None:
    operator = await people.sit_down("operator", "chromium", width=size[0], height=size[1])
    await sign_in(store, operator, fresh, operator=True)
    await operator.page.goto(f"{fresh.url}/outbox")
    await operator.sees_text("There are no letters yet.")
    assert await faults(operator.page) == []
    now, link = datetime.now(UTC), f"{fresh.url}/sign-in#{'t' * 43}"
    await store.transact(
        mail.letter("sign-in-code", "robin@example.org", "es", now, clinic=PLATFORM, code="012345", link=link)
    )
    await operator.sees_text("Su código de acceso", within_s=30)
    assert await operator.page.offers("link", link)
    await operator.page.click("button", "Copy the code")
    assert await faults(operator.page) == []


async def test_nobody_else_sees_them(fresh: Server, store: Backing, people: People) -> None:
    stranger = await people.sit_down("stranger")
    await stranger.page.goto(f"{fresh.url}/outbox")
    await stranger.sees_text("Sign in")
    user = await people.sit_down("user")
    await sign_in(store, user, fresh, operator=False)
    await user.page.goto(f"{fresh.url}/outbox")
    await user.sees_text("There is nothing here for you.")
    assert await faults(user.page) == []
