import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from medinova_rt.grants import FOREVER
from medinova_rt.remembered import LIFE, Remembered

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


class Source:
    """What is behind the memory; a read may be held up."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.reads: list[str] = []
        self.until = FOREVER
        self.gate: asyncio.Event | None = None

    async def load(self, key: str, now: datetime) -> tuple[int, datetime] | None:
        self.reads.append(key)
        found = self.values.get(key)
        if self.gate:
            await self.gate.wait()
        return None if found is None else (found, self.until)


@pytest.fixture
def source() -> Source:
    made = Source()
    made.values.update(a=1, b=2, c=3)
    return made


@pytest.mark.parametrize(
    ("later", "until", "reads"),
    [
        (timedelta(), FOREVER, 1),
        (LIFE - timedelta(microseconds=1), FOREVER, 1),
        (LIFE, FOREVER, 2),
        (timedelta(seconds=1), NOW + timedelta(seconds=1), 2),
        (timedelta(seconds=-1), FOREVER, 2),  # the clock was set back
    ],
)
async def test_how_long_it_is_remembered(source: Source, later: timedelta, until: datetime, reads: int) -> None:
    memory, source.until = Remembered(source.load, 10), until
    assert [await memory.get("a", NOW), await memory.get("a", NOW + later)] == [1, 1]
    assert len(source.reads) == reads


async def test_what_is_forgotten_is_read_again(source: Source) -> None:
    memory = Remembered(source.load, 10)
    await memory.get("a", NOW)
    source.values["a"] = 5
    memory.forget("a")
    assert await memory.get("a", NOW) == 5


async def test_what_was_read_before_it_was_forgotten_is_not_remembered(source: Source) -> None:
    memory, source.gate = Remembered(source.load, 10), asyncio.Event()
    early = asyncio.create_task(memory.get("a", NOW))
    await asyncio.sleep(0)
    source.values["a"] = 5
    memory.forget("a")
    source.gate.set()
    assert await early == 1
    assert await memory.get("a", NOW) == 5


async def test_nothing_is_not_remembered_and_pushes_nobody_out(source: Source) -> None:
    memory = Remembered(source.load, 2)
    await memory.get("a", NOW)
    assert [await memory.get(f"none{number}", NOW) for number in range(9)] == [None] * 9
    await memory.get("a", NOW)
    assert (len(memory), source.reads.count("a")) == (1, 1)


async def test_at_the_bound_the_one_read_longest_ago_goes(source: Source) -> None:
    memory = Remembered(source.load, 2)
    for key in ("a", "b", "c", "b", "a"):
        await memory.get(key, NOW)
    assert (source.reads, len(memory)) == (["a", "b", "c", "a"], 2)
