"""What the engine has to tell, until Python takes it: bounded, in order, the newest dropped when it is full."""

from collections.abc import Callable

from media.engine import Event, Overrun

MAX_EVENTS = 4096  # the loop takes them at once; only a loop that hangs lets them pile up


class Events:
    """`wake` is called once per filling, never from within `take`."""

    def __init__(self) -> None:
        self._queue: list[Event] = []
        self._dropped = 0
        self.dropped = 0  # since start
        self.wake: Callable[[], None] | None = None

    def put(self, event: Event) -> None:
        if len(self._queue) >= MAX_EVENTS:
            self._dropped += 1
            self.dropped += 1
            return
        self._queue.append(event)
        if len(self._queue) == 1 and self.wake is not None:
            self.wake()

    def take(self) -> list[Event]:
        queue, self._queue = self._queue, []
        if self._dropped:
            queue.append(Overrun(self._dropped))
            self._dropped = 0
        return queue
