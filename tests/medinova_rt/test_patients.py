from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from medinova_rt import lookups
from medinova_rt.errors import BadInput, Changed, Forbidden, LimitReached, NotFound, NumberTaken, WrongState
from medinova_rt.grants import StaffRole
from medinova_rt.ids import PatientId, UserId
from medinova_rt.lookups import Kind
from medinova_rt.patients import (
    MAX_IDENTIFIERS,
    MAX_TREATING,
    STAFF_FIELDS,
    Identifier,
    Patient,
    State,
    terms,
    thing,
)
from medinova_rt.ports import MAX_TRANSACT_WRITES
from medinova_rt.rights import Action
from tests.medinova_rt.ward import ANNA, HERE, NOW, SERVICE, THERE, Ward, acting, make_store

NOBODY = PatientId("pat-none")
LONG: dict[str, Any] = {"given": "Maximiliane Christophine Bernadette", "family": "Wittelsbach Habsburger Lothringen"}


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
    return (await ward.register.create(SERVICE, HERE, ANNA, NOW)).value


async def change(ward: Ward, patient: Patient, role: str = "front-desk", **fields: Any) -> Patient:
    return (await ward.patients.change(acting(role), patient.id, fields, NOW)).value


async def test_a_read_leaves_its_record_first(ward: Ward, anna: Patient) -> None:
    found = await ward.patients.read(acting("clinician"), anna.id, NOW)
    assert (found.value, found.version) == (anna, 1)
    assert await ward.trail(anna.id) == [("patient.create", ""), ("patient.read", "")]
    with pytest.raises(NotFound):
        await ward.patients.read(SERVICE, NOBODY, NOW)


async def test_a_thing_is_what_access_is_asked_about(ward: Ward, anna: Patient) -> None:
    treated = replace(anna, treating=[UserId("usr-1")])
    about = thing(treated, 3)
    assert (about.clinic, about.kind, about.patient, about.version) == (HERE, "patient", anna.id, 3)
    assert about.treating == {"usr-1"}
    assert thing(None).kind == ""


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"email": "ANNA@Example.ORG"}, {"email": "anna@example.org"}),
        ({"phone": "+34 600 123 456"}, {"phone": "+34600123456"}),
        ({"email": None}, {"email": None}),
        ({"given": " Anna Maria "}, {"given": "Anna Maria"}),
        ({"birth_date": date(1991, 1, 1)}, {"birth_date": date(1991, 1, 1)}),
        ({"zone": "Europe/Madrid", "language": "es"}, {"zone": "Europe/Madrid", "language": "es"}),
    ],
)
async def test_each_value_is_kept_in_its_one_form(
    ward: Ward, anna: Patient, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    after = await change(ward, anna, **fields)
    assert after == replace(anna, **expected) == (await ward.held(anna.id)).value


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"given": ""}, "/given"),
        ({"family": "--"}, "/family"),
        ({"given": "a\nb"}, "/given"),
        ({"birth_date": date(2026, 11, 27)}, "/birth_date"),
        ({"birth_date": date(1, 1, 1)}, "/birth_date"),
        ({"email": "x"}, "/email"),
        ({"phone": "600"}, "/phone"),
        ({"language": "tlh"}, "/language"),
        ({"zone": "Mars/Base"}, "/zone"),
        ({"number": " "}, "/number"),
        ({"number": "1" * 41}, "/number"),
        ({"identifiers": [Identifier(system="urn:x", value="")]}, "/identifiers/0/value"),
    ],
)
async def test_what_makes_no_sense_is_refused_where_it_stands(
    ward: Ward, anna: Patient, fields: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(BadInput) as raised:
        await change(ward, anna, **fields)
    assert raised.value.pointer == pointer
    assert (await ward.held(anna.id)).version == 1


@pytest.mark.parametrize("field", sorted(STAFF_FIELDS))
@pytest.mark.parametrize("role", ["patient", "service", *StaffRole, "user", "system"])
async def test_whose_which_field_is(ward: Ward, anna: Patient, field: str, role: str) -> None:
    value = getattr(anna, field)
    if role in ("service", *StaffRole) or (role == "patient" and field in ("email", "phone", "language", "zone")):
        await change(ward, anna, role, **{field: value})
    else:
        with pytest.raises(Forbidden):
            await change(ward, anna, role, **{field: value})


async def test_whoever_has_not_seen_it_changes_nothing(ward: Ward, anna: Patient) -> None:
    await change(ward, anna, email="new@example.org")
    with pytest.raises(Changed):
        await ward.patients.change(SERVICE, anna.id, {"email": None}, NOW, expected=1)
    after = await ward.patients.change(SERVICE, anna.id, {"email": None}, NOW, expected=2)
    assert after.version == 3
    with pytest.raises(NotFound):
        await ward.patients.change(SERVICE, NOBODY, {}, NOW)


async def test_a_patient_is_found_by_what_they_are_now(ward: Ward, anna: Patient) -> None:
    after = await change(ward, anna, family="Wójcik", number="B-2", email=None, phone="+34600123456")
    keys = {each["key"] for each in (await ward.all(lookups.COLLECTION)).values()}
    assert keys == {await ward.lookups.index_key(HERE, *term) for term in terms(after)}
    assert (Kind.NAME, "wojcik") in terms(after)
    await ward.patient(number="A-1")  # which is free again


async def test_a_number_is_one_patients(ward: Ward, anna: Patient) -> None:
    other = await ward.patient()
    with pytest.raises(NumberTaken):
        await change(ward, other, number=" a-1 ")
    assert (await change(ward, anna, number="a-1")).number == "a-1"
    assert (await ward.patient(THERE, number="A-1")).number == "A-1"


async def test_all_of_it_can_change_at_once(ward: Ward) -> None:
    """What `MAX_WORDS` and `MAX_IDENTIFIERS` are chosen for."""
    systems = [f"urn:{each}" for each in range(MAX_IDENTIFIERS)]
    contact: dict[str, Any] = {
        "email": "a@example.org",
        "phone": "+34600123456",
        "number": "1",
        "birth_date": date(1990, 1, 1),
    }
    identifiers = [Identifier(system=each, value="1") for each in systems]
    patient = await ward.patient(**LONG, **contact, identifiers=identifiers)
    other: dict[str, Any] = {
        "given": "Ferdinanda Guglielmina Anastasia",
        "family": "Schwarzenberg Liechtenstein Esterhazy",
    }
    contact = {"email": "b@example.org", "phone": "+34600123457", "number": "2", "birth_date": date(1991, 1, 1)}
    after = await change(
        ward, patient, **other, **contact, identifiers=[Identifier(system=each, value="2") for each in systems]
    )
    assert 2 * len(terms(after)) > MAX_TRANSACT_WRITES - 10
    assert not terms(patient) & terms(after)


async def test_identifiers_are_bounded_and_said_once(ward: Ward, anna: Patient) -> None:
    many = [Identifier(system="urn:x", value=f"{each}") for each in range(MAX_IDENTIFIERS + 1)]
    with pytest.raises(LimitReached):
        await change(ward, anna, identifiers=many)
    twice = [Identifier(system="urn:x", value=value) for value in ("ab 1", "AB1")]
    assert len((await change(ward, anna, identifiers=twice)).identifiers) == 1


async def test_a_new_birth_date_leaves_the_job_that_looks_at_ages(ward: Ward, anna: Patient) -> None:
    await change(ward, anna, email=None)
    assert await ward.all("jobs") == {}
    await change(ward, anna, birth_date=date(2015, 1, 1))
    (job,) = (await ward.all("jobs")).values()
    assert (job["kind"], job["clinic"], job["about"]) == ("adulthood", HERE, {"patient": anna.id})


# --- treating -----------------------------------------------------------------------------------------------------


async def test_clinicians_of_the_clinic_treat(ward: Ward, anna: Patient) -> None:
    member = await ward.clinician()
    for _ in range(2):  # again is fine
        after = await ward.patients.treat(acting("front-desk"), anna.id, member, NOW)
        assert after.value.treating == [member]
    for _ in range(2):
        after = await ward.patients.untreat(acting("front-desk"), anna.id, member, NOW)
        assert after.value.treating == []
    assert [action for action, _ in await ward.trail(anna.id)][1:] == [Action.PATIENT_TREAT] * 4


async def test_others_do_not(ward: Ward, anna: Patient) -> None:
    elsewhere = await ward.clinician(THERE)
    desk = await ward.clinician(HERE, StaffRole.FRONT_DESK)
    for member in (elsewhere, desk, UserId("usr-none")):
        with pytest.raises(NotFound):
            await ward.patients.treat(SERVICE, anna.id, member, NOW)


async def test_those_who_treat_are_bounded(ward: Ward, anna: Patient) -> None:
    member = await ward.clinician()
    full = [UserId(f"usr-{each}") for each in range(MAX_TREATING)]
    await ward.patients.changing(SERVICE, Action.PATIENT_TREAT, anna.id, lambda it: replace(it, treating=full), NOW)
    with pytest.raises(LimitReached):
        await ward.patients.treat(SERVICE, anna.id, member, NOW)


async def test_a_merged_record_stays_as_it_is(ward: Ward, anna: Patient) -> None:
    def close(patient: Patient) -> Patient:
        return replace(patient, state=State.MERGED, merged_into=NOBODY)

    await ward.patients.changing(SERVICE, Action.PATIENT_MERGE, anna.id, close, NOW)
    member = await ward.clinician()
    for act in (
        ward.patients.change(SERVICE, anna.id, {"email": None}, NOW),
        ward.patients.treat(SERVICE, anna.id, member, NOW),
        ward.patients.untreat(SERVICE, anna.id, member, NOW),
    ):
        with pytest.raises(WrongState):
            await act
    assert (await ward.patients.read(SERVICE, anna.id, NOW)).value.merged_into == NOBODY
