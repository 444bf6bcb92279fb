"""The queue of events: its bell and its bound."""

from media.engine import Event, Generation, Overrun, PathUp, PeerId
from media.events import MAX_EVENTS, Events


def event(number: int = 1) -> Event:
    return PathUp(PeerId(number), Generation(0))


def test_the_bell_rings_once_per_filling() -> None:
    events, rung = Events(), []
    events.wake = lambda: rung.append(1)
    for _ in range(3):
        events.put(event())
    assert len(rung) == 1
    assert len(events.take()) == 3
    assert events.take() == []
    events.put(event())
    assert len(rung) == 2


def test_the_newest_are_dropped_and_it_is_said() -> None:
    events = Events()
    for number in range(MAX_EVENTS + 7):
        events.put(event(number))
    taken = events.take()
    assert taken[-2:] == [event(MAX_EVENTS - 1), Overrun(7)]
    assert events.take() == []
    assert events.dropped == 7
