import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from medinova_rt.errors import BadInput, Conflict, LikelyDuplicates, NumberTaken
from medinova_rt.likeness import LIKELY
from medinova_rt.patients import Details, Identifier, Patient
from medinova_rt.register import Criteria
from tests.medinova_rt.ward import ANNA, HERE, NOW, SERVICE, THERE, Ward, acting, make_store

BORN = date(1990, 5, 17)


@pytest.fixture(params=["local", "sqlite"])
async def ward(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ward]:
    store = make_store(request.param, tmp_path)
    await store.open()  # type: ignore[attr-defined]
    ward = Ward(store)
    await ward.open()
    yield ward
    await store.close()  # type: ignore[attr-defined]


@pytest.fixture
async def anna(ward: Ward) -> Patient:
    return (await ward.register.create(SERVICE, HERE, replace(ANNA, phone="+34600123456"), NOW)).value


async def find(ward: Ward, **criteria: Any) -> list[str]:
    found, place = await ward.register.find(acting("front-desk"), HERE, Criteria(**criteria), NOW, "", 10)
    assert place is None
    return [each.id for each in found]


@pytest.mark.parametrize(
    ("criteria", "fits"),
    [
        ({"number": "A-1"}, True),
        ({"number": " a-1"}, True),
        ({"number": "A-"}, False),
        ({"email": "Anna@Example.org"}, True),
        ({"email": "anna@example.net"}, False),
        ({"phone": "+34 600-123-456"}, True),
        ({"birth_date": BORN}, True),
        ({"birth_date": date(1990, 5, 18)}, False),
        ({"name": "nowak"}, True),
        ({"name": "NOW ann"}, True),
        ({"name": "no"}, False),
        ({"name": "nowakowska"}, False),
        ({"name": "owak"}, False),
        ({"name": "ann", "birth_date": BORN, "phone": "+34600123456"}, True),
        ({"name": "ann", "birth_date": date(1990, 5, 18)}, False),
    ],
)
async def test_what_finds_a_patient(ward: Ward, anna: Patient, criteria: dict[str, Any], fits: bool) -> None:
    assert await find(ward, **criteria) == ([anna.id] if fits else [])


async def test_a_long_name_is_compared_to_its_end(ward: Ward) -> None:
    christopher = await ward.patient(given="Christopher", family="Ng")
    christophe = await ward.patient(given="Christophe", family="Ng")
    assert set(await find(ward, name="christop")) == {christopher.id, christophe.id}
    assert await find(ward, name="christopher ng") == [christopher.id]


async def test_pages(ward: Ward) -> None:
    made = [await ward.patient(given="Same" + "abcdefg"[n] * 5, birth_date=date(1950 + n, 1, 1)) for n in range(7)]
    found: list[str] = []
    place: str | None = ""
    while place is not None:
        page, place = await ward.register.find(SERVICE, HERE, Criteria(name="same"), NOW, place, 3)
        assert len(page) <= 3
        found += [each.id for each in page]
    assert found == sorted(each.id for each in made)


@pytest.mark.parametrize(
    ("criteria", "pointer"),
    [({}, ""), ({"name": "-"}, "/name"), ({"email": "x"}, "/email"), ({"phone": "1"}, "/phone")],
)
async def test_what_cannot_be_searched_for(ward: Ward, criteria: dict[str, Any], pointer: str) -> None:
    with pytest.raises(BadInput) as raised:
        await find(ward, **criteria)
    assert raised.value.pointer == pointer


async def test_other_clinics_are_never_reached(ward: Ward, anna: Patient) -> None:
    there = await ward.register.create(SERVICE, THERE, ANNA, NOW)  # no duplicate there, and the number is free
    assert await find(ward, name="nowak") == [anna.id]
    assert [each.patient.id for each in await ward.register.duplicates(SERVICE, THERE, ANNA, NOW)] == [there.value.id]


async def test_whoever_was_shown_has_it_in_their_trail(ward: Ward, anna: Patient) -> None:
    other = await ward.patient()
    await find(ward, name="nowak")
    await ward.register.duplicates(acting("clinician"), HERE, ANNA, NOW)
    await find(ward, name="nobody")
    assert await ward.trail(anna.id) == [("patient.create", ""), ("patient.find", ""), ("patient.find", "")]
    assert await ward.trail(other.id) == [("patient.create", "")]
    unseen = [each for each in (await ward.all("audit")).values() if each["patient"] is None]
    assert [(each["action"], each["clinic"]) for each in unseen] == [("patient.find", HERE)]


async def test_a_merged_record_is_shown_where_the_other_does_not_fit(ward: Ward, anna: Patient) -> None:
    other = await ward.patient(given="Anna", family="Kowalska", birth_date=BORN, number="K-7")
    await ward.merges.merge(SERVICE, anna.id, other.id, NOW)
    assert await find(ward, name="anna") == [anna.id]
    assert await find(ward, number="K-7") == [other.id]
    assert await find(ward, name="kowalska") == [other.id]


# --- likely duplicates --------------------------------------------------------------------------------------------

MARRIED = replace(ANNA, family="Kowalska", number=None)


@pytest.mark.parametrize(
    ("details", "likely"),
    [
        (replace(ANNA, number=None), True),
        (replace(ANNA, number=None, email=None, given="Ana", family="Novak"), True),
        (replace(ANNA, number=None, email=None, given="Nowak", family="Anna"), True),
        (replace(ANNA, number=None, email=None, birth_date=date(1990, 5, 16)), True),
        (MARRIED, True),
        (replace(MARRIED, email=None), False),
        (Details(given="Zoe", family="Smith", birth_date=BORN), False),
        (Details(given="Ben", family="Nowak", birth_date=date(2015, 8, 1), phone="+34600123456"), False),
    ],
)
async def test_a_likely_duplicate_has_to_be_named(ward: Ward, anna: Patient, details: Details, likely: bool) -> None:
    shown = await ward.register.duplicates(SERVICE, HERE, details, NOW)
    assert [each.patient.id for each in shown] == ([anna.id] if likely else [])
    if likely:
        with pytest.raises(LikelyDuplicates) as raised:
            await ward.register.create(SERVICE, HERE, details, NOW, ["pat-other"])
        assert raised.value.candidates == (anna.id,)
        assert "Nowak" not in str(raised.value)
    assert (await ward.register.create(SERVICE, HERE, details, NOW, [anna.id])).version == 1


async def test_the_same_identifier_is_looked_for(ward: Ward) -> None:
    card = [Identifier(system="urn:insurance", value="X 1")]
    made = await ward.patient(identifiers=card)
    asked = Details(
        given="Zoe", family="Smith", birth_date=BORN, identifiers=[Identifier(system="urn:insurance", value="x1")]
    )
    assert [each.patient.id for each in await ward.register.duplicates(SERVICE, HERE, asked, NOW)] == [made.id]
    other = replace(asked, identifiers=[Identifier(system="urn:other", value="x1")])
    assert await ward.register.duplicates(SERVICE, HERE, other, NOW) == []


async def test_the_likeliest_comes_first(ward: Ward, anna: Patient) -> None:
    less = await ward.register.create(SERVICE, HERE, replace(MARRIED), NOW, [anna.id])
    shown = await ward.register.duplicates(SERVICE, HERE, ANNA, NOW)
    assert [each.patient.id for each in shown] == [anna.id, less.value.id]
    assert shown[0].score > shown[1].score >= LIKELY


async def test_of_a_merged_record_the_one_it_went_into_is_named(ward: Ward, anna: Patient) -> None:
    other = await ward.patient(given="Zoe", family="Smith", birth_date=date(1970, 1, 2))
    await ward.merges.merge(SERVICE, anna.id, other.id, NOW)
    asked = Details(given="Zoe", family="Smith", birth_date=date(1970, 1, 2))
    assert [each.patient.id for each in await ward.register.duplicates(SERVICE, HERE, asked, NOW)] == [anna.id]


async def test_a_taken_number_is_taken_whatever_is_named(ward: Ward, anna: Patient) -> None:
    details = Details(given="Zoe", family="Smith", birth_date=date(1970, 1, 2), number="a-1")
    with pytest.raises(NumberTaken):
        await ward.register.create(SERVICE, HERE, details, NOW, [anna.id])


async def test_a_number_is_made_up(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter([7, 7, 8])
    monkeypatch.setattr("medinova_rt.patients.secrets.randbelow", lambda _: next(numbers))
    assert (await ward.patient()).number == "00000007"
    assert (await ward.patient()).number == "00000008"
    monkeypatch.setattr("medinova_rt.patients.secrets.randbelow", lambda _: 7)
    with pytest.raises(Conflict):
        await ward.patient()


async def test_of_those_who_make_the_same_patient_at_once_one_does(ward: Ward) -> None:
    """Also without a number in common: they take turns by the birth date."""
    same = replace(ANNA, number=None)
    made = await asyncio.gather(
        *(ward.register.create(SERVICE, HERE, same, NOW) for _ in range(6)), return_exceptions=True
    )
    assert sum(not isinstance(each, Exception) for each in made) == 1
    assert {type(each) for each in made if isinstance(each, Exception)} == {LikelyDuplicates}


async def test_of_those_who_take_the_same_number_at_once_one_does(ward: Ward) -> None:
    details = [
        Details(
            given=f"Given{'abcd'[n] * 3}", family=f"Fam{'efgh'[n] * 3}", birth_date=date(1960 + n, 3, 4), number="9"
        )
        for n in range(4)
    ]
    made = await asyncio.gather(
        *(ward.register.create(SERVICE, HERE, each, NOW) for each in details), return_exceptions=True
    )
    assert sum(not isinstance(each, Exception) for each in made) == 1
    assert {type(each) for each in made if isinstance(each, Exception)} == {NumberTaken}
