"""How often somebody may try: a token bucket for each, in bounded memory.

Whose bucket is full again needs not be remembered, and is dropped when room is needed. Where all are in use, nobody is
forgotten, since whoever comes from many addresses could so have everybody's counted tries forgotten, their own first:
who is not known yet is refused until somebody's bucket is full. `turned_away` counts them.
"""

import heapq
import math
from dataclasses import dataclass

from medinova_rt.errors import TooFast

MAX_CALLERS = 50_000  # 10 MB at most


@dataclass(frozen=True, slots=True)
class Left:
    """What a caller still has of a limit: `tries` at once, and all of them after `full_in_s`."""

    limit: "Limit"
    tries: int
    full_in_s: int


class Limit:
    """`burst` tries at once, then one each `every_s` seconds; times are monotonic."""

    def __init__(self, burst: int, every_s: float, name: str = "tries") -> None:
        self.burst = burst
        self.every_s = every_s
        self.name = name
        self.turned_away = 0
        self._spent_until: dict[str, float] = {}  # when the bucket of the caller is full again
        self._queue: list[tuple[float, str]] = []  # a heap: each of them, by an instant before which it is not full

    @property
    def window_s(self) -> int:
        """In which an empty bucket fills."""
        return max(1, math.ceil(self.burst * self.every_s))

    def take(self, caller: str, now: float, tries: int = 1) -> None:
        """Count one try, or more; raises TooFast, which does not count."""
        full_at = self._full_at(caller, now, tries)
        self._admit(caller, now)
        self._put(caller, full_at)

    def _put(self, caller: str, full_at: float) -> None:
        if caller not in self._spent_until:
            heapq.heappush(self._queue, (full_at, caller))
        self._spent_until[caller] = full_at

    def _admit(self, caller: str, now: float) -> None:
        """Raise TooFast for somebody new where there is no room."""
        if caller in self._spent_until or len(self._spent_until) < MAX_CALLERS:
            return
        while self._queue and self._queue[0][0] <= now:
            _, known = self._queue[0]
            if (full_at := self._spent_until[known]) > now:
                heapq.heapreplace(self._queue, (full_at, known))
            else:
                heapq.heappop(self._queue)
                del self._spent_until[known]
        if len(self._spent_until) >= MAX_CALLERS:
            self.turned_away += 1
            raise TooFast("Too many others are trying; wait a moment.", max(1.0, self._queue[0][0] - now))

    def charge(self, caller: str, now: float) -> None:
        """Count what was under way when others used the rest up: it is waited for, too, up to another burst. There is
        room for it, as many as are under way at once."""
        owed_until = max(self._spent_until.get(caller, now), now) + self.every_s
        self._put(caller, min(owed_until, now + 2 * self.burst * self.every_s))

    def check(self, caller: str, now: float) -> None:
        """Raise TooFast where a try would be refused; counts nothing, so that only what fails need be counted."""
        self._full_at(caller, now, 1)
        self._admit(caller, now)

    def left(self, caller: str, now: float) -> Left:
        owed_s = max(0.0, self._spent_until.get(caller, now) - now)
        return Left(self, max(0, self.burst - math.ceil(owed_s / self.every_s - 1e-9)), math.ceil(owed_s))

    def _full_at(self, caller: str, now: float, tries: int) -> float:
        full_at = max(self._spent_until.get(caller, now), now) + self.every_s * tries
        wait_s = full_at - now - self.burst * self.every_s
        if wait_s > 1e-9:
            raise TooFast("Too many tries; wait a moment.", wait_s)
        return full_at
