"""The store at the bottom, as the settings say: SQLite in the data folder, or Google Firestore.

Firestore's library is imported only where it is chosen; it comes with the extra `firestore`.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.config import firestore_place
from medinova_rt.errors import Unavailable
from medinova_rt.folder import CannotStart
from medinova_rt.ports import Find, Store, Write
from medinova_rt.shelf import COPIES, MARK


class Backing(Store, Protocol):
    """A store that is opened and closed, by whoever made it."""

    async def open(self) -> None:
        """Raises Unavailable."""
        ...

    async def close(self) -> None: ...

    def listen(self, changed: Callable[[Write], None], lost: Callable[[], None]) -> None:
        """Tell of what other processes write, where that can be heard; `lost`: some may have been missed."""
        ...

    def counters(self) -> Mapping[str, int]: ...


def backing(
    place: str, file: Path, finds: Sequence[Find], told: Sequence[str] = (), *, scrubs: bool = False
) -> Backing:
    """Return the store at that place, or in the file if there is none named; raises CannotStart.

    `told`: the collections whose changes other processes may want to hear of; `scrubs`: as of `SqliteStore`.
    """
    if not place:
        return SqliteStore(file, finds, scrubs=scrubs)
    with firestore_missing():
        from medinova_rt.adapters.firestore_store import FirestoreStore
    project, database = firestore_place(place)
    return FirestoreStore(project, database, finds, told=told)


@contextlib.contextmanager
def firestore_missing() -> Iterator[None]:
    """Raises CannotStart where Firestore's library is imported and is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise CannotStart("Firestore needs what `pip install 'medinova-rt[firestore]'` brings.") from error


async def opened(store: Backing, place: str, file: Path) -> None:
    """Raises CannotStart, with a sentence that says where to look."""
    try:
        await store.open()
    except Unavailable as error:
        why = (
            "MEDINOVA_STORE: there is no such database of Firestore, or no right to it"
            if error.permanent
            else "MEDINOVA_STORE: Firestore does not answer"
        )
        raise CannotStart(f"{why}." if place else f"MEDINOVA_DATA: {file.name} cannot be opened.") from error
    if await store.get(COPIES, MARK) is not None:
        await store.close()
        raise CannotStart("The store is half of a copy: run `medinova store copy` again, which goes on with it.")
