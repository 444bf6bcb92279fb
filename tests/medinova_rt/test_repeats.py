import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medinova_rt import repeats
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.errors import Conflict, RepeatDiffers, RepeatRunning, RepeatUnanswered
from medinova_rt.ports import Insert
from medinova_rt.repeats import LEASE, LIFE, MAX_ANSWER_BYTES, Answer, Repeats
from medinova_rt.riders import Rider, RidingStore

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
SOON = NOW + timedelta(seconds=1)
AFTER = NOW + LEASE
ASK = repeats.ask(("Person", "usr-1"), ("POST", "/v1/things"), "key", (b"body", b"query", b"if-match"))
ANSWER = Answer(status=201, headers={"Location": "/v1/things/1"}, body='{"name": "Ben"}')


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RidingStore]:
    inner = MemoryStore(repeats.FINDS) if request.param == "memory" else SqliteStore(tmp_path / "t.db", repeats.FINDS)
    await inner.open()
    yield RidingStore(inner)
    await inner.close()


@pytest.fixture
def held(store: RidingStore) -> Repeats:
    return Repeats(store)


async def claimed(held: Repeats, now: datetime = NOW) -> Rider:
    rider = await held.claim(ASK, now)
    assert isinstance(rider, Rider)
    return rider


async def act(store: RidingStore, rider: Rider, name: str = "thing") -> None:
    with rider.waiting():
        await store.transact([Insert("things", name, {"clinic": "cli-1", "schema": 1})])


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (repeats.ask(("Person", "usr-1"), ("POST", "/v1/things"), "key", (b"bod", b"yquery", b"if-match")), True),
        (repeats.ask(("Person", "usr-1"), ("POST", "/v1/things"), "key", (b"body", b"query", b"other")), True),
        (repeats.ask(("Person", "usr-2"), ("POST", "/v1/things"), "key", (b"body", b"query", b"if-match")), False),
        (repeats.ask(("Service", "usr-1"), ("POST", "/v1/things"), "key", (b"body", b"query", b"if-match")), False),
        (repeats.ask(("Person", "usr-1"), ("PUT", "/v1/things"), "key", (b"body", b"query", b"if-match")), False),
        (repeats.ask(("Person", "usr-1"), ("POST", "/v1/others"), "key", (b"body", b"query", b"if-match")), False),
        (repeats.ask(("Person", "usr-1"), ("POST", "/v1/things"), "other", (b"body", b"query", b"if-match")), False),
    ],
)
async def test_who_and_what_tell_requests_apart_and_all_that_was_sent_is_compared(
    held: Repeats, other: repeats.Ask, same: bool
) -> None:
    await held.keep(await claimed(held), ANSWER)
    assert (other.id == ASK.id) is same
    if same:
        with pytest.raises(RepeatDiffers):
            await held.look(other, SOON)
    else:
        assert await held.look(other, SOON) is None


async def test_an_answer_is_kept_for_a_day(store: RidingStore, held: Repeats) -> None:
    rider = await claimed(held)
    await act(store, rider)
    await held.keep(rider, ANSWER)
    for now in (SOON, AFTER, NOW + LIFE - timedelta(seconds=1)):
        assert await held.look(ASK, now) == ANSWER
        assert await held.claim(ASK, now) == ANSWER
    assert await held.look(ASK, NOW + LIFE) is None
    await claimed(held, NOW + LIFE)


async def test_while_it_runs_nobody_else_does_it(held: Repeats) -> None:
    await claimed(held)
    for ask in (held.look, held.claim):
        with pytest.raises(RepeatRunning):
            await ask(ASK, SOON)


async def test_whoever_died_before_the_act_is_taken_over_and_could_not_do_it_any_more(
    store: RidingStore, held: Repeats
) -> None:
    dead = await claimed(held)
    assert await held.look(ASK, AFTER) is None
    rider = await claimed(held, AFTER)
    with pytest.raises(Conflict):
        await act(store, dead, "second")
    await act(store, rider)
    await held.keep(rider, ANSWER)
    await held.keep(dead, Answer(status=409, headers={}, body=""))  # changes nothing
    await held.release(dead)
    assert await held.look(ASK, AFTER) == ANSWER
    assert await store.get("things", "second") is None


async def test_whoever_died_after_the_act_leaves_it_done_and_unanswered(store: RidingStore, held: Repeats) -> None:
    await act(store, await claimed(held))
    with pytest.raises(RepeatRunning):
        await held.look(ASK, SOON)
    for now in (AFTER, NOW + LIFE - timedelta(seconds=1)):
        with pytest.raises(RepeatUnanswered):
            await held.look(ASK, now)
        with pytest.raises(RepeatUnanswered):
            await held.claim(ASK, now)


async def test_what_is_let_go_may_come_again_unless_it_was_done(store: RidingStore, held: Repeats) -> None:
    await held.release(await claimed(held))
    assert await held.look(ASK, SOON) is None
    rider = await claimed(held, SOON)
    await act(store, rider)
    await held.release(rider)
    with pytest.raises(RepeatUnanswered):
        await held.look(ASK, SOON + LEASE)


async def test_a_long_answer_is_not_kept_and_the_act_not_repeated(store: RidingStore, held: Repeats) -> None:
    rider = await claimed(held)
    await act(store, rider)
    await held.keep(rider, Answer(status=200, headers={}, body="x" * (MAX_ANSWER_BYTES + 1)))
    with pytest.raises(RepeatUnanswered):
        await held.look(ASK, AFTER)


async def test_what_has_expired_is_swept(store: RidingStore, held: Repeats) -> None:
    rider = await claimed(held)
    await held.keep(rider, ANSWER)
    for n in range(repeats.BATCH):
        late = repeats.ask(("Person", "usr-1"), ("POST", "/"), str(n), ())
        await held.claim(late, SOON)
    assert [await held.sweep(NOW + LIFE)] == [False]
    assert await store.get(repeats.COLLECTION, ASK.id) is not None  # it expires just now
    assert [await held.sweep(SOON + LIFE + timedelta(seconds=1)) for _ in range(3)] == [True, False, False]
    assert await store.get(repeats.COLLECTION, ASK.id) is None


KILLED = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from medinova_rt import repeats
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.ports import Insert
from medinova_rt.riders import RidingStore

async def main(path, when):
    inner = SqliteStore(Path(path), repeats.FINDS)
    await inner.open()
    store = RidingStore(inner)
    asked = repeats.ask(("Person", "usr-1"), ("POST", "/v1/things"), "key", (b"body", b"query", b"if-match"))
    rider = await repeats.Repeats(store).claim(asked, datetime(2026, 11, 24, 10, tzinfo=UTC))
    with rider.waiting():
        if when == "after":
            await store.transact([Insert("things", "thing", {"clinic": "cli-1", "schema": 1})])
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize(("when", "is_there"), [("before", False), ("after", True)])
async def test_a_process_killed_around_the_act_leaves_what_is_so(tmp_path: Path, when: str, is_there: bool) -> None:
    path = tmp_path / "t.db"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, str(path), when)
    assert await process.wait() == -signal.SIGKILL
    inner = SqliteStore(path, repeats.FINDS)
    await inner.open()
    held = Repeats(RidingStore(inner))
    assert (await inner.get("things", "thing") is not None) is is_there
    if is_there:
        with pytest.raises(RepeatUnanswered):
            await held.claim(ASK, AFTER)
    else:
        await claimed(held, AFTER)
    await inner.close()
