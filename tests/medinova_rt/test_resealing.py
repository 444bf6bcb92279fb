"""A store that was written before anything was sealed, brought up while it is used."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from medinova_rt import audit, folder, mail, resealing, tries, users, vault
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.local_keys import LocalKeys
from medinova_rt.adapters.sealed_store import BLIND, SEALED, SealedStore
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.clinics import DEMO, PLATFORM
from medinova_rt.errors import Conflict, NumberTaken
from medinova_rt.ids import JobId, PatientId
from medinova_rt.jobs import Job
from medinova_rt.lookups import Lookups, SecretIndex
from medinova_rt.patients import Details, Patients
from medinova_rt.phi import Basis
from medinova_rt.ports import Find, Insert, Store
from medinova_rt.principals import Service
from medinova_rt.register import Criteria, Register
from medinova_rt.resealing import Resealing
from medinova_rt.users import Users
from medinova_rt.vault import Vault

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
SERVICE = Service(DEMO.id)
FINDS = (*folder.FINDS, Find("lookups"), Find("emails"))
OLD = SecretIndex(b"i" * 32)
PEOPLE = 70  # more than a page


class Before:
    """As it was: plain documents, one secret for the index."""

    def __init__(self, store: Store) -> None:
        self.users = Users(store)
        self.register = Register(store, Lookups(store, OLD))


class After:
    def __init__(self, below: Store, held: Vault) -> None:
        self.below = below
        self.store = SealedStore(below, held, folder.SEALINGS)
        self.lookups = Lookups(self.store, held, OLD)
        self.users = Users(self.store)
        self.register = Register(self.store, self.lookups)
        self.patients = Patients(self.store, self.lookups)
        self.resealing = Resealing(self.store, self.store, self.lookups)

    async def bring_up(self) -> int:
        steps = 0
        while await self.resealing.step(NOW):
            steps += 1
        return steps


def details(n: int) -> Details:
    return Details(
        given=f"Given{'abcdefghij'[n % 10]}",
        family=f"Family{'abcdefghij'[n // 10]}",
        birth_date=date(1950, 1, 1) + timedelta(days=n),
        email=f"patient{n}@example.org",
        number=f"N-{n}",
    )


@pytest.fixture(params=["local", "sqlite"])
async def below(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = MemoryStore(FINDS) if request.param == "local" else SqliteStore(tmp_path / "store.db", FINDS)
    await opened.open()
    before = Before(opened)
    for n in range(PEOPLE):
        await before.register.create(SERVICE, DEMO.id, details(n), NOW)
    await asyncio.gather(
        *(before.users.create(f"user{n}@example.org", f"User {n}", "en", "UTC", NOW) for n in range(PEOPLE))
    )
    yield opened
    await opened.close()


@pytest.fixture
async def after(below: Store, tmp_path: Path) -> After:
    keys = LocalKeys(tmp_path / "kek.json")
    await keys.open()
    return After(below, Vault(MemoryStore(vault.FINDS), keys, lambda: NOW))


async def everything(below: Store) -> str:
    rows = []
    for collection in ("patients", "users", "emails", "lookups", "audit", "mails", "tries"):
        page = await below.find(Find(collection), limit=500) if Find(collection) in FINDS else None
        rows += page.rows if page else []
    return "\n".join(f"{row.id} {row.document}" for row in rows)


async def found(after: After, **criteria: Any) -> list[PatientId]:
    patients, _ = await after.register.find(SERVICE, DEMO.id, Criteria(**criteria), NOW, "", 50)
    return [each.id for each in patients]


async def works(after: After) -> None:
    """Everything that was there is found and guarded, and nothing twice."""
    user = await after.users.by_email("user3@example.org")
    assert user
    assert user.name == "User 3"
    with pytest.raises(Conflict):
        await after.users.create("user3@example.org", "Thief", "en", "UTC", NOW)
    (patient,) = await found(after, number="N-3")
    assert await found(after, email="patient3@example.org") == [patient]
    assert len(await found(after, name="given")) == min(PEOPLE, 50)
    with pytest.raises(NumberTaken):
        await after.register.create(
            SERVICE, DEMO.id, Details(given="A", family="B", birth_date=date(1990, 1, 1), number="N-3"), NOW
        )


async def test_a_store_written_before_serves_while_it_is_brought_up(after: After, below: Store) -> None:
    await works(after)
    steps = 0
    while await after.resealing.step(NOW):
        steps += 1
        if steps % 4 == 0:
            await works(after)
    assert steps > len(after.store.collections)
    after.store.settle()
    after.lookups.settle()
    await works(after)
    text = await everything(below)
    for private in ("example.org", "Given", "Family", "User ", "N-3", "1950-"):
        assert private not in text
    ids = [row.id for row in (await below.find(Find("emails"), limit=500)).rows]
    assert all(each.startswith(BLIND) for each in ids)
    assert len(ids) == PEOPLE
    keys = {row.document["key"] for row in (await below.find(Find("lookups"), limit=500)).rows}
    assert await OLD.mac(DEMO.id, f"{DEMO.id}\nnumber\nn-3".encode()) not in keys


async def test_changes_under_way_do_not_hold_it_up_or_get_lost(after: After, below: Store) -> None:
    patients = [row.id for row in (await below.find(resealing.EVERYBODY, limit=500)).rows]

    async def change(n: int) -> None:
        await after.patients.change(SERVICE, PatientId(patients[n]), {"family": f"Changed{'xyz'[n % 3]}"}, NOW)

    await asyncio.gather(after.bring_up(), *(change(n) for n in range(20)))
    await after.bring_up()
    assert len(await found(after, name="changed")) == 20
    after.lookups.settle()
    after.store.settle()
    assert len(await found(after, name="changed")) == 20
    assert "Changed" not in await everything(below)


async def test_it_goes_on_where_it_stood(after: After, below: Store) -> None:
    for _ in range(3):
        await after.resealing.step(NOW)
    held = await resealing.progress(below)
    assert held
    other = Resealing(after.store, after.store, after.lookups)
    await other.step(NOW)
    later = await resealing.progress(below)
    assert later
    assert later.version == 4
    assert set(held.value.done) <= set(later.value.done)


async def test_one_job_does_it_all_and_then_there_is_none(after: After, below: Store) -> None:
    await after.resealing.plan(NOW)
    await after.resealing.plan(NOW)
    (row,) = (await below.find(Find("jobs", equal=("state",), ordered_by="due_at"), ("open",))).rows
    await after.resealing.run(Job(id=JobId(row.id), clinic=PLATFORM, kind="reseal", about={}, due_at=NOW), NOW)
    held = await resealing.progress(below)
    assert held
    assert resealing.left(held.value, after.store.collections) == []
    assert held.value.brought_up >= 3 * PEOPLE


async def test_who_was_erased_meanwhile_goes(after: After, below: Store) -> None:
    user = await after.users.by_email("user1@example.org")
    assert user
    await after.store._vault.destroy(PLATFORM, user.id, Basis.ACCOUNT, NOW)
    await after.bring_up()
    assert await below.get(users.COLLECTION, user.id) is None


async def test_a_link_of_the_chain_is_left_alone(after: After, below: Store) -> None:
    stood = {row.id: row for row in (await below.find(audit.BY_CLINIC, (DEMO.id,), limit=500)).rows}
    chained = {**next(iter(stood.values())).document, "id": "aud-x", "strand": "str-1", "address": "192.0.2.1"}
    await below.transact([Insert(audit.COLLECTION, "aud-x", chained)])
    await after.bring_up()
    now = await below.get(audit.COLLECTION, "aud-x")
    assert now
    assert now.document == chained


# --- ids that would give something away ---------------------------------------------------------------------------


async def test_an_address_is_nothing_to_be_tried_out(after: After, below: Store) -> None:
    made = await after.users.create("new@example.org", "New", "en", "UTC", NOW)
    bare = users.taking("new@example.org", made.id)
    assert await below.get(users.EMAILS, bare.id) is None
    stored = await after.store.get(users.EMAILS, bare.id)
    assert stored
    assert stored.id.startswith(BLIND)


async def test_what_is_found_can_be_deleted(after: After, below: Store) -> None:
    key = tries.LETTERS.of("new@example.org")
    await tries.Tries(after.store).take([key], NOW)
    (row,) = (await below.find(tries.BY_END)).rows
    assert row.id != key.id
    assert key.id not in str(row)
    assert SEALED in row.document
    assert await tries.Tries(after.store).sweep(NOW + timedelta(days=1)) is False
    assert (await below.find(tries.BY_END)).rows == []


async def test_letters_are_sealed_until_they_are_gone(after: After, below: Store) -> None:
    letter = mail.letter("email-changed", "ana@example.org", "en", NOW, clinic=PLATFORM, at="now")
    await after.store.transact(letter)
    (row,) = (await below.find(mail.BY_AGE)).rows
    assert "ana@" not in str(row)
