import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from medinova_rt import changes, documents, grants
from medinova_rt.clinics import ADULTHOOD_JOB, COLLECTION, Clinic, Clinics
from medinova_rt.errors import BadInput, Changed, Conflict, Forbidden, LimitReached, NotFound, WrongState
from medinova_rt.grants import FOREVER, Grant, Kind, Scope
from medinova_rt.ids import ClinicId, GrantId, JobId, PatientId, UserId
from medinova_rt.jobs import Job
from medinova_rt.patients import Patient
from medinova_rt.ports import Replace
from medinova_rt.relations import (
    CHUNK,
    MAX_CLINICS,
    MAX_PATIENTS,
    MAX_RELATIONS,
    comes_of_age,
    end_of,
    not_ended,
    relation_id,
)
from medinova_rt.rights import Action
from tests.medinova_rt.ward import HERE, NOW, THERE, Ward, acting, make_store

DESK = acting("front-desk")
HOUR = timedelta(hours=1)
RECORD = [Scope.RECORD]
MADRID = Clinic(id=HERE, clinic=HERE, name="Clinic", zone="Europe/Madrid")


@pytest.fixture(params=["local", "sqlite"])
async def ward(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ward]:
    store = make_store(request.param, tmp_path)
    await store.open()  # type: ignore[attr-defined]
    ward = Ward(store)
    await ward.open()
    yield ward
    await store.close()  # type: ignore[attr-defined]


@pytest.fixture
async def child(ward: Ward) -> Patient:
    return await ward.patient(birth_date=date(2015, 6, 1))


@pytest.fixture
async def adult(ward: Ward) -> Patient:
    return await ward.patient(birth_date=date(1980, 6, 1))


async def give(ward: Ward, patient: Patient, user: UserId, kind: Kind = Kind.CARER, **more: datetime) -> Grant:
    return (await ward.relations.add(DESK, patient.id, user, kind, RECORD, NOW, **more)).value


async def present(ward: Ward, patient: Patient, now: datetime = NOW) -> list[Grant]:
    return await not_ended(ward.store, patient.id, now)


async def run(ward: Ward, now: datetime, **about: str) -> None:
    """The job `adulthood`, and those that follow it."""
    done = set(await ward.all("jobs"))
    job = Job(id=JobId("job-1"), clinic=HERE, kind=ADULTHOOD_JOB, about=about, due_at=now)
    await ward.relations.bring_to_age(job, now)
    while left := {name: job for name, job in (await ward.all("jobs")).items() if name not in done}:
        for name, each in left.items():
            done.add(name)
            await ward.relations.bring_to_age(replace(job, about=each["about"]), now)


# --- coming of age ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("born", "age", "zone", "expected"),
    [
        (date(2015, 6, 1), 18, "UTC", datetime(2033, 6, 1, tzinfo=UTC)),
        (date(2015, 6, 1), 18, "Europe/Madrid", datetime(2033, 5, 31, 22, tzinfo=UTC)),
        (date(2015, 6, 1), 16, "America/New_York", datetime(2031, 6, 1, 4, tzinfo=UTC)),
        (date(2016, 2, 29), 18, "UTC", datetime(2034, 3, 1, tzinfo=UTC)),
        (date(2016, 2, 29), 16, "UTC", datetime(2032, 2, 29, tzinfo=UTC)),
    ],
)
async def test_when_a_child_comes_of_age(adult: Patient, born: date, age: int, zone: str, expected: datetime) -> None:
    clinic = replace(MADRID, adult_age=age, zone=zone)
    assert comes_of_age(replace(adult, birth_date=born), clinic) == expected


BEFORE, AFTER = NOW - HOUR, NOW + HOUR


@pytest.mark.parametrize(
    ("kind", "until", "adulthood", "expected"),
    [
        (Kind.PARENT, FOREVER, AFTER, AFTER),
        (Kind.PARENT, AFTER, FOREVER, AFTER),
        (Kind.PARENT, FOREVER, BEFORE, BEFORE),
        (Kind.GUARDIAN, FOREVER, AFTER, AFTER),
        (Kind.GUARDIAN, FOREVER, BEFORE, FOREVER),  # of an adult
        (Kind.GUARDIAN, AFTER, BEFORE, AFTER),
        (Kind.CARER, FOREVER, AFTER, FOREVER),
        (Kind.SELF, FOREVER, AFTER, FOREVER),
    ],
)
def test_when_a_relation_ends(kind: Kind, until: datetime, adulthood: datetime, expected: datetime) -> None:
    assert end_of(kind, until, NOW, adulthood) == expected


async def test_a_corrected_birth_date_brings_the_right_end(ward: Ward, child: Patient) -> None:
    made = await give(ward, child, await ward.user("parent"), Kind.PARENT)
    right = datetime(2033, 5, 31, 22, tzinfo=UTC)
    assert made.ends_at == right
    for born, expected in (
        (date(2012, 6, 1), [right.replace(year=2030)]),
        (date(1980, 6, 1), []),
        (date(2015, 6, 1), [right]),
    ):
        await ward.patients.change(DESK, child.id, {"birth_date": born}, NOW)
        await run(ward, NOW, patient=child.id)
        assert [each.ends_at for each in await present(ward, child)] == expected


async def test_what_somebody_ended_is_not_brought_back(ward: Ward, child: Patient) -> None:
    made = await give(ward, child, await ward.user("parent"), Kind.PARENT)
    await ward.relations.end(DESK, child.id, made.id, NOW)
    await run(ward, NOW, patient=child.id)
    await run(ward, NOW)
    assert await present(ward, child) == []


async def test_another_age_of_the_clinic_brings_all_ends_along(ward: Ward) -> None:
    children = [await ward.patient(birth_date=date(2014, 1, 1 + n % 28)) for n in range(3)]
    user = await ward.user("parent")
    for each in children:
        await give(ward, each, user, Kind.PARENT)
        await give(ward, each, await ward.user(f"guardian-{each.number}"), Kind.GUARDIAN)
    many = [
        Grant(
            id=GrantId(f"gra-{n}"),
            clinic=HERE,
            user=user,
            kind=Kind.PARENT,
            patient=children[0].id,
            created_at=NOW - HOUR,
            starts_at=NOW - HOUR,
        )
        for n in range(CHUNK)  # so that it takes more than one job
    ]
    for one in many:
        await ward.keep(grants.COLLECTION, one)
    stored = await ward.store.get(COLLECTION, HERE)
    assert stored is not None
    clinic = replace(await Clinics(ward.store).get(HERE), adult_age=16)
    await ward.store.transact([Replace(COLLECTION, HERE, documents.encode(clinic), stored.token)])
    await run(ward, NOW)
    for each in children:
        assert {one.ends_at for one in await present(ward, each)} == {comes_of_age(each, clinic)}


# --- giving -------------------------------------------------------------------------------------------------------


async def test_a_relation_is_a_grant_with_a_record(ward: Ward, adult: Patient) -> None:
    user = await ward.user("carer")
    made = await give(ward, adult, user, starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    assert (made.id, made.user, made.patient, made.clinic) == (relation_id(user, adult.id), user, adult.id, HERE)
    assert (made.scope, made.starts_at, made.ends_at) == (RECORD, NOW + HOUR, NOW + 2 * HOUR)
    assert ("relation.add", made.id) in await ward.trail(adult.id)
    assert await ward.relations.of_patient(DESK, adult, NOW) == [made]
    assert ("relation.list", "") in await ward.trail(adult.id)
    assert await present(ward, adult, NOW + 2 * HOUR) == []


async def test_self_covers_everything(ward: Ward, adult: Patient) -> None:
    held = await ward.relations.add(DESK, adult.id, await ward.user("anna"), Kind.SELF, [], NOW)
    assert set(held.value.scope) == set(Scope)
    assert held.value.ends_at == FOREVER


@pytest.mark.parametrize(
    ("kind", "scope", "ends_at", "pointer"),
    [
        (Kind.MEMBER, RECORD, FOREVER, "/kind"),
        (Kind.EMERGENCY, RECORD, FOREVER, "/kind"),
        (Kind.OPERATOR, RECORD, FOREVER, "/kind"),
        (Kind.PARENT, RECORD, FOREVER, "/kind"),  # of an adult
        (Kind.CARER, [], FOREVER, "/scope"),
        (Kind.CARER, RECORD, NOW, "/ends_at"),
    ],
)
async def test_what_is_no_relation(
    ward: Ward, adult: Patient, kind: Kind, scope: list[Scope], ends_at: datetime, pointer: str
) -> None:
    user = await ward.user("somebody")
    for act in (
        ward.relations.add(DESK, adult.id, user, kind, scope, NOW, ends_at=ends_at),
        ward.relations.check(adult.id, kind, scope, NOW, None, ends_at),
    ):
        with pytest.raises(BadInput) as raised:
            await act
        assert raised.value.pointer == pointer


async def test_those_who_are_not_there(ward: Ward, adult: Patient) -> None:
    with pytest.raises(BadInput):
        await give(ward, adult, UserId("usr-none"))
    with pytest.raises(NotFound):
        await ward.relations.giving(PatientId("pat-none"), UserId("usr-1"), Kind.SELF, [], NOW)


async def test_one_for_each_user(ward: Ward, adult: Patient) -> None:
    user = await ward.user("carer")
    made = await give(ward, adult, user)
    with pytest.raises(WrongState):
        await give(ward, adult, user, Kind.GUARDIAN)
    await ward.relations.end(DESK, adult.id, made.id, NOW)
    again = await give(ward, adult, user, Kind.GUARDIAN)
    assert again.id == made.id
    assert await present(ward, adult) == [again]


async def test_one_login_for_each_patient(ward: Ward, adult: Patient) -> None:
    anna, ben = await ward.user("anna"), await ward.user("ben")
    made = await give(ward, adult, anna, Kind.SELF)
    with pytest.raises(WrongState):
        await give(ward, adult, ben, Kind.SELF)
    await ward.relations.end(DESK, adult.id, made.id, NOW)
    assert (await give(ward, adult, ben, Kind.SELF)).user == ben


async def test_of_those_who_take_one_login_at_once_one_has_it(ward: Ward, adult: Patient) -> None:
    users = [await ward.user(f"user-{n}") for n in range(5)]
    made = await asyncio.gather(*(give(ward, adult, each, Kind.SELF) for each in users), return_exceptions=True)
    assert sum(isinstance(each, Grant) for each in made) == 1
    assert len(await present(ward, adult)) == 1


async def test_relations_are_bounded(ward: Ward, adult: Patient) -> None:
    for n in range(MAX_RELATIONS):
        await give(ward, adult, await ward.user(f"user-{n}"))
    with pytest.raises(LimitReached):
        await give(ward, adult, await ward.user("one-more"))


async def test_those_whom_a_user_acts_for_are_bounded(ward: Ward, adult: Patient) -> None:
    user = await ward.user("busy")
    await acts_for_many(ward, user, HERE, MAX_PATIENTS)
    with pytest.raises(LimitReached):
        await give(ward, adult, user)


async def test_no_clinic_fills_the_room_of_another(ward: Ward, adult: Patient) -> None:
    user = await ward.user("busy")
    await acts_for_many(ward, user, THERE, MAX_PATIENTS)
    await give(ward, adult, user)


async def test_the_clinics_where_a_user_acts_are_bounded(ward: Ward, adult: Patient) -> None:
    user = await ward.user("busy")
    for n in range(MAX_CLINICS - 1):
        await acts_for_many(ward, user, ClinicId(f"cli-{n}"), 1)
    await give(ward, adult, user)
    await acts_for_many(ward, other := await ward.user("busier"), THERE, 1)
    for n in range(MAX_CLINICS - 1):
        await acts_for_many(ward, other, ClinicId(f"cli-{n}"), 1)
    with pytest.raises(LimitReached):
        await give(ward, adult, other)


async def test_the_bound_of_a_user_holds_when_many_give_at_once(ward: Ward) -> None:
    user = await ward.user("busy")
    await acts_for_many(ward, user, HERE, MAX_PATIENTS - 2)
    several = [await ward.patient() for _ in range(6)]
    made = await asyncio.gather(*(give(ward, each, user) for each in several), return_exceptions=True)
    assert sum(isinstance(each, Grant) for each in made) == 2
    assert {type(each) for each in made} <= {Grant, LimitReached, Conflict}


async def acts_for_many(ward: Ward, user: UserId, clinic: ClinicId, count: int) -> None:
    for n in range(count):
        other = PatientId(f"pat-{clinic[4:]}-{n}")
        made = Grant(
            id=relation_id(user, other),
            clinic=clinic,
            user=user,
            kind=Kind.CARER,
            patient=other,
            created_at=NOW,
            starts_at=NOW,
        )
        await ward.keep(grants.COLLECTION, made)


# --- ending -------------------------------------------------------------------------------------------------------


async def test_an_end_holds_at_once_and_again_is_fine(ward: Ward, adult: Patient) -> None:
    made = await give(ward, adult, await ward.user("carer"))
    await ward.relations.end(DESK, adult.id, made.id, NOW)
    ended = await ward.relations.end(DESK, adult.id, made.id, NOW)
    assert (ended.value.ends_at, ended.version) == (NOW, 2)
    assert not ended.value.holds(NOW)
    assert [action for action, _ in await ward.trail(adult.id)].count(Action.RELATION_END) == 2
    assert (await ward.relations.read(DESK, adult.id, made.id, NOW)).value == ended.value


@pytest.mark.parametrize(
    ("kind", "role", "refused"),
    [
        (Kind.CARER, "patient", False),
        (Kind.SELF, "patient", True),
        (Kind.SELF, "front-desk", False),
        (Kind.SELF, "administrator", False),
    ],
)
async def test_who_ends_what(ward: Ward, adult: Patient, kind: Kind, role: str, refused: bool) -> None:
    made = await give(ward, adult, await ward.user("somebody"), kind)
    if refused:
        with pytest.raises(Forbidden):
            await ward.relations.end(acting(role), adult.id, made.id, NOW)
    else:
        await ward.relations.end(acting(role), adult.id, made.id, NOW)
    assert len(await present(ward, adult)) == refused


async def test_nobody_gives_a_relation_to_themselves(ward: Ward, adult: Patient) -> None:
    with pytest.raises(Forbidden):
        await ward.relations.add(DESK, adult.id, UserId(DESK.id), Kind.SELF, RECORD, NOW)
    assert await present(ward, adult) == []


async def test_only_the_patients_own_relations_are_reached(ward: Ward, adult: Patient, child: Patient) -> None:
    made = await give(ward, adult, await ward.user("carer"))
    member = await ward.clinician()
    (grant,) = await grants.of_user(ward.store, member, NOW)
    for each in (made.id, grant.id, GrantId("gra-none")):
        assert await ward.relations.held(child.id, each) is None
        with pytest.raises(NotFound):
            await ward.relations.end(DESK, child.id, each, NOW)
        with pytest.raises(NotFound):
            await ward.relations.read(DESK, child.id, each, NOW)
    with pytest.raises(Changed):
        await ward.relations.end(DESK, adult.id, made.id, NOW, expected=2)
    found = await changes.held(ward.store, grants.COLLECTION, grant.id, grants.read)
    assert found is not None
    assert found.value.ends_at == FOREVER
