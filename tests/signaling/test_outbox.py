"""signaling/outbox.py: in order, bounded twice, and shut."""

import asyncio

import pytest

from signaling.outbox import MAX_BYTES, MAX_MESSAGES, Outbox


async def test_hands_out_in_order_and_ends_when_shut() -> None:
    outbox = Outbox()
    taken: list[bytes] = []

    async def take() -> None:
        while (data := await outbox.get()) is not None:
            taken.append(data)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(take())
        for data in (b"a", b"b"):
            assert outbox.put(data)
            await asyncio.sleep(0)
        assert outbox.put(b"c")
        outbox.shut()
        assert outbox.put(b"dropped")
    assert taken == [b"a", b"b", b"c"]


@pytest.mark.parametrize(
    ("sizes", "fit"),
    [
        ([1] * (MAX_MESSAGES + 1), MAX_MESSAGES),
        ([MAX_BYTES // 2] * 3, 2),
        ([MAX_BYTES * 2, 1], 1),
        ([1, MAX_BYTES], 1),
    ],
)
def test_is_bounded_in_messages_and_bytes_but_takes_any_one(sizes: list[int], fit: int) -> None:
    outbox = Outbox()
    assert [outbox.put(b"x" * size) for size in sizes].count(True) == fit


async def test_dropping_leaves_nothing() -> None:
    outbox = Outbox()
    outbox.put(b"x")
    outbox.shut(drop=True)
    assert await outbox.get() is None
