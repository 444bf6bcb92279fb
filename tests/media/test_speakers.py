"""Who speaks: loudest first, held for a moment, forgotten when gone."""

from media.speakers import HOLD_S, Speakers


def test_speakers() -> None:
    speakers: Speakers[str] = Speakers()
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
        speakers.hear(speaking, now)
        found.append("".join(speakers.named(now)))
    assert found == [named for *_, named in steps]
    assert speakers.latest == {"a": 3.0, "b": 5.0, "c": 9.0}


def test_forget() -> None:
    speakers: Speakers[str] = Speakers()
    speakers.hear("ab", 1.0)
    speakers.forget("a")
    speakers.forget("nobody")
    assert (speakers.named(1.0), speakers.latest) == (("b",), {"b": 1.0})


def test_latest_goes_on_while_somebody_speaks() -> None:
    speakers: Speakers[str] = Speakers()
    speakers.hear("a", 1.0)
    speakers.advance(7.0)
    assert speakers.latest == {"a": 7.0}
