"""Deleting what is over, now and then: one job that leaves the next, for all processes of a server together.

The job of a time slot has the id of that slot, so that it is there once, whoever leaves it.
"""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from medinova_rt import documents, jobs
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import Conflict
from medinova_rt.ids import JobId, derived_id
from medinova_rt.jobs import Job
from medinova_rt.ports import Insert, Store

SWEEP_JOB = "sweep"
EVERY = timedelta(minutes=10)
MAX_TIMES = 100  # each, in one sweep; the rest waits for the next

Sweep = Callable[[datetime], Awaitable[bool]]  # delete some; return whether there may be more


class Sweeps:
    def __init__(self, store: Store, sweeps: Sequence[Sweep], kind: str = SWEEP_JOB, every: timedelta = EVERY) -> None:
        self._store = store
        self._sweeps = sweeps
        self._kind = kind
        self._every_s = every.total_seconds()

    async def plan(self, now: datetime) -> None:
        """Leave the next job, unless it is there already."""
        slot = int(now.timestamp() // self._every_s) + 1
        due = datetime.fromtimestamp(slot * self._every_s, UTC)
        place = JobId(derived_id("job", self._kind, str(slot)))
        planned = Job(id=place, clinic=PLATFORM, kind=self._kind, about={}, due_at=due)
        with contextlib.suppress(Conflict):
            await self._store.transact([Insert(jobs.COLLECTION, planned.id, documents.encode(planned))])

    async def run(self, job: Job, now: datetime) -> None:
        await self.plan(now)  # first, so that there is a next one whatever comes of this
        for sweep in self._sweeps:
            with contextlib.suppress(Conflict):  # somebody else is at it
                for _ in range(MAX_TIMES):
                    if not await sweep(now):
                        break
