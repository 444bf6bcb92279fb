"""The token bucket."""

import pytest

from media.limit import RateLimit


@pytest.mark.parametrize(
    ("times", "taken"),
    [
        ([0.0] * 5, 3),  # the burst
        ([0.0] * 5 + [0.5] * 9, 3 + 3),  # refilled, to the brim only
        ([at / 100 for at in range(101)], 3 + 10),
    ],
)
def test_a_burst_and_then_the_rate(times: list[float], taken: int) -> None:
    limit = RateLimit(rate=10, burst=3)
    assert sum(limit.take(now) for now in times) == pytest.approx(taken, abs=1)
