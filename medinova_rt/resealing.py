"""Bringing up what was written before it was sealed: while the server serves, page by page, once for each collection.

One job walks them all and leaves the next while there is more. Where it stands is a document, so that it goes on after
a restart; a collection that a later version seals is walked then. What is changed meanwhile is written as it should be
by whoever changes it, and every page is written by compare-and-set, so to do one twice changes nothing.
"""

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from medinova_rt import changes, documents, jobs, patients
from medinova_rt.changes import Held
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import Conflict
from medinova_rt.ids import ClinicId, JobId, derived_id
from medinova_rt.jobs import Job
from medinova_rt.lookups import Lookups
from medinova_rt.phi import Open
from medinova_rt.ports import Find, Insert, Store, Stored

COLLECTION = "resealings"
ID = "resealing"
SCHEMA = 1
EVERYBODY = Find(patients.COLLECTION)
FINDS: tuple[Find, ...] = (EVERYBODY,)

RESEAL_JOB = "reseal"
LOOKUPS = "lookups"  # walked by patient, after all that is sealed
PAGE = 50
TURN_S = 20.0  # of one job, whose lease is longer
REST = timedelta(milliseconds=100)


class Progress(Struct, frozen=True, kw_only=True):
    """`done` are collections, `cursor` is where the next one of them is being walked."""

    clinic: Open[ClinicId] = PLATFORM
    schema: Open[int] = SCHEMA
    done: Open[list[str]] = []
    cursor: Open[str | None] = None
    brought_up: Open[int] = 0  # documents and patients
    changed_at: Open[datetime]


class Sealed(Protocol):
    @property
    def collections(self) -> tuple[str, ...]: ...

    async def bring_up(self, collection: str, cursor: str | None, limit: int = 100) -> tuple[int, str | None]:
        """Return how many documents of a page were written as they should be, and where to go on, if anywhere."""
        ...

    def settle(self) -> None:
        """Nothing of before is left."""
        ...


async def progress(store: Store) -> Held[Progress] | None:
    return await changes.held(store, COLLECTION, ID, _read)


def left(done: Progress | None, collections: Sequence[str]) -> list[str]:
    """What there is still to walk."""
    return [each for each in (*sorted(collections), LOOKUPS) if done is None or each not in done.done]


class Resealing:
    def __init__(self, store: Store, sealed: Sealed, lookups: Lookups, wake: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._sealed = sealed
        self._lookups = lookups
        self._wake = wake

    async def plan(self, now: datetime) -> None:
        """Leave the first job, unless there is nothing to do or one at it."""
        held = await progress(self._store)
        todo = left(held.value if held else None, self._sealed.collections)
        if not todo:
            self._settle()
            return
        if held is None and await self._is_new():
            fresh = Progress(done=todo, changed_at=now)
            with contextlib.suppress(Conflict):
                await self._store.transact([Insert(COLLECTION, ID, documents.encode(fresh))])
            self._settle()
            return
        first = Job(
            id=JobId(derived_id("job", RESEAL_JOB, *todo)), clinic=PLATFORM, kind=RESEAL_JOB, about={}, due_at=now
        )
        with contextlib.suppress(Conflict):
            await self._store.transact([Insert(jobs.COLLECTION, first.id, documents.encode(first))])

    async def _is_new(self) -> bool:
        pages = [await self._store.find(Find(each), limit=1) for each in self._sealed.collections]
        return not any(page.rows for page in pages)

    async def run(self, job: Job, now: datetime) -> None:
        end = monotonic() + TURN_S
        while monotonic() < end:
            if not await self.step(now):
                self._settle()
                return
        await self._store.transact([jobs.job(RESEAL_JOB, now + REST, now, clinic=PLATFORM)])
        self._wake()

    async def step(self, now: datetime) -> bool:
        """Bring a page up; False when there is nothing left. Raises Conflict where another job is at it."""
        held = await progress(self._store)
        before = held.value if held else Progress(changed_at=now)
        todo = left(before, self._sealed.collections)
        if not todo:
            return False
        walk = self._patients if todo[0] == LOOKUPS else self._documents
        count, cursor = await walk(todo[0], before.cursor, now)
        after = replace(
            before,
            cursor=cursor,
            brought_up=before.brought_up + count,
            done=before.done if cursor else [*before.done, todo[0]],
            changed_at=now,
        )
        put = held.replacing(COLLECTION, ID, after) if held else Insert(COLLECTION, ID, documents.encode(after))
        await self._store.transact([put])
        return True

    async def _documents(self, collection: str, cursor: str | None, now: datetime) -> tuple[int, str | None]:
        return await self._sealed.bring_up(collection, cursor, PAGE)

    async def _patients(self, _: str, cursor: str | None, now: datetime) -> tuple[int, str | None]:
        page = await self._store.find(EVERYBODY, limit=PAGE, cursor=cursor)
        return sum([await self._renewed(row) for row in page.rows]), page.cursor

    async def _renewed(self, row: Stored) -> bool:
        for _ in range(changes.ATTEMPTS):
            stored = await self._store.get(patients.COLLECTION, row.id)
            if stored is None:
                return False
            patient = patients.read(stored)
            writes = await self._lookups.renewing(patient.clinic, patient.id, patients.terms(patient))
            if not writes:
                return False
            with contextlib.suppress(Conflict):  # the patient was changed meanwhile
                await self._store.transact(writes)
                return True
        raise Conflict("others are changing this patient; try again")

    def _settle(self) -> None:
        self._sealed.settle()
        self._lookups.settle()


def _read(stored: Stored) -> Progress:
    return documents.decode(Progress, stored.document, SCHEMA, {})
