import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from medinova_rt.adapters import outbox_notifier
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.outbox_notifier import KEPT, LIFE, OutboxNotifier
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.ids import MailId, new_id
from medinova_rt.phi import Mark, marks
from medinova_rt.ports import Letter, Store
from tests.medinova_rt.adapters.test_store import NOW


@pytest.fixture(params=["local", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    finds = outbox_notifier.FINDS
    opened = MemoryStore(finds) if request.param == "local" else SqliteStore(tmp_path / "store.db", finds)
    await opened.open()
    yield opened
    await opened.close()


def letter(number: int) -> Letter:
    at = NOW + timedelta(seconds=number)
    return Letter(MailId(new_id("mai", at)), f"robin{number}@example.org", "A letter", "Hello.\n", at)


async def shown(outbox: OutboxNotifier) -> list[str]:
    return [kept.to for kept in (await outbox.newest())[0]]


async def test_the_newest_letter_is_first(store: Store) -> None:
    outbox = OutboxNotifier(store)
    for number in (2, 1, 3):
        await outbox.send(letter(number))
    assert await shown(outbox) == ["robin3@example.org", "robin2@example.org", "robin1@example.org"]


async def test_the_oldest_goes_when_another_comes(store: Store) -> None:
    outbox, other = OutboxNotifier(store), OutboxNotifier(store)
    for number in range(0, KEPT + 40, 20):
        sends = [(outbox, other)[n % 2].send(letter(n)) for n in range(number, number + 20)]
        await asyncio.gather(*sends)
    await outbox.send(letter(KEPT + 40))
    assert await shown(outbox) == [f"robin{n}@example.org" for n in range(KEPT + 40, 40, -1)]
    assert len((await store.find(outbox_notifier.NEWEST, limit=500)).rows) == KEPT


async def test_a_letter_is_gone_after_a_day(store: Store) -> None:
    outbox = OutboxNotifier(store)
    for number in (0, 1, 2):
        await outbox.send(letter(number))
    assert await outbox.sweep(NOW + LIFE) is False
    assert len(await shown(outbox)) == 3
    await outbox.sweep(NOW + LIFE + timedelta(seconds=2))
    assert await shown(outbox) == ["robin2@example.org"]


def test_only_what_is_open_is_marked_so() -> None:
    private = {name for name, mark in marks(outbox_notifier.Kept).items() if mark is not Mark.OPEN}
    assert private == {"to", "subject", "text"}
