"""What transport-wide feedback says of what came."""

import pytest

from media.arrivals import MAX_PENDING, Arrivals


def told(arrivals: Arrivals) -> dict[int, int | None]:
    """Every number in the next reports, with its arrival in µs."""
    return dict(pair for report in arrivals.report(1, 2) for pair in report.arrivals())


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([5, 6, 7], {5: 0, 6: 1, 7: 2}),
        ([5, 8], {5: 0, 6: None, 7: None, 8: 1}),
        ([65534, 65535, 0], {65534: 0, 65535: 1, 0: 2}),
        ([5, 7, 6], {5: 0, 6: 2, 7: 1}),
        ([5, 5], {5: 0}),
    ],
)
def test_numbers_and_losses(numbers: list[int], said: dict[int, int | None]) -> None:
    arrivals = Arrivals()
    for at, number in enumerate(numbers):
        arrivals.note(number, 64 + at / 8)
    expected = {number: None if at is None else 64_000_000 + at * 125_000 for number, at in said.items()}
    assert told(arrivals) == expected


def test_nothing_is_left_out_between_reports() -> None:
    arrivals = Arrivals()
    arrivals.note(5, 1.0)
    assert list(told(arrivals)) == [5]
    assert told(arrivals) == {}
    arrivals.note(8, 2.0)
    assert told(arrivals) == {6: None, 7: None, 8: 2_000_000}
    arrivals.note(7, 2.1)  # late: said lost before, said received now
    assert told(arrivals) == {7: 2_100_000}
    arrivals.note(9, 2.2)
    assert list(told(arrivals)) == [9]


def test_reports_are_counted_and_name_the_stream() -> None:
    arrivals = Arrivals()
    seen = []
    for number in range(300):
        arrivals.note(number, number / 10)
        (report,) = arrivals.report(1, 2)
        seen.append((report.sender, report.media, report.count))
    assert seen == [(1, 2, number & 0xFF) for number in range(300)]


def test_a_flood_is_reported_early_and_what_nobody_fetches_is_bounded() -> None:
    arrivals = Arrivals()
    early = [arrivals.note(number, 1.0) for number in range(5000)]
    assert early.index(True) == MAX_PENDING - 1
    assert len(told(arrivals)) == 2 * MAX_PENDING
