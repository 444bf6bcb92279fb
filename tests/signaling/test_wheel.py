"""signaling/wheel.py: timers fire in order, never early, and a cancelled one never."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.wheel import SPOKES, Wheel


@pytest.mark.parametrize(
    ("delays", "now", "fired"),
    [
        ([1.0], 0.99, []),
        ([1.0], 1.25, [1.0]),
        ([2.0, 1.0], 3.0, [1.0, 2.0]),
        ([0.0], 0.25, [0.0]),
        ([-5.0], 0.25, [-5.0]),
        ([64.0, 1.0], 2.0, [1.0]),  # same spoke, another round
        ([64.0, 128.0], 70.0, [64.0]),
        ([64.0, 128.0], 200.0, [64.0, 128.0]),
    ],
)
def test_fires_what_is_due_in_order(delays: list[float], now: float, fired: list[float]) -> None:
    wheel = Wheel(0.0)
    heard: list[float] = []
    for delay in delays:
        wheel.after(delay, partial(heard.append, delay))
    wheel.advance(now)
    assert heard == fired
    assert len(wheel) == len(delays) - len(fired)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=30))
def test_never_early_and_at_most_two_ticks_late(timers: list[tuple[float, float]]) -> None:
    wheel = Wheel(0.0)
    now = 0.0
    late: list[float] = []

    def start(delay: float) -> None:
        begun = now
        wheel.after(delay, lambda: late.append(now - begun - delay))

    starts = sorted((start_at, delay) for start_at, delay in timers)
    for tick in range(1 + SPOKES * 4):
        now = tick * 0.25
        wheel.advance(now)
        while starts and starts[0][0] <= now:
            start(starts.pop(0)[1])
    assert len(late) == len(timers)
    assert all(0 <= behind <= 0.5 for behind in late)


def test_cancelled_timers_do_not_fire_even_by_a_neighbour_of_the_same_tick() -> None:
    wheel = Wheel(0.0)
    heard: list[str] = []
    wheel.after(1.0, lambda: second.cancel())
    second = wheel.after(1.0, lambda: heard.append("second"))
    third = wheel.after(1.0, lambda: heard.append("third"))
    third.cancel()
    third.cancel()
    wheel.advance(5.0)
    assert heard == []
    assert len(wheel) == 0


def test_a_failing_callback_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    wheel = Wheel(0.0)
    heard: list[str] = []
    wheel.after(1.0, partial(heard.remove, "nobody"))
    wheel.after(1.0, lambda: heard.append("on"))
    wheel.advance(2.0)
    assert heard == ["on"]
    assert "a timer's callback failed" in caplog.text


def test_a_timer_may_start_another() -> None:
    wheel = Wheel(0.0)
    heard: list[int] = []

    def beat() -> None:
        heard.append(len(heard))
        wheel.after(1.0, beat)

    wheel.after(1.0, beat)
    for tick in range(1, 41):
        wheel.advance(tick * 0.25)
    assert 7 <= len(heard) <= 10
