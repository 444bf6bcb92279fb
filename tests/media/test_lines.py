"""What an offer's lines become."""

import pytest

from media.engine import Codec
from media.lines import MAX_SLOTS, accept_slots, accept_ups, covers
from media.sdp import parse
from tests.media.offers import CHROMIUM, FIREFOX, offer

PREFERENCE = ("VP8", "H264", "VP9", "AV1")


@pytest.mark.parametrize(
    ("sends", "ups"),
    [
        ("avv", {"microphone": "0", "camera": "1", "screen": "2"}),
        ("av", {"microphone": "0", "camera": "1"}),
        ("vav", {"camera": "0", "microphone": "1", "screen": "2"}),
        ("avvvaa", {"microphone": "0", "camera": "1", "screen": "2"}),
        ("v", {"camera": "0"}),
        ("", {}),
    ],
)
def test_ups(sends: str, ups: dict[str, str]) -> None:
    accepted = accept_ups(parse(offer(sends=sends)), PREFERENCE)
    assert {source: up.section.mid for source, up in accepted.items()} == ups


@pytest.mark.parametrize(
    ("agreed", "order"),
    [
        (None, ["VP8", "H264", "VP9", "AV1"]),
        (Codec("video", "H264", "42e0/1"), ["H264", "VP8", "VP9", "AV1"]),
    ],
)
def test_the_camera_says_the_agreed_codec_first(agreed: Codec | None, order: list[str]) -> None:
    camera = accept_ups(parse(offer()), PREFERENCE, agreed)["camera"]
    assert [one.codec.name for one in camera.codecs] == order


@pytest.mark.parametrize(
    ("slots", "places"),
    [
        ("aaavvvv", "person-0 person-1 person-2 person-0 person-1 person-2 screen-0"),
        ("vvava", "person-0 person-1 person-0 screen-0 person-1"),
        ("aav", "person-0 person-1 person-0"),
        ("vv", "screen-0 screen-1"),
        ("", ""),
    ],
)
def test_places(slots: str, places: str) -> None:
    found = accept_slots(parse(offer(sends="", slots=slots or "a")), {}, "x") if slots else {}
    assert " ".join(slot.accepted.stream for slot in found.values()) == places


def test_slots_keep_what_they_were_given() -> None:
    first = accept_slots(parse(offer()), {}, "x")
    again = accept_slots(parse(offer(more="avv")), first, "x")
    assert [again[mid].accepted.ssrc for mid in first] == [slot.accepted.ssrc for slot in first.values()]
    assert all(covers(again[mid], first[mid]) for mid in first)
    added = [slot.accepted.stream for mid, slot in again.items() if mid not in first]
    assert added == ["person-3", "person-3", "screen-1"]
    assert len({slot.accepted.ssrc for slot in again.values()}) == len(again)


def test_a_person_has_one_cname_and_nobody_shares_it() -> None:
    cnames = [slot.accepted.cname for slot in accept_slots(parse(offer()), {}, "x").values()]
    assert cnames == ["x-person-0", "x-person-1", "x-person-2"] * 2 + ["x-screen-0"]


def test_slots_are_bounded() -> None:
    slots = accept_slots(parse(offer(sends="", slots="a" * 20 + "v" * 40)), {}, "x")
    assert len(slots) == 3 * MAX_SLOTS


def test_a_codec_taken_away_is_not_covered() -> None:
    first = accept_slots(parse(offer()), {}, "x")
    fewer = accept_slots(parse(offer(codecs=FIREFOX)), first, "x")
    assert [mid for mid in first if not covers(fewer[mid], first[mid])] == ["6", "7", "8", "9"]


def test_a_codec_learned_since_is_not_taken_by_a_slot_that_was_made_without() -> None:
    first = accept_slots(parse(offer(codecs=FIREFOX)), {}, "x")
    more = accept_slots(parse(offer(codecs=CHROMIUM, more="v")), first, "x")
    known = {
        mid: {one.codec.name for one in slot.accepted.codecs} for mid, slot in more.items() if slot.kind == "video"
    }
    assert all("H264" not in known[mid] for mid in known if mid in first)
    assert all("H264" in known[mid] for mid in known if mid not in first)
    assert all(covers(more[mid], first[mid]) for mid in first)
