import pytest

from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.watched_store import WatchedStore
from medinova_rt.errors import Conflict
from medinova_rt.ports import Insert, Write

DOCUMENT = {"clinic": "cli-1", "schema": 1}


async def test_the_writes_of_a_collection_are_told_before_the_answer_also_those_that_failed() -> None:
    told: list[Write] = []
    store = WatchedStore(MemoryStore())
    store.watch({"things": told.append}, told.clear)
    thing, other = Insert("things", "thi-1", DOCUMENT), Insert("others", "oth-1", DOCUMENT)
    await store.transact([other, thing])
    assert told == [thing]
    with pytest.raises(Conflict):
        await store.transact([thing])
    assert told == [thing, thing]
    found = await store.get("things", "thi-1")
    assert found is not None
    assert found.document == DOCUMENT


def test_what_others_wrote_is_told_and_what_was_missed_forgets_everything() -> None:
    told: list[Write] = []
    store = WatchedStore(MemoryStore())
    store.watch({"things": told.append}, told.clear)
    for collection in ("things", "others"):
        store.tell(Insert(collection, "thi-1", DOCUMENT))
    assert told == [Insert("things", "thi-1", DOCUMENT)]
    store.lose()
    assert told == []
