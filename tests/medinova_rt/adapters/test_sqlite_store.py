"""What only the SQLite store promises; what every store does is in test_store.py."""

import asyncio
import os
import re
import signal
import sqlite3
import stat
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from medinova_rt.adapters import sqlite_documents, sqlite_store
from medinova_rt.adapters.sqlite_readers import READERS, SHORT
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.errors import Conflict, Unavailable
from medinova_rt.ports import Document, Find, Insert, Replace, Token

BY_SIZE = Find("things", ordered_by="size")
OF_KIND = Find("things", equal=("kind",))
OF_KIND_BY_SIZE = Find("things", equal=("kind",), ordered_by="size")
LARGEST_OF_KIND = Find("things", equal=("kind",), ordered_by="size", descending=True)
FINDS = (BY_SIZE, OF_KIND, OF_KIND_BY_SIZE)

ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(path, FINDS)
    await opened.open()
    yield opened
    await opened.close()


def document(**fields: Any) -> Document:
    return {"clinic": "cli-1", "schema": 1, **fields}


def thing(id: str, **fields: Any) -> Insert:
    return Insert("things", id, document(**fields))


class Held:
    """A second connection that holds the write lock."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()


async def the_writer_waits(store: SqliteStore) -> asyncio.Future[list[Token]]:
    """Give the writer one transact, and return its answer once it has taken it and stands before the lock."""
    first = asyncio.ensure_future(store.transact([thing("first")]))
    async with asyncio.timeout(10):
        await asyncio.sleep(0)
        while store.counters()["pending"]:
            await asyncio.sleep(0.001)
    return first


# --- grouping -----------------------------------------------------------------------------------------------------


async def test_waiting_transacts_share_a_commit(store: SqliteStore, path: Path) -> None:
    with Held(path):
        first = await the_writer_waits(store)
        asked = [asyncio.ensure_future(store.transact([thing(f"n{n}")])) for n in range(500)]
        await asyncio.sleep(0)
        assert store.counters()["pending"] == 500
    await asyncio.gather(first, *asked)
    counts = store.counters()
    assert (counts["transacts"], counts["commits"], counts["pending"]) == (501, 2, 0)


async def test_a_group_is_bounded(store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_store, "MAX_GROUP", 10)
    with Held(path):
        first = await the_writer_waits(store)
        asked = [asyncio.ensure_future(store.transact([thing(f"n{n}")])) for n in range(95)]
        await asyncio.sleep(0)
    await asyncio.gather(first, *asked)
    assert store.counters()["commits"] == 11


async def test_one_at_a_time_is_one_commit_each(store: SqliteStore) -> None:
    for n in range(5):
        await store.transact([thing(f"n{n}")])
    assert store.counters()["commits"] == 5


async def test_counts_are_there_from_the_start(store: SqliteStore) -> None:
    assert set(store.counters()) == {*sqlite_store.COUNTS, "slow", "pending"}


async def test_order_within_a_group_is_that_of_asking(store: SqliteStore) -> None:
    results = await asyncio.gather(
        *(store.transact([thing("one", size=n)]) for n in range(100)), return_exceptions=True
    )
    assert [isinstance(result, Conflict) for result in results] == [False] + [True] * 99
    assert store.counters()["conflicts"] == 99


async def test_a_cancelled_caller_hurts_nobody(store: SqliteStore) -> None:
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(store.transact([thing(f"n{n}")])) for n in range(20)]
        await asyncio.sleep(0)
        for task in waiting[::2]:
            task.cancel()
    assert all(len(task.result()) == 1 for task in waiting[1::2])
    await store.transact([thing("after")])


# --- bounds -------------------------------------------------------------------------------------------------------


async def test_a_full_queue_refuses_and_counts(store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_store, "MAX_PENDING_WRITES", 10)
    with Held(path):
        first = await the_writer_waits(store)
        asked = [asyncio.ensure_future(store.transact([thing(f"n{n}")])) for n in range(30)]
        await asyncio.sleep(0)
        assert store.counters()["pending"] == 10
    results = await asyncio.gather(first, *asked, return_exceptions=True)
    assert [isinstance(result, Unavailable) for result in results] == [False] * 11 + [True] * 20
    assert store.counters()["refused"] == 20
    await store.transact([thing("after")])


async def test_the_queue_is_bounded_in_bytes(store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_store, "MAX_PENDING_BYTES", 3000)
    with Held(path):
        first = await the_writer_waits(store)
        asked = [asyncio.ensure_future(store.transact([thing(f"n{n}", text="x" * 900)])) for n in range(10)]
        await asyncio.sleep(0)
    results = await asyncio.gather(first, *asked, return_exceptions=True)
    assert [isinstance(result, Unavailable) for result in results] == [False] * 4 + [True] * 7


async def test_too_many_reads_are_refused(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_store, "MAX_PENDING_READS", 5)
    await store.transact([thing(f"n{n}", size=n) for n in range(SHORT + 1)])  # more than are read in the loop
    results = await asyncio.gather(*(store.find(BY_SIZE, limit=500) for _ in range(8)), return_exceptions=True)
    assert [isinstance(result, Unavailable) for result in results] == [False] * 5 + [True] * 3
    assert await store.get("things", "a") is None


async def test_reading_does_not_wait_for_a_writer(store: SqliteStore, path: Path) -> None:
    await store.transact([thing("a", size=1)])
    with Held(path):
        asked = asyncio.ensure_future(store.transact([thing("b", size=2)]))
        assert await store.get("things", "b") is None
        assert [row.id for row in (await store.find(BY_SIZE)).rows] == ["a"]
    await asked
    assert [row.id for row in (await store.find(BY_SIZE)).rows] == ["a", "b"]


async def test_a_lock_held_too_long_is_unavailable(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "BUSY_S", 0.05)
    patient = SqliteStore(path, FINDS)
    await patient.open()
    with Held(path), pytest.raises(Unavailable) as raised:
        await patient.transact([thing("a")])
    assert not raised.value.permanent
    assert patient.counters()["busy"] >= 1
    await patient.transact([thing("a")])
    await patient.close()


# --- opening and closing ------------------------------------------------------------------------------------------


async def test_close_finishes_what_waits_and_takes_no_more(path: Path) -> None:
    store = SqliteStore(path, FINDS)
    await store.open()
    asked = [asyncio.ensure_future(store.transact([thing(f"n{n}")])) for n in range(50)]
    await asyncio.sleep(0)
    await store.close()
    await store.close()
    assert all(len(tokens) == 1 for tokens in await asyncio.gather(*asked))
    with pytest.raises(Unavailable, match="closed"):
        await store.transact([thing("late")])
    with pytest.raises(Unavailable, match="closed"):
        await store.get("things", "n1")


async def test_before_it_is_open_it_is_unavailable(path: Path) -> None:
    store = SqliteStore(path, FINDS)
    with pytest.raises(Unavailable):
        await store.transact([thing("early")])
    with pytest.raises(Unavailable):
        await store.get("things", "early")
    await store.close()


async def test_what_was_stored_is_there_after_reopening(path: Path) -> None:
    for n in range(3):
        store = SqliteStore(path, FINDS)
        await store.open()
        await store.transact([thing(f"n{n}", kind="k", size=n)])
        assert len((await store.find(OF_KIND, ("k",))).rows) == n + 1
        await store.close()


async def test_a_find_declared_later_gets_its_index(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.transact([thing("a", kind="k")])
    await store.close()
    later = SqliteStore(path, FINDS)
    await later.open()
    assert [row.id for row in (await later.find(OF_KIND, ("k",))).rows] == ["a"]
    await later.close()


async def test_indexes_of_the_layout_before_are_made_anew(path: Path) -> None:
    store = SqliteStore(path, FINDS)
    await store.open()
    await store.transact([thing("a", kind="k", size=1)])
    await store.close()
    with sqlite3.connect(path) as connection:
        old = sqlite_documents.index_name(OF_KIND_BY_SIZE)
        connection.execute(f'DROP INDEX "{old}"')
        connection.execute(f"CREATE INDEX \"{old}\" ON documents (json_extract(body, '$.kind'), id)")
        connection.execute("CREATE INDEX gone ON documents (json_extract(body, '$.gone'))")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    await store.open()
    assert [row.id for row in (await store.find(OF_KIND_BY_SIZE, ("k",))).rows] == ["a"]
    await store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'gone'").fetchone() == (0,)
        assert connection.execute("PRAGMA user_version").fetchone() == (sqlite_documents.LAYOUT,)
    connection.close()


async def test_the_file_is_the_owners_alone(store: SqliteStore, path: Path) -> None:
    await store.transact([thing("a")])
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}


async def test_a_file_that_is_no_store_is_permanently_unavailable(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"not a database at all" * 100)
    with pytest.raises(Unavailable) as raised:
        await SqliteStore(path, FINDS).open()
    assert raised.value.permanent


async def test_a_folder_that_is_missing_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await SqliteStore(tmp_path / "none" / "store.db", FINDS).open()


async def test_a_file_of_a_newer_version_is_refused(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {sqlite_documents.LAYOUT + 1}")
    connection.close()
    with pytest.raises(Unavailable, match="newer"):
        await SqliteStore(path, FINDS).open()


async def test_commits_are_flushed_to_disk(store: SqliteStore) -> None:
    pragmas = [store._writer.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]  # 2 is FULL


# --- finds by index -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paged", [False, True])
@pytest.mark.parametrize(
    ("find", "equal", "bounds"),
    [
        (BY_SIZE, (), (None, None)),
        (BY_SIZE, (), (1, 5)),
        (OF_KIND, ("k",), (None, None)),
        (OF_KIND_BY_SIZE, ("k",), (None, None)),
        (OF_KIND_BY_SIZE, ("k",), ("a", None)),
        (OF_KIND_BY_SIZE, (True,), (None, 7)),
        (LARGEST_OF_KIND, ("k",), ("a", None)),
    ],
)
async def test_a_find_searches_its_index_and_never_sorts(
    store: SqliteStore, find: Find, equal: Any, bounds: Any, paged: bool
) -> None:
    start = None if not paged else ((None if find.ordered_by is None else 1), "n1")
    at_least, below = bounds
    sql, values = sqlite_documents.select(find, equal, at_least, below, start, 10)
    plan = [row[3] for row in store._writer.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert len(plan) == 1
    assert re.match(f"(SEARCH|SCAN) documents USING INDEX {sqlite_documents.index_name(find)}( |$)", plan[0])
    assert not equal or plan[0].startswith("SEARCH")


# --- other processes ----------------------------------------------------------------------------------------------

WRITER = """
import asyncio, sys
from pathlib import Path
from medinova_rt.adapters.sqlite_readers import SHORT
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.ports import Insert

async def main(path, name, count):
    store = SqliteStore(Path(path))
    await store.open()
    async def write(n):
        await store.transact([
            Insert("things", f"{name}-{n}-a", {"clinic": "cli-1", "schema": 1}),
            Insert("things", f"{name}-{n}-b", {"clinic": "cli-1", "schema": 1}),
        ])
        print(n, flush=True)
    async def some(first):
        for n in range(first, count, 8):
            await write(n)
    await asyncio.gather(*map(some, range(8)))
    await store.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


async def spawn(script: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, *arguments, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )


def stored_ids(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {row[0] for row in connection.execute("SELECT id FROM documents")}
    finally:
        connection.close()


@pytest.mark.parametrize("lines", [1, 40, 300])
async def test_killed_while_writing_it_loses_nothing_acknowledged(path: Path, lines: int) -> None:
    child = await spawn(WRITER, str(path), "x", "1000000")
    assert child.stdout is not None
    for _ in range(lines):
        await child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    rest = await child.stdout.read()
    await child.wait()
    acknowledged = {int(line) for line in rest.splitlines(keepends=True) if line.endswith(b"\n")}
    ids = stored_ids(path)
    assert {f"x-{n}-a" for n in acknowledged} <= ids
    halves = [{each[:-1] for each in ids if each.endswith(half)} for half in "ab"]
    assert halves[0] == halves[1]  # no transact was cut in two
    store = SqliteStore(path, FINDS)
    await store.open()
    await store.transact([thing("after")])
    await store.close()


async def test_two_processes_write_to_one_file(path: Path) -> None:
    children: Sequence[asyncio.subprocess.Process] = [await spawn(WRITER, str(path), name, "200") for name in "xy"]
    outputs = await asyncio.gather(*(child.communicate() for child in children))
    assert [child.returncode for child in children] == [0, 0]
    assert [len(output.splitlines()) for output, _ in outputs] == [200, 200]
    assert stored_ids(path) == {f"{name}-{n}-{half}" for name in "xy" for n in range(200) for half in "ab"}


ADDER = """
import asyncio, sys
from pathlib import Path
from medinova_rt.adapters.sqlite_readers import SHORT
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.errors import Conflict
from medinova_rt.ports import Replace

async def main(path):
    store = SqliteStore(Path(path))
    await store.open()
    done = 0
    while done < 100:
        before = await store.get("things", "sum")
        after = {**before.document, "size": before.document["size"] + 1}
        try:
            await store.transact([Replace("things", "sum", after, before.token)])
        except Conflict:
            continue
        done += 1
    await store.close()

asyncio.run(main(sys.argv[1]))
"""


async def test_two_processes_count_by_compare_and_set(store: SqliteStore, path: Path) -> None:
    (token,) = await store.transact([thing("sum", size=0)])
    children = [await spawn(ADDER, str(path)) for _ in range(2)]
    for child in children:
        await child.communicate()
    stored = await store.get("things", "sum")
    assert stored is not None
    assert (stored.document["size"], stored.version) == (200, 201)
    with pytest.raises(Conflict):
        await store.transact([Replace("things", "sum", document(), token)])


async def test_a_page_that_turns_out_long_leaves_the_other_reads_at_the_present(store: SqliteStore) -> None:
    (token, *_) = await store.transact([thing(f"n{n}", size=n) for n in range(2 * SHORT)])
    assert store._readers
    go_on = threading.Event()
    busy = [store._readers._pool.submit(go_on.wait, 10) for _ in range(READERS)]
    long = asyncio.ensure_future(store.find(BY_SIZE, limit=2 * SHORT))  # waits for a thread
    await asyncio.sleep(0)
    (token,) = await store.transact([Replace("things", "n0", document(size=-1), token)])
    held = await store.get("things", "n0")
    go_on.set()
    assert held is not None
    assert held.token == token
    assert len((await long).rows) == 2 * SHORT
    assert all(each.result() for each in busy)
