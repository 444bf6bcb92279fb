"""The room's video codec: the first that all can, the one most can, and no going back in haste."""

import pytest

from media.agreement import HOLD_S, Agreement, choose
from media.engine import Codec

VP8 = Codec("video", "VP8")
VP9 = Codec("video", "VP9", "0")
AV1 = Codec("video", "AV1", "0")
BASELINE = Codec("video", "H264", "42e0/1")
MAIN = Codec("video", "H264", "4d00/1")
ODD = Codec("video", "H264", "4200/0")
OPUS = Codec("audio", "opus")

CHROMIUM = {VP8, VP9, AV1, BASELINE, MAIN, ODD}
FIREFOX = {VP8, VP9, AV1}

TABLE = [
    # what, preference, abilities, choice
    ("nobody yet", "VP8 H264", [], None),
    ("preference decides", "VP8 H264", [CHROMIUM, CHROMIUM], VP8),
    ("preference the other way round", "H264 VP8", [CHROMIUM, CHROMIUM], BASELINE),
    ("one can't", "H264 VP8", [CHROMIUM, FIREFOX], VP8),
    ("the second can't either", "H264 VP8 VP9", [{MAIN, BASELINE, VP9}, FIREFOX], VP9),
    ("the profile that both have", "H264 VP8", [{MAIN, ODD}, {ODD, BASELINE}], ODD),
    ("no profile in common", "H264 VP8", [{MAIN, VP8}, {BASELINE, VP8}], VP8),
    ("nothing that all can: what most can", "H264 VP8", [{BASELINE}, FIREFOX, FIREFOX], VP8),
    ("a codec that we don't prefer is not used", "VP8", [{AV1}, {AV1}], None),
    ("somebody without any", "VP8 H264", [set(), CHROMIUM], VP8),
]


@pytest.mark.parametrize(("what", "preference", "abilities", "choice"), TABLE, ids=[row[0] for row in TABLE])
def test_choose(what: str, preference: str, abilities: list[set[Codec]], choice: Codec | None) -> None:
    assert choose(preference.split(), abilities) == choice


def test_the_same_abilities_again_change_nothing() -> None:
    agreement = Agreement(["VP8", "H264"])
    assert agreement.update([CHROMIUM, FIREFOX], 0.0) == VP8
    assert agreement.update([CHROMIUM, FIREFOX], 1.0) == VP8
    assert agreement.update([CHROMIUM, {BASELINE}], 2.0) == BASELINE
    assert agreement.update([CHROMIUM, FIREFOX], 3.0) == VP8


def test_change_at_once_and_back_with_hold() -> None:
    agreement = Agreement(["H264", "VP8"])
    steps = [
        (0.0, [], None),
        (1.0, [CHROMIUM], BASELINE),
        (2.0, [CHROMIUM, FIREFOX], VP8),  # at once
        (3.0, [CHROMIUM], VP8),
        (3.0 + HOLD_S - 1, [CHROMIUM], VP8),
        (3.0 + HOLD_S, [CHROMIUM, FIREFOX], VP8),  # back in time: the hold begins anew
        (50.0, [CHROMIUM], VP8),
        (50.0 + HOLD_S, [CHROMIUM], BASELINE),
        (99.0, [], BASELINE),  # an empty room changes nothing
    ]
    assert [agreement.update(abilities, now) for now, abilities, _ in steps] == [codec for *_, codec in steps]


def test_name_before_anyone_came() -> None:
    agreement = Agreement(["VP8", "H264"])
    assert agreement.name == "VP8"
    agreement.update([{BASELINE}], 0.0)
    assert agreement.name == "H264"
