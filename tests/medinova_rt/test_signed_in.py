"""Who is signed in, asked in one process while another writes to the same file."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from medinova_rt import audit, clinics, documents, grants, sessions, users
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.adapters.watched_store import WatchedStore
from medinova_rt.clinics import DEMO, PLATFORM, Clinic, Clinics
from medinova_rt.errors import NotAuthenticated
from medinova_rt.grants import Grant, Kind, StaffRole
from medinova_rt.ids import ClinicId, GrantId, UserId, new_id
from medinova_rt.ports import Find, Insert, Page, Replace, Store, Stored
from medinova_rt.principals import Half, Person, System
from medinova_rt.sessions import Session, Sessions, Stage
from medinova_rt.signed_in import SignedIn
from medinova_rt.users import User

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
SEEN = NOW + timedelta(seconds=5)  # what another process did is seen by then
USER = UserId("usr-1")
STRICT = Clinic(id=ClinicId("cli-strict"), clinic=ClinicId("cli-strict"), name="Strict")
FINDS = (*sessions.FINDS, *audit.FINDS, *grants.FINDS)


class Counted:
    """A store that counts what is asked of it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reads = self.writes = 0

    async def get(self, collection: str, id: str) -> Stored | None:
        self.reads += 1
        return await self._store.get(collection, id)

    async def find(self, find: Find, equal: Any = (), **more: Any) -> Page:
        self.reads += 1
        return await self._store.find(find, equal, **more)

    async def transact(self, writes: Any) -> Any:
        self.writes += 1
        return await self._store.transact(writes)


@dataclass
class Process:
    store: WatchedStore
    counted: Counted
    sessions: Sessions
    signed_in: SignedIn


def process(store: Store) -> Process:
    counted = Counted(store)
    watched = WatchedStore(counted)
    signed_in = SignedIn(watched)
    watched.watch(signed_in.watched, signed_in.forget_all)
    return Process(watched, counted, Sessions(watched), signed_in)


@pytest.fixture(params=["local", "sqlite"])
async def two(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Process, Process]]:
    """This process and another one."""
    if request.param == "local":
        stores: list[Any] = [MemoryStore(FINDS)] * 2
    else:
        stores = [SqliteStore(tmp_path / "store.db", FINDS) for _ in range(2)]
    for store in stores:
        await store.open()
    await Clinics(stores[0]).ensure(DEMO)
    await Clinics(stores[0]).ensure(STRICT)
    yield process(stores[0]), process(stores[1])
    for store in stores:
        await store.close()


def grant(kind: Kind = Kind.MEMBER, clinic: ClinicId = DEMO.id, **more: Any) -> Grant:
    return Grant(
        id=GrantId(new_id("gra", NOW)),
        clinic=clinic,
        user=USER,
        kind=kind,
        roles=[StaffRole.FRONT_DESK] if kind is Kind.MEMBER else [],
        created_at=NOW,
        starts_at=more.pop("starts_at", NOW),
        **more,
    )


async def give(at: Process, made: Grant) -> Grant:
    await at.store.transact([Insert(grants.COLLECTION, made.id, documents.encode(made))])
    return made


async def end(at: Process, made: Grant) -> None:
    stored = await at.store.get(grants.COLLECTION, made.id)
    assert stored is not None
    ended = {**stored.document, "ends_at": "2026-11-24T10:00:00.000000Z"}
    await at.store.transact([Replace(grants.COLLECTION, made.id, ended, stored.token)])


async def sign_in(at: Process, stage: Stage = Stage.FULL, strong: bool = False) -> tuple[Session, str]:
    return await at.sessions.open(USER, stage=stage, strong=strong, now=NOW)


async def person(at: Process, session: Session, now: datetime = NOW) -> Person:
    live = await at.signed_in.by_id(session.id, now)
    assert live is not None
    principal = live.principal(None)
    assert isinstance(principal, Person)
    return principal


async def test_a_cookie_says_who_it_is(two: tuple[Process, Process]) -> None:
    here, _ = two
    session, cookie = await sign_in(here)
    live = await here.signed_in.by_cookie(cookie, NOW)
    assert live is not None
    principal = live.principal("192.0.2.1")
    assert isinstance(principal, Person)
    assert (principal.user, principal.session, principal.address) == (USER, session.id, "192.0.2.1")


async def test_half_a_sign_in_is_half_a_principal(two: tuple[Process, Process]) -> None:
    session, cookie = await sign_in(two[0], Stage.HALF)
    live = await two[0].signed_in.by_cookie(cookie, NOW)
    assert live is not None
    assert live.principal(None) == Half(USER, session.id)


async def test_another_secret_and_the_one_of_before_do_not_hold(two: tuple[Process, Process]) -> None:
    session, cookie = await sign_in(two[0], Stage.HALF)
    _, new = await two[0].sessions.prove(session.id, NOW, strong=True)
    for wrong in (cookie, cookie[:-1] + ("A" if cookie[-1] != "A" else "B"), f"{session.id}.{'a' * 43}"):
        with pytest.raises(NotAuthenticated):
            await two[0].signed_in.by_cookie(wrong, NOW)
    assert await two[0].signed_in.by_cookie(new, NOW) is not None


async def test_revoked_here_is_refused_here_at_once_and_there_within_five_seconds(
    two: tuple[Process, Process],
) -> None:
    here, there = two
    session, cookie = await sign_in(here)
    assert await here.signed_in.by_cookie(cookie, NOW)
    assert await there.signed_in.by_cookie(cookie, NOW)
    await here.sessions.revoke(System(), session.id, NOW)
    assert await here.signed_in.by_cookie(cookie, NOW) is None
    assert await there.signed_in.by_cookie(cookie, SEEN) is None


async def test_a_role_that_is_gone_is_gone_here_at_once_and_there_within_five_seconds(
    two: tuple[Process, Process],
) -> None:
    here, there = two
    session, _ = await sign_in(here)
    member = await give(here, grant())
    assert [DEMO.id in (await person(each, session)).standing.members for each in two] == [True, True]
    await end(here, member)
    assert DEMO.id not in (await person(here, session)).standing.members
    assert DEMO.id not in (await person(there, session, SEEN)).standing.members
    await give(here, grant())
    assert DEMO.id in (await person(here, session)).standing.members


async def test_a_standing_counts_until_a_grant_ends_or_starts(two: tuple[Process, Process]) -> None:
    here, _ = two
    session, _ = await sign_in(here)
    second = timedelta(seconds=1)
    await give(here, grant(ends_at=NOW + second))
    await give(here, grant(clinic=STRICT.id, starts_at=NOW + 2 * second))
    found = [set((await person(here, session, NOW + each * second)).standing.members) for each in range(3)]
    assert found == [{DEMO.id}, set(), {STRICT.id}]


@pytest.mark.parametrize(
    ("strong", "counts"),
    [(False, {DEMO.id: True, STRICT.id: False, PLATFORM: False}), (True, {DEMO.id: True, STRICT.id: True})],
)
async def test_whose_roles_count_without_a_second_factor(
    two: tuple[Process, Process], strong: bool, counts: dict[ClinicId, bool]
) -> None:
    here, _ = two
    session, _ = await sign_in(here, strong=strong)
    for made in (grant(), grant(clinic=STRICT.id), grant(Kind.OPERATOR, PLATFORM)):
        await give(here, made)
    found = await person(here, session)
    assert {clinic: found.counts(clinic) for clinic in counts} == counts


async def test_a_clinic_that_starts_to_ask_for_a_second_factor_is_heard_at_once(two: tuple[Process, Process]) -> None:
    here, _ = two
    session, _ = await sign_in(here)
    await give(here, grant())
    assert (await person(here, session)).counts(DEMO.id)
    stored = await here.store.get(clinics.COLLECTION, DEMO.id)
    assert stored is not None
    stricter = {**stored.document, "second_factor": True}
    await here.store.transact([Replace(clinics.COLLECTION, DEMO.id, stricter, stored.token)])
    assert not (await person(here, session)).counts(DEMO.id)


@pytest.mark.parametrize(("is_staff", "minutes"), [(True, 15), (False, 30)])
async def test_an_idle_session_ends(two: tuple[Process, Process], is_staff: bool, minutes: int) -> None:
    here, there = two
    _, cookie = await sign_in(here)
    if is_staff:
        await give(here, grant())
    end = NOW + timedelta(minutes=minutes)
    assert await there.signed_in.by_cookie(cookie, end) is None
    assert await here.signed_in.by_cookie(cookie, end - timedelta(microseconds=1))
    assert await here.signed_in.by_cookie(cookie, end + timedelta(minutes=minutes - 1))  # it had been used


async def test_a_session_in_use_ends_at_its_absolute_limit(two: tuple[Process, Process]) -> None:
    here, _ = two
    session, _ = await sign_in(here)
    await give(here, grant())
    minutes = range(0, 13 * 60, 10)
    alive = [minute for minute in minutes if await here.signed_in.by_id(session.id, NOW + timedelta(minutes=minute))]
    assert alive == list(range(0, 12 * 60, 10))


async def test_being_seen_is_written_once_a_minute(two: tuple[Process, Process]) -> None:
    here, _ = two
    session, _ = await sign_in(here)
    before = here.counted.writes
    for second in range(300):
        await here.signed_in.by_id(session.id, NOW + timedelta(seconds=second))
    assert here.counted.writes - before == 4
    seen = await here.sessions.get(session.id)
    assert seen is not None
    assert seen.last_seen_at == NOW + timedelta(minutes=4)


async def test_a_revocation_wins_against_being_seen(two: tuple[Process, Process]) -> None:
    here, there = two
    session, _ = await sign_in(here)
    later = NOW + timedelta(minutes=1)
    await there.signed_in.by_id(session.id, later - timedelta(seconds=1))
    await here.sessions.revoke(System(), session.id, NOW)
    await there.signed_in.by_id(session.id, later)  # known for a moment yet, and its use is written in vain
    assert await here.sessions.get(session.id) is None
    assert await there.signed_in.by_id(session.id, later) is None


async def test_three_reads_when_cold_and_none_when_warm(two: tuple[Process, Process]) -> None:
    here, _ = two
    session, _ = await sign_in(here)
    await give(here, grant())
    await person(here, session)  # reads the clinic, too
    here.counted.reads = 0
    later = NOW + timedelta(seconds=3)
    await person(here, session, later)
    assert here.counted.reads == 0
    here.signed_in._sessions.forget(session.id)
    here.signed_in._standings.forget(USER)
    await person(here, session, later)
    assert here.counted.reads == 3


async def test_who_is_disabled_is_out_in_every_process_also_by_what_they_open_after(
    two: tuple[Process, Process],
) -> None:
    here, there = two
    user = User(id=USER, email="robin@example.org", name="Robin", created_at=NOW)
    (token,) = await here.store.transact([Insert(users.COLLECTION, USER, documents.encode(user))])
    session, _ = await sign_in(here)
    for each in two:
        assert await each.signed_in.by_id(session.id, NOW)
    disabled = documents.encode(replace(user, disabled=True))
    await here.store.transact([Replace(users.COLLECTION, USER, disabled, token)])
    late, _ = await sign_in(here)
    for opened in (session, late):
        assert await here.signed_in.by_id(opened.id, NOW) is None
        assert await there.signed_in.by_id(opened.id, SEEN) is None
