"""Which Firebase account is whose, and which ID tokens were exchanged already.

A link's id is derived from the account's, so an account is one user's only. `check_at` is when Firebase is to be asked
whether the account still stands: some minutes after the last time while its user is signed in, else never. That a token
was exchanged is a document as well, whose id is derived from what was signed: of two who show it, one gets in. (Two
sign-ins of one account within the same second are one token to Firebase, and so to us: the second tries again.)
"""

from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from medinova_rt import changes, documents
from medinova_rt.adapters.firebase_tokens import Said
from medinova_rt.changes import Held
from medinova_rt.clinics import PLATFORM
from medinova_rt.grants import FOREVER
from medinova_rt.ids import ClinicId, UserId, derived_id
from medinova_rt.phi import Open
from medinova_rt.ports import MAX_TRANSACT_WRITES, Delete, Find, Insert, Replace, Store, Stored, encode_instant

COLLECTION = "firebase-links"
USED = "used-id-tokens"
SCHEMA = 1
BY_USER = Find(COLLECTION, equal=("user",))
BY_CHECK = Find(COLLECTION, ordered_by="check_at")
BY_END = Find(USED, ordered_by="expires_at")
FINDS: tuple[Find, ...] = (BY_USER, BY_CHECK, BY_END)

MAX_LINKS = 5  # of one user
CHECK_EVERY = timedelta(minutes=3, seconds=30)  # the watch looks every minute, so it is five at most


class Link(Struct, frozen=True, kw_only=True):
    id: Open[str]
    clinic: Open[ClinicId] = PLATFORM
    schema: Open[int] = SCHEMA
    uid: Open[str]  # at Firebase
    user: Open[UserId]
    created_at: Open[datetime]
    check_at: Open[datetime]


class UsedToken(Struct, frozen=True, kw_only=True):
    """That it is there says that the token was exchanged."""

    clinic: Open[ClinicId] = PLATFORM
    schema: Open[int] = SCHEMA
    expires_at: Open[datetime]


def read(stored: Stored) -> Link:
    return documents.decode(Link, stored.document, SCHEMA, {})


def id_of(uid: str) -> str:
    return derived_id("fbl", uid)


def linking(uid: str, user: UserId, now: datetime) -> Insert:
    """The write by which the account becomes the user's; a Conflict: it is somebody's."""
    made = Link(id=id_of(uid), uid=uid, user=user, created_at=now, check_at=now + CHECK_EVERY)
    return Insert(COLLECTION, made.id, documents.encode(made))


def checking(held: Held[Link], at: datetime | None) -> Replace:
    """The write after which Firebase is asked at that time; None: not before the next sign-in."""
    return held.replacing(COLLECTION, held.value.id, replace(held.value, check_at=at or FOREVER))


def using(said: Said) -> Insert:
    """The write by which a token is exchanged; a Conflict: it was already."""
    used = UsedToken(expires_at=said.expires_at)
    return Insert(USED, _used_id(said), documents.encode(used))


def _used_id(said: Said) -> str:
    return derived_id("idt", said.digest)


class FirebaseLinks:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def held(self, uid: str) -> Held[Link] | None:
        return await changes.held(self._store, COLLECTION, id_of(uid), read)

    async def was_used(self, said: Said) -> bool:
        return await self._store.get(USED, _used_id(said)) is not None

    async def of_user(self, user: UserId) -> list[Link]:
        return [read(row) for row in (await self._store.find(BY_USER, (user,), limit=MAX_LINKS)).rows]

    async def due(self, now: datetime, limit: int) -> list[Held[Link]]:
        """Those of whom Firebase is to be asked, who have waited longest first."""
        page = await self._store.find(BY_CHECK, below=encode_instant(now), limit=limit)
        return [Held(read(row), row.version, row.token) for row in page.rows]

    async def sweep(self, now: datetime) -> bool:
        """Drop some of the tokens that nobody can show again; return whether there may be more."""
        page = await self._store.find(BY_END, below=encode_instant(now), limit=MAX_TRANSACT_WRITES)
        if page.rows:
            await self._store.transact([Delete(USED, row.id, row.token) for row in page.rows])
        return page.cursor is not None
