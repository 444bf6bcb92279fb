from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from medinova_rt.adapters.argon2_hashing import Argon2Hashing
from medinova_rt.adapters.embedded_identity import EmbeddedIdentity
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.errors import BadInput, NotFound
from medinova_rt.grants import StaffRole
from medinova_rt.ids import UserId
from medinova_rt.operations import people
from medinova_rt.operations.people import Office
from medinova_rt.ports import Password
from medinova_rt.sessions import Sessions, Stage
from medinova_rt.users import Users
from tests.medinova_rt.conftest import declared

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
ADMINISTRATOR = [StaffRole.ADMINISTRATOR]


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    store = MemoryStore(declared())
    hashing = Argon2Hashing(memory_kib=8, passes=1)
    identity = EmbeddedIdentity(store, Users(store), b"s" * 32, "http://localhost", hashing)
    await identity.open()
    yield Office(store, identity, NOW)
    await identity.close()


def said(lines: list[str], name: str) -> str:
    return next(line.split()[-1] for line in lines if line.startswith(name))


async def test_the_first_administrator_can_sign_in(office: Office) -> None:
    clinic = said(await people.add_clinic(office, "Clínica Sol", "Europe/Madrid", "es"), "clinic")
    made = await people.add_user(office, "ana@sol.example", "Ana", clinic, ADMINISTRATOR, operator=False)
    proven = await office.identity.prove(Password(said(made, "password"), "ana@sol.example"), NOW)
    assert proven.user == said(made, "user")
    assert await people.list_users(office) == [f"{proven.user}  ana@sol.example  {clinic}: administrator"]
    assert await people.list_clinics(office) == [f"{clinic}  Clínica Sol"]
    user = await Users(office.store).by_email("ana@sol.example")
    assert user
    assert (user.language, user.zone) == ("es", "Europe/Madrid")


async def test_who_is_there_keeps_their_password_and_gets_what_is_new(office: Office) -> None:
    made = await people.add_user(office, "ana@sol.example", "Ana", None, [], operator=False)
    for _ in range(2):
        again = await people.add_user(office, "Ana@Sol.example", "Else", None, [], operator=True)
        assert "as before" in "".join(again)
    await office.identity.prove(Password(said(made, "password"), "ana@sol.example"), NOW)
    assert await people.list_users(office) == [f"{said(made, 'user')}  ana@sol.example  operator"]


@pytest.mark.parametrize("typed", [None, "blue window over nothing"])
async def test_a_password_is_set(office: Office, typed: str | None) -> None:
    await people.add_user(office, "ana@sol.example", "Ana", None, [], operator=False)
    lines = await people.set_password(office, "ana@sol.example", typed)
    assert (typed is None) or typed not in "".join(lines)
    await office.identity.prove(Password(typed or said(lines, "password"), "ana@sol.example"), NOW)


async def test_what_cannot_be_done_makes_nothing(office: Office) -> None:
    with pytest.raises(NotFound):
        await people.add_user(office, "ana@sol.example", "Ana", "cli-none", ADMINISTRATOR, operator=False)
    with pytest.raises(BadInput):
        await people.add_user(office, "ana", "Ana", None, [], operator=False)
    with pytest.raises(NotFound):
        await people.set_password(office, "ana@sol.example", None)
    assert await people.list_users(office) == []


async def test_a_password_that_is_set_ends_the_sessions_of_whoever_had_the_one_before(office: Office) -> None:
    made = await people.add_user(office, "ana@sol.example", "Ana", None, [], operator=False)
    sessions, user = Sessions(office.store), UserId(said(made, "user"))
    await sessions.open(user, stage=Stage.FULL, strong=False, now=NOW)
    await people.set_password(office, "ana@sol.example", None)
    assert await sessions.of_user(user) == []
