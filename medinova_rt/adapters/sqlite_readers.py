"""How one SQLite file is read: what is short at once, in the event loop; what may be long, in threads.

A document by its id, or a short page, is had from memory in less time than it takes to wake a thread and be woken by
it. So it is read where it is asked for; a page that turns out to be longer is read anew in a thread. Where the disk
turns out to be slow (a read took over `SLOW_S`, and its pages were not in memory), all reads go to the threads for
`SHY_S`, and the loop waits for none of them. Whoever reads much in a row lets others go on in between.
"""

import asyncio
import queue
import resource
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

READERS = 4
SHORT = 50  # rows at most that are read in the loop
SLOW_S = 0.005
SUSPECT_S = 1.0
SHY_S = 10.0
MAX_IN_A_ROW = 32  # reads in one turn of the loop; after each further one its task waits for the next turn

T = TypeVar("T")
R = TypeVar("R")
Read = Callable[[sqlite3.Connection, int | None], T]  # how many rows it may read before it is `Long`


class Long(Exception):  # no fault: it is read elsewhere
    """There are more rows than may be read here."""


class Readers:
    """Owns none of the connections; the first is for the loop, there is one more for each thread."""

    def __init__(self, connections: Sequence[sqlite3.Connection]) -> None:
        self._here = connections[0]
        self._here.execute("PRAGMA busy_timeout = 0")  # who restores the file after a crash is waited for in a thread
        self._elsewhere: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        for connection in connections[1:]:
            self._elsewhere.put(connection)
        self._pool = ThreadPoolExecutor(len(connections) - 1, thread_name_prefix="store-reader")
        self._shy_until = 0.0
        self._in_a_row = 0  # reads in this turn of the loop
        self._blocks = 0  # read from the disk when it was looked at last
        self._looked_at = float("-inf")
        self.slow = 0  # reads

    async def read(self, read: Read[T]) -> T:
        """Raises whatever `read` does, but for `Long`."""
        began = time.monotonic()
        if began < self._shy_until:
            return await self._in_thread(read)
        try:
            found = read(self._here, SHORT)
        except Long:
            return await self._in_thread(read)
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            return await self._in_thread(read)
        if time.monotonic() - began > SLOW_S and self._waited_for_disk(began):
            self.slow += 1
            self._shy_until = began + SHY_S
        await self._let_others()
        return found

    async def _in_thread(self, read: Read[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read_elsewhere, read)

    def _waited_for_disk(self, now: float) -> bool:
        """Or was it the processor, which others have as well: then a thread would be no faster.

        The first of several slow reads only begins the count of what this thread reads from the disk: what it read long
        before says nothing.
        """
        before, self._blocks = self._blocks, resource.getrusage(resource.RUSAGE_THREAD).ru_inblock
        is_recent, self._looked_at = now - self._looked_at < SUSPECT_S, now
        return is_recent and self._blocks > before

    async def _let_others(self) -> None:
        if not self._in_a_row:
            asyncio.get_running_loop().call_soon(self._turn)
        self._in_a_row += 1
        if self._in_a_row > MAX_IN_A_ROW:
            await asyncio.sleep(0)

    def _turn(self) -> None:
        self._in_a_row = 0

    def close(self) -> None:
        """Finish what waits; blocks."""
        self._pool.shutdown()

    def _read_elsewhere(self, read: Read[T]) -> T:
        connection = self._elsewhere.get()
        try:
            return read(connection, None)
        finally:
            self._elsewhere.put(connection)


def at_most(most: int | None, rows: Iterable[R]) -> Iterator[R]:
    """Raises Long at the row that is one too many."""
    for count, row in enumerate(rows):
        if count == most:
            raise Long
        yield row


def is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else holds the file."""
    code: int = getattr(error, "sqlite_errorcode", 0)  # the module's own errors have none
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
