import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.errors import Conflict
from medinova_rt.ports import MAX_TRANSACT_WRITES, Insert, Replace
from medinova_rt.riders import Rider, RidingStore


def write(name: str) -> Insert:
    return Insert("things", name, {"clinic": "cli-1", "schema": 1})


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RidingStore]:
    inner = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "test.db")
    await inner.open()
    yield RidingStore(inner)
    await inner.close()


@pytest.fixture
async def rider(store: RidingStore) -> Rider:
    (token,) = await store.transact([write("mark")])
    return Rider(Replace("things", "mark", {"clinic": "cli-1", "schema": 1, "done": True}, token))


async def is_done(store: RidingStore) -> bool:
    mark = await store.get("things", "mark")
    assert mark is not None
    return "done" in mark.document


async def test_it_rides_in_the_first_transact_and_only_there(store: RidingStore, rider: Rider) -> None:
    with rider.waiting():
        assert await store.get("things", "a") is None
        assert not await is_done(store)
        assert len(await store.transact([write("a"), write("b")])) == 2  # its own token is no business of theirs
        assert await is_done(store)
        await store.transact([write("c")])
    mark = await store.get("things", "mark")
    assert mark is not None
    assert (rider.has_arrived, rider.token, mark.version) == (True, mark.token, 2)


async def test_a_full_transact_has_room_for_it_and_no_more(store: RidingStore, rider: Rider) -> None:
    full = [write(f"w{n}") for n in range(MAX_TRANSACT_WRITES)]
    with pytest.raises(RuntimeError):
        await store.transact([*full, write("one-more")])
    with rider.waiting():
        assert len(await store.transact(full)) == MAX_TRANSACT_WRITES
    assert await is_done(store)


async def test_what_fails_leaves_it_waiting(store: RidingStore, rider: Rider) -> None:
    await store.transact([write("a")])
    with rider.waiting():
        with pytest.raises(Conflict):
            await store.transact([write("a")])
        assert not await is_done(store)
        await store.transact([write("b")])
    assert await is_done(store)


async def test_whoever_was_overtaken_can_do_nothing(store: RidingStore, rider: Rider) -> None:
    await store.transact([Replace("things", "mark", {"clinic": "cli-1", "schema": 1}, rider.token)])
    with rider.waiting(), pytest.raises(Conflict):
        await store.transact([write("a")])
    assert await store.get("things", "a") is None
    assert not rider.has_arrived


async def test_a_task_of_the_request_carries_it_and_one_left_behind_does_not(store: RidingStore, rider: Rider) -> None:
    over = asyncio.Event()

    async def later() -> None:
        await over.wait()
        await store.transact([write("late")])

    with rider.waiting():
        left = asyncio.create_task(later())
    over.set()
    await left
    assert not await is_done(store)

    (token,) = await store.transact([write("mark-2")])
    other = Rider(Replace("things", "mark-2", {"clinic": "cli-1", "schema": 1, "done": True}, token))
    with other.waiting():
        await asyncio.gather(store.transact([write("x")]), store.transact([write("y")]))
    assert other.has_arrived
