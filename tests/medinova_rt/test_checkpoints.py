import asyncio
import hashlib
import itertools
from datetime import timedelta

import msgspec
import pytest

from medinova_rt import checkpoints, jobs, strands
from medinova_rt.checkpoints import BY_NUMBER, CLOSE_AFTER, Checkpoint
from medinova_rt.ids import ClinicId
from medinova_rt.ports import Store
from medinova_rt.strands import State
from tests.medinova_rt.trail import KEY, ONE, TWO, Trail


async def written(trail: Trail, clinic: ClinicId = ONE) -> list[Checkpoint]:
    page = await trail.store.find(BY_NUMBER, (clinic,), limit=500)
    return [checkpoints.read(row) for row in page.rows]


async def test_a_checkpoint_is_made_where_there_is_news_and_only_there(store: Store) -> None:
    trail = Trail(store)
    await trail.write(2)
    await trail.write(3, TWO)
    await trail.checkpoint()
    await trail.write(1)
    await trail.checkpoint()
    await trail.checkpoint()
    assert [(each.number, each.strands, each.records) for each in await written(trail)] == [(1, 1, 2), (2, 1, 3)]
    assert [(each.number, each.records) for each in await written(trail, TWO)] == [(1, 3)]


async def test_it_is_signed_and_follows_the_one_before(store: Store) -> None:
    trail = Trail(store)
    for _ in range(3):
        await trail.write()
        await trail.checkpoint()
    made = await written(trail)
    assert made[0].previous == ONE
    for before, after in itertools.pairwise(made):
        assert after.previous == hashlib.sha256(checkpoints.line(before)).hexdigest()
    for each in made:
        assert each.key == KEY.id
        assert KEY.verifies(checkpoints.signed_part(each), each.signature)


async def test_what_has_not_moved_is_carried_over(store: Store) -> None:
    trail = Trail(store)
    for _ in range(4):
        await trail.write(2)
        await trail.checkpoint()
        trail.restart()
    made = await written(trail)
    assert [(each.strands, each.records, len(each.moved)) for each in made] == [(n, 2 * n, 1) for n in range(1, 5)]
    assert (await trail.verify()).is_intact


async def test_more_heads_than_fit_in_one_make_several(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "MAX_MOVED", 3)
    trail = Trail(store)
    for n in range(8):
        trail.minutes = n
        trail.restart()
        await trail.write()
    await trail.checkpoint()
    assert [len(each.moved) for each in await written(trail)] == [3, 3, 2]
    assert (await trail.verify()).is_intact


async def test_each_is_copied_elsewhere_also_what_was_not_copied_before(store: Store) -> None:
    trail = Trail(store)
    for _ in range(3):
        await trail.write()
        await trail.checkpoint()
    whole = list(trail.copies.lines[ONE])
    assert whole == [checkpoints.line(each) for each in await written(trail)]
    del trail.copies.lines[ONE][1:]
    await trail.checkpoint()
    assert trail.copies.lines[ONE] == whole


async def test_nothing_is_added_to_a_store_that_lags_behind_its_copies(store: Store) -> None:
    trail = Trail(store)
    await trail.write()
    await trail.checkpoint()
    ahead = msgspec.json.decode(trail.copies.lines[ONE][0], type=Checkpoint)
    trail.copies.lines[ONE].append(checkpoints.line(msgspec.structs.replace(ahead, number=2)))
    await trail.write()
    await trail.checkpoint()
    assert len(await written(trail)) == 1
    assert trail.checkpoints.counters()["mismatches"] == 1


async def test_of_two_that_write_at_once_one_does(store: Store) -> None:
    trail = Trail(store)
    other = checkpoints.Checkpoints(trail.chained, KEY, trail.copies)
    for n in range(1, 9):
        await trail.write()
        await asyncio.gather(trail.checkpoints.write(trail.now), other.write(trail.now))
        assert len(await written(trail)) == len(trail.copies.lines[ONE]) == n
    assert (await trail.verify()).is_intact


async def test_a_strand_at_rest_is_closed_and_not_looked_at_again(store: Store) -> None:
    trail = Trail(store)
    await trail.write()
    await trail.checkpoint()
    trail.restart()
    await trail.write()
    await trail.checkpoint()
    trail.minutes += int(CLOSE_AFTER / timedelta(minutes=1)) - 1
    await trail.write()
    await trail.checkpoint()
    assert [each.state for each in await trail.strands()] == [State.CLOSED, State.OPEN]
    await trail.write()
    trail.restart()
    await trail.write()
    await trail.checkpoint()
    assert (await written(trail))[-1].strands == 3
    assert (await trail.verify()).is_intact


async def test_heads_are_found_again_after_a_restart(store: Store) -> None:
    trail = Trail(store)
    for _ in range(5):
        await trail.write(2)
        await trail.checkpoint()
        trail.restart()
    assert (await written(trail))[-1].records == 10
    assert trail.checkpoints.counters()["mismatches"] == 0
    assert all(each.digest for each in await trail.strands() if each.place != strands.NOWHERE)


async def test_the_job_of_a_minute_is_there_once(store: Store) -> None:
    trail = Trail(store)
    await trail.checkpoints.plan(trail.now)
    await trail.checkpoints.plan(trail.now + timedelta(seconds=30))
    page = await store.find(jobs.BY_STATE, ("open",), limit=10)
    assert [row.document["kind"] for row in page.rows] == [checkpoints.CHECKPOINT_JOB]
