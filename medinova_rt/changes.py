"""One compare-and-set on one document, the same for every noun: read, decide, write; the loser begins again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from msgspec import Struct

from medinova_rt import documents
from medinova_rt.errors import Changed, Conflict, NotFound
from medinova_rt.ports import Replace, Store, Stored, Token, Write

ATTEMPTS = 8

S = TypeVar("S", bound=Struct)


@dataclass(frozen=True, slots=True)
class Held(Generic[S]):
    """A document as it stood when it was read."""

    value: S
    version: int
    token: Token

    def replacing(self, collection: str, id: str, value: S) -> Replace:
        return Replace(collection, id, documents.encode(value), self.token)


Read = Callable[[Stored], S]
Decide = Callable[[S], tuple[S, Sequence[Write]]]


async def held(store: Store, collection: str, id: str, read: Read[S]) -> Held[S] | None:
    stored = await store.get(collection, id)
    return None if stored is None else Held(read(stored), stored.version, stored.token)


async def change(
    store: Store, collection: str, id: str, read: Read[S], decide: Decide[S], expected: int | None = None
) -> Held[S]:
    """Apply `decide`, which returns the new value (the same object: no change) and what is written along with it.

    `expected`: the version that the caller has read; None takes whichever there is. Raises NotFound, Changed, Conflict
    when others were faster `ATTEMPTS` times, and whatever `decide` raises.
    """
    for _ in range(ATTEMPTS):
        before = await held(store, collection, id, read)
        if before is None:
            raise NotFound("there is no such thing here")
        if expected is not None and before.version != expected:
            raise Changed("it was changed since you read it; read it again")
        after, along = decide(before.value)
        if after is before.value:
            if along:
                await store.transact(along)
            return before
        try:
            token, *_ = await store.transact([before.replacing(collection, id, after), *along])
        except Conflict:
            continue
        return Held(after, before.version + 1, token)
    raise Conflict("others are changing this; try again")
