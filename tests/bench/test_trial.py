"""The search for what a server can take, on servers that lose what is above their limit."""

from dataclasses import replace

import pytest

from bench.load import Result, Shape
from bench.trial import FLOODS, MAX_LOSS, Scenario, Session, Trial, Unreached

VIDEO = Shape(audio_packets_s=0)


class Limited(Session):
    """Forwards `limit` packets a second, and `flooded` when more than that come; at most `offers` are sent."""

    def __init__(self, limit: float, flooded: float | None = None, offers: float = 300_000) -> None:
        self._rooms, self._size, self._done = 50, 2, {}
        self.limit, self.flooded, self.offers = limit, limit if flooded is None else flooded, offers
        self.runs = 0

    def run(self, shape: Shape, rate: float, seconds: float, warm_up_s: float) -> Trial:
        self.runs += 1
        offered = min(100 * 100 * rate, self.offers)
        arrived = offered if offered <= self.limit else self.flooded
        counts = dict.fromkeys(Result.__dataclass_fields__, 0)
        sent, came = int(offered * seconds), int(arrived * seconds)
        counts |= {"sent": sent, "expected": sent, "received": came, "arrived": came}
        return Trial(Result(**{**counts, "wall_s": seconds, "cpu_s": 0.5}), 0.5)  # type: ignore[arg-type]  # a table


@pytest.mark.parametrize(
    ("limit", "flooded"), [(20_000, 20_000), (55_000, 50_000), (123_456, 40_000), (200_000, 9_000)]
)
def test_the_highest_rate_without_loss_is_found(limit: int, flooded: int) -> None:
    session = Limited(limit, flooded)
    best = session.measure(Scenario("clean", VIDEO, (), how="clean"), 1.0)
    assert best.result.loss <= MAX_LOSS
    assert best.result.arrived_s == pytest.approx(limit, rel=0.05)


def test_most_arrives_below_the_flood() -> None:
    session = Limited(limit=100_000, flooded=50_000)
    flood = session.measure(Scenario("flooded", VIDEO, (), how="flooded"), 1.0)
    most = session.measure(Scenario("saturated", VIDEO, (), how="saturated"), 1.0)
    assert flood.result.arrived_s == 50_000
    assert 93_000 < most.result.arrived_s <= 100_000
    runs = session.runs
    assert session.measure(Scenario("saturated", VIDEO, (), how="saturated"), 1.0) is most
    assert session.runs == runs


class Leaky(Limited):
    """Loses a tenth of whatever comes."""

    def run(self, shape: Shape, rate: float, seconds: float, warm_up_s: float) -> Trial:
        trial = super().run(shape, rate, seconds, warm_up_s)
        return replace(trial, result=replace(trial.result, received=int(0.9 * trial.result.received)))


def test_a_server_that_always_loses_something_has_no_rate_without_loss() -> None:
    with pytest.raises(Unreached):
        Leaky(limit=100_000).measure(Scenario("clean", VIDEO, (), how="clean"), 1.0)


def test_more_than_the_generator_offers_is_not_searched() -> None:
    session = Limited(limit=500_000)
    assert session.measure(Scenario("clean", VIDEO, (), how="clean"), 1.0).result.arrived_s == 300_000
    assert session.runs == FLOODS
