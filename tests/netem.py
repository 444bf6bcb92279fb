"""A network in memory: seeded loss, delay, jitter, reordering, duplication and a bottleneck, in virtual time.

Nothing waits: `Network.run` advances its own clock from event to event, so minutes of a call take a second and give the
same packets each time.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

Deliver = Callable[[bytes, float], None]


@dataclass(slots=True)
class Link:
    """One direction. Change it while the network runs; `rate_bps` None is no bottleneck."""

    delay_s: float = 0.01
    jitter_s: float = 0.0  # up to so much more, in order all the same
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0  # this share overtakes nobody: it comes 30 ms later
    rate_bps: float | None = None
    queue_s: float = 0.3  # the bottleneck's queue; what doesn't fit is lost
    down: bool = False
    free_at: float = 0.0  # when the bottleneck is idle again
    last_at: float = 0.0  # when the newest in-order datagram arrives
    lost: int = 0
    passed: int = 0


class Network:
    def __init__(self, seed: int = 1, now: float = 1000.0) -> None:
        self.now = now
        self._random = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, when: float, call: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, call))

    def every(self, interval_s: float, call: Callable[[], None]) -> None:
        def again() -> None:
            call()
            self.at(self.now + interval_s, again)

        self.at(self.now, again)

    def send(self, datagram: bytes, link: Link, deliver: Deliver) -> None:
        """Put a datagram on the link; `deliver(datagram, now)` is called for each copy that gets through."""
        if link.down or self._random.random() < link.loss:
            link.lost += 1
            return
        start = self.now
        if link.rate_bps is not None:
            start = max(start, link.free_at)
            if start - self.now > link.queue_s:
                link.lost += 1
                return
            start += len(datagram) * 8 / link.rate_bps
            link.free_at = start
        arrival = max(start + link.delay_s + self._random.random() * link.jitter_s, link.last_at)
        if self._random.random() < link.reorder:
            arrival += 0.03
        else:
            link.last_at = arrival
        link.passed += 1
        copies = 2 if self._random.random() < link.duplicate else 1
        for _ in range(copies):
            self.at(arrival, lambda: deliver(datagram, self.now))

    def run(self, seconds: float) -> None:
        """Let that much time pass."""
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, call = heapq.heappop(self._events)
            call()
        self.now = end
