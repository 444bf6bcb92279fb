"""What was read from the store a moment ago, so that not every request reads it again.

Bounds: `LIFE` old, whatever the caller's clock does, and `limit` many, of which the one read longest ago goes. A change
made in this process is told by `forget` and counts from the next question on; one made in another is seen once what is
held has grown old. That there is nothing is not remembered: whoever asks for made-up ids pushes nobody out.
"""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

LIFE = timedelta(seconds=4)  # with the time to read and to answer: below the 5 s in which a revocation is promised

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Held(Generic[V]):
    value: V
    read_at: datetime
    until: datetime


class Remembered(Generic[K, V]):
    def __init__(self, load: Callable[[K, datetime], Awaitable[tuple[V, datetime] | None]], limit: int) -> None:
        """`load` returns the value and until when it is sure to be right, unless somebody writes."""
        self._load = load
        self._limit = limit
        self._held: dict[K, _Held[V]] = {}  # in the order of reading
        self._loading: dict[K, object] = {}

    def __len__(self) -> int:
        return len(self._held)

    async def get(self, key: K, now: datetime) -> V | None:
        held = self._held.get(key)
        if held is not None and held.read_at <= now < held.until:
            return held.value
        return await self._read(key, now)

    def forget(self, key: K) -> None:
        """Also what is being read at this moment: it may have been read before the change."""
        self._held.pop(key, None)
        self._loading.pop(key, None)

    def forget_all(self) -> None:
        self._held.clear()
        self._loading.clear()

    async def _read(self, key: K, now: datetime) -> V | None:
        mine = self._loading[key] = object()
        try:
            found = await self._load(key, now)
        finally:
            is_last = self._loading.get(key) is mine
            if is_last:
                del self._loading[key]
        if found is None:
            self._held.pop(key, None)
            return None
        value, until = found
        if is_last:
            self._held.pop(key, None)
            self._held[key] = _Held(value, now, min(until, now + LIFE))
            if len(self._held) > self._limit:
                del self._held[next(iter(self._held))]
        return value
