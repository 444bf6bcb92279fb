import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medinova_rt.spelling import begins, fold, is_similar, prefixes, slips, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("García Márquez", ["garcia", "marquez"]),
        ("O'Brien-Smith", ["obrien", "smith"]),
        ("O’Brien", ["obrien"]),
        ("Ｆｕｌｌ", ["full"]),
        ("Łukasz Øystein", ["lukasz", "oystein"]),
        ("STRASSE straße", ["strasse"]),
        ("İpek", ["ipek"]),
        ("Ёлкин", ["елкин"]),
        ("王 小明", ["王", "小明"]),
        ("محمّد", ["محمد"]),
        ("मीना", ["मीना"]),
        (" -. ", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected
    assert words(unicodedata.normalize("NFD", text)) == expected


@given(st.text(max_size=40))
def test_to_fold_again_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("li", ["li"]),
        ("ana", ["ana"]),
        ("maria", ["mar", "mari", "maria"]),
        ("christopher", ["chr", "chri", "chris", "christ", "christo", "christop"]),
    ],
)
def test_prefixes(word: str, expected: list[str]) -> None:
    assert prefixes(word) == expected


@pytest.mark.parametrize(
    ("said", "name", "fits"),
    [
        ("mar", "María López", True),
        ("lop mar", "María López", True),
        ("christopher", "Christoph Meier", False),
        ("li", "Li Wei", True),
        ("li", "Lisa Wei", False),
        ("王", "王 小明", True),
        ("ria", "María López", False),
    ],
)
def test_beginnings(said: str, name: str, fits: bool) -> None:
    assert begins(said, name) is fits


@pytest.mark.parametrize(
    ("one", "other", "similar"),
    [
        ("Anna", "Ana", True),
        ("Anna", "Anan", True),
        ("Maria", "Maria Jose", True),
        ("Smith-Jones", "Jones", True),
        ("Schmidt", "Schmitt", True),
        ("Alexander", "Aleksandr", False),
        ("Li", "Lu", False),
        ("Ana", "Eva", False),
        ("", "Ana", False),
    ],
)
def test_similar_names(one: str, other: str, similar: bool) -> None:
    assert is_similar(one, other) is similar
    assert is_similar(other, one) is similar


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [("abc", "abc", 0), ("abc", "abd", 1), ("abc", "acb", 1), ("abc", "ab", 1), ("abcd", "badc", 2), ("abc", "xyz", 3)],
)
def test_slips(one: str, other: str, count: int) -> None:
    assert slips(one, other, 2) == count
    assert slips(other, one, 2) == count


@given(st.text("abc", max_size=6), st.text("abc", max_size=6), st.integers(0, 3))
def test_slips_are_the_same_both_ways(one: str, other: str, most: int) -> None:
    assert slips(one, other, most) == slips(other, one, most) <= most + 1
