"""Browsers that a user has signed in from before: known by a cookie that each keeps, however many users share it.

The cookie is a random text that says nothing; which user was let in with it is known here, under an id derived from
both, so neither can be read from the other. It proves nobody: what it buys is an allowance of its own when tries are
slowed down (`tries`), and no letter about a new device.
"""

import re
import secrets
from datetime import datetime, timedelta

from msgspec import Struct

from medinova_rt import changes, documents
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import Conflict
from medinova_rt.ids import ClinicId, UserId, derived_id
from medinova_rt.phi import Open
from medinova_rt.ports import MAX_TRANSACT_WRITES, Delete, Find, Insert, Store, Stored, Write, encode_instant

COLLECTION = "browsers"
SCHEMA = 1
BY_USER = Find(COLLECTION, equal=("user",), ordered_by="expires_at")
BY_END = Find(COLLECTION, ordered_by="expires_at")
FINDS: tuple[Find, ...] = (BY_USER, BY_END)

LIFE = timedelta(days=180)  # since the last sign-in
MAX_BROWSERS = 20  # of one user; the one unused for longest goes

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


class Browser(Struct, frozen=True, kw_only=True):
    id: Open[str]
    clinic: Open[ClinicId] = PLATFORM
    schema: Open[int] = SCHEMA
    user: Open[UserId]
    expires_at: Open[datetime]


def new_secret() -> str:
    """What goes into a browser's cookie: 256 bits."""
    return secrets.token_urlsafe(32)


def is_secret(text: str | None) -> bool:
    return text is not None and _SECRET.fullmatch(text) is not None


def _id(user: str, secret: str) -> str:
    return derived_id("bro", user, secret)


def _read(stored: Stored) -> Browser:
    return documents.decode(Browser, stored.document, SCHEMA, {})


class Browsers:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def known(self, user: str, secret: str | None, now: datetime) -> bool:
        """Whether that user was let in with this cookie; looks it up for whatever name is given."""
        found = await self._store.get(COLLECTION, _id(user, secret or ""))
        return is_secret(secret) and found is not None and now < _read(found).expires_at

    async def remembering(self, user: UserId, secret: str, now: datetime) -> list[Write]:
        """What makes it known (for longer), for the transact that lets the user in."""
        kept = Browser(id=_id(user, secret), user=user, expires_at=now + LIFE)
        before = await changes.held(self._store, COLLECTION, kept.id, _read)
        if before is not None:
            return [before.replacing(COLLECTION, kept.id, kept)]
        page = await self._store.find(BY_USER, (user,), limit=2 * MAX_BROWSERS)
        surplus = page.rows[: max(0, len(page.rows) + 1 - MAX_BROWSERS)]
        return [Insert(COLLECTION, kept.id, documents.encode(kept)), *_deleting(surplus)]

    async def forgetting(self, user: UserId, but: str | None) -> list[Write]:
        """What makes all of the user's unknown but the one of this cookie."""
        page = await self._store.find(BY_USER, (user,), limit=2 * MAX_BROWSERS)
        return list(_deleting([row for row in page.rows if row.id != _id(user, but or "")]))

    async def sweep(self, now: datetime) -> bool:
        """Delete some of those unused for too long; return whether there may be more."""
        page = await self._store.find(BY_END, below=encode_instant(now), limit=MAX_TRANSACT_WRITES)
        try:
            if page.rows:
                await self._store.transact(_deleting(page.rows))
        except Conflict:
            return False
        return page.cursor is not None


def _deleting(rows: list[Stored]) -> list[Delete]:
    return [Delete(COLLECTION, row.id, row.token) for row in rows]
