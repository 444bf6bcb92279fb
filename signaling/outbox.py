"""What is still to be sent on one socket: bounded, and at the bound its reader is too slow.

Nothing is ever dropped from the middle: a page that missed one message would show a lie. A reader that cannot keep up
is closed instead, comes back, and gets everything as it is by then.
"""

import asyncio
from collections import deque

MAX_MESSAGES = 512
MAX_BYTES = 2 * 1024 * 1024  # beside what the kernel and the transport hold (about 64 KiB)


class Outbox:
    def __init__(self) -> None:
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._shut = False

    def put(self, data: bytes) -> bool:
        """False, and nothing kept, when it is full; one message always fits. After `shut` all is dropped."""
        if self._shut:
            return True
        if len(self._queue) >= MAX_MESSAGES or (self._queue and self._bytes + len(data) > MAX_BYTES):
            return False
        self._queue.append(data)
        self._bytes += len(data)
        self._filled.set()
        return True

    async def get(self) -> bytes | None:
        """The next in order; None when there is nothing more to come."""
        while not self._queue:
            if self._shut:
                return None
            self._filled.clear()
            await self._filled.wait()
        data = self._queue.popleft()
        self._bytes -= len(data)
        return data

    def shut(self, *, drop: bool = False) -> None:
        """Take nothing more; what is queued is still handed out, or dropped."""
        self._shut = True
        if drop:
            self._queue.clear()
            self._bytes = 0
        self._filled.set()
