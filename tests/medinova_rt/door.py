"""Signing in, put together over a store, with hashing made cheap: what the tests of the door's use cases stand on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyotp

from medinova_rt import audit, documents, mail
from medinova_rt.adapters.argon2_hashing import Argon2Hashing
from medinova_rt.adapters.embedded_identity import EmbeddedIdentity
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.clinics import PLATFORM, Clinics
from medinova_rt.factors import OwnFactors
from medinova_rt.folder import FINDS
from medinova_rt.grants import Standing
from medinova_rt.ports import NewPassword, Store
from medinova_rt.principals import Half, Person
from medinova_rt.sessions import Session, Sessions
from medinova_rt.signin import Browser, Entered, SignIn
from medinova_rt.users import User, Users

URL = "https://visits.example.org"
NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
PASSWORD = "five green cats"
HOME = Browser("192.0.2.1", "192.0.2.1", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")
ELSEWHERE = Browser("198.51.100.7", "198.51.100.7", "curl/8")


@dataclass
class Rig:
    store: Store
    identity: EmbeddedIdentity
    users: Users
    clinics: Clinics
    sessions: Sessions
    sign_in: SignIn
    factors: OwnFactors
    now: datetime = NOW
    made: dict[str, User] = field(default_factory=dict)

    async def user(self, email: str = "robin@example.org", password: str | None = PASSWORD) -> User:
        user = await self.users.create(email, "Robin Roe", "en", "Europe/Madrid", self.now)
        if password:
            enrolled = await self.identity.enrol(user.id, NewPassword(password, 8, ()), self.now)
            await self.store.transact(enrolled.along)
        return user

    async def session(self, entered: Entered) -> Session:
        """The session that was opened last."""
        return max(await self.sessions.of_user(entered.user), key=lambda each: (each.last_seen_at, each.id))

    async def person(self, entered: Entered, standing: Standing | None = None) -> Person:
        session = await self.session(entered)
        return Person(
            entered.user, session.id, standing or Standing(), session.strong, session.authenticated_at, frozenset()
        )

    async def half(self, entered: Entered) -> Half:
        return Half(entered.user, (await self.session(entered)).id, HOME.address)

    async def letters(self, template: str | None = None) -> list[dict[str, str]]:
        """What is filled in, the oldest first; of one template."""
        rows = (await self.store.find(mail.BY_AGE, limit=500)).rows
        drafts = sorted((documents.decode(mail.Draft, row.document, 1, {}) for row in rows), key=lambda each: each.id)
        return [each.parameters for each in drafts if template in (None, each.template)]

    async def records(self) -> list[tuple[str, str, str]]:
        page = await self.store.find(audit.BY_CLINIC, (PLATFORM,), limit=500)
        found = [documents.decode(audit.Record, row.document, audit.SCHEMA, {}) for row in page.rows]
        return [(each.actor_kind, each.action, each.outcome) for each in found]

    async def with_app(self, person: Person) -> tuple[pyotp.TOTP, list[str]]:
        begun = await self.factors.begin_totp(person, self.now)
        app = pyotp.TOTP(begun.secret)
        changed = await self.factors.confirm_totp(person, app.at(self.now), self.now)
        return app, list(changed.enrolled.recovery_codes)

    def later(self, **more: Any) -> datetime:
        self.now += timedelta(**more)
        return self.now


@asynccontextmanager
async def rig(kind: str, folder: Path) -> AsyncIterator[Rig]:
    store = MemoryStore(FINDS) if kind == "local" else SqliteStore(folder / "door.db", FINDS)
    await store.open()
    users, clinics, sessions = Users(store), Clinics(store), Sessions(store)
    identity = EmbeddedIdentity(store, users, b"s" * 32, URL, Argon2Hashing(memory_kib=8, passes=1))
    await identity.open()
    sign_in = SignIn(store, identity, users, clinics, sessions, URL)
    factors = OwnFactors(store, identity, users, clinics, sessions, sign_in, URL)
    yield Rig(store, identity, users, clinics, sessions, sign_in, factors)
    await identity.close()
    await store.close()
