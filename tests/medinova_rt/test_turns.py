import asyncio

import pytest

from medinova_rt import turns
from medinova_rt.errors import Conflict
from medinova_rt.ids import ClinicId
from medinova_rt.ports import Store

CLINIC = ClinicId("cli-1")
PLACE = turns.place("seats", CLINIC)


async def test_of_those_who_read_at_once_one_writes(store: Store) -> None:
    for _ in range(2):
        read = [await turns.turn(store, CLINIC, PLACE) for _ in range(3)]
        done = await asyncio.gather(*(store.transact([each]) for each in read), return_exceptions=True)
        assert sorted(type(each).__name__ for each in done) == ["Conflict", "Conflict", "list"]


async def test_turns_of_others_are_their_own(store: Store) -> None:
    one, other = await turns.turn(store, CLINIC, PLACE), await turns.turn(store, CLINIC, turns.place("beds", CLINIC))
    await store.transact([one])
    await store.transact([other])
    with pytest.raises(Conflict):
        await store.transact([one])
