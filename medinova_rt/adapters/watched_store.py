"""A Store that tells what is written through it: whoever remembers a document forgets it before the writer is answered.

It stands between all of this process and its store, so that no use case can forget to tell.
"""

from collections.abc import Callable, Mapping, Sequence

from medinova_rt.ports import Find, Page, Store, Stored, Token, Write


class WatchedStore:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._watchers: dict[str, list[Callable[[Write], None]]] = {}

    def watch(self, watchers: Mapping[str, Callable[[Write], None]]) -> None:
        """Call each for every write to its collection, also for one that failed or whose outcome is not known."""
        for collection, watcher in watchers.items():
            self._watchers.setdefault(collection, []).append(watcher)

    async def get(self, collection: str, id: str) -> Stored | None:
        return await self._store.get(collection, id)

    async def find(
        self,
        find: Find,
        equal: Sequence[str | int | bool] = (),
        *,
        at_least: str | int | None = None,
        below: str | int | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        return await self._store.find(find, equal, at_least=at_least, below=below, limit=limit, cursor=cursor)

    async def transact(self, writes: Sequence[Write]) -> list[Token]:
        try:
            return await self._store.transact(writes)
        finally:
            for write in writes:
                for watcher in self._watchers.get(write.collection, ()):
                    watcher(write)
