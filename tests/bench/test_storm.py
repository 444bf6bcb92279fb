"""Two participants join a server of visits in a process of its own, with each engine that is always there."""

import pytest

from bench import storm
from bench.host import Host, percentile


@pytest.mark.parametrize("engine", ["null", "reference"])
async def test_two_join_and_leave(engine: str) -> None:
    async with Host(engine) as host:
        visitors = await storm.join(host, 2)
        there = (await host.sample()).counters
        await storm.leave(visitors)
        gone = (await host.sample()).counters
    assert (there["peers"], there["rooms"]) == (2, 1)
    assert (gone["peers"], gone["rooms"]) == (0, 0)


async def test_a_storm_while_somebody_is_there() -> None:
    async with Host("reference") as host:
        (resident,) = await storm.join(host, 1)
        done = await storm.storm(host, 2)
        sample = await host.sample()
        leg = resident.leg(source=0)
        resident.close()
    assert (done.joins, sample.counters["peers"]) == (2, 1)
    assert 0 < done.cpu_ms < 1000
    assert done.rate > 0
    assert done.core > 0
    assert {receiving.kind for receiving in leg.receives} == {"audio", "video"}
    assert [sending.kind for sending in leg.sends] == ["audio", "video"]
    assert all(sending.mid_id for sending in leg.sends)
    assert {receiving.payload_type for receiving in leg.receives} == {111, 96}
    assert len(leg.keys.up) == 28


async def test_a_server_that_does_not_start_is_noticed() -> None:
    with pytest.raises(ConnectionError, match="ended"):
        async with Host("of nobody"):
            pass


def test_figures() -> None:
    found = {figure.name: figure for figure in storm.figures("null", joins=2, runs=1)}
    assert set(found) == {
        "joins.cpu",
        "joins.rate",
        "joins.core",
        "joins.lag.p50",
        "joins.lag.p99",
        "joins.lag.max",
    }
    assert found["joins.cpu"].parameters["engine"] == "null"


@pytest.mark.parametrize(
    ("values", "share", "expected"), [([], 0.5, 0), ([3, 1, 2], 0.5, 2), ([3, 1, 2], 1, 3), ([3, 1, 2], 0, 1)]
)
def test_percentile(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected
