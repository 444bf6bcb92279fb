"""The Notifier port without a mail server, the default: letters are kept in the store, where the operator reads them.

The newest `KEPT` of the store are there, for `LIFE`; the oldest goes when another comes. Whoever may read them can use
the codes and links in them, so this is for trying things out and for the first steps; a clinic that writes to people
sets a mail server.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from medinova_rt import documents
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import Conflict
from medinova_rt.ids import ClinicId, MailId
from medinova_rt.phi import Basis, Open, Private, Sealing
from medinova_rt.ports import MAX_PAGE, MAX_TRANSACT_WRITES, Delete, Find, Insert, Letter, Store, Stored, encode_instant

COLLECTION = "outbox"
SCHEMA = 1
NEWEST = Find(COLLECTION, ordered_by="at", descending=True)
FINDS: tuple[Find, ...] = (NEWEST,)
KEPT = 200
LIFE = timedelta(hours=24)


class Kept(Struct, frozen=True, kw_only=True):
    """A letter that would have been sent."""

    id: Open[MailId]
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    at: Open[datetime]
    to: Private[str]
    subject: Private[str]
    text: Private[str]


SEALINGS: tuple[Sealing, ...] = (Sealing(COLLECTION, Kept, basis=Basis.CONTACT),)


class OutboxNotifier:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def check(self) -> None:
        """The store answers for itself."""

    async def send(self, letter: Letter) -> None:
        kept = Kept(
            id=letter.id,
            clinic=PLATFORM,
            at=letter.written_at,
            to=letter.to,
            subject=letter.subject,
            text=letter.text,
        )
        try:
            await self._store.transact([Insert(COLLECTION, kept.id, documents.encode(kept))])
        except Conflict:
            return  # sent before
        await self._let_go()

    async def newest(self, limit: int = KEPT, cursor: str | None = None) -> tuple[list[Kept], str | None]:
        """The letters that are kept, newest first, and the cursor of what follows; raises BadInput for a bad one."""
        page = await self._store.find(NEWEST, limit=limit, cursor=cursor)
        return [documents.decode(Kept, row.document, SCHEMA, {}) for row in page.rows], page.cursor

    async def _let_go(self) -> None:
        await self._drop((await self._store.find(NEWEST, limit=MAX_PAGE)).rows[KEPT:][-MAX_TRANSACT_WRITES:])

    async def sweep(self, now: datetime) -> bool:
        """Drop some that are past their time; return whether there may be more."""
        page = await self._store.find(NEWEST, below=encode_instant(now - LIFE), limit=MAX_TRANSACT_WRITES)
        await self._drop(page.rows)
        return page.cursor is not None

    async def _drop(self, old: Sequence[Stored]) -> None:
        try:
            if old:
                await self._store.transact([Delete(COLLECTION, row.id, row.token) for row in old])
        except Conflict:
            pass  # whoever let go of one of them lets go of the rest
