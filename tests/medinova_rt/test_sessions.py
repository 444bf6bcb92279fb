import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from medinova_rt import audit, grants, sessions
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.clinics import DEMO, PLATFORM
from medinova_rt.errors import Conflict, NotAuthenticated
from medinova_rt.grants import Grant, Kind, StaffRole, Standing
from medinova_rt.ids import ClinicId, GrantId, SessionId, UserId
from medinova_rt.ports import Insert, Store
from medinova_rt.principals import System
from medinova_rt.sessions import MAX_SESSIONS, Session, Sessions, Stage, read_cookie

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
USER = UserId("usr-1")
FINDS = (*sessions.FINDS, *audit.FINDS, *grants.FINDS)


@pytest.fixture(params=["local", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = MemoryStore(FINDS) if request.param == "local" else SqliteStore(tmp_path / "store.db", FINDS)
    await opened.open()
    yield opened
    await opened.close()


def grant(kind: Kind, *roles: StaffRole, clinic: ClinicId = DEMO.id) -> Grant:
    return Grant(
        id=GrantId("gra-1"), clinic=clinic, user=USER, kind=kind, roles=list(roles), created_at=NOW, starts_at=NOW
    )


STAFF = Standing(members={DEMO.id: grant(Kind.MEMBER, StaffRole.FRONT_DESK)})
OPERATOR = Standing(operator=grant(Kind.OPERATOR, clinic=PLATFORM))
PATIENT = Standing()


async def opened(store: Store, now: datetime = NOW, stage: Stage = Stage.FULL, **more: object) -> tuple[Session, str]:
    return await Sessions(store).open(USER, stage=stage, strong=False, now=now, **more)  # type: ignore[arg-type]


async def told(store: Store) -> list[tuple[str, str, str | None]]:
    page = await store.find(audit.BY_CLINIC, (PLATFORM,))
    return [(row.document["actor_kind"], row.document["action"], row.document["about"]) for row in page.rows]


async def test_the_secret_is_in_the_cookie_and_nowhere_else(store: Store) -> None:
    session, cookie = await opened(store, device="Mozilla/5.0 (Windows NT 10.0) Firefox/147.0", address="192.0.2.1")
    id_, digest = read_cookie(cookie)
    stored = await store.get(sessions.COLLECTION, session.id)
    assert stored is not None
    assert (id_, session.has(digest), session.device) == (session.id, True, "Firefox on Windows")
    assert cookie.partition(".")[2] not in str(stored.document)
    assert len(cookie.partition(".")[2]) == 43  # 256 bits
    assert await told(store) == [("user", "sign-in", session.id)]


@pytest.mark.parametrize("text", ["", "x", "ses-1.x", f"ses-{'0' * 26}.", f"SES-{'0' * 26}.{'a' * 43}", "é" * 74])
def test_what_is_no_cookie_of_ours(text: str) -> None:
    with pytest.raises(NotAuthenticated):
        read_cookie(text)


@pytest.mark.parametrize(
    ("stage", "standing", "seen_min", "ends_min"),
    [
        (Stage.HALF, STAFF, 0, 10),
        (Stage.HALF, PATIENT, 9, 10),
        (Stage.FULL, STAFF, 0, 15),
        (Stage.FULL, OPERATOR, 0, 15),
        (Stage.FULL, STAFF, 100, 115),
        (Stage.FULL, STAFF, 719, 720),
        (Stage.FULL, PATIENT, 0, 30),
        (Stage.FULL, PATIENT, 719, 749),
        (Stage.FULL, PATIENT, 1439, 1440),
    ],
)
async def test_when_it_ends(stage: Stage, standing: Standing, seen_min: int, ends_min: int) -> None:
    session, _ = await opened(MemoryStore(FINDS), stage=stage)
    used = replace(session, last_seen_at=NOW + timedelta(minutes=seen_min))
    assert used.ends_at(standing) == NOW + timedelta(minutes=ends_min)


@pytest.mark.parametrize(
    ("stage", "proven_strong", "strong", "action"),
    [
        (Stage.HALF, True, True, ("half", "second-factor")),
        (Stage.FULL, False, False, ("user", "me.prove")),
        (Stage.FULL, True, True, ("user", "me.prove")),
    ],
)
async def test_a_rise_of_privilege_changes_the_secret_and_not_the_session(
    store: Store, stage: Stage, proven_strong: bool, strong: bool, action: tuple[str, str]
) -> None:
    session, cookie = await opened(store, stage=stage)
    later = NOW + timedelta(minutes=5)
    proven, new_cookie = await Sessions(store).prove(session.id, later, strong=proven_strong)
    assert (proven.id, proven.stage, proven.strong, proven.authenticated_at) == (session.id, Stage.FULL, strong, later)
    assert [proven.has(read_cookie(each)[1]) for each in (cookie, new_cookie)] == [False, True]
    assert await Sessions(store).get(session.id) == proven
    assert (await told(store))[1] == (*action, session.id)


async def test_what_is_over_is_not_proven(store: Store) -> None:
    half, _ = await opened(store, stage=Stage.HALF)
    with pytest.raises(NotAuthenticated):
        await Sessions(store).prove(half.id, NOW + timedelta(minutes=10), strong=True)
    await Sessions(store).revoke(System(), half.id, NOW)
    with pytest.raises(NotAuthenticated):
        await Sessions(store).prove(half.id, NOW, strong=True)


async def test_what_goes_along_decides(store: Store) -> None:
    along = [Insert("things", "thi-1", {"clinic": "cli-1", "schema": 1})]
    session, _ = await opened(store, along=along)
    with pytest.raises(Conflict):
        await opened(store, along=along)
    with pytest.raises(Conflict):
        await Sessions(store).prove(session.id, NOW, strong=True, along=along)
    assert await Sessions(store).of_user(USER) == [session]


async def test_of_too_many_the_oldest_goes_and_halves_push_out_only_halves(store: Store) -> None:
    made = [await opened(store, NOW + timedelta(seconds=number)) for number in range(MAX_SESSIONS + 2)]
    for number in range(MAX_SESSIONS + 3):
        await opened(store, NOW + timedelta(minutes=1, seconds=number), Stage.HALF)
    held = await Sessions(store).of_user(USER)
    assert [each.id for each in held if each.stage is Stage.FULL] == [session.id for session, _ in made[2:]]
    assert len(held) == 2 * MAX_SESSIONS
    assert ("user", "session.revoke", made[0][0].id) in await told(store)


async def test_a_half_that_becomes_whole_pushes_out_the_oldest_whole_one(store: Store) -> None:
    first, _ = await opened(store)
    for number in range(1, MAX_SESSIONS):
        await opened(store, NOW + timedelta(seconds=number))
    half, _ = await opened(store, NOW + timedelta(seconds=30), Stage.HALF)
    await Sessions(store).prove(half.id, NOW + timedelta(seconds=40), strong=True)
    held = [each.id for each in await Sessions(store).of_user(USER)]
    assert (first.id in held, half.id in held, len(held)) == (False, True, MAX_SESSIONS)


async def test_many_who_sign_in_at_once_all_come_in(store: Store) -> None:
    await asyncio.gather(*(opened(store, NOW + timedelta(seconds=each)) for each in range(MAX_SESSIONS)))
    await asyncio.gather(*(opened(store, NOW + timedelta(minutes=1, seconds=each)) for each in range(4)))
    assert len(await Sessions(store).of_user(USER)) >= MAX_SESSIONS


async def test_revoking(store: Store) -> None:
    kept, other, third = [(await opened(store, NOW + timedelta(seconds=each)))[0] for each in range(3)]
    await Sessions(store).revoke(System(), third.id, NOW)
    await Sessions(store).revoke(System(), third.id, NOW)
    await Sessions(store).revoke(System(), SessionId("ses-none"), NOW)
    assert await Sessions(store).of_user(USER) == [kept, other]
    await Sessions(store).revoke_all(System(), USER, NOW, but=kept.id)
    assert await Sessions(store).of_user(USER) == [kept]
    await Sessions(store).revoke_all(System(), USER, NOW)
    assert await Sessions(store).of_user(USER) == []
    ended = [each for each in await told(store) if each[1] == "session.revoke"]
    assert sorted(ended) == sorted(("system", "session.revoke", each.id) for each in (kept, other, third))


async def test_a_sweep_takes_what_is_over_for_anybody(store: Store) -> None:
    await opened(store)
    await opened(store, stage=Stage.HALF)
    later = NOW + timedelta(hours=24, microseconds=1)
    young, _ = await opened(store, later)
    assert await Sessions(store).sweep(NOW) is False
    assert len(await Sessions(store).of_user(USER)) == 3
    assert await Sessions(store).sweep(later) is False
    assert await Sessions(store).of_user(USER) == [young]


def test_limits_of_staff_are_the_stricter_ones() -> None:
    ours = [dataclasses.astuple(each) for each in (sessions.HALF, sessions.STAFF, sessions.OTHERS)]
    assert ours == sorted(ours)
