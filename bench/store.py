"""How fast documents are kept and had: 200,000 of 1 KiB, 32 callers, 70 % get, 20 % find, 7 % replace, 3 % transact.

`store.rate`: operations each second, of which a find returns 10 documents by a declared index and a transact replaces
4; every document that is read is decoded to its Struct, what returned is on the disk (`synchronous=FULL`).
`store.delay`: ms from asking to having, at a quantile. `encryption` is `on` where the private fields are sealed on
their way. `store.raw` is sqlite3 alone in one thread doing the same to the same file, 32 operations to a commit, as
fast as it goes; `store.ratio` is ours to it, in the same run. Where FIRESTORE_EMULATOR_HOST names an emulator, its
figure is printed too, over fewer documents: it says how an emulator does.
"""

import asyncio
import contextlib
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex

import msgspec
import uvloop
from msgspec import Struct

from bench.figure import Figure
from medinova_rt import documents, vault
from medinova_rt.adapters import sqlite_documents
from medinova_rt.adapters.local_keys import LocalKeys
from medinova_rt.adapters.sealed_store import SealedStore
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.ids import ClinicId
from medinova_rt.phi import Open, Private, Sealing
from medinova_rt.ports import MAX_TRANSACT_WRITES, Find, Insert, Replace, Store, Token

COUNT = 200_000
FEW = 2_000  # for the emulator
CALLERS = 32
OF_ONE = 10  # documents of one subject, which a find returns
TOGETHER = 4  # documents of a transact
WARM_UP = 0.2  # of the operations

COLLECTION = "bench-notes"
BY_SUBJECT = Find(COLLECTION, equal=("subject",), ordered_by="at")
FINDS = (BY_SUBJECT,)
START = datetime(2026, 1, 1, tzinfo=UTC)


class Note(Struct, frozen=True, kw_only=True):
    """1 KiB as JSON, most of it private, as records are."""

    id: Open[str]
    clinic: Open[ClinicId] = ClinicId("cli-bench")
    schema: Open[int] = 1
    subject: Open[str]
    at: Open[datetime]
    state: Open[str] = "open"
    author: Private[str] = "Dr. Amira Haddad"
    title: Private[str] = "What was said and what was agreed on"
    text: Private[str]


SEALING = Sealing(COLLECTION, Note, subject="subject")
TEXT = ("Slept well; the cough has gone; one tablet in the morning until Friday. " * 12)[:780]


def note(number: int) -> Note:
    at = START + timedelta(seconds=number)
    return Note(id=f"not-{number}", subject=f"pat-{number // OF_ONE}", at=at, text=TEXT)


def measure(quick: bool) -> Iterator[Figure]:
    count, rounds, operations = (20_000, 1, 20_000) if quick else (COUNT, 5, 100_000)
    base: dict[str, str | int | float] = {"documents": count, "callers": CALLERS, "rounds": rounds}
    runs: dict[str, list[_Run]] = {"off": [], "on": []}
    raws = list[float]()
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        for encryption in runs:
            loop.run(_fill(Path(folder), encryption, count))
        for number in range(rounds):
            for encryption, measured in runs.items():
                measured.append(loop.run(_load(Path(folder), encryption, count, operations, number)))
            raws.append(_raw(Path(folder) / "off.db", count, operations, number))
    yield Figure("store.raw", statistics.median(raws), "operations/s", base)
    for encryption, measured in runs.items():
        named = {**base, "store": "sqlite", "encryption": encryption}
        yield from _figures(measured, named)
        ratios = [run.rate / raw for run, raw in zip(measured, raws, strict=True)]
        yield Figure("store.ratio", statistics.median(ratios), "", named)
    if os.environ.get("FIRESTORE_EMULATOR_HOST"):
        few = {**base, "documents": FEW, "rounds": 1, "store": "firestore-emulator", "encryption": "off"}
        yield from _figures([asyncio.run(_on_firestore())], few)


@dataclass(slots=True)
class _Run:
    rate: float = 0.0
    delays_s: list[float] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        ordered = sorted(self.delays_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1e3


def _figures(runs: Sequence[_Run], base: dict[str, str | int | float]) -> Iterator[Figure]:
    yield Figure("store.rate", statistics.median(run.rate for run in runs), "operations/s", base)
    for share in (0.5, 0.99):
        delay = statistics.median(run.quantile(share) for run in runs)
        yield Figure("store.delay", delay, "ms", {**base, "quantile": share})


@contextlib.asynccontextmanager
async def _opened(folder: Path, encryption: str) -> AsyncIterator[Store]:
    """The server's own parts, but for what chains the audit records: there are none here."""
    documents_ = SqliteStore(folder / f"{encryption}.db", FINDS)
    await documents_.open()
    try:
        if encryption == "off":
            yield documents_
            return
        keys, kept = LocalKeys(folder / "kek.json"), SqliteStore(folder / "keys.db", vault.FINDS)
        await keys.open()
        await kept.open()
        held = vault.Vault(kept, keys, lambda: datetime.now(UTC))
        await held.open()
        try:
            yield SealedStore(documents_, held, (SEALING,))
        finally:
            await held.close()
            await kept.close()
            await keys.close()
    finally:
        await documents_.close()


async def _fill(folder: Path, encryption: str, count: int) -> None:
    async with _opened(folder, encryption) as store:
        await _insert(store, range(count))


async def _insert(store: Store, numbers: range) -> None:
    for first in range(0, len(numbers), MAX_TRANSACT_WRITES):
        some = numbers[first : first + MAX_TRANSACT_WRITES]
        await store.transact([Insert(COLLECTION, f"not-{number}", documents.encode(note(number))) for number in some])


async def _load(folder: Path, encryption: str, count: int, operations: int, seed: int) -> "_Run":
    async with _opened(folder, encryption) as store:
        return await load(store, count, operations, seed)


async def _on_firestore() -> "_Run":
    from medinova_rt.adapters.firestore_store import FirestoreStore  # of an extra that need not be installed

    store = FirestoreStore(f"demo-{token_hex(6)}", "(default)", FINDS)
    await store.open()
    try:
        await _insert(store, range(FEW))
        return await load(store, FEW, FEW, 0)
    finally:
        await store.close()


async def load(store: Store, count: int, operations: int, seed: int) -> "_Run":
    run = _Run()
    callers = [Caller(store, count, seed * CALLERS + number, number) for number in range(CALLERS)]
    warm_up = int(operations * WARM_UP) // CALLERS
    await asyncio.gather(*(caller.work(warm_up) for caller in callers))
    for caller in callers:
        caller.delays_s.clear()
    began = time.perf_counter()
    await asyncio.gather(*(caller.work(operations // CALLERS) for caller in callers))
    took = time.perf_counter() - began
    for caller in callers:
        run.delays_s += caller.delays_s
    run.rate = len(run.delays_s) / took
    return run


class Caller:
    """Reads anywhere, and changes what is its own: each 32nd document."""

    def __init__(self, store: Store, count: int, seed: int, number: int) -> None:
        self._store = store
        self._count = count
        self._random = random.Random(seed)
        self._own = range(number, count, CALLERS)
        self.delays_s: list[float] = []

    async def work(self, operations: int) -> None:
        for act in self._random.choices(
            (self.get, self.find, self.replace, self.transact), weights=(70, 20, 7, 3), k=operations
        ):
            began = time.perf_counter()
            await act()
            self.delays_s.append(time.perf_counter() - began)

    async def get(self) -> None:
        await self._read(self._random.randrange(self._count))

    async def find(self) -> None:
        subject = f"pat-{self._random.randrange(self._count // OF_ONE)}"
        page = await self._store.find(BY_SUBJECT, (subject,), limit=OF_ONE)
        assert len([documents.decode(Note, row.document, 1, {}) for row in page.rows]) == OF_ONE

    async def replace(self) -> None:
        await self._change(1)

    async def transact(self) -> None:
        await self._change(TOGETHER)

    async def _read(self, number: int) -> tuple[Note, Token]:
        stored = await self._store.get(COLLECTION, f"not-{number}")
        assert stored is not None
        return documents.decode(Note, stored.document, 1, {}), stored.token

    async def _change(self, count: int) -> None:
        """The read that a change begins with is part of the change, not an operation of its own."""
        numbers = self._random.sample(self._own, count)
        read = await asyncio.gather(*map(self._read, numbers))
        await self._store.transact(
            [
                Replace(COLLECTION, note.id, documents.encode(msgspec.structs.replace(note, state="done")), token)
                for note, token in read
            ]
        )


# --- sqlite3 alone ---------------------------------------------------------------------------------------------------


def _raw(file: Path, count: int, operations: int, seed: int) -> float:
    """Return operations each second of one thread."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    dice = random.Random(seed)
    sql, _ = sqlite_documents.select(BY_SUBJECT, ("",), None, None, None, OF_ONE)

    def decoded(body: str) -> Note:
        return documents.decode(Note, msgspec.json.decode(body), 1, {})

    def read(number: int) -> tuple[Note, str]:
        body, _, token = connection.execute(sqlite_documents.GET, (COLLECTION, f"not-{number}")).fetchone()
        return decoded(body), token

    def find() -> None:
        subject = f"pat-{dice.randrange(count // OF_ONE)}"
        rows = connection.execute(sql, (f'"{subject}"', OF_ONE + 1)).fetchall()
        assert len([decoded(body) for _, body, *_ in rows]) == OF_ONE

    def change(many: int) -> None:
        for number in dice.sample(range(count), many):
            kept, token = read(number)
            body = msgspec.json.encode(documents.encode(msgspec.structs.replace(kept, state="done"))).decode()
            connection.execute(
                sqlite_documents.REPLACE, (f"{dice.getrandbits(64):x}", body, COLLECTION, kept.id, token)
            )

    acts: tuple[Callable[[], object], ...] = (
        lambda: read(dice.randrange(count)),
        find,
        lambda: change(1),
        lambda: change(TOGETHER),
    )
    began = time.perf_counter()
    for _ in range(operations // CALLERS):
        connection.execute("BEGIN IMMEDIATE")
        for act in dice.choices(acts, weights=(70, 20, 7, 3), k=CALLERS):
            act()
        connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return operations // CALLERS * CALLERS / took
