from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from medinova_rt import audit, documents, invited
from medinova_rt.clinics import DEMO, Clinics
from medinova_rt.grants import Kind, Scope, StaffRole
from medinova_rt.ids import InvitationId, PatientId, UserId
from medinova_rt.invited import Invitation, Relation, open_of, stands
from medinova_rt.members import Members
from medinova_rt.ports import MAX_TRANSACT_WRITES, Insert, Store
from medinova_rt.principals import System
from medinova_rt.rights import Action
from medinova_rt.users import Users

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ADMINISTRATOR, DESK, CLINICIAN = StaffRole.ADMINISTRATOR, StaffRole.FRONT_DESK, StaffRole.CLINICIAN
TIE = Relation(patient=PatientId("pat-1"), kind=Kind.CARER, scope=[Scope.RECORD])


async def member(store: Store, name: str, *roles: StaffRole) -> UserId:
    user = await Users(store).create(f"{name}@demo.example", name, "en", "UTC", NOW)
    await store.transact(await Members(store).joining(DEMO.id, user.id, roles, NOW))
    return user.id


async def invitation(
    store: Store, number: int = 1, to: str = "new", by: UserId | None = None, relation: Relation | None = None
) -> Invitation:
    made = Invitation(
        id=InvitationId(f"inv-{number}"),
        clinic=DEMO.id,
        of="patient" if relation else "staff",
        by=by,
        right=Action.RELATION_ADD if relation else Action.INVITATION_ADD,
        email=f"{to}@demo.example",
        name="New",
        language="en",
        roles=[] if relation else [CLINICIAN],
        relation=relation,
        digest="0" * 64,
        created_at=NOW,
        expires_at=NOW + invited.LIFE,
    )
    await store.transact([Insert(invited.COLLECTION, made.id, documents.encode(made))])
    return made


async def left(store: Store) -> list[str]:
    return [each.value.id for of in invited.KINDS for each in await open_of(store, DEMO.id, of, LATER)]


@pytest.fixture
async def ana(store: Store) -> UserId:
    """An administrator beside whom there is another."""
    await Clinics(store).ensure(DEMO)
    await member(store, "other", ADMINISTRATOR)
    return await member(store, "ana", ADMINISTRATOR, DESK)


@pytest.mark.parametrize(
    ("roles", "stays"),
    [
        ([ADMINISTRATOR, DESK], ["inv-1", "inv-2", "inv-4"]),
        ([ADMINISTRATOR], ["inv-1", "inv-2", "inv-4"]),
        ([DESK], ["inv-2", "inv-4"]),
        ([CLINICIAN], ["inv-4"]),
        (None, ["inv-4"]),
    ],
)
async def test_what_somebody_may_no_longer_send_is_withdrawn_and_what_was_sent_to_them(
    store: Store, ana: UserId, roles: list[StaffRole] | None, stays: list[str]
) -> None:
    staff, tie = await invitation(store, by=ana), await invitation(store, 2, by=ana, relation=TIE)
    await invitation(store, 3, to="ana")
    await invitation(store, 4)
    if roles is None:
        await Members(store).deactivate(System(), DEMO.id, ana, LATER)
    elif set(roles) != {ADMINISTRATOR, DESK}:
        await Members(store).change_roles(System(), DEMO.id, ana, roles, LATER)
    else:
        stays = [*stays, "inv-3"]
    assert sorted(await left(store)) == sorted(stays)
    assert await stands(store, staff, LATER) == (staff.id in stays)
    assert await stands(store, tie, LATER) == (tie.id in stays)
    rows = (await store.find(audit.BY_CLINIC, (DEMO.id,))).rows
    gone = {row.document["about"] for row in rows if row.document["action"] == "invitation.withdraw"}
    assert gone == {"inv-1", "inv-2", "inv-3", "inv-4"} - set(stays)


async def test_more_letters_than_one_transact_withdraws(store: Store, ana: UserId) -> None:
    for number in range(MAX_TRANSACT_WRITES):
        await invitation(store, number, by=ana)
    await Members(store).deactivate(System(), DEMO.id, ana, LATER)
    assert await left(store) == []


async def test_who_is_disabled_invites_nobody(store: Store, ana: UserId) -> None:
    made = await invitation(store, by=ana)
    assert await stands(store, made, LATER)
    await Users(store).change(ana, lambda user: (replace(user, disabled=True), []))
    assert not await stands(store, made, LATER)
