"""Who has the floor: loudest first, held for a moment, forgotten when gone."""

from media.floor import HOLD_S, Floor


def test_floor() -> None:
    floor: Floor[str] = Floor()
    steps = [
        (0.0, "", ""),
        (1.0, "a", "a"),
        (2.0, "ba", "ba"),
        (3.0, "b", "ba"),  # a just stopped
        (3.0 + HOLD_S, "b", "b"),
        (5.0, "", "b"),
        (5.1, "c", "cb"),
        (9.0, "", "c"),
        (9.0 + HOLD_S, "", ""),
    ]
    found = []
    for now, speaking, _ in steps:
        floor.hear(speaking, now)
        found.append("".join(floor.named(now)))
    assert found == [named for *_, named in steps]
    assert floor.latest == {"a": 3.0, "b": 5.0, "c": 9.0}


def test_forget() -> None:
    floor: Floor[str] = Floor()
    floor.hear("ab", 1.0)
    floor.forget("a")
    floor.forget("nobody")
    assert (floor.named(1.0), floor.latest) == (("b",), {"b": 1.0})


def test_latest_goes_on_while_somebody_speaks() -> None:
    floor: Floor[str] = Floor()
    floor.hear("a", 1.0)
    floor.advance(7.0)
    assert floor.latest == {"a": 7.0}
