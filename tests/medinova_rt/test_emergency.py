import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from medinova_rt import (
    access,
    accesses,
    audit,
    changes,
    clinics,
    documents,
    emergency,
    grants,
    jobs,
    mail,
    principals,
    users,
)
from medinova_rt.access import Thing
from medinova_rt.accesses import Accesses
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.clinics import Clinic
from medinova_rt.emergency import LIFE, MAX_AT_ONCE, Emergencies, grant_id
from medinova_rt.errors import Changed, Conflict, LimitReached, NotFound, WrongState
from medinova_rt.grants import Grant, Kind, StaffRole
from medinova_rt.ids import ClinicId, EmergencyId, GrantId, PatientId, SessionId, UserId
from medinova_rt.ports import Insert, Store
from medinova_rt.principals import Person
from medinova_rt.rights import Action
from medinova_rt.users import User

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CLINIC = ClinicId("cli-here")
ADA, ADMIN, OTHER_ADMIN, DESK, GONE = (UserId(f"usr-{name}") for name in ("ada", "adm", "oth", "dsk", "gone"))
PATIENT = PatientId("pat-1")
REASON = "Found unconscious, allergies needed."
LINK = "https://visits.example.org/people"
FINDS = (*audit.FINDS, *grants.FINDS, *emergency.FINDS, *jobs.FINDS, *mail.FINDS, *users.FINDS)


def member(user: UserId, *roles: StaffRole, ends_at: datetime = grants.FOREVER) -> Insert:
    made = Grant(
        id=GrantId(f"gra-{user[4:]}"),
        clinic=CLINIC,
        user=user,
        kind=Kind.MEMBER,
        roles=list(roles),
        created_at=NOW - LIFE,
        starts_at=NOW - LIFE,
        ends_at=ends_at,
    )
    return Insert(grants.COLLECTION, made.id, documents.encode(made))


def user(id: UserId) -> Insert:
    made = User(id=id, email=f"{id[4:]}@example.org", name=id[4:].title(), language="es", created_at=NOW)
    return Insert(users.COLLECTION, id, documents.encode(made))


@pytest.fixture(params=["local", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = MemoryStore(FINDS) if request.param == "local" else SqliteStore(tmp_path / "store.db", FINDS)
    await opened.open()
    await clinics.Clinics(opened).ensure(Clinic(id=CLINIC, clinic=CLINIC, name="Here"))
    await opened.transact(
        [
            *map(user, (ADA, ADMIN, OTHER_ADMIN, DESK, GONE)),
            member(ADA, StaffRole.CLINICIAN),
            member(ADMIN, StaffRole.ADMINISTRATOR),
            member(OTHER_ADMIN, StaffRole.FRONT_DESK, StaffRole.ADMINISTRATOR),
            member(DESK, StaffRole.FRONT_DESK),
            member(GONE, StaffRole.ADMINISTRATOR, ends_at=NOW),
        ]
    )
    yield opened
    await opened.close()


def patient(id: PatientId = PATIENT, *treating: UserId) -> Thing:
    return Thing(CLINIC, kind="patient", patient=id, treating=frozenset(treating))


async def person(store: Store, user: UserId, now: datetime) -> Person:
    held = grants.standing(await grants.of_user(store, user, now), now)
    return Person(user, SessionId("ses-1"), held, True, now, address="192.0.2.1")


async def may_read(store: Store, user: UserId, now: datetime) -> bool:
    return access.may(await person(store, user, now), Action.PATIENT_READ, patient())


async def take(store: Store, now: datetime = NOW, about: Thing | None = None, reason: str = REASON) -> EmergencyId:
    who = access.require(await person(store, ADA, now), Action.EMERGENCY_TAKE, about or patient(), now)
    assert isinstance(who, Person)
    return (await Emergencies(store).take(who, about or patient(), reason, now, LINK)).id


async def end(store: Store, id: EmergencyId, now: datetime, expected: int | None = None) -> None:
    await Emergencies(store).end(await person(store, ADMIN, now), id, now, expected)


async def spans(store: Store, now: datetime = NOW) -> list[tuple[str, datetime, datetime]]:
    found, _ = await Emergencies(store).of_clinic(await person(store, ADMIN, now), CLINIC, now, 100, None)
    return [(each.value.reason, each.value.taken_at, each.value.ends_at) for each in found]


async def letters(store: Store) -> list[mail.Draft]:
    page = await store.find(mail.BY_AGE)
    return [documents.decode(mail.Draft, row.document, mail.SCHEMA, {}) for row in page.rows]


@pytest.mark.parametrize(
    ("after", "may"), [(timedelta(0), True), (59 * MINUTE, True), (60 * MINUTE, False), (61 * MINUTE, False)]
)
async def test_it_opens_the_record_for_an_hour(store: Store, after: timedelta, may: bool) -> None:
    assert not await may_read(store, ADA, NOW)
    await take(store)
    assert await may_read(store, ADA, NOW + after) is may


async def test_it_opens_no_other_record_and_to_nobody_else(store: Store) -> None:
    await take(store)
    assert not access.may(await person(store, ADA, NOW), Action.PATIENT_READ, patient(PatientId("pat-2")))
    assert access.may(await person(store, ADA, NOW), Action.PATIENT_READ, patient())


async def test_it_ends_with_the_membership(store: Store) -> None:
    await take(store)
    await grants_ended(store, "gra-ada", NOW + MINUTE)
    assert await may_read(store, ADA, NOW)
    assert not await may_read(store, ADA, NOW + MINUTE)


async def grants_ended(store: Store, id: str, at: datetime) -> None:
    await changes.change(store, grants.COLLECTION, id, grants.read, lambda grant: (replace(grant, ends_at=at), []))


async def test_what_is_done_by_it_names_the_grant(store: Store) -> None:
    await take(store)
    acting = access.require(await person(store, ADA, NOW), Action.PATIENT_READ, patient(), NOW)
    assert (acting.kind, acting.grant) == ("clinician", grant_id(ADA, PATIENT))


async def test_the_administrators_are_told_without_a_word_about_the_patient(store: Store) -> None:
    await take(store)
    told = await letters(store)
    assert sorted(each.to for each in told) == ["adm@example.org", "oth@example.org"]
    assert {each.language for each in told} == {"es"}
    assert [set(each.parameters) for each in told] == [{"clinic_name", "at", "link"}] * 2
    assert not any(word in str(each.parameters) for each in told for word in (PATIENT, REASON, "Ada", ADA))
    assert len((await store.find(jobs.BY_STATE, ("open",))).rows) == 2


async def test_a_clinic_of_many_administrators_is_told_in_several_transacts(store: Store) -> None:
    many = [UserId(f"usr-{n:03}") for n in range(90)]
    for each in many:
        await store.transact([user(each), member(each, StaffRole.ADMINISTRATOR)])
    await take(store)
    assert len((await store.find(jobs.BY_STATE, ("open",), limit=500)).rows) == 92


async def test_who_treats_the_patient_needs_none(store: Store) -> None:
    with pytest.raises(WrongState):
        await take(store, about=patient(PATIENT, ADA))
    assert await spans(store) == []


async def test_taken_again_the_hour_begins_anew_and_both_stay_on_record(store: Store) -> None:
    await take(store)
    later = NOW + 30 * MINUTE
    await take(store, later, reason="Still unconscious, now bleeding.")
    assert await may_read(store, ADA, NOW + 89 * MINUTE)
    assert not await may_read(store, ADA, NOW + 90 * MINUTE)
    assert await spans(store) == [
        ("Still unconscious, now bleeding.", later, later + LIFE),
        (REASON, NOW, later),
    ]
    assert len(await letters(store)) == 4


async def test_taken_after_it_was_over(store: Store) -> None:
    await take(store)
    later = NOW + 2 * LIFE
    await take(store, later)
    assert await spans(store) == [(REASON, later, later + LIFE), (REASON, NOW, NOW + LIFE)]
    assert await may_read(store, ADA, later)


async def test_an_administrator_ends_it_at_once_and_again(store: Store) -> None:
    taken = await take(store)
    await end(store, taken, NOW + MINUTE, 1)
    await end(store, taken, NOW + 2 * MINUTE)
    assert not await may_read(store, ADA, NOW + MINUTE)
    assert await spans(store) == [(REASON, NOW, NOW + MINUTE)]


async def test_ending_one_that_was_taken_again_leaves_the_later_one(store: Store) -> None:
    first = await take(store)
    await take(store, NOW + MINUTE)
    await end(store, first, NOW + 2 * MINUTE)
    assert await may_read(store, ADA, NOW + 2 * MINUTE)


@pytest.mark.parametrize(("expected", "id", "error"), [(7, None, Changed), (None, "eme-none", NotFound)])
async def test_ending_what_is_not_as_it_was(
    store: Store, expected: int | None, id: str | None, error: type[Exception]
) -> None:
    taken = await take(store)
    with pytest.raises(error):
        await end(store, EmergencyId(id or taken), NOW + MINUTE, expected)
    assert await may_read(store, ADA, NOW + MINUTE)


async def test_nobody_holds_more_than_some_at_once(store: Store) -> None:
    for n in range(MAX_AT_ONCE):
        await take(store, about=patient(PatientId(f"pat-a{n}")))
    with pytest.raises(LimitReached):
        await take(store)
    await take(store, about=patient(PatientId("pat-a0")))  # one of those
    await take(store, NOW + LIFE)  # when they are over


async def test_the_bound_holds_when_many_are_taken_at_once(store: Store) -> None:
    for n in range(MAX_AT_ONCE - 2):
        await take(store, about=patient(PatientId(f"pat-a{n}")))
    tries = (take(store, about=patient(PatientId(f"pat-b{n}"))) for n in range(6))
    made = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(each, str) for each in made) == 2
    assert {type(each) for each in made} <= {str, LimitReached, Conflict}


async def test_the_trail_of_the_patient_and_of_the_clinic(store: Store) -> None:
    taken = await take(store)
    await end(store, taken, NOW + MINUTE)
    await spans(store, NOW + 2 * MINUTE)
    page = await store.find(audit.BY_CLINIC, (CLINIC,))
    trail = [documents.decode(audit.Record, row.document, audit.SCHEMA, {}) for row in page.rows]
    assert [(each.action, each.actor_kind, each.actor, each.patient, each.about) for each in trail] == [
        ("emergency.take", "clinician", ADA, PATIENT, taken),
        ("emergency.end", "user", ADMIN, PATIENT, taken),
        ("emergency.list", "user", ADMIN, None, None),
    ]


# --- who saw the record -------------------------------------------------------------------------------------------


async def seen(store: Store, limit: int = 100, cursor: str | None = None) -> tuple[list[accesses.Access], str | None]:
    who = await person(store, ADMIN, NOW)
    return await Accesses(store).of_patient(who, patient(), NOW + 9 * MINUTE, limit, cursor)


async def acted(store: Store, user: UserId, action: Action, at: datetime) -> None:
    who = access.require(await person(store, user, at), action, patient(), at)
    await store.transact([audit.record(who, action, at, clinic=CLINIC, patient=PATIENT)])


async def test_the_patient_reads_who_saw_the_record_by_name_and_whether_in_an_emergency(store: Store) -> None:
    await acted(store, DESK, Action.PATIENT_READ, NOW)
    await take(store, NOW + MINUTE)
    await acted(store, ADA, Action.PATIENT_READ, NOW + 2 * MINUTE)
    service = principals.Service(CLINIC, "192.0.2.9")
    await store.transact([audit.record(service, Action.PATIENT_READ, NOW + 3 * MINUTE, clinic=CLINIC, patient=PATIENT)])
    found, _ = await seen(store)
    assert [(each.name, each.role, each.action, each.is_emergency) for each in found] == [
        (None, "service", "patient.read", False),
        ("Ada", "clinician", "patient.read", True),
        ("Ada", "clinician", "emergency.take", True),
        ("Dsk", "front-desk", "patient.read", False),
    ]


async def test_somebody_from_elsewhere_who_was_refused_is_not_named(store: Store) -> None:
    stranger = UserId("usr-else")
    await store.transact([user(stranger)])
    with pytest.raises(NotFound):
        await access.guard(store, await person(store, stranger, NOW), Action.PATIENT_READ, patient(), NOW)
    found, _ = await seen(store)
    assert [(each.name, each.role, each.outcome) for each in found] == [(None, "user", "denied")]


async def test_to_look_is_an_access_too(store: Store) -> None:
    await seen(store)
    found, _ = await seen(store)
    assert [(each.name, each.action) for each in found] == [("Adm", "patient.accesses")]


async def test_pages_go_back_in_time(store: Store) -> None:
    for n in range(3):
        await acted(store, DESK, Action.PATIENT_READ, NOW + n * MINUTE)
    first, cursor = await seen(store, 2)
    rest, end = await seen(store, 2, cursor)
    assert [each.at for each in (*first, *rest)] == [NOW + n * MINUTE for n in (2, 1, 0)]
    assert end is None
