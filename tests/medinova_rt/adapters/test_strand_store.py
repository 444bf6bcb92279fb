import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from medinova_rt import audit, strands
from medinova_rt.adapters import strand_store
from medinova_rt.adapters.strand_store import StrandStore
from medinova_rt.errors import Conflict, Unavailable
from medinova_rt.ids import ClinicId
from medinova_rt.layered import LayeredStore
from medinova_rt.ports import MAX_RIDERS, MAX_TRANSACT_WRITES, Delete, Document, Insert, Replace, Store, Token, Write
from medinova_rt.principals import Service

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
ONE, TWO = ClinicId("cli-1"), ClinicId("cli-2")


def act(clinic: ClinicId = ONE, **more: Any) -> Insert:
    return audit.record(Service(clinic), "visit.read", NOW, clinic=clinic, **more)


def thing(id: str) -> Insert:
    return Insert("things", id, {"clinic": ONE, "schema": 1})


async def chains(store: Store, *clinics: ClinicId) -> list[list[Document]]:
    """The strands, the first opened first, each with its records; every link is looked at."""
    found = []
    for clinic in clinics or (ONE, TWO):
        page = await store.find(strands.BY_PLACE, (clinic,), limit=500)
        for strand in sorted(map(strands.read, page.rows), key=lambda each: each.opened):
            assert strand.is_itself
            rows = (await store.find(audit.BY_STRAND, (strand.id,), limit=500)).rows
            records = [row.document for row in rows]
            assert [each["seq"] for each in records] == list(range(1, len(records) + 1))
            assert all(strands.digest(each) == each["digest"] and each["clinic"] == clinic for each in records)
            assert [each["previous"] for each in records[:1]] == [strand.id]
            assert all(after["previous"] == before["digest"] for before, after in pairwise(records))
            found.append(records)
    return found


class Moody(LayeredStore):
    """Carries a transact out or not, and then says what it is told to say."""

    mood: BaseException | None = None
    is_done = True

    async def transact(self, writes: Sequence[Write]) -> list[Token]:
        tokens = await super().transact(writes) if self.is_done else []
        if self.mood is not None:
            raise self.mood
        return tokens


async def test_records_follow_each_other_in_one_strand(store: Store) -> None:
    chained = StrandStore(store)
    for _ in range(3):
        await chained.transact([act(), act()])
    ((*records,),) = await chains(store)
    assert len(records) == 6


async def test_the_writer_gets_a_token_for_each_write_and_no_more(store: Store) -> None:
    tokens = await StrandStore(store).transact([thing("t-1"), act(ONE), act(TWO), thing("t-2")])
    stored = [await store.get("things", "t-1"), await store.get("things", "t-2")]
    assert len(tokens) == 4
    assert [each.token for each in stored if each] == [tokens[0], tokens[3]]


async def test_what_is_written_of_several_clinics_is_chained_for_each(store: Store) -> None:
    chained = StrandStore(store)
    await chained.transact([act(TWO), act(ONE), act(TWO)])
    await chained.transact([act(ONE), act(ONE)])
    assert [len(each) for each in await chains(store)] == [3, 2]


async def test_there_is_room_for_the_strands_of_a_full_transact(store: Store) -> None:
    every = [act(ClinicId(f"cli-{n}")) for n in range(MAX_TRANSACT_WRITES)] + [
        thing(f"t-{n}") for n in range(MAX_RIDERS)
    ]
    assert len(await StrandStore(store).transact(every)) == len(every)


async def test_a_conflict_leaves_the_strand_where_it_was(store: Store) -> None:
    chained = StrandStore(store)
    await chained.transact([thing("t-1")])
    for _ in range(2):  # with the strand not yet begun, then with the strand begun
        with pytest.raises(Conflict):
            await chained.transact([act(), thing("t-1")])
        await chained.transact([act()])
    assert [len(each) for each in await chains(store)] == [2]


@pytest.mark.parametrize("is_done", [True, False])
@pytest.mark.parametrize("mood", [Unavailable("gone"), asyncio.CancelledError(), OSError()])
async def test_after_what_nobody_knows_another_strand_begins(store: Store, mood: BaseException, is_done: bool) -> None:
    moody = Moody(store)
    chained = StrandStore(moody)
    await chained.transact([act()])
    moody.mood, moody.is_done = mood, is_done
    with pytest.raises(type(mood)):
        await chained.transact([act()])
    moody.mood, moody.is_done = None, True
    await chained.transact([act()])
    assert [len(each) for each in await chains(store)] == [1 + is_done, 1]


async def test_a_record_is_only_ever_inserted(store: Store) -> None:
    chained = StrandStore(store)
    record = act()
    (token,) = await chained.transact([record])
    linked = await store.get(audit.COLLECTION, record.id)
    assert linked
    forged: list[Write] = [
        Replace(audit.COLLECTION, record.id, linked.document, token),
        Delete(audit.COLLECTION, record.id, token),
    ]
    for write in forged:
        with pytest.raises(RuntimeError, match="only ever inserted"):
            await chained.transact([write])


async def test_one_of_before_there_were_strands_may_be_brought_up(store: Store) -> None:
    record = act()
    (token,) = await store.transact([record])
    await StrandStore(store).transact([Replace(audit.COLLECTION, record.id, {**record.document, "sealed": {}}, token)])
    stored = await store.get(audit.COLLECTION, record.id)
    assert stored
    assert (stored.version, stored.document["strand"]) == (2, None)


async def test_two_hundred_at_once_with_conflicts_and_cancellations(store: Store) -> None:
    chained = StrandStore(store)
    await chained.transact([thing("taken")])

    async def one(n: int) -> None:
        clinics = [(ONE,), (TWO,), (ONE, TWO), (TWO, ONE, ONE)][n % 4]
        extra = [thing("taken")] if n % 7 == 0 else []
        await chained.transact([*map(act, clinics), *extra])

    async def round_of(first: int) -> list[BaseException | None]:
        tasks = [asyncio.create_task(one(first + n)) for n in range(200)]
        for n, task in enumerate(tasks):
            if n % 11 == 0:
                task.cancel()
            if n % 13 == 0:
                asyncio.get_running_loop().call_later(0.001 * (n % 5), task.cancel)
        return await asyncio.gather(*tasks, return_exceptions=True)

    outcomes = await round_of(0) + await round_of(200)
    kinds = {type(each) for each in outcomes}
    assert kinds <= {type(None), Conflict, asyncio.CancelledError}
    assert {type(None), Conflict} <= kinds
    known = sum([1, 1, 2, 3][n % 4] for n, each in enumerate(outcomes) if each is None)
    written = await chains(store)
    assert sum(map(len, written)) >= known
    assert len(written) <= 2 * strand_store.MAX_LANES + chained.counters()["given_up"]


async def test_at_the_bound_of_lanes_whoever_comes_waits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strand_store, "MAX_LANES", 3)
    chained = StrandStore(store)
    tasks = [asyncio.create_task(chained.transact([act(), act(TWO)])) for _ in range(40)]
    await asyncio.sleep(0)
    for task in tasks[10:20]:  # while they wait
        task.cancel()
    done = [each for each in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(each, list)]
    assert len(done) == 30
    written = await chains(store, ONE)
    assert len(written) <= 3
    assert sum(map(len, written)) == 30
    await asyncio.wait_for(chained.transact([act()]), 5)


async def test_an_idle_lane_is_let_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(strand_store, "monotonic", lambda: now)
    chained = StrandStore(store)
    await chained.transact([act()])
    now += strand_store.IDLE_S - 1
    await chained.transact([act()])
    now += strand_store.IDLE_S
    await chained.transact([act()])
    assert [len(each) for each in await chains(store)] == [2, 1]
