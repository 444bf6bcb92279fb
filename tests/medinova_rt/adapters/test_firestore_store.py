"""What Firestore's store does when the line to it is bad or it dies; what every store does is in test_store.py."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from google.api_core import exceptions

from medinova_rt.adapters.firestore_store import FirestoreStore, Patience
from medinova_rt.errors import Conflict, DomainError, Unavailable
from medinova_rt.ports import Delete, Document, Find, Insert, Replace, Token, Write
from tests.bad_line import BadLine, bad_line
from tests.e2e.polling import until
from tests.firestore import Emulator

BY_ID = Find("things")
QUICK = Patience(read_s=0.5, write_s=0.5, attempts=3, pause_s=0.05)
SLOW_BUT_SURE = Patience(read_s=5, write_s=5, attempts=6, pause_s=0.2)
BOUND_S = 10.0  # for what takes 2 s on an idle machine


def document(**fields: Any) -> Document:
    return {"clinic": "cli-1", "schema": 1, **fields}


def thing(name: str, **fields: Any) -> Insert:
    return Insert("things", name, document(**fields))


@asynccontextmanager
async def opened(
    host: str, project: str, monkeypatch: pytest.MonkeyPatch, patience: Patience = QUICK
) -> AsyncIterator[FirestoreStore]:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", host)
    store = FirestoreStore(project, finds=(BY_ID,), patience=patience)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def line(emulator: Emulator) -> AsyncIterator[BadLine]:
    async with bad_line(emulator.host) as line:
        yield line


@pytest.fixture
def project(emulator: Emulator) -> str:
    return emulator.project()


@pytest.fixture
async def direct(emulator: Emulator, project: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FirestoreStore]:
    async with opened(emulator.host, project, monkeypatch) as store:
        yield store


@pytest.fixture
async def store(
    line: BadLine, project: str, direct: FirestoreStore, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FirestoreStore]:
    """Over the bad line."""
    async with opened(line.host, project, monkeypatch) as store:
        yield store


async def unavailable(store: FirestoreStore) -> None:
    for act in (store.get("things", "a"), store.find(BY_ID), store.transact([thing("never")])):
        began = time.monotonic()
        with pytest.raises(Unavailable) as refused:
            await act
        assert time.monotonic() - began < BOUND_S
        assert not refused.value.permanent


async def answers(store: FirestoreStore) -> bool | None:
    try:
        await store.get("things", "a")
    except Unavailable:
        return None
    return True


# --- a line that is down, slow, deaf ------------------------------------------------------------------------------


async def test_a_line_that_is_down_is_unavailable_and_comes_back(store: FirestoreStore, line: BadLine) -> None:
    await line.down()
    await unavailable(store)
    await line.up()
    await until(lambda: answers(store), "the store to come back", 20)
    await store.transact([thing("a")])


async def test_a_line_that_is_too_slow_is_unavailable(store: FirestoreStore, line: BadLine) -> None:
    line.delay_s = 3.0
    await unavailable(store)


async def test_a_line_that_breaks_once_is_not_noticed(store: FirestoreStore, line: BadLine) -> None:
    (token,) = await store.transact([thing("a", size=1)])
    line.cut()
    found = await store.get("things", "a")
    assert found is not None
    assert found.token == token
    assert store.counters()["failed"] == 0


LOST: list[tuple[str, Any]] = [
    ("insert", lambda token: [thing("b", size=1)]),
    ("replace", lambda token: [Replace("things", "a", document(size=1), token)]),
    ("replace and delete", lambda token: [Delete("things", "a", token), thing("b", size=1)]),
]


@pytest.mark.parametrize(("name", "writes"), LOST, ids=[name for name, _ in LOST])
async def test_a_commit_whose_answer_was_lost_is_known_again(
    store: FirestoreStore, direct: FirestoreStore, line: BadLine, name: str, writes: Any
) -> None:
    (token,) = await store.transact([thing("a", size=0)])
    result = await _answer_lost(store, direct, line, writes(token))
    assert isinstance(result, list)
    assert store.counters()["recognised"] == 1
    for write, said in zip(writes(token), result, strict=True):
        found = await direct.get("things", write.id)
        assert (found.token if found else "") == said


async def test_a_deletion_whose_answer_was_lost_is_unavailable_and_no_conflict(
    store: FirestoreStore, direct: FirestoreStore, line: BadLine
) -> None:
    (token,) = await store.transact([thing("a", size=0)])
    assert isinstance(await _answer_lost(store, direct, line, [Delete("things", "a", token)]), Unavailable)
    assert await direct.get("things", "a") is None


async def _answer_lost(
    store: FirestoreStore, direct: FirestoreStore, line: BadLine, writes: list[Write]
) -> list[Token] | BaseException:
    async def is_done() -> bool | None:
        found = await direct.get("things", writes[0].id)
        done = found is None if isinstance(writes[0], Delete) else found and found.document["size"] == 1
        return done or None

    line.deaf = True
    under_way = asyncio.ensure_future(store.transact(writes))
    await until(is_done, "the commit", 10)
    line.deaf = False
    line.cut()
    (result,) = await asyncio.gather(under_way, return_exceptions=True)
    return result


async def test_who_was_overtaken_after_a_lost_answer_is_not_told_of_a_conflict(
    store: FirestoreStore, direct: FirestoreStore, line: BadLine
) -> None:
    """Its commit was made and then replaced by somebody else's: that it was not made would be a lie."""
    (token,) = await store.transact([thing("a", size=0)])
    line.deaf = True
    under_way = asyncio.ensure_future(store.transact([Replace("things", "a", document(size=1), token)]))

    async def overtaken() -> bool | None:
        found = await direct.get("things", "a")
        assert found is not None
        if found.document["size"] == 0:
            return None
        await direct.transact([Replace("things", "a", document(size=2), found.token)])
        return True

    await until(overtaken, "the commit", 10)
    line.deaf = False
    line.cut()
    with pytest.raises(Unavailable):
        await under_way


# --- flapping, and killed in mid-write ----------------------------------------------------------------------------


async def test_a_flapping_line_loses_nothing_and_leaves_nothing_half_written(
    line: BadLine, project: str, direct: FirestoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(line.host, project, monkeypatch, SLOW_BUT_SURE) as store:

        async def write(number: int) -> list[Token]:
            return await store.transact([thing(f"n{number:02}-{part}") for part in range(4)])

        async def flap() -> None:
            while True:
                await asyncio.sleep(0.1)
                line.cut()

        flapping = asyncio.ensure_future(flap())
        results: list[Any] = []
        for start in range(0, 40, 10):
            results += await asyncio.gather(*map(write, range(start, start + 10)), return_exceptions=True)
        flapping.cancel()
        assert store.counters()["retries"] > 0
    kept = {row.id for row in (await direct.find(BY_ID, limit=500)).rows}
    for number, result in enumerate(results):
        parts = sum(f"n{number:02}-{part}" in kept for part in range(4))
        assert parts in (0, 4), "half-written"
        assert isinstance(result, list | Unavailable), result
        assert parts == 4 or isinstance(result, Unavailable), "lost"


async def test_killed_in_mid_write_it_is_unavailable_until_it_is_back(
    own_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(own_emulator.host, "demo-killed", monkeypatch) as store:
        writing = [asyncio.ensure_future(store.transact([thing(f"n{number}")])) for number in range(100)]
        await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)
        own_emulator.kill()
        results = await asyncio.wait_for(asyncio.gather(*writing, return_exceptions=True), 3 * BOUND_S)
        assert all(isinstance(result, list | Unavailable) for result in results), results
        await unavailable(store)
        own_emulator.launch()
        await until(lambda: answers(store), "the store to come back", 60)


# --- what Firestore says, and what is made of it ------------------------------------------------------------------

PERMANENT, PASSING = True, False
SAID: list[tuple[type[exceptions.GoogleAPICallError], type[DomainError], bool, bool]] = [
    (exceptions.AlreadyExists, Conflict, False, PERMANENT),
    (exceptions.FailedPrecondition, Conflict, False, PERMANENT),  # to a find: there is no such index
    (exceptions.NotFound, Conflict, False, PERMANENT),  # to a find: there is no such database
    (exceptions.Aborted, Conflict, False, PASSING),
    (exceptions.ServiceUnavailable, Unavailable, PASSING, PASSING),
    (exceptions.DeadlineExceeded, Unavailable, PASSING, PASSING),
    (exceptions.ResourceExhausted, Unavailable, PASSING, PASSING),
    (exceptions.InternalServerError, Unavailable, PASSING, PASSING),
    (exceptions.PermissionDenied, Unavailable, PERMANENT, PERMANENT),
    (exceptions.Unauthenticated, Unavailable, PERMANENT, PERMANENT),
    (exceptions.InvalidArgument, Unavailable, PERMANENT, PERMANENT),
]


@pytest.mark.parametrize(("said", "written", "for_good", "read_for_good"), SAID, ids=lambda each: str(each))
async def test_every_error_is_one_of_ours_and_tells_nothing(
    direct: FirestoreStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    said: Any,
    written: type[DomainError],
    for_good: bool,
    read_for_good: bool,
) -> None:
    async def fail(**_: Any) -> None:
        raise said("Robin Roe")

    for method in ("commit", "run_query"):
        monkeypatch.setattr(direct._client, method, fail)
    with pytest.raises(written) as refused:
        await direct.transact([thing("a")])
    with pytest.raises(Unavailable) as unread:
        await direct.find(BY_ID)
    assert getattr(refused.value, "permanent", False) is for_good
    assert unread.value.permanent is read_for_good
    assert "Robin" not in f"{refused.value}{unread.value}{caplog.text}"


# --- bounds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("callers", [50, pytest.param(1000, marks=pytest.mark.long)])
async def test_of_all_who_want_one_place_one_gets_it(
    emulator: Emulator, project: str, callers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(emulator.host, project, monkeypatch, Patience(write_s=30)) as store:
        results = await asyncio.gather(
            *(store.transact([thing("slot", by=number), thing(f"claim-{number}")]) for number in range(callers)),
            return_exceptions=True,
        )
        (won,) = [number for number, result in enumerate(results) if isinstance(result, list)]
        assert sum(isinstance(result, Conflict) for result in results) == callers - 1
        assert [row.id for row in (await store.find(BY_ID)).rows] == [f"claim-{won}", "slot"]


async def test_too_many_calls_are_refused_at_once(direct: FirestoreStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medinova_rt.adapters.firestore_store.MAX_PENDING", 5)
    results = await asyncio.gather(*(direct.get("things", "a") for _ in range(8)), return_exceptions=True)
    assert [isinstance(result, Unavailable) for result in results] == [False] * 5 + [True] * 3
    assert (direct.counters()["refused"], direct.counters()["pending"]) == (3, 0)


async def test_too_much_to_write_is_refused_at_once(direct: FirestoreStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medinova_rt.adapters.firestore_store.MAX_PENDING_BYTES", 5000)
    large = [direct.transact([thing(name, text="x" * 3000)]) for name in "ab"]
    results = await asyncio.gather(*large, return_exceptions=True)
    assert [isinstance(result, Unavailable) for result in results] == [False, True]
    await direct.transact([thing("b", text="x" * 3000)])


async def test_closed_it_refuses(direct: FirestoreStore) -> None:
    await direct.close()
    await direct.close()
    with pytest.raises(Unavailable, match="the store is closed"):
        await direct.get("things", "a")


async def test_two_databases_of_a_project_are_two_stores(emulator: Emulator, project: str) -> None:
    keys = FirestoreStore(project, "keys", (BY_ID,))
    await keys.open()
    documents = FirestoreStore(project, finds=(BY_ID,))
    await documents.open()
    await keys.transact([thing("a")])
    assert (await documents.find(BY_ID)).rows == []
    await keys.close()
    await documents.close()
