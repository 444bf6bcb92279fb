"""A store from below: its documents as they are kept, version and all, for whoever copies or compares whole stores.

Nothing here knows of preconditions, seals or nouns, so nothing but work on a store that nobody else uses stands on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

COPIES = "copies"  # the collection of the mark that a copy into this store is not finished
MARK = "copy"

MAX_ROWS = 300  # of one reading or writing
MAX_BYTES = 3 << 20  # of JSON, likewise; the emulator takes messages of 4 MiB


@dataclass(frozen=True, slots=True)
class Kept:
    id: str
    body: str  # the document's JSON
    version: int


class Shelf(Protocol):
    """All methods raise Unavailable."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def collections(self) -> list[str]:
        """Return those that have documents, in order of their names."""
        ...

    async def rows(self, collection: str, after: str = "") -> list[Kept]:
        """Return the next documents after that id, in order of their ids and within the bounds; none: that was all."""
        ...

    async def put(self, collection: str, rows: Sequence[Kept]) -> None:
        """Keep them exactly so, whatever was there; within the bounds, all or nothing."""
        ...

    async def remove(self, collection: str, id: str) -> None:
        """Again is fine."""
        ...


def within(rows: Sequence[Kept]) -> list[Kept]:
    """Return as many of the first ones as the bounds allow, at least one."""
    taken: list[Kept] = []
    size = 0
    for row in rows[:MAX_ROWS]:
        size += len(row.body.encode())
        if taken and size > MAX_BYTES:
            break
        taken.append(row)
    return taken
