import re
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from medinova_rt.ids import derived_id, new_id

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
SHAPE = re.compile(r"[a-z]{3}-[0-9a-hjkmnp-tv-z]{26}")


def test_an_id_is_its_prefix_and_26_letters_and_digits() -> None:
    assert all(SHAPE.fullmatch(each) and len(each) <= 40 for each in (new_id("vis", NOW), derived_id("cht", "a")))


def test_ids_sort_by_age() -> None:
    made = [new_id("vis", NOW + timedelta(milliseconds=n)) for n in range(0, 10**12, 10**9 + 7)]
    assert made == sorted(made)


def test_ids_of_one_moment_differ() -> None:
    assert len({new_id("vis", NOW) for _ in range(1000)}) == 1000


def test_a_derived_id_is_always_the_same() -> None:
    assert derived_id("cht", "vis-1", "sea-1", "k") == "cht-7e7c36wvjrz42r5njqvss1h5qq"


@given(st.lists(st.text(), max_size=3), st.lists(st.text(), max_size=3))
def test_other_parts_give_another_id(left: list[str], right: list[str]) -> None:
    assert (derived_id("cht", *left) == derived_id("cht", *right)) == (left == right)
