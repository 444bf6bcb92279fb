"""The Store port on one SQLite file (stdlib `sqlite3`), the default.

One thread writes. It takes every transact that waits, gives each a savepoint, and commits them together: with
`synchronous=FULL` a commit costs a disk flush, and this way many callers share one. A transact that fails rolls back to
its savepoint and leaves its neighbours alone; nobody is answered before the commit is on disk. While one group is being
flushed the next gathers, so the groups grow with the load and nothing ever waits for company.

Others read (sqlite_readers); in WAL mode they neither wait for the writer nor make it wait. A second process may have
the same file open: SQLite's lock tells the writers apart, and whoever finds it held waits.
"""

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from medinova_rt.adapters import sqlite_documents
from medinova_rt.adapters.sqlite_readers import READERS, Read, Readers, at_most, is_busy
from medinova_rt.adapters.store_rules import Rules, check_value, is_id, page
from medinova_rt.errors import Conflict, DomainError, Unavailable
from medinova_rt.logs import Log, code
from medinova_rt.ports import Find, Page, Stored, Token, Write

MAX_PENDING_READS = 1024
MAX_PENDING_WRITES = 4096  # transacts
MAX_PENDING_BYTES = 64 << 20
MAX_GROUP = 512  # transacts in one commit
BUSY_S = 10.0  # how long another process may hold the file before we say Unavailable
PAUSE_S = 0.005

COUNTS = ("transacts", "commits", "conflicts", "busy", "refused", "failed", "reads")

T = TypeVar("T")
_Result = list[Token] | DomainError

log = Log(__name__)


@dataclass(frozen=True, slots=True)
class _Pending:
    writes: Sequence[Write]
    bodies: Sequence[str]
    size: int
    answer: asyncio.Future[list[Token]]


class SqliteStore:
    def __init__(self, path: Path, finds: Sequence[Find] = (), *, scrubs: bool = False) -> None:
        """`scrubs`: what was overwritten or deleted does not stay in the files, which costs more with each commit."""
        self._path = path
        self._scrubs = scrubs
        self._rules = Rules(finds)
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
        self._gate = threading.Condition()  # guards what follows
        self._pending: deque[_Pending] = deque()
        self._pending_bytes = 0
        self._waking = False  # soon
        self._pending_reads = 0
        self._closing = True  # until open
        self._connections: list[sqlite3.Connection] = []
        self._readers: Readers | None = None

    async def open(self) -> None:
        """Make the file (mode 0600) where it is missing; raises Unavailable."""
        self._loop = asyncio.get_running_loop()
        self._writer, connections = await self._loop.run_in_executor(None, self._open_files)
        self._readers = Readers(connections)
        self._thread = threading.Thread(target=self._write_groups, name="store-writer", daemon=True)
        self._closing = False
        self._thread.start()

    async def close(self) -> None:
        """Take nothing more, finish what waits, and let go of the file; again is fine."""
        with self._gate:
            if self._closing:
                return
            self._closing = True
            self._gate.notify()
        await self._loop.run_in_executor(None, self._close_files)

    def listen(self, changed: Callable[[Write], None], lost: Callable[[], None]) -> None:
        """Nobody is told here of what another process writes to the file."""

    def counters(self) -> Mapping[str, int]:
        """Totals since start by `COUNTS`, reads that had to wait for a slow disk, and the transacts `pending` now."""
        return {**self._counts, "slow": self._readers.slow if self._readers else 0, "pending": len(self._pending)}

    async def check(self) -> list[str]:
        """Return what SQLite finds wrong with the file and its indexes; it reads all of it. Raises Unavailable."""

        def look() -> list[str]:
            with contextlib.closing(sqlite3.connect(self._path, timeout=BUSY_S)) as connection:
                return [text for (text,) in connection.execute("PRAGMA integrity_check(20)") if text != "ok"]

        try:
            return await asyncio.to_thread(look)
        except sqlite3.Error as error:
            if is_busy(error):
                raise _unavailable(error) from error
            return ["SQLite cannot read it through"]

    # --- reading ---

    async def get(self, collection: str, id: str) -> Stored | None:
        if not is_id(id):
            return None
        return await self._read(lambda connection, _: sqlite_documents.get(connection, collection, id))

    async def find(
        self,
        find: Find,
        equal: Sequence[str | int | bool] = (),
        *,
        at_least: str | int | None = None,
        below: str | int | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        start = self._rules.position(find, equal, limit, cursor)
        for bound in (at_least, below):
            check_value(bound)
        sql, values = sqlite_documents.select(find, equal, at_least, below, start, limit)

        def read(connection: sqlite3.Connection, most: int | None) -> Page:
            # closed whatever is raised: as long as a cursor is open, all that this connection reads is of its time
            with contextlib.closing(sqlite_documents.rows(connection, sql, values)) as rows:
                return page(find, equal, at_most(most, rows), limit)

        return await self._read(read)

    async def _read(self, read: Read[T]) -> T:
        if self._closing or self._pending_reads >= MAX_PENDING_READS:
            self._counts["refused"] += 1
            raise Unavailable("the store is closed" if self._closing else "the store has too much to read")
        assert self._readers is not None
        self._pending_reads += 1
        try:
            return await self._readers.read(read)
        except sqlite3.Error as error:
            self._counts["failed"] += 1
            raise _unavailable(error) from error
        finally:
            self._pending_reads -= 1
            self._counts["reads"] += 1

    # --- writing ---

    async def transact(self, writes: Sequence[Write]) -> list[Token]:
        """As the port says; raises Unavailable at the bound of the queue. Cancelled, it may or may not be done."""
        bodies = self._rules.bodies(writes)
        answer: asyncio.Future[list[Token]] = asyncio.get_running_loop().create_future()
        size = sum(map(len, bodies))
        with self._gate:
            full = len(self._pending) >= MAX_PENDING_WRITES or self._pending_bytes + size > MAX_PENDING_BYTES
            if self._closing or full:
                self._counts["refused"] += 1
                raise Unavailable("the store is closed" if self._closing else "the store has too much to write")
            self._pending.append(_Pending(writes, bodies, size, answer))
            self._pending_bytes += size
        if not self._waking:
            self._waking = True
            self._loop.call_soon(self._wake)
        return await answer

    def _wake(self) -> None:
        """Once the loop has done what else is ready, so that more may be written with it."""
        self._waking = False
        with self._gate:
            self._gate.notify()

    def _write_groups(self) -> None:
        while group := self._take():
            results = self._commit(group)
            try:
                self._loop.call_soon_threadsafe(_answer, group, results)
            except RuntimeError:
                return  # the loop was closed without us: nobody is left to answer

    def _take(self) -> list[_Pending]:
        """Wait for transacts and take them; nothing only when closing and drained."""
        with self._gate:
            self._gate.wait_for(lambda: self._pending or self._closing)
            group = [self._pending.popleft() for _ in range(min(len(self._pending), MAX_GROUP))]
            self._pending_bytes -= sum(each.size for each in group)
        return group

    def _commit(self, group: Sequence[_Pending]) -> list[_Result]:
        writer = self._writer
        try:
            self._patiently(lambda: writer.execute("BEGIN IMMEDIATE"))
            results = [self._transact(writer, pending) for pending in group]
            writer.execute("COMMIT")
        except Exception as error:  # whatever it is, the callers must hear of it and the thread go on
            log.error("a group of transacts failed", count=len(group), code=code(error))
            self._counts["failed"] += len(group)
            _roll_back(writer)
            return [_unavailable(error) for _ in group]
        self._counts["commits"] += 1
        self._counts["transacts"] += len(group)
        return results

    def _transact(self, writer: sqlite3.Connection, pending: _Pending) -> _Result:
        many = len(pending.writes) > 1  # one alone is done or not, and leaves nothing to roll back
        if many:
            writer.execute("SAVEPOINT one")
        try:
            result: _Result = [
                sqlite_documents.write(writer, write, body)
                for write, body in zip(pending.writes, pending.bodies, strict=True)
            ]
        except Conflict as error:
            if many:
                writer.execute("ROLLBACK TO one")
            self._counts["conflicts"] += 1
            result = error
        if many:
            writer.execute("RELEASE one")
        return result

    # --- the file ---

    def _open_files(self) -> tuple[sqlite3.Connection, list[sqlite3.Connection]]:
        """Return the connection that writes, and those that read."""
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite gives its side files the same mode
            writer = self._connect()
            self._patiently(lambda: sqlite_documents.lay_out(writer, self._rules.finds))
            readers = [self._connect() for _ in range(1 + READERS)]
            for reader in readers:
                reader.execute("PRAGMA query_only = ON")
        except (sqlite3.Error, OSError) as error:
            self._let_go()
            raise _unavailable(error) from error
        except Unavailable:
            self._let_go()
            raise
        return writer, readers

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        self._connections.append(connection)
        connection.execute("PRAGMA synchronous = FULL")
        if self._scrubs:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA wal_autocheckpoint = 1")
            connection.execute("PRAGMA journal_size_limit = 0")  # of the WAL file, when it is begun anew
        return connection

    def _patiently(self, act: Callable[[], object]) -> None:
        """Repeat while another process holds the file, up to a deadline: SQLite's own wait gives up early at times."""
        deadline = time.monotonic() + BUSY_S
        while True:
            try:
                act()
                return
            except sqlite3.OperationalError as error:
                self._counts["busy"] += is_busy(error)
                if not is_busy(error) or time.monotonic() >= deadline:
                    raise
                time.sleep(PAUSE_S)

    def _let_go(self) -> None:
        while self._connections:
            self._connections.pop().close()

    def _close_files(self) -> None:
        self._thread.join()
        if self._readers is not None:
            self._readers.close()
        self._let_go()


def _answer(group: Sequence[_Pending], results: Sequence[_Result]) -> None:
    for pending, result in zip(group, results, strict=True):
        if pending.answer.done():
            continue  # the caller was cancelled
        if isinstance(result, DomainError):
            pending.answer.set_exception(result)
        else:
            pending.answer.set_result(result)


def _roll_back(writer: sqlite3.Connection) -> None:
    try:
        if writer.in_transaction:
            writer.execute("ROLLBACK")
    except sqlite3.Error:
        pass  # SQLite rolls back by itself where it can't be told to


def _unavailable(error: Exception) -> Unavailable:
    damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
    return Unavailable("the store does not answer", permanent=damaged)
