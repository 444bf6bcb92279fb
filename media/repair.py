"""How much may be sent again in one slot: each packet twice, once a round trip, and a fifth of the slot's rate in all.

A receiver on a bad network asks for more than its network can carry; answering all of it would make the loss worse.
"""

from media.rtp import Seq

MAX_TIMES = 2
MIN_ROUND_TRIP_S = 0.02  # also while it is not known yet
SHARE = 0.2
MAX_BUDGET_BYTES = 30_000  # what a slot may save up: one key frame's worth
FIRST_BUDGET_BYTES = 10_000
MAX_REMEMBERED = 1024  # numbers; oldest out


class RepairLimit:
    __slots__ = ("_budget_bytes", "_sent")

    def __init__(self) -> None:
        self._budget_bytes: float = FIRST_BUDGET_BYTES
        self._sent: dict[Seq, tuple[int, float]] = {}  # number → (times sent again, last time)

    def earn(self, size: int) -> None:
        """A packet of `size` bytes was forwarded."""
        if self._budget_bytes < MAX_BUDGET_BYTES:
            self._budget_bytes += SHARE * size

    def spend(self, seq: Seq, size: int, now: float, round_trip_s: float | None) -> bool:
        """Whether `size` bytes may be sent again for `seq` now; if so, they count as sent."""
        times, last = self._sent.get(seq, (0, float("-inf")))
        if times >= MAX_TIMES or now - last < max(round_trip_s or 0.0, MIN_ROUND_TRIP_S) or size > self._budget_bytes:
            return False
        self._budget_bytes -= size
        self._sent[seq] = (times + 1, now)
        if len(self._sent) > MAX_REMEMBERED:
            del self._sent[next(iter(self._sent))]
        return True
