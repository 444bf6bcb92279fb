"""A receiver's year in estimates, second by second, and what its sender is told."""

import pytest

from media.cap import SenderCap
from media.engine import DownEstimate, PeerId


def caps(*story: tuple[int, int, float, float, int]) -> list[int | None]:
    """Each chapter: seconds, REMB, loss, round trip in s, sent. Return the cap after each second; rates in kbit/s."""
    rule, now, told = SenderCap(), 0.0, []
    for seconds, remb, loss, round_trip_s, sent in story:
        for _ in range(seconds):
            now += 1
            cap = rule.update(DownEstimate(PeerId(1), remb * 1000, loss, round_trip_s, sent * 1000), now)
            told.append(None if cap is None else cap // 1000)
    return told


@pytest.mark.parametrize(
    ("story", "told"),
    [
        # all is well: no REMB counts
        ([(3, 2000, 0.0, 0.05, 1200)], [None] * 3),
        # a still picture: REMB follows what little is sent
        ([(3, 28, 0.0, 0.05, 25)], [None] * 3),
        # loss, and 5 s beyond it
        ([(2, 900, 0.1, 0.05, 500), (6, 900, 0.0, 0.05, 500)], [900] * 6 + [None] * 2),
        # loss that rises counts before it is high
        ([(3, 900, 0.01, 0.05, 500), (1, 900, 0.04, 0.05, 500)], [None] * 3 + [900]),
        # delay that rises
        (
            [(3, 900, 0.0, 0.05, 500), (1, 800, 0.0, 0.2, 500), (6, 900, 0.0, 0.05, 500)],
            [None] * 3 + [800] + [900] * 4 + [None] * 2,
        ),
        # a long way is no trouble
        ([(3, 900, 0.0, 0.4, 500)], [None] * 3),
        # more is sent than the receiver can take, then as much as it can
        (
            [
                (1, 2000, 0.0, 0.05, 1200),
                (2, 1000, 0.0, 0.05, 1200),
                (2, 1000, 0.0, 0.05, 950),
                (6, 2000, 0.0, 0.05, 950),
            ],
            [None] + [1000] * 4 + [2000] * 4 + [None] * 2,
        ),
        # as much as it can take, while nothing was the matter: what it can take is hardly known yet
        ([(3, 1000, 0.0, 0.05, 1100), (3, 300, 0.0, 0.05, 50), (3, 300, 0.0, 0.05, 1200)], [None] * 9),
        # a still picture on a bad network: not the cause
        ([(2, 300, 0.0, 0.05, 100), (2, 300, 0.2, 0.3, 100)], [None] * 4),
        # never below the floor
        ([(2, 50, 0.2, 0.05, 300)], [250] * 2),
        # it doesn't say what it can take: what was not lost
        ([(3, 0, 0.0, 0.05, 1000), (3, 0, 0.0, 0.5, 1000)], [None] * 6),
        (
            [(2, 0, 0.5, 0.05, 1000), (2, 0, 0.0, 0.05, 500), (6, 0, 0.0, 0.05, 300)],
            [450] * 2 + [486, 524, 566, 612, 661, 714] + [None] * 2,
        ),
    ],
)
def test_the_cap(story: list[tuple[int, int, float, float, int]], told: list[int | None]) -> None:
    assert caps(*story) == told
