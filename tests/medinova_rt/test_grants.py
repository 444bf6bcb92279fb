from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from medinova_rt import documents, grants
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.clinics import PLATFORM
from medinova_rt.grants import FOREVER, Grant, Kind, StaffRole, standing
from medinova_rt.ids import ClinicId, GrantId, PatientId, UserId
from medinova_rt.ports import Insert

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
CLINIC, USER, PATIENT = ClinicId("cli-1"), UserId("usr-1"), PatientId("pat-1")


def grant(kind: Kind, id: str = "gra-1", starts: datetime = NOW, ends: datetime = FOREVER) -> Grant:
    return Grant(
        id=GrantId(id),
        clinic=PLATFORM if kind is Kind.OPERATOR else CLINIC,
        user=USER,
        kind=kind,
        roles=[StaffRole.CLINICIAN] if kind is Kind.MEMBER else [],
        patient=None if kind in (Kind.MEMBER, Kind.OPERATOR) else PATIENT,
        created_at=starts,
        starts_at=starts,
        ends_at=ends,
    )


@pytest.mark.parametrize(
    ("starts", "ends", "holds"),
    [
        (NOW, FOREVER, True),
        (NOW - HOUR, NOW + HOUR, True),
        (NOW - HOUR, NOW, False),
        (NOW + HOUR, FOREVER, False),
    ],
)
@pytest.mark.parametrize("kind", Kind)
def test_a_grant_counts_from_its_start_to_before_its_end(
    kind: Kind, starts: datetime, ends: datetime, holds: bool
) -> None:
    now = standing([grant(kind, starts=starts, ends=ends)], NOW)
    there = [*now.members, *now.patients, *now.emergencies, *([PLATFORM] if now.operator else [])]
    where = {Kind.MEMBER: CLINIC, Kind.OPERATOR: PLATFORM}.get(kind, PATIENT)
    assert there == ([where] if holds else [])


@pytest.mark.parametrize(
    ("given", "until"),
    [
        ([], FOREVER),
        ([grant(Kind.MEMBER)], FOREVER),
        ([grant(Kind.MEMBER), grant(Kind.EMERGENCY, "gra-2", ends=NOW + HOUR)], NOW + HOUR),
        ([grant(Kind.CARER, starts=NOW + HOUR, ends=NOW + 2 * HOUR)], NOW + HOUR),
        ([grant(Kind.CARER, starts=NOW - HOUR, ends=NOW)], FOREVER),
    ],
)
def test_a_standing_says_how_long_it_stands(given: list[Grant], until: datetime) -> None:
    assert standing(given, NOW).until == until


def test_a_member_without_a_role_is_none() -> None:
    assert not standing([replace(grant(Kind.MEMBER), roles=[])], NOW).members


def test_of_two_relations_to_a_patient_the_later_counts() -> None:
    earlier, later = grant(Kind.PARENT, "gra-1", NOW - HOUR), grant(Kind.GUARDIAN, "gra-2", NOW)
    assert standing([later, earlier], NOW).patients == {PATIENT: later}


async def test_those_that_ended_are_not_read() -> None:
    store = MemoryStore(grants.FINDS)
    given = [
        grant(Kind.MEMBER, "gra-1"),
        grant(Kind.CARER, "gra-2", NOW - HOUR, NOW),
        grant(Kind.CARER, "gra-3", NOW + HOUR, NOW + 2 * HOUR),
        replace(grant(Kind.MEMBER, "gra-4"), user=UserId("usr-2")),
    ]
    await store.transact([Insert(grants.COLLECTION, each.id, documents.encode(each)) for each in given])
    assert {each.id for each in await grants.of_user(store, USER, NOW)} == {"gra-1", "gra-3"}
