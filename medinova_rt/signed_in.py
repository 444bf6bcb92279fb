"""Who is signed in: asked at every request, by a session's cookie or its id.

An answer needs the session, what the user may be (`grants.standing`; nothing where they are disabled), and which of
their clinics do without a second factor. Each is remembered for `remembered.LIFE`. `watched` are the writes that change
an answer; `WatchedStore` tells them, so that no use case has to remember to: ended sessions, roles and relations are
over here at once, and in the other processes within that time, or at once too where the store hears of what others
write.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from medinova_rt import changes, clinics, documents, grants, sessions, users
from medinova_rt.clinics import PLATFORM, Clinic
from medinova_rt.errors import Conflict, NotAuthenticated, Unavailable
from medinova_rt.grants import FOREVER, Standing
from medinova_rt.ids import ClinicId, SessionId, UserId
from medinova_rt.ports import Delete, Replace, Store, Token, Write
from medinova_rt.principals import Half, Person
from medinova_rt.remembered import Remembered
from medinova_rt.sessions import SEEN_EVERY, Session, Stage

MAX_SESSIONS = 20_000  # remembered: twice the people who are signed in on a large server
MAX_CLINICS = 1_000

Forget = Callable[[Write], None]


@dataclass(slots=True)
class _Kept:
    """`seen_at` runs ahead of the store while its write is under way, so that no second request writes it too."""

    session: Session
    token: Token
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Live:
    session: Session
    standing: Standing
    weak: frozenset[ClinicId]

    def principal(self, address: str | None) -> Person | Half:
        session = self.session
        if session.stage is Stage.HALF:
            return Half(session.user, session.id, address)
        return Person(
            session.user,
            session.id,
            self.standing,
            session.strong,
            session.authenticated_at,
            self.weak,
            address,
            second_at=session.second_at,
        )


class SignedIn:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._sessions = Remembered(self._session, MAX_SESSIONS)
        self._standings = Remembered(self._standing, MAX_SESSIONS)
        self._clinics = Remembered(self._needs_second_factor, MAX_CLINICS)

    @property
    def watched(self) -> Mapping[str, Forget]:
        return {
            sessions.COLLECTION: lambda write: self._sessions.forget(SessionId(write.id)),
            grants.COLLECTION: self._forget_grant,
            users.COLLECTION: lambda write: self._standings.forget(UserId(write.id)),
            clinics.COLLECTION: lambda write: self._clinics.forget(ClinicId(write.id)),
        }

    def forget_all(self) -> None:
        """Something may have been written that `watched` was not told of."""
        for remembered in (self._sessions, self._standings, self._clinics):
            remembered.forget_all()

    async def by_cookie(self, cookie: str, now: datetime) -> Live | None:
        """None: that session is over. Raises NotAuthenticated for what is no cookie of ours, or not its latest."""
        session, digest = sessions.read_cookie(cookie)
        live = await self.by_id(session, now)
        if live is not None and not live.session.has(digest):
            raise NotAuthenticated("this sign-in is not valid")
        return live

    async def by_id(self, id: SessionId, now: datetime) -> Live | None:
        """Asking counts as use of the session."""
        kept = await self._sessions.get(id, now)
        if kept is None:
            return None
        session = kept.session
        standing = await self._standings.get(session.user, now)
        if standing is None or now >= session.ends_at(standing):
            return None
        if now - kept.seen_at >= SEEN_EVERY:
            await self._see(kept, now)
        return Live(session, standing, frozenset() if session.strong else await self._weak(standing, now))

    async def _see(self, kept: _Kept, now: datetime) -> None:
        """Write that the session was used. Losing against another writer, or a store in trouble, costs a minute."""
        kept.seen_at = now
        seen = documents.encode(replace(kept.session, last_seen_at=now))
        with contextlib.suppress(Conflict, Unavailable):
            await self._store.transact([Replace(sessions.COLLECTION, kept.session.id, seen, kept.token)])
        self._sessions.forget(kept.session.id)

    async def _weak(self, standing: Standing, now: datetime) -> frozenset[ClinicId]:
        where = [*standing.members, *([PLATFORM] if standing.operator else [])]
        return frozenset([clinic for clinic in where if await self._clinics.get(clinic, now) is False])

    def _forget_grant(self, write: Write) -> None:
        if not isinstance(write, Delete):  # grants end, and are never deleted
            self._standings.forget(UserId(write.document["user"]))

    async def _session(self, id: SessionId, now: datetime) -> tuple[_Kept, datetime] | None:
        stored = await self._store.get(sessions.COLLECTION, id)
        if stored is None:
            return None
        session = sessions.read(stored)
        return _Kept(session, stored.token, session.last_seen_at), session.expires_at

    async def _standing(self, user: UserId, now: datetime) -> tuple[Standing, datetime] | None:
        """None for who may not sign in: also what a sign-in under way opens after all other sessions were ended."""
        who = await changes.held(self._store, users.COLLECTION, user, users.read)
        if who is not None and who.value.disabled:
            return None
        found = grants.standing(await grants.of_user(self._store, user, now), now)
        return found, found.until

    async def _needs_second_factor(self, clinic: ClinicId, now: datetime) -> tuple[bool, datetime] | None:
        stored = await self._store.get(clinics.COLLECTION, clinic)
        if stored is None:
            return None
        return documents.decode(Clinic, stored.document, clinics.SCHEMA, {}).second_factor, FOREVER
