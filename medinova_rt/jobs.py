"""Work that follows a change: a document written in the same transact as the change, done later by a runner.

This is the only durable queue and the only timer. A job is taken by compare-and-set: `due_at` moves to the end of a
lease and `fence` grows, so of two runners one wins, and a job whose runner died is simply due again. A handler is given
less time than its lease lasts; it runs at least once, so it must be idempotent. What fails comes back with backoff and
jitter, and after `MAX_ATTEMPTS`, or when what failed is said to be permanent, it rests among the dead, where people can
see it.

Clocks of several nodes may differ by less than `SPARE`.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from medinova_rt import documents
from medinova_rt.errors import Conflict, NotFound, Unavailable
from medinova_rt.ids import ClinicId, JobId, new_id
from medinova_rt.logs import Log, Word, code
from medinova_rt.phi import Open
from medinova_rt.ports import Delete, Find, Insert, Replace, Store, Stored, Token, Write, encode_instant

COLLECTION = "jobs"
SCHEMA = 1
BY_STATE = Find(COLLECTION, equal=("state",), ordered_by="due_at")
FINDS: tuple[Find, ...] = (BY_STATE,)

LEASE = timedelta(seconds=60)
SPARE = timedelta(seconds=15)  # of the lease; a handler that needs longer is cancelled and counts as failed
MAX_ATTEMPTS = 10
BACKOFF = timedelta(seconds=1)  # after the first failure; doubles
LONGEST_BACKOFF = timedelta(hours=1)
MAX_RUNNING = 16  # jobs of one runner at a time
POLL = timedelta(seconds=1)  # for jobs that other processes leave

COUNTS = ("done", "failed", "dead", "overtaken")

log = Log(__name__)


class State(StrEnum):
    OPEN = "open"
    DEAD = "dead"


class Job(Struct, frozen=True, kw_only=True):
    id: Open[JobId]
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    kind: Open[str]
    about: Open[dict[str, str]]  # ids only
    state: Open[State] = State.OPEN
    due_at: Open[datetime]  # while a runner has it: the end of its lease
    attempts: Open[int] = 0
    fence: Open[int] = 0  # grows with each taking; a handler passes it on to what must refuse an overtaken runner
    error: Open[str | None] = None  # why the last attempt failed: a code, or the exception's type, nothing of its text


Handler = Callable[[Job, datetime], Awaitable[object]]  # with the time of its start
Taken = tuple[Job, Token]


def job(kind: str, due_at: datetime, now: datetime, *, clinic: ClinicId, **about: str) -> Insert:
    """Return the write to put into the transact of the change. `about`: ids only, e.g. `visit=visit.id`."""
    made = Job(id=JobId(new_id("job", now)), clinic=clinic, kind=kind, about=about, due_at=due_at)
    return Insert(COLLECTION, made.id, documents.encode(made))


def backoff(attempts: int, chance: float) -> timedelta:
    """How long a job rests after so many failed attempts; `chance` in 0…1 spreads it over the upper half."""
    whole = min(BACKOFF * (1 << attempts - 1), LONGEST_BACKOFF)
    return whole / 2 + whole / 2 * chance


class Jobs:
    """One runner. Several, in one process or many, share the work."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], chance: Callable[[], float] = random.random
    ) -> None:
        self._store = store
        self._clock = clock
        self._chance = chance
        self._awake = asyncio.Event()
        self._running = 0
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))

    def counters(self) -> Mapping[str, int]:
        """Totals since start by `COUNTS`, and the jobs `running` now."""
        return {**self._counts, "running": self._running}

    def wake(self) -> None:
        """Look at once: a job was left, or one slot is free."""
        self._awake.set()

    async def run(self, handlers: Mapping[str, Handler], stop: asyncio.Event) -> None:
        """Do what falls due until `stop`, then finish what is running. Cancelled, it drops that: it falls due again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._wake_at(stop))
            while not stop.is_set():
                self._awake.clear()
                try:
                    for taken in await self.take(self._clock(), MAX_RUNNING - self._running):
                        self._running += 1
                        group.create_task(self._do(taken, handlers))
                except Unavailable as error:
                    log.warning("jobs wait for the store", code=code(error))
                try:
                    async with asyncio.timeout(POLL.total_seconds()):
                        await self._awake.wait()
                except TimeoutError:
                    pass

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.wake()

    async def _do(self, taken: Taken, handlers: Mapping[str, Handler]) -> None:
        try:
            await self.work(taken, handlers)
        except Unavailable as error:  # the lease ends, and it is due again
            log.warning("a job could not be put away", job=taken[0].id, code=code(error))
        finally:
            self._running -= 1
            self.wake()

    async def take(self, now: datetime, limit: int) -> list[Taken]:
        """Lease up to `limit` jobs that are due, each until `now + LEASE`; whoever else wants one gets another."""
        if limit <= 0:
            return []
        due = encode_instant(now + timedelta(microseconds=1))  # a range leaves its end out
        page = await self._store.find(BY_STATE, (State.OPEN,), below=due, limit=limit)
        taken = await asyncio.gather(*(self._lease(row, now) for row in page.rows))
        return [each for each in taken if each is not None]

    async def _lease(self, row: Stored, now: datetime) -> Taken | None:
        try:
            before = _read(row)
        except Unavailable as error:  # of a newer version, which has runners of its own; or damaged
            log.error("a job cannot be read", job=JobId(row.id), code=code(error))
            return None
        if before.attempts >= MAX_ATTEMPTS:  # its runner died each time, perhaps of it
            await self._put(before, row.token, self._died(before, Word("lease-ended")))
            return None
        held = replace(before, due_at=now + LEASE, attempts=before.attempts + 1, fence=before.fence + 1)
        token = await self._put(before, row.token, held)
        return None if token is None else (held, token)

    async def work(self, taken: Taken, handlers: Mapping[str, Handler]) -> None:
        """Run the handler of a job just taken and put the job away: deleted, due again later, or dead."""
        held, token = taken
        now, after = self._clock(), None
        try:
            if held.kind not in handlers:
                raise NotFound("no handler for this kind of job")
            async with asyncio.timeout((held.due_at - SPARE - now).total_seconds()):
                await handlers[held.kind](held, now)
        except Exception as error:  # whatever a handler raises is its job's failure, not the runner's
            why = code(error)
            log.warning("a job failed", job=held.id, kind=Word(held.kind), attempt=held.attempts, code=why)
            hopeless = isinstance(error, Unavailable) and error.permanent
            outcome, after = "failed", self._failed(held, why, hopeless)
        else:
            outcome = "done"
        put = await self._put(held, token, after)
        self._counts["overtaken" if put is None else outcome] += 1

    def _died(self, job: Job, why: Word) -> Job:
        log.error("a job is dead", job=job.id, kind=Word(job.kind), code=why)
        self._counts["dead"] += 1
        return replace(job, state=State.DEAD, error=str(why))

    def _failed(self, held: Job, why: Word, hopeless: bool) -> Job:
        if hopeless or held.attempts >= MAX_ATTEMPTS:
            return self._died(held, why)
        return replace(held, due_at=self._clock() + backoff(held.attempts, self._chance()), error=str(why))

    async def _put(self, before: Job, token: Token, after: Job | None) -> Token | None:
        """Replace or delete the job; None when another runner has it by now."""
        write: Write = (
            Delete(COLLECTION, before.id, token)
            if after is None
            else Replace(COLLECTION, before.id, documents.encode(after), token)
        )
        try:
            (new,) = await self._store.transact([write])
        except Conflict:
            return None
        return new

    async def dead(self, limit: int = 100) -> list[Job]:
        """The dead letters, those that were due first at the front."""
        page = await self._store.find(BY_STATE, (State.DEAD,), limit=limit)
        return [_read(row) for row in page.rows]


def _read(row: Stored) -> Job:
    return documents.decode(Job, row.document, SCHEMA, {})
