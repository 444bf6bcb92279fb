import pytest

from medinova_rt.errors import TooFast
from medinova_rt.operations.limit import MAX_CALLERS, Limit


def test_a_burst_then_one_each_interval() -> None:
    limit = Limit(burst=3, every_s=2.0)
    for _ in range(3):
        limit.take("192.0.2.1", 100.0)
    with pytest.raises(TooFast) as refused:
        limit.take("192.0.2.1", 100.5)
    assert refused.value.retry_after_s == pytest.approx(1.5)
    limit.take("192.0.2.1", 102.0)
    with pytest.raises(TooFast):
        limit.take("192.0.2.1", 103.9)


def test_a_refused_try_costs_nothing() -> None:
    limit = Limit(burst=1, every_s=2.0)
    limit.take("192.0.2.1", 0.0)
    for _ in range(100):
        with pytest.raises(TooFast):
            limit.take("192.0.2.1", 1.9)
    limit.take("192.0.2.1", 2.0)


def test_callers_don_t_share() -> None:
    limit = Limit(burst=1, every_s=2.0)
    for last in range(100):
        limit.take(f"192.0.2.{last}", 0.0)


def test_memory_is_bounded_and_the_longest_unheard_is_forgotten() -> None:
    limit = Limit(burst=1, every_s=1e9)
    for n in range(MAX_CALLERS + 1):
        limit.take(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 0.0)
    assert len(limit._spent_until) == MAX_CALLERS
    limit.take("10.0.0.0", 0.0)
    with pytest.raises(TooFast):
        limit.take("10.0.0.2", 0.0)
