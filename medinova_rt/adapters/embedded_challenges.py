"""What was asked and is waited for, for some minutes: mailed codes and links, challenges to passkeys, apps to confirm.

Each has a place of its own (an id derived from whose it is and what for), so that one user has at most one of a kind
per session; only links have one each, and those are bounded by how often letters are sent.
"""

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from medinova_rt import changes, documents
from medinova_rt.changes import Held
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import Conflict
from medinova_rt.ids import ClinicId, SessionId, UserId, derived_id
from medinova_rt.phi import Basis, Open, Private, Sealing
from medinova_rt.ports import MAX_TRANSACT_WRITES, Delete, Find, Insert, Store, Stored, Write, encode_instant

COLLECTION = "challenges"
SCHEMA = 1
BY_END = Find(COLLECTION, ordered_by="expires_at")
FINDS: tuple[Find, ...] = (BY_END,)

Kind = Literal["code", "link", "passkey", "new-passkey", "new-totp"]
LIFE: dict[Kind, timedelta] = {
    "code": timedelta(minutes=10),
    "link": timedelta(minutes=10),
    "passkey": timedelta(minutes=5),
    "new-passkey": timedelta(minutes=5),
    "new-totp": timedelta(minutes=10),
}


class Challenge(Struct, frozen=True, kw_only=True):
    id: Private[str]  # derived from whose it is
    clinic: Open[ClinicId] = PLATFORM
    schema: Open[int] = SCHEMA
    kind: Open[Kind]
    user: Open[UserId | None] = None  # None: made for an address that nobody has
    session: Open[SessionId | None] = None
    other: Private[str] = ""  # of a code: its link; of a link: its code
    tries: Open[int] = 0  # that are left
    value: Private[str] = ""  # digest of the code; the challenge; the app's secret
    expires_at: Open[datetime]

    @property
    def made_at(self) -> datetime:
        return self.expires_at - LIFE[self.kind]


# under one key for all, so that it takes as long for an address that nobody has
SEALINGS: tuple[Sealing, ...] = (Sealing(COLLECTION, Challenge, basis=Basis.SECURITY, blind=True),)


def read(stored: Stored) -> Challenge:
    return documents.decode(Challenge, stored.document, SCHEMA, {})


def id_of(kind: Kind, *whose: str) -> str:
    return derived_id("cha", kind, *whose)


class Challenges:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def held(self, id: str, now: datetime) -> Held[Challenge] | None:
        """None too where it has expired."""
        found = await changes.held(self._store, COLLECTION, id, read)
        return found if found and now < found.value.expires_at else None

    async def putting(self, challenge: Challenge) -> Write:
        """The write that puts it into its place, whatever was there."""
        before = await changes.held(self._store, COLLECTION, challenge.id, read)
        if before is None:
            return Insert(COLLECTION, challenge.id, documents.encode(challenge))
        return before.replacing(COLLECTION, challenge.id, challenge)

    async def put(self, challenge: Challenge) -> None:
        """Raises Conflict when two are put into one place at once."""
        await self._store.transact([await self.putting(challenge)])

    async def spend(self, id: str, now: datetime) -> Challenge | None:
        """Take it away; None where it is gone, has expired, or somebody else took it at the same time."""
        found = await self.held(id, now)
        if found is None:
            return None
        try:
            await self._store.transact([deleting(found)])
        except Conflict:
            return None
        return found.value

    async def sweep(self, now: datetime) -> bool:
        """Delete some of those that have expired; return whether there may be more."""
        page = await self._store.find(BY_END, below=encode_instant(now), limit=MAX_TRANSACT_WRITES)
        if page.rows:
            await self._store.transact([Delete(COLLECTION, row.id, row.token) for row in page.rows])
        return page.cursor is not None


def deleting(held: Held[Challenge]) -> Delete:
    return Delete(COLLECTION, held.value.id, held.token)
