"""How much is sent again."""

import pytest

from media.repair import FIRST_BUDGET_BYTES, MAX_REMEMBERED, RepairLimit


@pytest.mark.parametrize(
    ("round_trip_s", "asked_at", "answered"),
    [
        (0.1, [0.0, 0.05, 0.1, 0.15, 0.2, 0.3], [0.0, 0.1]),
        (None, [0.0, 0.01, 0.02, 0.5], [0.0, 0.02]),
        (0.001, [0.0, 0.01, 0.03], [0.0, 0.03]),
    ],
)
def test_twice_and_once_a_round_trip(round_trip_s: float | None, asked_at: list[float], answered: list[float]) -> None:
    limit = RepairLimit()
    assert [at for at in asked_at if limit.spend(1, 100, at, round_trip_s)] == answered


def test_a_fifth_of_the_rate() -> None:
    limit = RepairLimit()
    again = 0
    for seq in range(10_000):
        limit.earn(1000)
        again += limit.spend(seq, 1000, 0.0, None)
    assert again == pytest.approx(2000 + FIRST_BUDGET_BYTES / 1000, abs=2)


def test_what_is_remembered_is_bounded() -> None:
    limit = RepairLimit()
    for seq in range(3 * MAX_REMEMBERED):
        limit.earn(1000)
        limit.spend(seq, 1, 0.0, None)
    assert len(limit._sent) == MAX_REMEMBERED
