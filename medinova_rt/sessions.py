"""Sessions: that a browser belongs to a user who signed in, until they are idle, signed out, or have been in too long.

The cookie is `<session id>.<secret>`. The secret has 256 bits and is nowhere else: the store has its SHA-256. Since the
id is not derived from it, the secret changes at every rise of privilege (first factor to second, proof renewed) while
the session stays the same to audit records, to its access tokens and to whoever lists or revokes it; and what was let
slip before the rise is worth nothing after. A session that is over is deleted; the audit records tell of it.

| whose             | idle   | in all |
| ----------------- | ------ | ------ |
| first factor only | 10 min | 10 min |
| staff, operators  | 15 min | 12 h   |
| everybody else    | 30 min | 24 h   |

`last_seen_at` is written at most once a minute, so that a session may end up to a minute early, never late. What is
done by a seat's cookie is no use of the session, and needs none: a visit goes on when the record view has timed out.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from medinova_rt import audit, devices, documents
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import Conflict, NotAuthenticated
from medinova_rt.grants import Standing
from medinova_rt.ids import ClinicId, SessionId, UserId, new_id
from medinova_rt.phi import Basis, Open, Private, Sealing
from medinova_rt.ports import MAX_TRANSACT_WRITES, Delete, Find, Insert, Replace, Store, Stored, Write, encode_instant
from medinova_rt.principals import Half, Person
from medinova_rt.rights import Action

COLLECTION = "sessions"
SCHEMA = 1
BY_USER = Find(COLLECTION, equal=("user",), ordered_by="created_at")
BY_END = Find(COLLECTION, ordered_by="expires_at")
FINDS: tuple[Find, ...] = (BY_USER, BY_END)

MAX_SESSIONS = 10  # of one user; the oldest goes. Those of the first factor alone are counted apart
ATTEMPTS = 8
SEEN_EVERY = timedelta(minutes=1)
MAX_ENDED = 40  # in one transact, with a record each: all of one user's, with some to spare for those who race

T = TypeVar("T")

_COOKIE = re.compile(r"(ses-[0-9a-z]{26})\.([A-Za-z0-9_-]{43})")


class Stage(StrEnum):
    HALF = "half"  # the second factor is still asked for
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Limits:
    idle: timedelta
    absolute: timedelta


HALF = Limits(timedelta(minutes=10), timedelta(minutes=10))
STAFF = Limits(timedelta(minutes=15), timedelta(hours=12))
OTHERS = Limits(timedelta(minutes=30), timedelta(hours=24))


def limits_of(standing: Standing) -> Limits:
    """Those of a full session."""
    return STAFF if standing.members or standing.operator else OTHERS


class Session(Struct, frozen=True, kw_only=True):
    id: Open[SessionId]
    clinic: Open[ClinicId] = PLATFORM
    schema: Open[int] = SCHEMA
    user: Open[UserId]
    digest: Open[str]  # SHA-256 of the secret: worth nothing to whoever reads it
    stage: Open[Stage]
    strong: Open[bool]  # a second factor was proven
    known_device: Open[bool]  # the user had signed in from it before
    created_at: Open[datetime]
    authenticated_at: Open[datetime]  # when the user last showed that it is them
    second_at: Open[datetime | None] = None  # when last by a second factor
    last_seen_at: Open[datetime]
    expires_at: Open[datetime]  # the latest that it can end, whoever it is
    device: Private[str | None] = None
    address: Private[str | None] = None

    def ends_at(self, standing: Standing) -> datetime:
        """By the limits of whoever the user is now."""
        limits = HALF if self.stage is Stage.HALF else limits_of(standing)
        return min(self.last_seen_at + limits.idle, self.created_at + limits.absolute, self.expires_at)

    def has(self, digest: str) -> bool:
        """Whether it is the digest of the secret that the session has now."""
        return hmac.compare_digest(self.digest, digest)


SEALINGS: tuple[Sealing, ...] = (Sealing(COLLECTION, Session, subject="user", basis=Basis.SECURITY),)


def read(stored: Stored) -> Session:
    return documents.decode(Session, stored.document, SCHEMA, {})


def read_cookie(text: str) -> tuple[SessionId, str]:
    """Return the session's id and the digest of the secret shown; raises NotAuthenticated for what is none of ours."""
    parts = _COOKIE.fullmatch(text)
    if parts is None:
        raise NotAuthenticated("this sign-in is not valid")
    return SessionId(parts[1]), _digest(parts[2])


class Sessions:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def open(
        self,
        user: UserId,
        *,
        stage: Stage,
        strong: bool,
        now: datetime,
        device: str | None = None,
        address: str | None = None,
        known_device: bool = True,
        along: Sequence[Write] = (),
    ) -> tuple[Session, str]:
        """Sign the user in: return the session and what goes into the cookie (`api.caller.set_session`).

        Writes the audit record `sign-in`, and `along` in the same transact. `device`: the User-Agent, of which a short
        label is kept. Raises Conflict where the precondition of one of `along` fails.
        """
        secret = secrets.token_urlsafe(32)
        session = Session(
            id=SessionId(new_id("ses", now)),
            user=user,
            digest=_digest(secret),
            stage=stage,
            strong=strong,
            known_device=known_device,
            created_at=now,
            authenticated_at=now,
            second_at=now if strong else None,
            last_seen_at=now,
            expires_at=now + (HALF if stage is Stage.HALF else OTHERS).absolute,
            device=devices.label(device),
            address=address,
        )
        actor = _actor(session, address)
        opened = [
            Insert(COLLECTION, session.id, documents.encode(session)),
            audit.record(actor, Action.SIGN_IN, now, clinic=PLATFORM, user=user, about=session.id),
            *along,
        ]

        async def decide() -> tuple[Session, list[Write]]:
            return session, [*opened, *await self._surplus(session, actor, now)]

        return await self._persist(decide, along), f"{session.id}.{secret}"

    async def prove(
        self, id: SessionId, now: datetime, *, strong: bool, address: str | None = None, along: Sequence[Write] = ()
    ) -> tuple[Session, str]:
        """The user of the session showed (again) that it is them, by a second factor if `strong`: it becomes a full one
        under a new secret; return both. Writes the audit record. Raises NotAuthenticated where it is over,
        Conflict as `open` does.
        """
        secret = secrets.token_urlsafe(32)

        async def decide() -> tuple[Session, list[Write]]:
            stored = await self._store.get(COLLECTION, id)
            if stored is None or now >= (before := read(stored)).expires_at:
                raise NotAuthenticated("this sign-in is over")
            rises, actor = before.stage is Stage.HALF, _actor(before, address)
            after = replace(
                before,
                digest=_digest(secret),
                stage=Stage.FULL,
                strong=before.strong or strong,
                authenticated_at=now,
                second_at=now if strong else before.second_at,
                last_seen_at=now,
                expires_at=before.created_at + OTHERS.absolute,
            )
            action = Action.SECOND_FACTOR if rises else Action.ME_PROVE
            return after, [
                Replace(COLLECTION, id, documents.encode(after), stored.token),
                audit.record(actor, action, now, clinic=PLATFORM, user=before.user, about=id),
                *along,
                *(await self._surplus(after, actor, now) if rises else ()),
            ]

        return await self._persist(decide, along), f"{id}.{secret}"

    async def _surplus(self, newest: Session, actor: audit.Actor, now: datetime) -> list[Write]:
        """What ends the oldest, where there would be too many with `newest`."""
        page = await self._store.find(BY_USER, (newest.user,), limit=MAX_ENDED)
        alike = [row for row in page.rows if row.id != newest.id and read(row).stage is newest.stage]
        oldest = alike[: max(0, len(alike) + 1 - MAX_SESSIONS)]
        return [write for row in oldest for write in _ending(row, actor, now)]

    async def revoke(
        self, actor: audit.Actor, id: SessionId, now: datetime, action: Action = Action.SESSION_REVOKE
    ) -> None:
        """End it; no such session is fine too."""

        async def decide() -> tuple[None, list[Write]]:
            stored = await self._store.get(COLLECTION, id)
            return None, [] if stored is None else _ending(stored, actor, now, action)

        await self._persist(decide)

    async def revoke_all(self, actor: audit.Actor, user: UserId, now: datetime, but: SessionId | None = None) -> None:
        """End all sessions of the user (password changed, account disabled), `but` one."""

        async def decide() -> tuple[None, list[Write]]:
            return None, await self.ending(actor, user, now, but)

        await self._persist(decide)

    async def ending(
        self, actor: audit.Actor, user: UserId, now: datetime, but: SessionId | None = None
    ) -> list[Write]:
        """What `revoke_all` writes, for the transact of what makes it necessary; a Conflict there: ask again."""
        page = await self._store.find(BY_USER, (user,), limit=MAX_ENDED)
        return [write for row in page.rows if row.id != but for write in _ending(row, actor, now)]

    async def _persist(
        self, decide: Callable[[], Awaitable[tuple[T, Sequence[Write]]]], along: Sequence[Write] = ()
    ) -> T:
        """Read, decide, write; whoever was slower begins again, unless it may be for what goes `along`: only the caller
        can make that anew. Raises Conflict when others were faster each time."""
        for _ in range(1 if along else ATTEMPTS):
            value, writes = await decide()
            if not writes:
                return value
            try:
                await self._store.transact(writes)
            except Conflict:
                continue
            return value
        raise Conflict("others are changing this; try again")

    async def get(self, id: SessionId) -> Session | None:
        stored = await self._store.get(COLLECTION, id)
        return None if stored is None else read(stored)

    async def of_user(self, user: UserId) -> list[Session]:
        """The oldest first; some may be over already (`ends_at`) and not yet deleted."""
        page = await self._store.find(BY_USER, (user,), limit=MAX_ENDED)
        return [read(row) for row in page.rows]

    async def sweep(self, now: datetime) -> bool:
        """Delete some of those that are over; return whether there may be more."""
        page = await self._store.find(BY_END, below=encode_instant(now), limit=MAX_TRANSACT_WRITES)
        if page.rows:
            await self._store.transact([Delete(COLLECTION, row.id, row.token) for row in page.rows])
        return page.cursor is not None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _actor(session: Session, address: str | None) -> audit.Actor:
    """The user, as audit records of signing in name them: before anybody asked what else they may be."""
    if session.stage is Stage.HALF:
        return Half(session.user, session.id, address)
    return Person(
        session.user,
        session.id,
        Standing(),
        session.strong,
        session.authenticated_at,
        address=address,
        second_at=session.second_at,
    )


def _ending(stored: Stored, actor: audit.Actor, now: datetime, action: Action = Action.SESSION_REVOKE) -> list[Write]:
    session = read(stored)
    return [
        Delete(COLLECTION, session.id, stored.token),
        audit.record(actor, action, now, clinic=PLATFORM, user=session.user, about=session.id),
    ]
