"""How often a stranger may try: a token bucket per address, in bounded memory."""

from collections import OrderedDict

from medinova_rt.errors import TooFast
from medinova_rt.operations.network import network

MAX_ADDRESSES = 10_000  # the one unheard for longest is forgotten: it has most likely regained its tokens


class Limit:
    """`burst` tries at once, then one each `every_s` seconds; times are monotonic."""

    def __init__(self, burst: int, every_s: float) -> None:
        self.burst = burst
        self.every_s = every_s
        self._spent_until: OrderedDict[str, float] = OrderedDict()  # when the bucket of the address is full again

    def take(self, address: str, now: float) -> None:
        """Count one try; raises TooFast, which does not count."""
        key = network(address)
        full_at = max(self._spent_until.get(key, now), now) + self.every_s
        wait_s = full_at - now - self.burst * self.every_s
        if wait_s > 1e-9:
            raise TooFast("Too many tries from this address; wait a moment.", wait_s)
        self._spent_until[key] = full_at
        self._spent_until.move_to_end(key)
        if len(self._spent_until) > MAX_ADDRESSES:
            self._spent_until.popitem(last=False)
