"""signaling/flood.py: bursts pass, floods don't, and time gives back."""

import pytest

from signaling.flood import COSTS, LARGE_BYTES, Bucket, Flood
from signaling.messages import Offer, Pong


@pytest.mark.parametrize(
    ("times", "paid"),
    [
        ([0, 0, 0, 0], [True, True, True, False]),
        ([0, 0, 0, 0.4, 0.5, 0.6], [True, True, True, False, True, False]),
        ([0, 0, 0, 100, 100, 100, 100], [True, True, True, True, True, True, False]),
    ],
)
def test_bucket(times: list[float], paid: list[bool]) -> None:
    bucket = Bucket(burst=3, per_s=2, now=0)
    assert [bucket.take(now) for now in times] == paid


def test_a_refusal_costs_nothing() -> None:
    bucket = Bucket(burst=3, per_s=1, now=0)
    assert not bucket.take(0, cost=4)
    assert bucket.take(0, cost=3)


def test_large_frames_have_a_bucket_of_their_own() -> None:
    flood = Flood(0)
    assert [flood.frame(LARGE_BYTES + 1, 0) for _ in range(5)] == [True, True, True, True, False]
    assert flood.frame(LARGE_BYTES, 0)
    assert flood.frame(LARGE_BYTES + 1, 4.0)


def test_what_costs_us_more_costs_more() -> None:
    flood, offers = Flood(0), 0
    while flood.frame(1000, 0) and flood.message(Offer(1, ""), 0):
        offers += 1
    assert offers == 60 // COSTS[Offer]
    assert Pong not in COSTS
