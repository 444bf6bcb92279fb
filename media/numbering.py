"""Which number a forwarded packet gets: an interval map of offsets over one source's sequence numbers.

A packet that is dropped (padding that carries nothing) must leave no gap, or the receiver would take it for a loss and
ask for it again. So every number behind it moves down by one. A late packet must use the offset in force at *its*
number, not the latest one; hence a map, not a counter. The way back, from the number a receiver asks for to the
source's packet, reads the same map.
"""

from media.rtp import Seq

MAX_INTERVALS = 128  # oldest out; packets before it are too late by then


class Numbering:
    """Numbers in: unwrapped, of one source, from `first` on. Numbers out: unwrapped, `first_out` for `first`."""

    __slots__ = ("_starts", "first", "highest", "last")

    def __init__(self, first: Seq, first_out: Seq) -> None:
        self.first = first
        self.highest = first - 1  # the newest number seen, forwarded or dropped
        self.last: Seq | None = None  # nothing beyond it is forwarded any more
        self._starts: list[tuple[Seq, int]] = [(first, first_out - first)]  # (from this number on, offset), rising

    def forward(self, seq: Seq) -> Seq | None:
        """Return the number out, or None for what is before the map, dropped, or beyond its end."""
        starts = self._starts
        start, offset = starts[-1]
        if seq < start:
            return self._look_back(seq)
        if self.last is not None and seq > self.last:
            return None
        if seq > self.highest:
            self.highest = seq
        return seq + offset

    def drop(self, seq: Seq) -> Seq | None:
        """Leave `seq` out without a gap; late, its number was passed over already and is returned, to be filled."""
        if seq <= self.highest or self.last is not None:
            return self.forward(seq)
        self.highest = seq
        starts = self._starts
        start, offset = starts[-1]
        if start == seq:
            # drops in a row: the interval between them would be empty
            starts.pop()
        starts.append((seq + 1, offset - 1))
        if len(starts) > MAX_INTERVALS:
            del starts[0]
        return None

    def close(self) -> None:
        """Forward nothing newer than what was seen; what is late keeps its number."""
        self.last = self.highest

    def source_of(self, out: Seq) -> Seq | None:
        """Return the number in that went out as `out`, or None if none did."""
        for start, offset in reversed(self._starts):
            if out >= start + offset:
                return out - offset if out - offset <= self.highest else None
        return None

    def _look_back(self, seq: Seq) -> Seq | None:
        following = sum(self._starts[-1])  # the first number that the interval behind gives away
        for start, offset in reversed(self._starts[:-1]):
            if seq >= start:
                return seq + offset if seq + offset < following else None
            following = start + offset
        return None
