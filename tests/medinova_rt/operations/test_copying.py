"""Whole stores copied both ways: nothing is lost, an interrupted copy goes on, and a difference is said."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from medinova_rt.adapters.firestore_shelf import FirestoreShelf
from medinova_rt.adapters.firestore_store import FirestoreStore
from medinova_rt.adapters.sqlite_shelf import SqliteShelf
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.errors import BadInput, Conflict, Unavailable
from medinova_rt.operations import copying
from medinova_rt.ports import Find, Insert, Replace
from medinova_rt.shelf import COPIES, MARK, MAX_BYTES, MAX_ROWS, Kept, Shelf, within
from tests.firestore import Emulator

BY_SIZE = Find("things", equal=("kind",), ordered_by="size", descending=True)
FINDS = (BY_SIZE,)
ODD = {"": "no name", "nested": [[1, [None]], {"a.b": -(2**63)}], "text": 'Zoë 🩺 "\u0000'}


class Place:
    """A store, seen from above and from below, one at a time."""

    def __init__(self, store: SqliteStore | FirestoreStore, shelf: SqliteShelf | FirestoreShelf) -> None:
        self.store, self.shelf = store, shelf

    async def fill(self) -> None:
        await self.store.open()
        for start in range(0, 350, 50):
            await self.store.transact([_thing(number) for number in range(start, start + 50)])
        (token,) = await self.store.transact([Insert("others", "b", {"clinic": "c", "schema": 1})])
        await self.store.transact([Replace("others", "b", {"clinic": "c", "schema": 1, **ODD}, token)])
        await self.store.close()


def _thing(number: int) -> Insert:
    return Insert("things", f"n{number:03}", {"clinic": "c", "schema": 1, "kind": "k", "size": number % 7})


@pytest.fixture(params=["sqlite to firestore", "firestore to sqlite"])
async def places(
    request: pytest.FixtureRequest, tmp_path: Path, emulator: Emulator
) -> AsyncIterator[tuple[Place, Place]]:
    project, file = emulator.project(), tmp_path / "a.db"
    sqlite = Place(SqliteStore(file, FINDS), SqliteShelf(file, FINDS))
    firestore = Place(FirestoreStore(project, finds=FINDS), FirestoreShelf(project, "(default)", FINDS))
    source, target = (sqlite, firestore) if request.param.startswith("sqlite") else (firestore, sqlite)
    await source.fill()
    await source.shelf.open()
    await target.shelf.open()
    yield source, target
    for each in (source, target):
        await each.shelf.close()
        await each.store.close()


def _nothing(collection: str, count: int) -> None:
    pass


async def test_a_copy_is_the_same_in_every_way(places: Any) -> None:
    source, target = places
    told: list[tuple[str, int]] = []
    counts = await copying.copy(source.shelf, target.shelf, "x", lambda *each: told.append(each))
    assert [(count.collection, count.documents) for count in counts] == [("others", 1), ("things", 350)]
    assert told == [("others", 1), ("things", MAX_ROWS), ("things", 50)]
    for each in (source, target):
        await each.shelf.close()
        await each.store.open()
    assert await target.store.get(COPIES, MARK) is None
    odd = await target.store.get("others", "b")
    assert (odd.version, odd.document) == (2, {"clinic": "c", "schema": 1, **ODD})
    there, here = [await each.store.find(BY_SIZE, ("k",), at_least=3, limit=200) for each in (source, target)]
    assert [(row.id, row.document, row.version) for row in there.rows] == [
        (row.id, row.document, row.version) for row in here.rows
    ]
    assert there.cursor == here.cursor
    await target.store.transact([Replace("others", "b", {"clinic": "c", "schema": 1}, odd.token)])
    again = await target.store.get("others", "b")
    assert again.version == 3


class Stumbling:
    """A shelf that fails at the third write of documents."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._puts = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shelf, name)

    async def put(self, collection: str, rows: Sequence[Kept]) -> None:
        self._puts += collection != COPIES
        if self._puts == 3:
            raise Unavailable("the store does not answer")
        await self._shelf.put(collection, rows)


async def test_an_interrupted_copy_goes_on_where_it_stopped(places: Any) -> None:
    source, target = places
    with pytest.raises(Unavailable):
        await copying.copy(source.shelf, Stumbling(target.shelf), "x", _nothing)
    assert len(await target.shelf.rows(COPIES)) == 1
    with pytest.raises(BadInput, match="the beginning of a copy of something else"):
        await copying.copy(source.shelf, target.shelf, "y", _nothing)
    told: list[tuple[str, int]] = []
    await copying.copy(source.shelf, target.shelf, "x", lambda *each: told.append(each))
    assert told == [("things", 50)]
    assert await target.shelf.rows(COPIES) == []


async def test_a_target_with_documents_is_refused(places: Any) -> None:
    source, target = places
    await target.shelf.put("things", [Kept("a", '{"clinic":"c","schema":1}', 1)])
    with pytest.raises(BadInput, match="needs an empty one"):
        await copying.copy(source.shelf, target.shelf, "x", _nothing)
    assert await target.shelf.collections() == ["things"]


CHANGES = [("things", "n001", 1), ("things", "n001", 2), ("things", "a", 1), ("a", "a", 1)]


@pytest.mark.parametrize("change", CHANGES)
async def test_what_changes_meanwhile_is_said(places: Any, change: tuple[str, str, int]) -> None:
    source, target = places
    collection, name, version = change

    async def alter() -> None:
        await source.shelf.put(collection, [Kept(name, '{"clinic":"other","schema":1}', version)])

    class Changing(Stumbling):
        async def put(self, collection: str, rows: Sequence[Kept]) -> None:
            await self._shelf.put(collection, rows)
            if b"n349" in rows[-1].body.encode():
                await alter()

    with pytest.raises(Conflict, match=f"The two differ in {collection}"):
        await copying.copy(source.shelf, Changing(target.shelf), "x", _nothing)


async def test_nobody_writes_to_a_database_that_is_copied(tmp_path: Path) -> None:
    place = Place(SqliteStore(tmp_path / "a.db"), SqliteShelf(tmp_path / "a.db", ()))
    await place.shelf.open()
    other = SqliteShelf(tmp_path / "a.db", ())
    with pytest.raises(Unavailable, match="a server has it open"):
        await other.open()
    await place.shelf.close()
    await other.close()


@pytest.mark.parametrize(
    ("sizes", "taken"), [([1] * 301, MAX_ROWS), ([MAX_BYTES], 1), ([MAX_BYTES + 1, 1], 1), ([1, MAX_BYTES], 1)]
)
def test_a_batch_has_bounds(sizes: list[int], taken: int) -> None:
    assert len(within([Kept(str(number), "x" * size, 1) for number, size in enumerate(sizes)])) == taken
