"""The search for the highest rate without loss, on a server that loses what is above its limit."""

import pytest

from bench.load import Result, Shape
from bench.subject import Subject
from bench.trial import MAX_LOSS, Session, Trial


class Limited(Session):
    """Forwards `limit` packets a second of the 10,000 that come at rate 1; `offers` at most are sent."""

    def __init__(self, subject: Subject | None = None, limit: float = 0, offers: float = 1e9) -> None:
        self.limit, self.offers, self.rates = limit, offers, list[float]()

    def run(self, shape: Shape, rate: float, seconds: float, warm_up_s: float = 1.0) -> Trial:
        self.rates.append(rate)
        sent = int(min(10_000 * rate, self.offers) * seconds)
        arrived = int(min(sent, self.limit * seconds))
        counts = dict.fromkeys(Result.__dataclass_fields__, 0)
        counts |= {"sent": sent, "expected": sent, "received": arrived, "arrived": arrived}
        return Trial(Result(**{**counts, "wall_s": seconds}), 0.5)  # type: ignore[arg-type]  # a table of counts


@pytest.mark.parametrize("limit", [20_000, 55_000, 123_456])
def test_the_highest_rate_without_loss_is_found(limit: int) -> None:
    best = Limited(limit=limit).without_loss(Shape(), ceiling=48.0, seconds=1.0)
    assert best.result.loss <= MAX_LOSS
    assert best.result.arrived_s == pytest.approx(limit, rel=0.02)


def test_more_than_the_generator_offers_is_not_searched() -> None:
    session = Limited(limit=500_000, offers=300_000)
    assert session.without_loss(Shape(), 48.0, 1.0).result.arrived_s == 300_000
    assert session.rates == [48.0]
