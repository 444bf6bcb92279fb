"""A token bucket: so many a second, and a burst saved up."""


class RateLimit:
    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = self._tokens = burst
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Whether one more is allowed at `now`; if so, it is counted."""
        tokens = self._tokens
        if tokens < self._burst:
            tokens = min(self._burst, tokens + (now - self._at) * self._rate)
        self._at = now
        if tokens < 1:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1
        return True
