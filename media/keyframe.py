"""When to ask a sender for a key frame: at once, then not again until it had time to answer.

A key frame costs several ordinary ones. Everybody who joins, loses packets or is switched wants one; the sender gets
one request for all of them. A request or its answer can be lost, so it is repeated until a key frame is seen.
"""

INTERVAL_S = 0.5


class KeyFrameRequests:
    """`ask` whenever one is wanted, `seen` when one begins, `due` on every tick: True means send a request now."""

    __slots__ = ("_asked_at", "wanted")

    def __init__(self) -> None:
        self.wanted = False
        self._asked_at = float("-inf")

    def ask(self) -> None:
        self.wanted = True

    def seen(self) -> None:
        self.wanted = False

    def due(self, now: float) -> bool:
        if not self.wanted or now - self._asked_at < INTERVAL_S:
            return False
        self._asked_at = now
        return True
