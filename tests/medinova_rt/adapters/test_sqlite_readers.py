"""Where a read happens: in the event loop if it is short, else in a thread, and there too while the disk is slow."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from medinova_rt.adapters import sqlite_readers
from medinova_rt.adapters.sqlite_readers import MAX_IN_A_ROW, SHORT, Readers, at_most


@pytest.fixture
async def readers(tmp_path: Path) -> AsyncIterator[Readers]:
    file = tmp_path / "read.db"
    connections = [sqlite3.connect(file, isolation_level=None, check_same_thread=False) for _ in range(3)]
    made = Readers(connections)
    yield made
    made.close()
    for connection in connections:
        connection.close()


def where(_: sqlite3.Connection, most: int | None) -> str:
    return "loop" if threading.current_thread() is threading.main_thread() else "thread"


@pytest.mark.parametrize(("rows", "place"), [(0, "loop"), (SHORT, "loop"), (SHORT + 1, "thread"), (500, "thread")])
async def test_short_reads_stay_in_the_loop(readers: Readers, rows: int, place: str) -> None:
    def read(connection: sqlite3.Connection, most: int | None) -> tuple[list[int], str]:
        return list(at_most(most, range(rows))), where(connection, most)

    assert await readers.read(read) == (list(range(rows)), place)


@pytest.mark.parametrize(("blocks", "place", "slow"), [(0, "loop", 0), (8, "thread", 1)])
async def test_a_slow_disk_sends_reads_to_the_threads(
    readers: Readers, monkeypatch: pytest.MonkeyPatch, blocks: int, place: str, slow: int
) -> None:
    """A read that only had to wait for the processor does not."""
    monkeypatch.setattr(sqlite_readers, "SLOW_S", 0.001)
    await readers.read(lambda *_: time.sleep(0.002))
    assert await readers.read(where) == "loop"  # one may have been anything
    readers._blocks = -blocks if blocks else 1 << 62
    await readers.read(lambda *_: time.sleep(0.002))
    assert (await readers.read(where), readers.slow) == (place, slow)


async def test_after_a_while_the_loop_reads_again(readers: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_readers, "SLOW_S", 0.001)
    monkeypatch.setattr(sqlite_readers, "SHY_S", 0.0)
    await readers.read(lambda *_: time.sleep(0.002))
    readers._blocks = -8
    await readers.read(lambda *_: time.sleep(0.002))
    assert (await readers.read(where), readers.slow) == ("loop", 1)


async def test_a_file_that_another_holds_is_waited_for_in_a_thread(readers: Readers) -> None:
    def read(connection: sqlite3.Connection, most: int | None) -> str:
        if where(connection, most) == "loop":
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        return where(connection, most)

    assert await readers.read(read) == "thread"


async def test_what_a_read_raises_is_its_callers(readers: Readers) -> None:
    def read(connection: sqlite3.Connection, _: int | None) -> None:
        connection.execute("SELECT 1 FROM nowhere")

    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        await readers.read(read)
    assert await readers.read(where) == "loop"


async def test_who_reads_much_in_a_row_lets_others_go_on(readers: Readers) -> None:
    others: list[int] = []
    asyncio.get_running_loop().call_soon(others.append, 1)
    for done in range(MAX_IN_A_ROW):
        await readers.read(where)
        assert not others, done
    await readers.read(where)
    assert others


async def test_many_together_read_no_more_in_a_turn_than_one(readers: Readers) -> None:
    done: list[int] = []

    async def much() -> None:
        for _ in range(100):
            await readers.read(where)
            done.append(1)

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(much())
        await asyncio.sleep(0)
        before = 0
        while len(done) < 800:
            assert len(done) - before <= MAX_IN_A_ROW + 8 + 1
            before = len(done)
            await asyncio.sleep(0)
