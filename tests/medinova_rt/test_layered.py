from collections.abc import Sequence

import pytest

from medinova_rt.adapters.local import MemoryStore
from medinova_rt.layered import LayeredStore
from medinova_rt.ports import Find, Insert, Store, Token, Write

BY_SIZE = Find("things", equal=("kind",), ordered_by="size")


class Counting(LayeredStore):
    """Says no more than what differs."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.writes = 0

    async def transact(self, writes: Sequence[Write]) -> list[Token]:
        self.writes += len(writes)
        return await super().transact(writes)


@pytest.mark.parametrize("layers", [1, 3])
async def test_it_answers_as_the_store_below_would(layers: int) -> None:
    below = MemoryStore((BY_SIZE,))
    await below.open()
    store: Store = below
    for _ in range(layers):
        store = Counting(store)
    made = [Insert("things", f"t-{n}", {"clinic": "cli-1", "schema": 1, "kind": "box", "size": n}) for n in range(6)]
    tokens = await store.transact(made)
    assert isinstance(store, Counting)
    assert store.writes == 6
    got = await store.get("things", "t-2")
    assert (got, got and got.token) == (await below.get("things", "t-2"), tokens[2])
    page = await store.find(BY_SIZE, ("box",), at_least=1, below=5, limit=2)
    assert [row.id for row in page.rows] == ["t-1", "t-2"]
    rest = await store.find(BY_SIZE, ("box",), at_least=1, below=5, limit=9, cursor=page.cursor)
    assert [row.id for row in rest.rows] == ["t-3", "t-4"]
    await below.close()
