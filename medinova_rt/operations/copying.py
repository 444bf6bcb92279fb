"""Copies a whole store into another one and compares the two, while nothing else writes to either.

The target bears a mark as long as the copy is not finished, with the last document that has arrived: a copy that was
interrupted goes on there, and no server starts on half a store. What is written twice is written the same.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from medinova_rt.errors import BadInput, Conflict
from medinova_rt.shelf import COPIES, MARK, Kept, Shelf


class _Mark(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As a document; of no clinic."""

    clinic: str = ""
    schema: int = 1
    source: str  # what the copy is of, so that no other is continued
    collection: str = ""  # those before it have arrived
    after: str = ""  # and of it, all up to this id


@dataclass(frozen=True, slots=True)
class Count:
    collection: str
    documents: int
    digest: str


async def copy(source: Shelf, target: Shelf, name: str, told: Callable[[str, int], None]) -> list[Count]:
    """Return what both sides hold. `name` is the source's; `told`: so many more of a collection have arrived.

    Raises BadInput where the target holds something else, Conflict where the two differ at the end, Unavailable.
    """
    mark = await _begun(target, name)
    for collection in await _collections(source):
        if collection < mark.collection:
            continue
        after = mark.after if collection == mark.collection else ""
        while rows := await source.rows(collection, after):
            await target.put(collection, rows)
            after = rows[-1].id
            await _set(target, _Mark(source=name, collection=collection, after=after))
            told(collection, len(rows))
    counts = await compare(source, target)
    await target.remove(COPIES, MARK)
    return counts


async def compare(source: Shelf, target: Shelf) -> list[Count]:
    """Raises Conflict, which names the first collection that differs."""
    here, there = await _count(source), await _count(target)
    for collection in sorted({*here, *there}):
        if here.get(collection) != there.get(collection):
            raise Conflict(f"The two differ in {collection}: something else writes to one of them.")
    return list(here.values())


async def _begun(target: Shelf, name: str) -> _Mark:
    for row in await target.rows(COPIES):
        mark = msgspec.json.decode(row.body, type=_Mark)
        if mark.source != name:
            raise BadInput("The target holds the beginning of a copy of something else.")
        return mark
    if await _collections(target):
        raise BadInput("The target has documents already; a copy needs an empty one.")
    mark = _Mark(source=name)
    await _set(target, mark)
    return mark


async def _set(target: Shelf, mark: _Mark) -> None:
    await target.put(COPIES, [Kept(MARK, msgspec.json.encode(mark).decode(), 1)])


async def _collections(shelf: Shelf) -> list[str]:
    return [name for name in await shelf.collections() if name != COPIES]


async def _count(shelf: Shelf) -> dict[str, Count]:
    counts = {}
    for collection in await _collections(shelf):
        number, digest, after = 0, hashlib.sha256(), ""
        while rows := await shelf.rows(collection, after):
            for row in rows:
                digest.update(msgspec.json.encode((row.id, row.version, row.body)))
            number, after = number + len(rows), rows[-1].id
        counts[collection] = Count(collection, number, digest.hexdigest())
    return counts
