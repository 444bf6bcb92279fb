"""Which numbers are asked for again, when, and when no more."""

import pytest

from media.nack import BURST, MAX_MISSING, NackList


def receive(nacks: NackList, numbers: list[int], at: float = 0.0) -> int:
    highest = numbers[0] - 1
    for number in numbers:
        assert nacks.received(number, highest, at)
        highest = max(highest, number)
    return highest


@pytest.mark.parametrize(
    ("numbers", "asked"),
    [
        ([1, 2, 3], []),
        ([1, 4], [2, 3]),
        ([1, 4, 2], [3]),
        ([1, 3, 2], []),
        ([1, 3, 5, 4], [2]),
        ([65535, 65537], [65536]),
    ],
)
def test_what_is_missing(numbers: list[int], asked: list[int]) -> None:
    nacks = NackList()
    receive(nacks, numbers)
    assert nacks.due(0.0, 0.1) == []  # it may only be late
    assert nacks.due(0.03, 0.1) == asked


def test_twice_a_round_trip_apart_and_then_never() -> None:
    nacks = NackList()
    receive(nacks, [1, 3])
    times = [at / 100 for at in range(100) if nacks.due(at / 100, 0.2)]
    assert times == [pytest.approx(0.02), pytest.approx(0.22)]
    assert (len(nacks), nacks.given_up) == (0, 1)


def test_a_wide_gap_is_beyond_repair() -> None:
    nacks = NackList()
    receive(nacks, [1, 3])
    assert nacks.received(MAX_MISSING + 2, 3, 0.0)
    assert not nacks.received(MAX_MISSING + 10, MAX_MISSING + 2, 0.0)
    assert len(nacks) == 0


def test_no_more_than_a_fifth_is_asked_for() -> None:
    nacks = NackList()
    asked = 0
    highest = 0
    for number in range(1, 4001, 2):  # every other packet is lost
        nacks.received(number, highest, number / 100)
        highest = number
        asked += len(nacks.due(number / 100, 0.01))
    assert asked == pytest.approx(2000 * 0.2 + BURST, abs=3)
