from datetime import UTC, datetime, timedelta

import pytest

from medinova_rt import demo, grants, relations
from medinova_rt.adapters.argon2_hashing import Argon2Hashing
from medinova_rt.adapters.embedded_identity import EmbeddedIdentity
from medinova_rt.clinics import DEMO, PLATFORM, Clinics
from medinova_rt.demo import ACTOR, PATIENTS, PEOPLE, password, seed
from medinova_rt.grants import Kind, StaffRole
from medinova_rt.lookups import Lookups, SecretIndex
from medinova_rt.ports import MAX_PAGE, Password, Store
from medinova_rt.register import Criteria, Register
from medinova_rt.users import Users

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
KEY = "k" * 43


@pytest.fixture
async def identity(store: Store) -> EmbeddedIdentity:
    made = EmbeddedIdentity(store, Users(store), b"s" * 32, "http://localhost", Argon2Hashing(memory_kib=8, passes=1))
    await made.open()
    return made


@pytest.fixture
def lookups(store: Store) -> Lookups:
    return Lookups(store, SecretIndex(b"i" * 32))


async def test_everybody_can_sign_in_and_is_what_the_table_says(
    store: Store, identity: EmbeddedIdentity, lookups: Lookups
) -> None:
    logins = await seed(store, identity, lookups, KEY, NOW)
    assert [each.email for each in logins] == [each.email for each in PEOPLE]
    for login, each in zip(logins, PEOPLE, strict=True):
        proven = await identity.prove(Password(login.password, login.email), NOW)
        standing = grants.standing(await grants.of_user(store, proven.user, NOW), NOW)
        assert [grant.roles for grant in standing.members.values()] == ([[each.staff]] if each.staff else [])
        assert (standing.operator is not None) == each.operator
        assert [grant.kind for grant in standing.patients.values()] == [kind for _, kind in each.acts_for]
    assert {each.staff for each in PEOPLE if each.staff} == set(StaffRole)


async def test_seeding_again_changes_nothing(store: Store, identity: EmbeddedIdentity, lookups: Lookups) -> None:
    first = await seed(store, identity, lookups, KEY, NOW)
    before = await _counts(store)
    assert await seed(store, identity, lookups, KEY, NOW + timedelta(days=1)) == first
    assert await _counts(store) == before


async def _counts(store: Store) -> list[int]:
    members = await store.find(grants.BY_CLINIC, (DEMO.id, Kind.MEMBER), limit=MAX_PAGE)
    return [len(members.rows), sum(row.version for row in members.rows)]


async def test_its_patients_are_found_and_treated(store: Store, identity: EmbeddedIdentity, lookups: Lookups) -> None:
    await seed(store, identity, lookups, KEY, NOW)
    register = Register(store, lookups)
    for details in PATIENTS:
        found, _ = await register.find(ACTOR, DEMO.id, Criteria(number=details.number), NOW, "", 5)
        assert [each.family for each in found] == [details.family]
        assert bool(found[0].treating) == (details.number in demo.TREATED)
    child, _ = await register.find(ACTOR, DEMO.id, Criteria(number="D-1002"), NOW, "", 5)
    [parent] = await relations.not_ended(store, child[0].id, NOW)
    assert (parent.kind, parent.ends_at.year) == (Kind.PARENT, 2035)


async def test_no_second_factor_is_asked_for(store: Store, identity: EmbeddedIdentity, lookups: Lookups) -> None:
    await seed(store, identity, lookups, KEY, NOW)
    assert [(await Clinics(store).get(each)).second_factor for each in (DEMO.id, PLATFORM)] == [False, False]


def test_passwords_are_a_servers_own() -> None:
    assert password(KEY, "a@demo.example") == password(KEY, "a@demo.example")
    assert len({password(key, email) for key in ("a" * 43, "b" * 43) for email in ("a@x.example", "b@x.example")}) == 4
    assert len(password(KEY, "a@demo.example")) == 19
