"""Memory of a few participants: that what is held is seen, and what is let go of."""

from bench import memory


async def test_participants_take_memory() -> None:
    assert await memory.participants("null", 20) > 1024


async def test_rounds_of_joins_and_leaves() -> None:
    assert len(await memory.churn("null", rounds=2, each=2)) == 2


def test_the_reference_engine_alone_takes_more_than_one_that_holds_nothing() -> None:
    assert memory.alone("reference", 200) > memory.alone("null", 200) + 4096
