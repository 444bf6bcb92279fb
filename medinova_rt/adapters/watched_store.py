"""A Store that tells what is written through it: whoever remembers a document forgets it before the writer is answered.

It stands between all of this process and its store, so that no use case can forget to tell. A store that hears of what
other processes write tells that by `tell`, and by `lose` that it may have missed some of it.
"""

from collections.abc import Callable, Mapping, Sequence

from medinova_rt.layered import LayeredStore
from medinova_rt.ports import Store, Token, Write


class WatchedStore(LayeredStore):
    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._watchers: dict[str, list[Callable[[Write], None]]] = {}
        self._forgetful: list[Callable[[], None]] = []

    def watch(self, watchers: Mapping[str, Callable[[Write], None]], forget_all: Callable[[], None]) -> None:
        """Call each for every write to its collection, also for one that failed or whose outcome is not known.

        The token of a write made elsewhere fits nothing.
        """
        self._forgetful.append(forget_all)
        for collection, watcher in watchers.items():
            self._watchers.setdefault(collection, []).append(watcher)

    async def transact(self, writes: Sequence[Write]) -> list[Token]:
        try:
            return await self._below.transact(writes)
        finally:
            for write in writes:
                self.tell(write)

    def tell(self, write: Write) -> None:
        for watcher in self._watchers.get(write.collection, ()):
            watcher(write)

    def lose(self) -> None:
        for forget_all in self._forgetful:
            forget_all()
