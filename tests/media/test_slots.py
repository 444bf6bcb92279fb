"""Slots are assigned stably, to the latest speakers when there are too few."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.slots import assign

TABLE = [
    # what, slots before, present, last spoke, slots after
    ("nobody", "---", "", {}, "---"),
    ("first comes", "---", "a", {}, "a--"),
    ("second comes", "a--", "ab", {}, "ab-"),
    ("first leaves, the second stays where they are", "ab-", "b", {}, "-b-"),
    ("the gap is filled, nobody moves", "-b-", "bc", {}, "cb-"),
    ("replaced at once", "a", "b", {}, "b"),
    ("too few slots: those shown stay", "ab", "abc", {}, "ab"),
    ("too few slots: by arrival at first", "--", "abc", {}, "ab"),
    ("who speaks comes in for the latest to arrive", "ab", "abc", {"c": 5.0}, "ac"),
    ("who spoke longest ago gives way", "ab", "abc", {"a": 1.0, "b": 2.0, "c": 5.0}, "cb"),
    ("equal claims: no change", "ab", "abc", {"a": 1.0, "b": 1.0, "c": 1.0}, "ab"),
    ("more slots offered", "cb-", "abc", {"c": 5.0, "b": 2.0, "a": 1.0}, "cba"),
    ("none offered", "", "ab", {}, ""),
]


@pytest.mark.parametrize(("what", "before", "present", "latest", "after"), TABLE, ids=[row[0] for row in TABLE])
def test_assign(what: str, before: str, present: str, latest: dict[str, float], after: str) -> None:
    slots = [None if who == "-" else who for who in before]
    assert "".join(who or "-" for who in assign(slots, present, latest)) == after


PEOPLE = "abcdefg"
a_history = st.lists(
    st.tuples(
        st.lists(st.sampled_from(PEOPLE), unique=True), st.dictionaries(st.sampled_from(PEOPLE), st.floats(0, 9))
    ),
    max_size=8,
)


@given(st.integers(0, 5), a_history)
def test_each_once_and_nobody_moves(count: int, history: list[tuple[list[str], dict[str, float]]]) -> None:
    slots: tuple[str | None, ...] = (None,) * count
    for present, latest in history:
        after = assign(slots, present, latest)
        shown = [who for who in after if who is not None]
        assert len(after) == count
        assert len(shown) == len(set(shown)) == min(count, len(present))
        assert set(shown) <= set(present)
        assert all(after.index(who) == at for at, who in enumerate(slots) if who is not None and who in shown)
        slots = after
