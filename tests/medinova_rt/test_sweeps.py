from datetime import UTC, datetime, timedelta

from medinova_rt import jobs
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.errors import Conflict
from medinova_rt.jobs import Jobs
from medinova_rt.ports import encode_instant
from medinova_rt.sweeps import EVERY, MAX_TIMES, SWEEP_JOB, Sweeps

NOW = datetime(2026, 11, 24, 10, 3, tzinfo=UTC)
DUE = datetime(2026, 11, 24, 10, 10, tzinfo=UTC)


class Dust:
    def __init__(self, heaps: int) -> None:
        self.heaps, self.times = heaps, 0

    async def sweep(self, now: datetime) -> bool:
        self.times += 1
        self.heaps -= 1
        return self.heaps > 0


async def raced(now: datetime) -> bool:
    raise Conflict("somebody else was faster")


async def due(store: MemoryStore) -> list[str]:
    return [row.document["due_at"] for row in (await store.find(jobs.BY_STATE, ("open",))).rows]


async def test_one_job_is_left_whoever_leaves_it() -> None:
    store = MemoryStore(jobs.FINDS)
    for process in range(3):
        await Sweeps(store, []).plan(NOW + timedelta(seconds=process))
    assert await due(store) == [encode_instant(DUE)]


async def test_a_sweep_leaves_the_next_and_goes_on_where_others_are_at_it() -> None:
    store, dust = MemoryStore(jobs.FINDS), Dust(3)
    sweeps = Sweeps(store, [raced, dust.sweep])
    await sweeps.plan(NOW)
    work = Jobs(store, lambda: DUE)
    (taken,) = await work.take(DUE, 1)
    await work.work(taken, {SWEEP_JOB: sweeps.run})
    assert dust.times == 3
    assert await due(store) == [encode_instant(DUE + EVERY)]


async def test_a_sweep_has_a_bound() -> None:
    store, dust = MemoryStore(jobs.FINDS), Dust(10 * MAX_TIMES)
    sweeps = Sweeps(store, [dust.sweep])
    await sweeps.plan(NOW)
    ((job, _),) = await Jobs(store, lambda: DUE).take(DUE, 1)
    await sweeps.run(job, DUE)
    assert dust.times == MAX_TIMES


async def test_another_kind_has_jobs_and_times_of_its_own() -> None:
    store, dust = MemoryStore(jobs.FINDS), Dust(1)
    watch = Sweeps(store, [dust.sweep], "watch", timedelta(minutes=1))
    await Sweeps(store, []).plan(NOW)
    await watch.plan(NOW)
    assert await due(store) == [encode_instant(NOW + timedelta(minutes=1)), encode_instant(DUE)]
