"""One timer wheel for all of signalling: heartbeats, the hello deadline, holds and grace periods.

A hashed wheel with rounds (Varghese and Lauck 1987, scheme 6): starting and stopping a timer costs the same at ten or
at a hundred thousand of them, and one task ticks for all, where a task or a heap entry per socket would grow with the
load. Times are monotonic seconds. A timer fires up to two ticks late, never early.
"""

import asyncio
import math
from collections.abc import Callable

from medinova_rt.logs import Log

log = Log(__name__)

TICK_S = 0.25
SPOKES = 256  # one turn is 64 s: nearly every timer fires in its first


class Timer:
    __slots__ = ("_callback", "_due")

    def __init__(self, due: int, callback: Callable[[], None]) -> None:
        self._due = due  # counted in ticks since the wheel was made
        self._callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Idempotent, and harmless after firing; the spoke lets go of it when the hand comes by."""
        self._callback = None


class Wheel:
    def __init__(self, now: float, tick_s: float = TICK_S) -> None:
        self._tick_s = tick_s
        self.now = now  # as of the last tick
        self._start = now
        self._hand = 0  # ticks already passed
        self._spokes: list[list[Timer]] = [[] for _ in range(SPOKES)]

    def start(self, now: float) -> None:
        """Count from `now` on; timers made before keep their delays."""
        self.now = now
        self._start = now - self._hand * self._tick_s

    def after(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Have `callback` called once, `delay_s` from the last tick or up to a tick later."""
        # one tick more than the delay, since the present tick has already begun
        timer = Timer(self._hand + math.ceil(max(delay_s, 0.0) / self._tick_s) + 1, callback)
        self._spokes[timer._due % SPOKES].append(timer)
        return timer

    def advance(self, now: float) -> int:
        """Fire what is due by `now`, in order of ticks; return how many. One callback's exception stops no other."""
        self.now = max(self.now, now)
        fired = 0
        target = int((now - self._start) / self._tick_s)
        while self._hand < target:
            self._hand += 1
            fired += self._fire(self._hand)
        return fired

    def _fire(self, tick: int) -> int:
        spoke = self._spokes[tick % SPOKES]
        due = [timer for timer in spoke if timer._callback and timer._due <= tick]
        spoke[:] = [timer for timer in spoke if timer._callback and timer._due > tick]
        for timer in due:
            callback, timer._callback = timer._callback, None
            if callback is None:  # cancelled by a timer that fired just before
                continue
            try:
                callback()
            except Exception:
                log.exception("a timer's callback failed")
        return len(due)

    async def run(self) -> None:
        """Tick until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._tick_s)
            self.advance(loop.time())

    def __len__(self) -> int:
        return sum(1 for spoke in self._spokes for timer in spoke if timer._callback)
