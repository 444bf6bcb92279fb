from datetime import date

import pytest

from medinova_rt.likeness import LIKELY, POINTS, Reason, Traits, reasons, score
from medinova_rt.lookups import Kind

BORN = date(1990, 5, 17)
Said = tuple[str, str, date, str, str]  # given, family, birth date, e-mail, number


def traits(given: str, family: str, born: date, email: str = "", number: str = "") -> Traits:
    terms = {(Kind.BIRTH_DATE, born.isoformat()), (Kind.EMAIL, email), (Kind.NUMBER, number)}
    return Traits(given, family, born, frozenset(each for each in terms if each[1]))


ANNA = traits("Anna", "Nowak", BORN, "anna@example.org", "1")


@pytest.mark.parametrize(
    ("other", "expected", "likely"),
    [
        (traits("Anna", "Nowak", BORN), {Reason.BIRTH_DATE, Reason.NAME}, True),
        (traits("NOWAK", "Anna", BORN), {Reason.BIRTH_DATE, Reason.NAME}, True),
        (traits("Ana", "Novak", BORN), {Reason.BIRTH_DATE, Reason.SIMILAR_NAME}, True),
        (traits("Novak", "Ana", BORN), {Reason.BIRTH_DATE, Reason.SIMILAR_NAME}, True),
        (traits("Anna", "Nowak", date(1990, 5, 18)), {Reason.SIMILAR_BIRTH_DATE, Reason.NAME}, True),
        (traits("Anna", "Nowak", date(1990, 5, 71 - 40)), {Reason.NAME}, False),
        (traits("Anna", "Nowak", date(1970, 1, 2), "anna@example.org"), {Reason.NAME, Reason.CONTACT}, True),
        (traits("Anna", "Kowalska", BORN), {Reason.BIRTH_DATE, Reason.ONE_NAME}, False),
        (traits("Ben", "Nowak", BORN), {Reason.BIRTH_DATE, Reason.ONE_NAME}, False),
        (
            traits("Anna", "Kowalska", BORN, "anna@example.org"),
            {Reason.BIRTH_DATE, Reason.ONE_NAME, Reason.CONTACT},
            True,
        ),
        (traits("Ben", "Nowak", date(2015, 8, 1), "anna@example.org"), {Reason.ONE_NAME, Reason.CONTACT}, False),
        (traits("Zoe", "Smith", date(1970, 1, 2), number="1"), {Reason.NUMBER}, True),
        (traits("Zoe", "Smith", BORN), {Reason.BIRTH_DATE}, False),
    ],
)
def test_what_two_records_share(other: Traits, expected: set[Reason], likely: bool) -> None:
    assert reasons(ANNA, other) == reasons(other, ANNA) == expected
    assert (score(frozenset(expected)) >= LIKELY) is likely


def test_a_name_parted_elsewhere() -> None:
    one, other = traits("Ana María", "García López", BORN), traits("Ana", "Maria Garcia-Lopez", date(1960, 1, 2))
    assert reasons(one, other) == {Reason.NAME}


def test_day_and_month_changed_round() -> None:
    one, other = traits("A", "B", date(1990, 5, 7)), traits("C", "D", date(1990, 7, 5))
    assert reasons(one, other) == {Reason.SIMILAR_BIRTH_DATE}


def test_every_reason_has_points() -> None:
    assert POINTS.keys() == set(Reason)
