"""Who has the floor, without flicker: whoever stops is still named for `HOLD_S`, as people breathe between words."""

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

HOLD_S = 0.5

T = TypeVar("T", bound=Hashable)


class Floor(Generic[T]):
    """`latest` is when each last spoke, in s: the claim to a slot when there are too few (media/slots.py)."""

    def __init__(self) -> None:
        self.latest: dict[T, float] = {}
        self._now: tuple[T, ...] = ()

    def hear(self, speaking: Sequence[T], now: float) -> None:
        """Take the whole list of those heard now, loudest first."""
        self.advance(now)
        self._now = tuple(speaking)
        self.advance(now)

    def advance(self, now: float) -> None:
        for who in self._now:
            self.latest[who] = now

    def named(self, now: float) -> tuple[T, ...]:
        """Those speaking, loudest first, then those who just stopped, the latest first."""
        held = [who for who, at in self.latest.items() if who not in self._now and now - at < HOLD_S]
        return self._now + tuple(sorted(held, key=lambda who: -self.latest[who]))

    def forget(self, who: T) -> None:
        self.latest.pop(who, None)
        self._now = tuple(other for other in self._now if other != who)
