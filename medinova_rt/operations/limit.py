"""How often somebody may try: a token bucket for each, in bounded memory."""

import math
from collections import OrderedDict
from dataclasses import dataclass

from medinova_rt.errors import TooFast

MAX_CALLERS = 10_000  # the one unheard for longest is forgotten: it has most likely regained its tokens


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
        self._spent_until: OrderedDict[str, float] = OrderedDict()  # when the bucket of the caller is full again

    @property
    def window_s(self) -> int:
        """In which an empty bucket fills."""
        return max(1, math.ceil(self.burst * self.every_s))

    def take(self, caller: str, now: float, tries: int = 1) -> None:
        """Count one try, or more; raises TooFast, which does not count."""
        self._put(caller, self._full_at(caller, now, tries))

    def _put(self, caller: str, full_at: float) -> None:
        self._spent_until[caller] = full_at
        self._spent_until.move_to_end(caller)
        if len(self._spent_until) > MAX_CALLERS:
            self._spent_until.popitem(last=False)

    def charge(self, caller: str, now: float) -> None:
        """Count what was under way when others used the rest up: it is waited for, too, up to another burst."""
        owed_until = max(self._spent_until.get(caller, now), now) + self.every_s
        self._put(caller, min(owed_until, now + 2 * self.burst * self.every_s))

    def check(self, caller: str, now: float) -> None:
        """Raise TooFast where a try would be refused; counts nothing, so that only what fails need be counted."""
        self._full_at(caller, now, 1)

    def left(self, caller: str, now: float) -> Left:
        owed_s = max(0.0, self._spent_until.get(caller, now) - now)
        return Left(self, max(0, self.burst - math.ceil(owed_s / self.every_s - 1e-9)), math.ceil(owed_s))

    def _full_at(self, caller: str, now: float, tries: int) -> float:
        full_at = max(self._spent_until.get(caller, now), now) + self.every_s * tries
        wait_s = full_at - now - self.burst * self.every_s
        if wait_s > 1e-9:
            raise TooFast("Too many tries; wait a moment.", wait_s)
        return full_at
