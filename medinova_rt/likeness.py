"""Whether two records are likely the same person's: what they share, each with its points, by one table.

| they have                                        | points |
| ------------------------------------------------ | ------ |
| the clinic's number or another identifier        | 100    |
| the birth date                                   | 35     |
| a birth date but for a slip, or day for month    | 20     |
| both names, perhaps parted otherwise             | 40     |
| both names but for a slip or a second name, so   | 30     |
| one of both names, so                            | 15     |
| the e-mail address or the phone number           | 25     |

From `LIKELY` on it must be looked at before there is a second record: the same birth date and similar names will do, or
the same name at the same address; a family that shares its telephone will not. Twins may have to be told apart by hand.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from medinova_rt.lookups import Kind, Term
from medinova_rt.spelling import is_similar, slips, words

LIKELY = 60
MOST = 100


class Reason(StrEnum):
    NUMBER = "number"
    IDENTIFIER = "identifier"
    BIRTH_DATE = "birth-date"
    SIMILAR_BIRTH_DATE = "similar-birth-date"
    NAME = "name"
    SIMILAR_NAME = "similar-name"
    ONE_NAME = "one-name"
    CONTACT = "contact"


POINTS = {
    Reason.NUMBER: 100,
    Reason.IDENTIFIER: 100,
    Reason.BIRTH_DATE: 35,
    Reason.SIMILAR_BIRTH_DATE: 20,
    Reason.NAME: 40,
    Reason.SIMILAR_NAME: 30,
    Reason.ONE_NAME: 15,
    Reason.CONTACT: 25,
}

_SHARED = {
    Kind.NUMBER: Reason.NUMBER,
    Kind.IDENTIFIER: Reason.IDENTIFIER,
    Kind.BIRTH_DATE: Reason.BIRTH_DATE,
    Kind.EMAIL: Reason.CONTACT,
    Kind.PHONE: Reason.CONTACT,
}


@dataclass(frozen=True, slots=True)
class Traits:
    """What of a record is compared."""

    given: str
    family: str
    birth_date: date
    terms: frozenset[Term]


def reasons(one: Traits, other: Traits) -> frozenset[Reason]:
    found = {_SHARED[kind] for kind, _ in one.terms & other.terms if kind in _SHARED}
    if Reason.BIRTH_DATE not in found and _is_slip(one.birth_date, other.birth_date):
        found.add(Reason.SIMILAR_BIRTH_DATE)
    if name := _names(one, other):
        found.add(name)
    return frozenset(found)


def score(found: frozenset[Reason]) -> int:
    return min(MOST, sum(POINTS[reason] for reason in found))


def _names(one: Traits, other: Traits) -> Reason | None:
    straight = ((one.given, other.given), (one.family, other.family))
    crossed = ((one.given, other.family), (one.family, other.given))
    if sorted(words(f"{one.given} {one.family}")) == sorted(words(f"{other.given} {other.family}")):
        return Reason.NAME  # the same, or parted elsewhere
    if any(all(is_similar(*pair) for pair in pairs) for pairs in (straight, crossed)):
        return Reason.SIMILAR_NAME
    return Reason.ONE_NAME if any(is_similar(*pair) for pair in straight) else None


def _is_slip(one: date, other: date) -> bool:
    """Whether one digit differs, two neighbours are changed round, or day and month are."""
    if (one.year, one.month, one.day) == (other.year, other.day, other.month):
        return True
    return slips(f"{one:%Y%m%d}", f"{other:%Y%m%d}", 1) <= 1
