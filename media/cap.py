"""When a two-party visit's sender is told to stay below what its one receiver can take.

Passed on as it is, an estimate would lock a sender at the rate of a still picture: a receiver can't say more than it
gets (REMB), and our own estimate proves little more than what was sent. So it counts only while the receiver is in
trouble, and for a while after: its loss or its delay rises, or its estimate has fallen below what is sent. (An estimate
that is merely lower says nothing: after a still picture it takes a while to learn.) Who sends no more than a still
picture and a voice is not the cause, and no cap would help. Once capped, a sender that fills the cap stays capped, and
climbs with the estimate: let go, it would fill the bottleneck's queue anew every few seconds. With three or more in a
visit nobody's receiver caps anybody: use it for none of them.

Browsers say REMB by their first encoding's reports, so one that sends only its largest layer, as ours do, says none
(Chromium 156 and Firefox 153, seen). What counts then is what was not lost of what was sent.
"""

from collections import deque
from dataclasses import replace

from media.engine import DownEstimate

FLOOR_BPS = 250_000  # never below: a sender at the bottom climbs slowly
HOLD_S = 5.0  # after trouble ended
ARRIVED = 0.9  # of what was not lost, where nobody says what the receiver can take
RISE = 1.08  # of that, a second without loss
LOSS = 0.05  # of what we sent; below it, repair copes
LOSS_STEP = 0.02  # above the average, it rises
DELAY_STEP_S = 0.05  # above the shortest round trip of the last minute
IDLE_BPS = 150_000  # sent for a still picture and a voice
FALLEN = 0.95  # of the estimate before: a queue fills, or much is lost; nothing else lowers an estimate
FILLED = 0.9  # of the estimate
_WINDOW_S = 60.0


class SenderCap:
    """One receiver's; `update` with each of its estimates, in time order."""

    def __init__(self) -> None:
        self._round_trips: deque[tuple[float, float]] = deque()  # (at, s), at most one a second
        self._loss = 0.0  # average
        self._trouble_at: float | None = None
        self._cap_bps: int | None = None
        self._estimate_bps = 0  # the last one
        self._guess_bps = 0  # where the receiver says none

    def update(self, estimate: DownEstimate, now: float) -> int | None:
        """Return what to cap the sender at from now on, in bit/s; None: not at all."""
        if not estimate.bitrate_bps:
            estimate = replace(estimate, bitrate_bps=self._guess(estimate))
        if self._in_trouble(estimate, now):
            self._trouble_at = now
        if estimate.bitrate_bps:
            self._cap_bps = max(FLOOR_BPS, estimate.bitrate_bps)
        return self.at(now)

    def at(self, now: float) -> int | None:
        """Return the same while no estimate comes: one that has fallen silent holds nobody down for longer."""
        if self._trouble_at is None or now - self._trouble_at >= HOLD_S:
            self._cap_bps, self._guess_bps = None, 0
        return self._cap_bps

    def _guess(self, estimate: DownEstimate) -> int:
        if estimate.loss > LOSS:
            self._guess_bps = int(estimate.sent_bps * (1 - estimate.loss) * ARRIVED)
        else:
            self._guess_bps = int(self._guess_bps * RISE)
        return self._guess_bps

    def _in_trouble(self, estimate: DownEstimate, now: float) -> bool:
        loss, average = estimate.loss, self._loss
        self._loss += (loss - average) / 4
        suffers = loss > LOSS or loss > average + LOSS_STEP
        suffers |= self._delayed(estimate.round_trip_s, now)
        before, self._estimate_bps = self._estimate_bps, estimate.bitrate_bps
        fallen = estimate.bitrate_bps < FALLEN * before and estimate.sent_bps > estimate.bitrate_bps
        filled = self._cap_bps is not None and estimate.sent_bps > max(FLOOR_BPS, FILLED * estimate.bitrate_bps)
        return filled or ((suffers or fallen) and estimate.sent_bps > IDLE_BPS)

    def _delayed(self, round_trip_s: float | None, now: float) -> bool:
        if round_trip_s is None:
            return False
        known = self._round_trips
        while known and (known[0][0] < now - _WINDOW_S):
            known.popleft()
        known.append((now, round_trip_s))
        return round_trip_s > min(s for _, s in known) + DELAY_STEP_S
