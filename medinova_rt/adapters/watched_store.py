"""A Store that tells what is written through it: whoever remembers a document forgets it before the writer is answered.

It stands between all of this process and its store, so that no use case can forget to tell.
"""

from collections.abc import Callable, Mapping, Sequence

from medinova_rt.layered import LayeredStore
from medinova_rt.ports import Store, Token, Write


class WatchedStore(LayeredStore):
    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._watchers: dict[str, list[Callable[[Write], None]]] = {}

    def watch(self, watchers: Mapping[str, Callable[[Write], None]]) -> None:
        """Call each for every write to its collection, also for one that failed or whose outcome is not known."""
        for collection, watcher in watchers.items():
            self._watchers.setdefault(collection, []).append(watcher)

    async def transact(self, writes: Sequence[Write]) -> list[Token]:
        try:
            return await self._below.transact(writes)
        finally:
            for write in writes:
                for watcher in self._watchers.get(write.collection, ()):
                    watcher(write)
