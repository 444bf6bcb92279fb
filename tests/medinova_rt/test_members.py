import asyncio
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medinova_rt import audit, grants, members
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.errors import BadInput, Changed, Conflict, DomainError, LimitReached, NotFound, WrongState
from medinova_rt.grants import StaffRole
from medinova_rt.ids import ClinicId, UserId
from medinova_rt.members import Members, fit_roles
from medinova_rt.ports import Store
from medinova_rt.principals import Stranger
from medinova_rt.users import Users
from tests.medinova_rt.conftest import declared

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
CLINIC = ClinicId("cli-1")
ACTOR = Stranger("192.0.2.1")
ADMINISTRATOR, CLINICIAN, BILLING = StaffRole.ADMINISTRATOR, StaffRole.CLINICIAN, StaffRole.BILLING


async def joined(store: Store, name: str, *roles: StaffRole, clinic: ClinicId = CLINIC) -> UserId:
    users = Users(store)
    user = await users.by_email(f"{name}@demo.example") or await users.create(
        f"{name}@demo.example", name, "en", "UTC", NOW
    )
    await store.transact(await Members(store).joining(clinic, user.id, roles, NOW))
    return user.id


async def administrators(store: Store) -> set[UserId]:
    """By the grants, whatever the roster says."""
    page = await store.find(grants.BY_CLINIC, (CLINIC, "member"))
    kept = [grants.read(row) for row in page.rows]
    return {each.user for each in kept if each.holds(LATER) and ADMINISTRATOR in each.roles}


async def test_a_member_has_roles_in_one_clinic(store: Store) -> None:
    amira = await joined(store, "amira", CLINICIAN)
    standing = grants.standing(await grants.of_user(store, amira, NOW), NOW)
    assert {clinic: grant.roles for clinic, grant in standing.members.items()} == {CLINIC: [CLINICIAN]}
    assert (await Members(store).get(CLINIC, amira)).user.name == "amira"
    with pytest.raises(NotFound):
        await Members(store).get(ClinicId("cli-2"), amira)


async def test_joining_again_adds_roles(store: Store) -> None:
    amira = await joined(store, "amira", CLINICIAN)
    await joined(store, "amira", BILLING, CLINICIAN)
    member = await Members(store).get(CLINIC, amira)
    assert (member.grant.roles, member.version) == ([CLINICIAN, BILLING], 2)


async def test_the_list_is_paged(store: Store) -> None:
    made = [await joined(store, name, CLINICIAN) for name in ("amira", "noor", "sam")]
    await joined(store, "else", CLINICIAN, clinic=ClinicId("cli-2"))
    first, cursor = await Members(store).listed(CLINIC, 2)
    rest, end = await Members(store).listed(CLINIC, 2, cursor)
    assert sorted(each.user.id for each in (*first, *rest)) == sorted(made)
    assert (len(first), len(rest), end) == (2, 1, None)


async def test_roles_are_changed(store: Store) -> None:
    amira = await joined(store, "amira", CLINICIAN)
    after = await Members(store).change_roles(ACTOR, CLINIC, amira, [BILLING], NOW, 1)
    assert (after.grant.roles, after.version) == ([BILLING], 2)
    assert await Members(store).get(CLINIC, amira) == after
    with pytest.raises(Changed):
        await Members(store).change_roles(ACTOR, CLINIC, amira, [CLINICIAN], NOW, 1)
    with pytest.raises(BadInput):
        await Members(store).change_roles(ACTOR, CLINIC, amira, [], NOW)


async def test_who_is_deactivated_has_no_roles_until_taken_back(store: Store) -> None:
    amira = await joined(store, "amira", CLINICIAN)
    for _ in range(2):
        assert not (await Members(store).deactivate(ACTOR, CLINIC, amira, LATER)).grant.holds(LATER)
    assert await grants.of_user(store, amira, LATER) == []
    for _ in range(2):
        assert (await Members(store).reactivate(ACTOR, CLINIC, amira, LATER)).grant.roles == [CLINICIAN]
    assert len(await grants.of_user(store, amira, LATER)) == 1


async def test_who_was_deactivated_may_join_in_other_roles(store: Store) -> None:
    amira = await joined(store, "amira", ADMINISTRATOR)
    await joined(store, "noor", ADMINISTRATOR)
    await Members(store).deactivate(ACTOR, CLINIC, amira, NOW)
    await joined(store, "amira", CLINICIAN)
    member = await Members(store).get(CLINIC, amira)
    assert (member.grant.roles, member.grant.holds(NOW)) == ([CLINICIAN], True)


@pytest.mark.parametrize("act", ["deactivate", "demote"])
async def test_the_last_administrator_stays(store: Store, act: str) -> None:
    amira, noor = await joined(store, "amira", ADMINISTRATOR), await joined(store, "noor", ADMINISTRATOR)
    kept = Members(store)
    await kept.deactivate(ACTOR, CLINIC, noor, LATER)
    refused = (
        kept.deactivate(ACTOR, CLINIC, amira, LATER)
        if act == "deactivate"
        else kept.change_roles(ACTOR, CLINIC, amira, [CLINICIAN], LATER)
    )
    with pytest.raises(WrongState):
        await refused
    assert await administrators(store) == {amira}
    await kept.change_roles(ACTOR, CLINIC, amira, [CLINICIAN, ADMINISTRATOR], LATER)
    await kept.reactivate(ACTOR, CLINIC, noor, LATER)
    await kept.deactivate(ACTOR, CLINIC, amira, LATER)
    assert await administrators(store) == {noor}


@pytest.mark.parametrize("seed", range(40))
async def test_administrators_who_remove_each_other_leave_one(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    store = SqliteStore(tmp_path / "store.db", declared())
    await store.open()
    kept, many = Members(store), [await joined(store, f"a{number}", ADMINISTRATOR) for number in range(2 + seed % 3)]

    async def act(user: UserId) -> str:
        for _ in range(rng.randrange(4)):
            await asyncio.sleep(0)
        try:
            if rng.random() < 0.5:
                await kept.deactivate(ACTOR, CLINIC, user, LATER)
            else:
                await kept.change_roles(ACTOR, CLINIC, user, [CLINICIAN], LATER)
        except DomainError as error:
            return error.code
        return "done"

    codes = await asyncio.gather(*(act(user) for user in many))
    left = await administrators(store)
    await store.close()
    assert len(left) == 1
    assert sorted(codes) == ["done"] * (len(many) - 1) + ["wrong-state"]


@pytest.mark.parametrize(
    ("bound", "value", "roles"), [("MAX_MEMBERS", 1, CLINICIAN), ("MAX_ADMINISTRATORS", 1, ADMINISTRATOR)]
)
async def test_a_clinic_is_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch, bound: str, value: int, roles: StaffRole
) -> None:
    monkeypatch.setattr(members, bound, value)
    await joined(store, "amira", ADMINISTRATOR)
    await joined(store, "amira", ADMINISTRATOR)
    with pytest.raises(LimitReached):
        await joined(store, "noor", roles)


async def test_a_user_works_at_so_many_clinics(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "MAX_CLINICS", 1)
    amira = await joined(store, "amira", CLINICIAN)
    with pytest.raises(LimitReached):
        await joined(store, "amira", CLINICIAN, clinic=ClinicId("cli-2"))
    await Members(store).deactivate(ACTOR, CLINIC, amira, NOW)
    await joined(store, "amira", CLINICIAN, clinic=ClinicId("cli-2"))
    with pytest.raises(LimitReached):
        await Members(store).reactivate(ACTOR, CLINIC, amira, NOW)


async def test_two_who_tie_the_same_user_make_one_membership(store: Store) -> None:
    amira = (await Users(store).create("amira@demo.example", "Amira", "en", "UTC", NOW)).id
    first = await Members(store).joining(CLINIC, amira, [CLINICIAN], NOW)
    second = await Members(store).joining(CLINIC, amira, [BILLING], NOW)
    await store.transact(first)
    with pytest.raises(Conflict):
        await store.transact(second)


async def test_every_act_leaves_its_record(store: Store) -> None:
    amira = await joined(store, "amira", CLINICIAN)
    kept = Members(store)
    await kept.change_roles(ACTOR, CLINIC, amira, [BILLING], NOW)
    await kept.deactivate(ACTOR, CLINIC, amira, NOW)
    await kept.reactivate(ACTOR, CLINIC, amira, NOW)
    rows = (await store.find(audit.BY_CLINIC, (CLINIC,))).rows
    assert [(row.document["action"], row.document["user"]) for row in rows] == [("member.change", amira)] * 3


def test_roles_stand_once_and_in_order() -> None:
    assert fit_roles([BILLING, CLINICIAN, BILLING]) == [CLINICIAN, BILLING]
