"""Copies of packets for a recorder: bounded by bytes, in order of arrival, the newest dropped if nobody fetches."""

from media.engine import Tapped

MAX_TAPPED_BYTES = 32 << 20  # some seconds of every camera of a busy clinic


class Taps:
    """`dropped` counts since start."""

    def __init__(self) -> None:
        self._queue: list[Tapped] = []
        self._bytes = 0
        self.dropped = 0

    def put(self, tapped: Tapped) -> None:
        if self._bytes + len(tapped.packet) > MAX_TAPPED_BYTES:
            self.dropped += 1
            return
        self._bytes += len(tapped.packet)
        self._queue.append(tapped)

    def take(self) -> list[Tapped]:
        queue, self._queue, self._bytes = self._queue, [], 0
        return queue
