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

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from medinova_rt import audit
from medinova_rt.access import Action
from medinova_rt.clinics import PLATFORM
from medinova_rt.grants import Standing
from medinova_rt.ids import ClinicId, SessionId, UserId
from medinova_rt.phi import Open, Private
from medinova_rt.ports import Find, Store, Write

COLLECTION = "sessions"
SCHEMA = 1
BY_USER = Find(COLLECTION, equal=("user",), ordered_by="created_at")
BY_END = Find(COLLECTION, ordered_by="expires_at")
FINDS: tuple[Find, ...] = (BY_USER, BY_END)

MAX_SESSIONS = 10  # of one user; the oldest goes. Those of the first factor alone are counted apart
ATTEMPTS = 8
SEEN_EVERY = timedelta(minutes=1)
MAX_DEVICE = 60  # characters

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
    last_seen_at: Open[datetime]
    expires_at: Open[datetime]  # the latest that it can end, whoever it is
    device: Private[str | None] = None
    address: Private[str | None] = None

    def ends_at(self, standing: Standing) -> datetime:
        """By the limits of whoever the user is now."""
        limits = self._limits(standing)
        return min(self.last_seen_at + limits.idle, self.created_at + limits.absolute, self.expires_at)

    def _limits(self, standing: Standing) -> Limits:
        if self.stage is Stage.HALF:
            return HALF
        return STAFF if standing.members or standing.operator else OTHERS


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
        raise NotImplementedError

    async def prove(
        self, id: SessionId, now: datetime, *, strong: bool, address: str | None = None, along: Sequence[Write] = ()
    ) -> tuple[Session, str]:
        """The user of the session showed (again) that it is them, by a second factor if `strong`: it becomes a full one
        under a new secret; return both. Writes the audit record. Raises NotAuthenticated where it is over.
        """
        raise NotImplementedError

    async def revoke(
        self, actor: audit.Actor, id: SessionId, now: datetime, action: str = Action.SESSION_REVOKE
    ) -> None:
        """End it; no such session is fine too."""
        raise NotImplementedError

    async def revoke_all(self, actor: audit.Actor, user: UserId, now: datetime, but: SessionId | None = None) -> None:
        """End all sessions of the user (password changed, account disabled), `but` one."""
        raise NotImplementedError

    async def of_user(self, user: UserId) -> list[Session]:
        """The oldest first; some may be over already (`ends_at`) and not yet deleted."""
        raise NotImplementedError
