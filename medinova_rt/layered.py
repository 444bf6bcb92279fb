"""A store over another store: it passes everything through, and whoever inherits says what it does on the way.

`_below` is the store underneath. What a layer answers is the Store port again, so layers can be put on each other in
any order; the one in use is in `medinova_rt.cabinet`.
"""

from collections.abc import Sequence

from medinova_rt.ports import Find, Page, Store, Stored, Token, Write


class LayeredStore:
    def __init__(self, store: Store) -> None:
        self._below = store

    async def get(self, collection: str, id: str) -> Stored | None:
        return await self._below.get(collection, id)

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
        return await self._below.find(find, equal, at_least=at_least, below=below, limit=limit, cursor=cursor)

    async def transact(self, writes: Sequence[Write]) -> list[Token]:
        return await self._below.transact(writes)
