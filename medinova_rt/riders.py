"""A write that rides along: done exactly when the first change of a request is done, in the same transact.

So a mark that says "this request was carried out" can neither come without the act nor be missing after it, wherever
the process dies. Whoever handles the request knows nothing of it: the store that the application is given appends the
rider of the present request (a context variable) to the first transact that succeeds, and takes its token off the
answer. Where the rider's precondition fails, somebody else has taken the request over, and the act fails with it, as a
Conflict.

A store takes `MAX_RIDERS` writes more than whoever writes may ask for, so that a full transact has room for it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum

from medinova_rt.layered import LayeredStore
from medinova_rt.ports import MAX_TRANSACT_WRITES, Replace, Store, Token, Write


class _State(Enum):
    WAITING = 1
    UNDER_WAY = 2  # others of the same request go alone meanwhile
    ARRIVED = 3
    OVER = 4  # the request is; a task that it left behind carries nobody


class Rider:
    """`token` is that of its document: the one the write was made for, after the ride the new one."""

    def __init__(self, write: Replace) -> None:
        self.write = write
        self.token = write.token
        self._state = _State.WAITING

    @property
    def has_arrived(self) -> bool:
        return self.token != self.write.token

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While entered, the first transact of this task, or of one that it starts, takes the rider along."""
        before = _RIDER.set(self)
        try:
            yield
        finally:
            _RIDER.reset(before)
            self._state = _State.OVER

    async def join(self, store: Store, writes: Sequence[Write]) -> list[Token]:
        if self._state is not _State.WAITING:
            return await store.transact(writes)
        self._state = _State.UNDER_WAY
        try:
            *tokens, self.token = await store.transact([*writes, self.write])
            self._state = _State.ARRIVED
        finally:
            if self._state is _State.UNDER_WAY:
                self._state = _State.WAITING  # nothing was done, or nobody knows: a second ride would be a Conflict
        return tokens


_RIDER: ContextVar[Rider | None] = ContextVar("rider", default=None)


class RidingStore(LayeredStore):
    """The Store port over another store, with room for riders."""

    async def transact(self, writes: Sequence[Write]) -> list[Token]:
        if len(writes) > MAX_TRANSACT_WRITES:
            raise RuntimeError("a transact has too many writes")
        rider = _RIDER.get()
        return await (self._below.transact(writes) if rider is None else rider.join(self._below, writes))
