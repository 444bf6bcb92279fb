from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from medinova_rt import documents
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.changes import change, held
from medinova_rt.errors import Changed, Conflict, NotFound
from medinova_rt.ports import Insert, Stored, Write

PLACE = ("things", "thi-1")


class Thing(Struct, frozen=True, kw_only=True):
    clinic: str = "cli-1"
    schema: int = 1
    count: int = 0


def read(stored: Stored) -> Thing:
    return documents.decode(Thing, stored.document, 1, {})


def grow(thing: Thing) -> tuple[Thing, list[Write]]:
    return replace(thing, count=thing.count + 1), []


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore()
    await store.transact([Insert(*PLACE, documents.encode(Thing()))])
    return store


@pytest.mark.parametrize("expected", [None, 1])
async def test_a_change_shows_the_new_version(store: MemoryStore, expected: int | None) -> None:
    after = await change(store, *PLACE, read, grow, expected)
    assert (after.value.count, after.version) == (1, 2)
    assert await held(store, *PLACE, read) == after


async def test_another_version_than_expected_changes_nothing(store: MemoryStore) -> None:
    with pytest.raises(Changed):
        await change(store, *PLACE, read, grow, 2)
    found = await held(store, *PLACE, read)
    assert found is not None
    assert found.version == 1


async def test_what_is_not_there(store: MemoryStore) -> None:
    with pytest.raises(NotFound):
        await change(store, "things", "thi-2", read, grow)


async def test_no_change_writes_only_what_goes_along(store: MemoryStore) -> None:
    along = Insert("notes", "not-1", {"clinic": "cli-1", "schema": 1})
    after = await change(store, *PLACE, read, lambda thing: (thing, [along]))
    assert after.version == 1
    assert await store.get("notes", "not-1")


async def test_whoever_loses_decides_again(store: MemoryStore) -> None:
    seen: list[int] = []

    async def overtake(writes: Any, transact: Any = store.transact) -> Any:
        if len(seen) < 3:
            await change_once()
        return await transact(writes)

    async def change_once() -> None:
        found = await held(store, *PLACE, read)
        assert found
        await MemoryStore.transact(store, [found.replacing(*PLACE, replace(found.value, count=found.value.count + 10))])

    def decide(thing: Thing) -> tuple[Thing, list[Write]]:
        seen.append(thing.count)
        return grow(thing)

    store.transact = overtake  # type: ignore[method-assign]
    after = await change(store, *PLACE, read, decide)
    assert seen == [0, 10, 20]
    assert after.value.count == 21


async def test_it_gives_up(store: MemoryStore) -> None:
    async def lose(writes: Any) -> Any:
        raise Conflict("x")

    store.transact = lose  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="try again"):
        await change(store, *PLACE, read, grow)
