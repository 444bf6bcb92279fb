"""Levels in, speakers out."""

import pytest

from media.engine import UpId
from media.speaker import INTERVAL_S, SpeakerDetector

A, B = UpId(1), UpId(2)


def listen(
    detector: SpeakerDetector, levels: dict[UpId, int | None], start: float, seconds: float
) -> list[tuple[UpId, ...]]:
    """Have everyone at their level (None: no packets) for a while; return the lists told."""
    lists = []
    look_at = start
    for step in range(int(seconds * 50)):
        now = start + step / 50
        for up, level in levels.items():
            if level is not None:
                detector.heard(up, level, now)
        if now >= look_at:
            look_at += INTERVAL_S
            speakers = detector.look(now)
            if speakers is not None:
                lists.append(speakers)
    return lists


@pytest.mark.parametrize(
    ("levels", "lists"),
    [
        ({A: 127, B: 127}, []),
        ({A: 60, B: 70}, []),  # a quiet room
        ({A: 30, B: 127}, [(A,)]),
        ({A: 30, B: 20}, [(B, A)]),
        ({A: 30, B: 32}, [(A, B)]),
        ({A: 30 | 0x80}, [(A,)]),  # the voice activity bit is no level
    ],
)
def test_who_speaks(levels: dict[UpId, int | None], lists: list[tuple[UpId, ...]]) -> None:
    assert listen(SpeakerDetector(), levels, 0.4, 2.0) == lists


@pytest.mark.parametrize("silence", [127, None])
def test_silence_and_dtx_end_it(silence: int | None) -> None:
    detector = SpeakerDetector()
    assert listen(detector, {A: 30}, 0.4, 1.0) == [(A,)]
    assert listen(detector, {A: silence, B: 127}, 1.4, 2.0) == [()]


def test_a_pause_between_words_does_not() -> None:
    detector = SpeakerDetector()
    listen(detector, {A: 30}, 0.4, 1.0)
    assert listen(detector, {A: 127}, 1.4, 0.5) == []


def test_only_a_clearly_louder_voice_moves_ahead() -> None:
    detector = SpeakerDetector()
    assert listen(detector, {A: 30, B: 32}, 0.4, 1.0) == [(A, B)]
    assert listen(detector, {A: 30, B: 27}, 1.4, 2.0) == []
    assert listen(detector, {A: 30, B: 15}, 3.4, 2.0) == [(B, A)]


def test_one_who_left_is_forgotten() -> None:
    detector = SpeakerDetector()
    listen(detector, {A: 30}, 0.4, 1.0)
    detector.forget(A)
    assert detector.look(1.5) == ()
