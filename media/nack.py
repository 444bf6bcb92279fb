"""Which packets of a video stream to ask the sender for again (RFC 4585 §6.2.1).

A number skipped is asked for when it stayed away a little longer than reordering explains, once more a round trip
later, and then never again: by then the receivers ask for a key frame. A gap too wide to repair is answered with a key
frame at once. Audio is not asked for: Opus conceals, and a pause (DTX) is no loss.
"""

from media.rtp import Seq

REORDER_S = 0.02
MAX_TRIES = 2
MAX_MISSING = 256  # more at once, and repair would cost more than a key frame
MAX_AGE_S = 1.0
SHARE = 0.2  # of the packets received may be asked for again
BURST = 64.0  # packets; what may be asked for before the share tells
MIN_ROUND_TRIP_S = 0.03


class NackList:
    """The missing packets of one up stream. `given_up` counts those that never came."""

    __slots__ = ("_budget", "_missing", "given_up")

    def __init__(self) -> None:
        self._missing: dict[Seq, list[float]] = {}  # seq → [noticed at, tries, next try at]
        self._budget = BURST
        self.given_up = 0

    def received(self, seq: Seq, highest: Seq, now: float) -> bool:
        """Take in a packet, `highest` being the newest before it; False if the gap is beyond repair."""
        if self._budget < BURST:
            self._budget += SHARE
        if seq <= highest:
            self._missing.pop(seq, None)
            return True
        if seq == highest + 1:
            return True
        if seq - highest - 1 + len(self._missing) > MAX_MISSING:
            self.given_up += len(self._missing)
            self._missing.clear()
            return False
        for missing in range(highest + 1, seq):
            self._missing[missing] = [now, 0, now + REORDER_S]
        return True

    def due(self, now: float, round_trip_s: float) -> list[Seq]:
        """Return the numbers to ask for now, oldest first."""
        asked = []
        for seq, entry in list(self._missing.items()):
            noticed_at, tries, next_at = entry
            if now < next_at:
                continue
            if tries >= MAX_TRIES or now - noticed_at > MAX_AGE_S:
                del self._missing[seq]
                self.given_up += 1
            elif self._budget >= 1:
                self._budget -= 1
                entry[1] = tries + 1
                entry[2] = now + max(round_trip_s, MIN_ROUND_TRIP_S)
                asked.append(seq)
        return asked

    def __len__(self) -> int:
        return len(self._missing)
