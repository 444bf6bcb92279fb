"""When the packets of one participant arrived: kept until the next transport-wide feedback goes out.

One sequence for all lines of a transport. The answer accepts transport-cc only because this is sent: a sender that was
promised feedback and gets none falls to a few kbit/s.
"""

from media.feedback import TransportFeedback, transport_feedback
from media.rtp import Seq, seq_diff

INTERVAL_S = 0.1  # what libwebrtc itself does by default; half of it costs a server as much again
MAX_PENDING = 400  # packets; a report is sent early at that many


class Arrivals:
    __slots__ = ("_count", "_highest", "_pending", "_reported")

    def __init__(self) -> None:
        self._pending: dict[Seq, int] = {}  # number → µs
        self._highest: Seq | None = None
        self._reported: Seq = -1  # the last number that a report covered
        self._count = 0

    def note(self, sequence: int, now: float) -> bool:
        """Take in a 16-bit transport-wide number; True if a report should go out without waiting."""
        if self._highest is None:
            # far from zero, so that what comes before the first stays positive
            seq = 0x10000 + sequence
            self._highest, self._reported = seq, seq - 1
        else:
            seq = self._highest + seq_diff(sequence, self._highest)
            self._highest = max(self._highest, seq)
        pending = self._pending
        if len(pending) < 2 * MAX_PENDING:  # nobody fetches reports while the path is down
            pending.setdefault(seq, int(now * 1_000_000))
        return len(pending) >= MAX_PENDING

    def report(self, sender: int, media: int) -> list[TransportFeedback]:
        """Return the feedback about everything noted since the last report, usually one packet."""
        if not self._pending:
            return []
        arrivals: list[tuple[int, int | None]] = sorted(self._pending.items())
        self._pending.clear()
        following = self._reported + 1
        if arrivals[0][0] > following:
            arrivals.insert(0, (following, None))
        self._reported = max(self._reported, arrivals[-1][0])
        reports = transport_feedback(sender, media, self._count, arrivals)
        self._count = self._count + len(reports) & 0xFF
        return reports
