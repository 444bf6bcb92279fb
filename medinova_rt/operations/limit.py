"""How often somebody may try: a token bucket for each, in bounded memory."""

from collections import OrderedDict

from medinova_rt.errors import TooFast

MAX_CALLERS = 10_000  # the one unheard for longest is forgotten: it has most likely regained its tokens


class Limit:
    """`burst` tries at once, then one each `every_s` seconds; times are monotonic."""

    def __init__(self, burst: int, every_s: float) -> None:
        self.burst = burst
        self.every_s = every_s
        self._spent_until: OrderedDict[str, float] = OrderedDict()  # when the bucket of the caller is full again

    def take(self, caller: str, now: float) -> None:
        """Count one try; raises TooFast, which does not count."""
        full_at = max(self._spent_until.get(caller, now), now) + self.every_s
        wait_s = full_at - now - self.burst * self.every_s
        if wait_s > 1e-9:
            raise TooFast("Too many tries; wait a moment.", wait_s)
        self._spent_until[caller] = full_at
        self._spent_until.move_to_end(caller)
        if len(self._spent_until) > MAX_CALLERS:
            self._spent_until.popitem(last=False)
