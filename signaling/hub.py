"""Everyone connected: who is in which visit, and the tasks and timers behind them."""

from collections.abc import Callable
from datetime import datetime

from media.plane import MediaPlane
from medinova_rt.operations.telemetry import Counters
from medinova_rt.ports import Rooms
from medinova_rt.visits import Visits


class Hub:
    """Made once by the composition root; `rooms` is what the REST side and the jobs get to see of it (ports.Rooms)."""

    rooms: Rooms

    def __init__(
        self, visits: Visits, plane: MediaPlane, counters: Counters, clock: Callable[[], datetime]
    ) -> None: ...

    async def open(self) -> None:
        """Start the timer wheel; the media plane is open by now."""

    async def stop(self) -> None:
        """Tell everyone that the server goes and comes back, close their sockets, let go of media; within 5 s. Idempotent."""
