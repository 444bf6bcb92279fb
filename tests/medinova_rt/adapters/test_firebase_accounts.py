"""The adapter before the real Auth emulator: what Firebase says of accounts, and signing in from end to end."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medinova_rt.adapters import firebase_accounts
from medinova_rt.adapters.firebase_accounts import FirebaseAccounts
from medinova_rt.adapters.firebase_identity import FirebaseIdentity
from medinova_rt.adapters.firebase_tokens import EmulatedTokens
from medinova_rt.errors import NotAuthenticated, NotLinked, Unavailable
from medinova_rt.ports import IdToken
from medinova_rt.signin import Entered, SignIn
from medinova_rt.staffing import Staffing
from tests.firebase import PASSWORD, PROJECT, AuthEmulator, address
from tests.medinova_rt.door import HOME, URL, Rig, rig


@dataclass
class Clinic:
    door: Rig
    emulator: AuthEmulator
    accounts: FirebaseAccounts
    identity: FirebaseIdentity
    sign_in: SignIn

    async def enter(self, token: str, code: str = "") -> Entered:
        return await self.sign_in.first(IdToken(token, code), HOME, datetime.now(UTC))

    async def linked(self, email: str) -> Entered:
        await self.door.users.create(email, "Robin Roe", "en", "Europe/Madrid", datetime.now(UTC))
        await self.sign_in.mail_code(email, HOME, datetime.now(UTC))
        code = (await self.door.letters("link-code"))[-1]["code"]
        return await self.enter(await self.emulator.sign_in(email), code)


@pytest.fixture
async def clinic(auth_emulator: AuthEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clinic]:
    for name, value in auth_emulator.environment.items():
        monkeypatch.setenv(name, value)
    async with rig("sqlite", tmp_path) as door:
        accounts = FirebaseAccounts(PROJECT)
        tokens = EmulatedTokens(PROJECT)
        identity = FirebaseIdentity(door.store, door.users, door.identity, tokens, accounts, [accounts])
        await identity.open()
        sign_in = SignIn(door.store, identity, door.users, door.clinics, door.sessions, URL)
        yield Clinic(door, auth_emulator, accounts, identity, sign_in)
        await identity.close()


async def test_sign_up_link_and_sign_in(clinic: Clinic) -> None:
    email = address()
    await clinic.emulator.sign_up(email)
    first = await clinic.linked(email)
    assert (first.state, (await clinic.door.session(first)).strong) == ("signed-in", False)
    token = await clinic.emulator.sign_in(email)
    assert (await clinic.enter(token)).user == first.user
    with pytest.raises(NotAuthenticated):
        await clinic.enter(token)


async def test_an_unverified_address_links_nothing(clinic: Clinic) -> None:
    email = address()
    await clinic.emulator.sign_up(email, verified=False)
    with pytest.raises(NotAuthenticated):
        await clinic.linked(email)


async def test_a_verified_one_is_asked_for_a_second_proof(clinic: Clinic) -> None:
    email = address()
    await clinic.emulator.sign_up(email)
    await clinic.door.users.create(email, "Robin Roe", "en", "Europe/Madrid", datetime.now(UTC))
    with pytest.raises(NotLinked):
        await clinic.enter(await clinic.emulator.sign_in(email))


async def test_a_second_factor_there_makes_it_strong(clinic: Clinic) -> None:
    email = address()
    await clinic.emulator.sign_up(email)
    await clinic.linked(email)
    await clinic.emulator.add_phone(email)
    entered = await clinic.enter(await clinic.emulator.sign_in(email))
    assert (await clinic.door.session(entered)).strong is True


async def test_disabled_deleted_and_signed_out_there(clinic: Clinic) -> None:
    users = {}
    for _ in range(3):
        email = address()
        uid = await clinic.emulator.sign_up(email)
        users[uid] = (await clinic.linked(email)).user
    disabled, deleted, revoked = users
    await clinic.emulator.disable(disabled)
    await clinic.emulator.owner("accounts:delete", localId=deleted)
    await clinic.emulator.revoke(revoked, at=time.time() + 60)
    found = await clinic.accounts.look([*users])
    now = datetime.now(UTC)
    assert {uid: found[uid].lets(now) for uid in found} == {disabled: False, revoked: False}
    await clinic.identity.watch(now + timedelta(minutes=5))
    assert [len(await clinic.door.sessions.of_user(user)) for user in users.values()] == [0, 0, 0]
    assert clinic.identity.counters()["sessions-ended"] == 3


async def test_a_revoked_token_is_not_exchanged(clinic: Clinic) -> None:
    email = address()
    uid = await clinic.emulator.sign_up(email)
    await clinic.linked(email)
    token = await clinic.emulator.sign_in(email)
    await clinic.emulator.revoke(uid, at=time.time() + 60)
    with pytest.raises(NotAuthenticated):
        await clinic.enter(token)


async def test_whoever_is_put_in_can_sign_in_there(clinic: Clinic) -> None:
    email, now = address(), datetime.now(UTC)
    made, _ = await Staffing(clinic.door.store, clinic.identity).user(email, "Robin Roe", PASSWORD, now)
    assert (await clinic.enter(await clinic.emulator.sign_in(email))).user == made.id


async def test_an_account_made_and_not_linked_is_the_same_one_next_time(clinic: Clinic) -> None:
    email = address()
    assert await clinic.accounts.create("uid-of-" + email[:20], email, "another long password") is True
    assert await clinic.accounts.create("uid-of-" + email[:20], email, PASSWORD) is True
    assert await clinic.accounts.create("another-uid", email, PASSWORD) is False
    await clinic.emulator.sign_in(email)


async def test_an_account_that_is_there_keeps_its_password(clinic: Clinic) -> None:
    email = address()
    await clinic.emulator.sign_up(email)
    staffing = Staffing(clinic.door.store, clinic.identity)
    _, is_theirs = await staffing.user(email, "Robin Roe", "another long password", datetime.now(UTC))
    assert is_theirs is False
    await clinic.emulator.sign_in(email)


@pytest.fixture
async def silent(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncio.Server]:
    """A server that takes connections and says nothing."""
    over = asyncio.Event()

    async def keep(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    monkeypatch.setenv("FIREBASE_AUTH_EMULATOR_HOST", f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    yield server
    over.set()
    server.close()
    await asyncio.sleep(0.01)


async def test_firebase_does_not_answer(silent: asyncio.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firebase_accounts, "WAIT_S", 0.3)
    monkeypatch.setattr(firebase_accounts, "TIME_LIMIT_S", 1.0)
    accounts = FirebaseAccounts(PROJECT)
    await accounts.open()
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await accounts.look(["uid"])
    assert time.monotonic() - began < 1
    silent.close()  # and now there is none at all
    with pytest.raises(Unavailable):
        await accounts.look(["uid"])
    assert accounts.counters() == {"account-questions": 2, "account-questions-failed": 2}
    await accounts.close()


async def test_more_than_can_be_asked_are_told_at_once(silent: asyncio.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firebase_accounts, "MAX_WAITING", 2)
    monkeypatch.setattr(firebase_accounts, "WAIT_S", 0.3)
    monkeypatch.setattr(firebase_accounts, "TIME_LIMIT_S", 0.5)
    accounts = FirebaseAccounts(PROJECT)
    await accounts.open()
    asked = await asyncio.gather(*(accounts.look(["uid"]) for _ in range(10)), return_exceptions=True)
    assert [type(each) for each in asked] == [Unavailable] * 10
    assert sum("too much" in str(each) for each in asked) == 4
    await accounts.close()


async def test_without_a_credential_it_does_not_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("FIREBASE_AUTH_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(Unavailable) as refused:
        await FirebaseAccounts(PROJECT).open()
    assert refused.value.permanent is True
