"""How much one socket may send: token buckets for messages, weighed by what they cost us, and for large ones."""

from collections.abc import Mapping

from signaling.messages import Chat, ClientMessage, End, Offer

LARGE_BYTES = 16 * 1024  # nothing but an offer has a reason to be larger
MAX_BYTES = 128 * 1024  # aiohttp closes with 1009 beyond

COSTS: Mapping[type[ClientMessage], float] = {Offer: 5.0, Chat: 2.0, End: 5.0}  # every other message costs 1


class Bucket:
    """`burst` tokens at first, `per_s` more each second up to as many; times are monotonic seconds."""

    __slots__ = ("_burst", "_filled_at", "_per_s", "_tokens")

    def __init__(self, burst: float, per_s: float, now: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._tokens = burst
        self._filled_at = now

    def take(self, now: float, cost: float = 1.0) -> bool:
        """Pay, if there is enough; a refusal costs nothing."""
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._per_s)
        self._filled_at = now
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True


class Flood:
    """The two buckets of one socket."""

    def __init__(self, now: float) -> None:
        # a page that joins sends about ten messages at once, one that is fought over by its network an offer each 4 s
        self._messages = Bucket(burst=60.0, per_s=10.0, now=now)
        self._large = Bucket(burst=4.0, per_s=0.25, now=now)

    def frame(self, size: int, now: float) -> bool:
        """Whether one more frame of `size` bytes, whatever is in it, is within the bounds."""
        return self._messages.take(now) and (size <= LARGE_BYTES or self._large.take(now))

    def message(self, message: ClientMessage, now: float) -> bool:
        """Whether what it costs beyond its frame is within the bounds."""
        return self._messages.take(now, COSTS.get(type(message), 1.0) - 1.0)
