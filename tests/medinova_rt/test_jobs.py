import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medinova_rt import jobs
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.errors import NotFound, Unavailable
from medinova_rt.ids import ClinicId
from medinova_rt.jobs import LEASE, MAX_ATTEMPTS, MAX_RUNNING, Handler, Job, Jobs, State
from medinova_rt.ports import Insert, Replace, Stored, Token, Write

CLINIC = ClinicId("cli-1")
NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(jobs.FINDS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def runner(store: MemoryStore, clock: Clock) -> Jobs:
    return Jobs(store, clock, chance=lambda: 1.0)


def due(after: timedelta = timedelta(0), kind: str = "greet") -> Insert:
    return jobs.job(kind, NOW + after, NOW, clinic=CLINIC, visit="vis-1")


async def everything(store: MemoryStore) -> list[Stored]:
    pages = [await store.find(jobs.BY_STATE, (state,)) for state in State]
    return [row for page in pages for row in page.rows]


async def one_round(runner: Jobs, clock: Clock, handlers: dict[str, Handler]) -> int:
    taken = await runner.take(clock.now, MAX_RUNNING)
    for each in taken:
        await runner.work(each, handlers)
    return len(taken)


async def fail(job: Job, now: datetime) -> None:
    raise NotFound("a sentence that is not kept")


async def test_a_job_is_done_once_when_due_and_then_gone(store: MemoryStore, runner: Jobs, clock: Clock) -> None:
    done: list[tuple[str, dict[str, str], datetime]] = []

    async def greet(job: Job, now: datetime) -> None:
        done.append((job.kind, job.about, now))

    await store.transact([due(5 * SECOND)])
    counts = []
    for _ in range(8):
        counts.append(await one_round(runner, clock, {"greet": greet}))
        clock.now += SECOND
    assert counts == [0, 0, 0, 0, 0, 1, 0, 0]
    assert done == [("greet", {"visit": "vis-1"}, NOW + 5 * SECOND)]
    assert await everything(store) == []


async def test_what_is_said_to_fail_for_good_is_not_tried_again(store: MemoryStore, runner: Jobs, clock: Clock) -> None:
    async def greet(job: Job, now: datetime) -> None:
        raise Unavailable("never", permanent=True)

    await store.transact([due()])
    await one_round(runner, clock, {"greet": greet})
    (dead,) = await runner.dead()
    assert (dead.attempts, dead.error) == (1, "unavailable")


async def test_a_failing_job_comes_back_ever_later_and_dies(store: MemoryStore, runner: Jobs, clock: Clock) -> None:
    tried: list[datetime] = []

    async def greet(job: Job, now: datetime) -> None:
        tried.append(now)
        await fail(job, now)

    await store.transact([due()])
    while not await runner.dead():
        await one_round(runner, clock, {"greet": greet})
        clock.now += SECOND
    (dead,) = await runner.dead()
    assert [(after - before) // SECOND for before, after in pairwise(tried)] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert (dead.attempts, dead.error, dead.state) == (MAX_ATTEMPTS, "not-found", State.DEAD)
    clock.now += timedelta(days=1)
    assert await one_round(runner, clock, {"greet": greet}) == 0


async def test_what_becomes_of_jobs_is_counted(store: MemoryStore, runner: Jobs, clock: Clock) -> None:
    async def greet(job: Job, now: datetime) -> None:
        pass

    await store.transact([due(), due(), due(kind="bad")])
    for _ in range(MAX_ATTEMPTS):
        await one_round(runner, clock, {"greet": greet, "bad": fail})
        clock.now += timedelta(hours=1)
    assert runner.counters() == {"done": 2, "failed": MAX_ATTEMPTS, "dead": 1, "overtaken": 0, "running": 0}


@pytest.mark.parametrize(
    ("attempts", "chance", "seconds"), [(1, 0.0, 0.5), (1, 1.0, 1), (2, 0.5, 1.5), (5, 1.0, 16), (30, 0.0, 1800)]
)
def test_backoff_doubles_up_to_an_hour_and_is_spread(attempts: int, chance: float, seconds: float) -> None:
    assert jobs.backoff(attempts, chance).total_seconds() == seconds


@pytest.mark.parametrize(("error", "kept"), [(NotFound("x"), "not-found"), (KeyError("name"), "KeyError")])
async def test_only_the_kind_of_failure_is_kept(
    store: MemoryStore, runner: Jobs, clock: Clock, error: Exception, kept: str
) -> None:
    async def greet(job: Job, now: datetime) -> None:
        raise error

    await store.transact([due()])
    await one_round(runner, clock, {"greet": greet})
    (row,) = await everything(store)
    assert row.document["error"] == kept


async def test_a_job_nobody_can_do_is_a_failed_one(store: MemoryStore, runner: Jobs, clock: Clock) -> None:
    await store.transact([due(kind="unheard-of")])
    await one_round(runner, clock, {"greet": fail})
    (row,) = await everything(store)
    assert (row.document["attempts"], row.document["error"]) == (1, "not-found")


async def test_a_job_whose_runner_died_is_taken_again_after_its_lease(store: MemoryStore, runner: Jobs) -> None:
    await store.transact([due()])
    fences = []
    for second in range(130):
        fences += [(second, job.fence) for job, _ in await runner.take(NOW + second * SECOND, 1)]
    assert fences == [(0, 1), (60, 2), (120, 3)]


async def test_a_job_that_kills_its_runners_dies_too(store: MemoryStore, runner: Jobs) -> None:
    await store.transact([due()])
    taken = sum([len(await runner.take(NOW + n * LEASE, 1)) for n in range(MAX_ATTEMPTS + 5)])
    (dead,) = await runner.dead()
    assert (taken, dead.error) == (MAX_ATTEMPTS, "lease-ended")


async def test_a_handler_that_outlives_its_time_is_cancelled(
    store: MemoryStore, runner: Jobs, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "SPARE", LEASE)

    async def greet(job: Job, now: datetime) -> None:
        await asyncio.Event().wait()

    await store.transact([due()])
    await one_round(runner, clock, {"greet": greet})
    (row,) = await everything(store)
    assert row.document["error"] == "TimeoutError"


async def test_an_overtaken_runner_puts_nothing_away(store: MemoryStore, runner: Jobs, clock: Clock) -> None:
    await store.transact([due()])
    (slow,) = await runner.take(NOW, 1)
    clock.now += LEASE
    (fast,) = await runner.take(clock.now, 1)

    async def greet(job: Job, now: datetime) -> None:
        pass

    for handler in (greet, fail):
        await runner.work(slow, {"greet": handler})
        (row,) = await everything(store)
        assert (row.document["fence"], row.token) == (2, fast[1])


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 40), st.booleans()), max_size=30))
def test_two_runners_never_hold_one_lease(steps: list[tuple[int, int, bool]]) -> None:
    async def race() -> None:
        store = MemoryStore(jobs.FINDS)
        runners = [Jobs(store, lambda: NOW, chance=lambda: 0.0) for _ in range(2)]
        await store.transact([due(), due()])
        now, leased_until, fences = NOW, dict[str, datetime](), dict[str, int]()
        for who, wait, both in steps:
            now += wait * SECOND
            takers = runners if both else [runners[who]]
            for taken in await asyncio.gather(*(runner.take(now, 2) for runner in takers)):
                for job, _ in taken:
                    assert leased_until.get(job.id, now) <= now
                    assert fences.get(job.id, 0) < job.fence
                    leased_until[job.id], fences[job.id] = job.due_at, job.fence

    asyncio.run(race())


async def test_a_job_of_a_newer_version_is_left_alone(store: MemoryStore, runner: Jobs, clock: Clock) -> None:
    newer = due()
    await store.transact([Insert("jobs", newer.id, {**newer.document, "schema": 2, "novel": 1}), due()])
    assert await one_round(runner, clock, {"greet": fail}) == 1
    stored = await store.get("jobs", newer.id)
    assert stored is not None
    assert stored.version == 1


# --- the loop -----------------------------------------------------------------------------------------------------


async def until(what: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await what.wait()


async def test_the_loop_does_what_is_due_wakes_for_more_and_stops(store: MemoryStore, runner: Jobs) -> None:
    done: list[str] = []
    seen = asyncio.Event()

    async def greet(job: Job, now: datetime) -> None:
        done.append(job.about["visit"])
        seen.set()

    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(runner.run({"greet": greet}, stop))
        for visit in ("vis-1", "vis-2"):
            seen.clear()
            await store.transact([jobs.job("greet", NOW, NOW, clinic=CLINIC, visit=visit)])
            runner.wake()
            await until(seen)
        stop.set()
    assert done == ["vis-1", "vis-2"]
    assert await everything(store) == []


async def test_the_loop_runs_a_bounded_number_at_a_time(store: MemoryStore, runner: Jobs) -> None:
    running, most, done = 0, 0, 0
    full, finished, go, stop = asyncio.Event(), asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def greet(job: Job, now: datetime) -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        if running == MAX_RUNNING:
            full.set()
        await go.wait()
        running -= 1
        done += 1
        if done == 50:
            finished.set()

    await store.transact([due() for _ in range(50)])
    async with asyncio.TaskGroup() as group:
        group.create_task(runner.run({"greet": greet}, stop))
        await until(full)
        runner.wake()
        await asyncio.sleep(0)
        go.set()
        await until(finished)
        stop.set()
    assert (most, done) == (MAX_RUNNING, 50)


async def test_the_loop_finishes_what_runs_before_it_stops(store: MemoryStore, runner: Jobs) -> None:
    begun, go, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def greet(job: Job, now: datetime) -> None:
        begun.set()
        await go.wait()

    await store.transact([due()])
    async with asyncio.TaskGroup() as group:
        group.create_task(runner.run({"greet": greet}, stop))
        await until(begun)
        stop.set()
        await asyncio.sleep(0)
        go.set()
    assert await everything(store) == []


async def test_a_crash_in_one_job_leaves_the_others_and_the_loop_alone(store: MemoryStore, runner: Jobs) -> None:
    seen, stop = asyncio.Event(), asyncio.Event()

    async def greet(job: Job, now: datetime) -> None:
        seen.set()

    await store.transact([due(kind="bad"), due(), due(kind="bad")])
    async with asyncio.TaskGroup() as group:
        group.create_task(runner.run({"greet": greet, "bad": fail}, stop))
        await until(seen)
        stop.set()
    assert [row.document["error"] for row in await everything(store)] == ["not-found", "not-found"]


async def test_the_loop_outlives_a_store_that_does_not_answer(clock: Clock) -> None:
    class Shaky(MemoryStore):
        down = True

        async def transact(self, writes: Sequence[Write]) -> list[Token]:
            if self.down and any(isinstance(write, Replace) for write in writes):
                self.down = False
                raise Unavailable("the store does not answer")
            return await super().transact(writes)

    store = Shaky(jobs.FINDS)
    runner = Jobs(store, clock)
    seen, stop = asyncio.Event(), asyncio.Event()

    async def greet(job: Job, now: datetime) -> None:
        seen.set()

    await store.transact([due()])
    async with asyncio.TaskGroup() as group:
        group.create_task(runner.run({"greet": greet}, stop))
        while store.down:
            await asyncio.sleep(0)
        runner.wake()
        await until(seen)
        stop.set()
