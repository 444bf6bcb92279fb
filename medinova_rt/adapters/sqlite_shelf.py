"""A SQLite store from below. While it is open, nobody else can write to the file."""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from secrets import token_hex
from typing import TypeVar

from medinova_rt.adapters import sqlite_documents
from medinova_rt.errors import Unavailable
from medinova_rt.ports import Find
from medinova_rt.shelf import MAX_ROWS, Kept, within

BUSY_S = 5.0

PUT = "INSERT OR REPLACE INTO documents (collection, id, version, token, body) VALUES (?, ?, ?, ?, ?)"
ROWS = "SELECT id, body, version FROM documents WHERE collection = ? AND id > ? ORDER BY id LIMIT ?"

T = TypeVar("T")


class SqliteShelf:
    """Its calls follow each other; each is a thread's work."""

    def __init__(self, path: Path, finds: Sequence[Find]) -> None:
        self._path = path
        self._finds = frozenset(finds)
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        await self._do(self._open)

    async def close(self) -> None:
        if self._connection is not None:
            await self._do(self._close)

    async def collections(self) -> list[str]:
        sql = "SELECT DISTINCT collection FROM documents ORDER BY collection"
        return await self._do(lambda: [name for (name,) in self._held.execute(sql)])

    async def rows(self, collection: str, after: str = "") -> list[Kept]:
        def read() -> list[Kept]:
            with contextlib.closing(self._held.execute(ROWS, (collection, after, MAX_ROWS))) as found:
                return within([Kept(*row) for row in found])

        return await self._do(read)

    async def put(self, collection: str, rows: Sequence[Kept]) -> None:
        def write() -> None:
            self._held.executemany(PUT, [(collection, row.id, row.version, token_hex(8), row.body) for row in rows])
            self._save()

        await self._do(write)

    async def remove(self, collection: str, id: str) -> None:
        def write() -> None:
            self._held.execute("DELETE FROM documents WHERE collection = ? AND id = ?", (collection, id))
            self._save()

        await self._do(write)

    @property
    def _held(self) -> sqlite3.Connection:
        assert self._connection is not None, "the shelf is not open"
        return self._connection

    def _do(self, act: Callable[[], T]) -> Awaitable[T]:
        return asyncio.to_thread(self._act, act)

    def _act(self, act: Callable[[], T]) -> T:
        try:
            return act()
        except (sqlite3.Error, OSError) as error:
            raise Unavailable("the database cannot be opened, or a server has it open") from error

    def _open(self) -> None:
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        self._connection = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA synchronous = FULL")
        sqlite_documents.lay_out(self._connection, self._finds)
        self._connection.execute("BEGIN IMMEDIATE")  # holds off every other writer

    def _save(self) -> None:
        self._held.execute("COMMIT")
        self._held.execute("BEGIN IMMEDIATE")

    def _close(self) -> None:
        connection, self._connection = self._held, None
        connection.close()
