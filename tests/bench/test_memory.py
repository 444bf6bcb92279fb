"""Memory of a few participants: that what is held is seen, and what is let go of."""

import pytest

from bench import engines, memory


async def test_participants_take_memory() -> None:
    size, history, loss = await memory.participants("null", 20)
    assert size > 1024
    assert (history, loss) == (0, 0)


@pytest.mark.skipif(engines.best() != "native", reason="the native engine is not built")
async def test_packets_kept_for_repair_are_told_apart() -> None:
    size, history, loss = await memory.participants("native", 20)
    assert size > 1024
    assert history > 20_000  # a second of video is five times that and more
    assert loss < 0.5


async def test_rounds_of_joins_and_leaves() -> None:
    assert len(await memory.churn("null", rounds=2, each=2)) == 2


def test_the_reference_engine_alone_takes_more_than_one_that_holds_nothing() -> None:
    assert memory.alone("reference", 200) > memory.alone("null", 200) + 4096
