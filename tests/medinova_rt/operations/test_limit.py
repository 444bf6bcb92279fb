import pytest

from medinova_rt.errors import TooFast
from medinova_rt.operations import limit as limit_module
from medinova_rt.operations.limit import Limit


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


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(limit_module, "MAX_CALLERS", 10)
    return 10


def test_memory_is_bounded_and_nobody_whose_tries_count_is_forgotten(few: int) -> None:
    limit = Limit(burst=2, every_s=10.0)
    for n in range(few):
        limit.take(f"192.0.2.{n}", 0.0)
    limit.take("192.0.2.0", 0.0)
    for stranger in range(100):
        for ask in (limit.take, limit.check):
            with pytest.raises(TooFast) as refused:
                ask(f"198.51.100.{stranger}", 1.0)
            assert refused.value.retry_after_s == pytest.approx(9.0)
    assert (len(limit._spent_until), limit.turned_away) == (few, 200)
    with pytest.raises(TooFast):
        limit.take("192.0.2.0", 1.0)  # still counted
    limit.take("192.0.2.1", 1.0)  # and who is known goes on


def test_whose_bucket_is_full_makes_room(few: int) -> None:
    limit = Limit(burst=5, every_s=10.0)
    for n in range(few):
        limit.take(f"192.0.2.{n}", 0.0)
    limit.take("192.0.2.0", 0.0)  # until 20
    for n in range(few - 1):
        limit.take(f"198.51.100.{n}", 10.0)
    with pytest.raises(TooFast):
        limit.take("198.51.100.99", 10.0)
    assert limit.left("192.0.2.0", 10.0).tries == 4
    limit.take("198.51.100.99", 20.0)
    assert len(limit._spent_until) <= few
    assert len(limit._queue) == len(limit._spent_until)


def test_what_was_under_way_is_counted_all_the_same(few: int) -> None:
    limit = Limit(burst=1, every_s=10.0)
    for n in range(few + 3):
        limit.charge(f"192.0.2.{n}", 0.0)
    for n in range(few + 3):
        with pytest.raises(TooFast):
            limit.check(f"192.0.2.{n}", 1.0)
