"""`medinova keys …`, and a server that serves meanwhile."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from medinova_rt import audit, cabinet, folder, users, vault
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.local_keys import KEPT, LocalKeys
from medinova_rt.clinics import PLATFORM
from medinova_rt.config import Settings
from medinova_rt.errors import WrongState
from medinova_rt.folder import CannotStart
from medinova_rt.ids import JobId
from medinova_rt.jobs import BY_STATE, Job
from medinova_rt.operations import keyring
from medinova_rt.operations.keyring import REWRAP_JOB, Rewrapping
from medinova_rt.users import Users
from medinova_rt.vault import Vault

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
JOB = Job(id=JobId("job-1"), clinic=PLATFORM, kind=REWRAP_JOB, about={}, due_at=NOW)


@pytest.fixture
async def keys(tmp_path: Path) -> LocalKeys:
    opened = LocalKeys(tmp_path / "kek.json")
    await opened.open()
    return opened


@pytest.fixture
def held(keys: LocalKeys) -> Vault:
    return Vault(MemoryStore(vault.FINDS), keys, lambda: NOW)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(folder.FINDS)


async def test_a_rotation_leaves_the_job_that_wraps_all_anew(store: MemoryStore, held: Vault, keys: LocalKeys) -> None:
    for n in range(250):
        await held.key(PLATFORM, f"usr-{n}", "account", make=True)
    assert (await keyring.rotate(store, held, keys, NOW))[0] == "version    2"
    (row,) = (await store.find(BY_STATE, ("open",))).rows
    assert row.document["kind"] == REWRAP_JOB
    assert [each.document["action"] for each in (await store.find(audit.BY_CLINIC, (PLATFORM,))).rows] == [
        "keys.rotate"
    ]
    assert "version    1: 250 data keys" in await keyring.status(store, held, keys, ["users"])
    await Rewrapping(store, held).run(JOB, NOW)
    status = await keyring.status(store, held, keys, ["users"])
    assert status[:3] == ["newest     2", "version    2: 250 data keys", "destroyed  0 data keys"]
    assert status[3].endswith("to walk: users, lookups")


async def test_a_job_that_has_no_time_left_goes_on_in_another(
    store: MemoryStore, held: Vault, keys: LocalKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "TURN_S", 0.0)
    await Rewrapping(store, held).run(JOB, NOW)
    assert len((await store.find(BY_STATE, ("open",))).rows) == 1


async def test_a_version_that_is_needed_does_not_go(store: MemoryStore, held: Vault, keys: LocalKeys) -> None:
    await held.key(PLATFORM, "usr-1", "account", make=True)
    for _ in range(KEPT - 1):
        await keyring.rotate(store, held, keys, NOW)
    with pytest.raises(WrongState, match="still wrapped by version 1"):
        await keyring.rotate(store, held, keys, NOW)
    await Rewrapping(store, held).run(JOB, NOW)
    await keyring.rotate(store, held, keys, NOW)
    assert (await held.key(PLATFORM, "usr-1", "account", make=False)).cipher


# --- of a whole server --------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(data=str(tmp_path / "var"))
    folder.keep_folder(Path(made.data))
    return made


async def test_readers_and_writers_hear_nothing_of_a_rotation(settings: Settings) -> None:
    here, there = cabinet.Cabinet(settings), cabinet.Cabinet(settings)
    await here.open()
    await there.open()
    stop = asyncio.Event()
    made = 0

    async def work(n: int) -> None:
        nonlocal made
        while not stop.is_set():
            one = await Users(here.store).create(f"u{n}-{made}@example.org", "Name", "en", "UTC", NOW)
            assert (await Users(there.store).get(one.id)).name == "Name"
            made += 1

    workers = [asyncio.create_task(work(n)) for n in range(4)]
    for version in ("2", "3"):
        room = there.strongroom
        assert (await keyring.rotate(there.store, room.vault, room.keys, NOW))[0].endswith(version)
        await Rewrapping(there.store, room.vault).run(JOB, NOW)
    stop.set()
    await asyncio.gather(*workers)
    await Rewrapping(there.store, there.strongroom.vault).run(JOB, NOW)
    assert set(await there.strongroom.vault.versions()) == {"3"}
    assert made
    await here.close()
    await there.close()


async def test_a_data_folder_that_lacks_its_keys_is_no_reason_to_make_new_ones(settings: Settings) -> None:
    first = cabinet.Cabinet(settings)
    await first.open()
    await Users(first.store).create("ana@example.org", "Ana", "en", "UTC", NOW)
    await first.close()
    file = Path(settings.data) / folder.KEYS
    kept = await asyncio.to_thread(file.read_bytes)
    await asyncio.to_thread(file.unlink)
    second = cabinet.Cabinet(settings)
    with pytest.raises(CannotStart, match=r"kek\.json\) is not; restore it"):
        await second.open()
    await second.close()
    other = LocalKeys(file)
    await other.open()
    third = cabinet.Cabinet(settings)
    with pytest.raises(CannotStart, match="wrapped by other key-encryption keys"):
        await third.open()
    await third.close()
    await asyncio.to_thread(file.write_bytes, kept)
    fourth = cabinet.Cabinet(settings)
    await fourth.open()
    assert await Users(fourth.store).by_email("ana@example.org")
    await fourth.close()


async def test_nothing_of_a_user_is_in_the_files(settings: Settings) -> None:
    opened = cabinet.Cabinet(settings)
    await opened.open()
    made = await Users(opened.store).create("canary-address@example.org", "Canary Name", "en", "UTC", NOW)

    def everything() -> bytes:
        return b"".join(each.read_bytes() for each in Path(settings.data).iterdir() if each.is_file())

    files = await asyncio.to_thread(everything)
    assert made.id.encode() in files
    for private in (b"canary-address", b"Canary", users.taking(made.email, made.id).id.encode()):
        assert private not in files
    await opened.close()


async def test_a_destroyed_key_is_in_no_file(settings: Settings) -> None:
    opened = cabinet.Cabinet(settings)
    await opened.open()
    made = await Users(opened.store).create("ana@example.org", "Ana", "en", "UTC", NOW)
    (row,) = [
        each for each in (await opened.strongroom.store.find(vault.ALL)).rows if each.document["subject"] == made.id
    ]
    wrapped: bytes = row.document["wrapped"].encode()

    def files() -> bytes:
        return b"".join(each.read_bytes() for each in Path(settings.data).glob("keys.db*"))

    assert wrapped in await asyncio.to_thread(files)
    await opened.strongroom.vault.destroy(PLATFORM, made.id, "account", NOW)
    await opened.strongroom.vault.key(PLATFORM, "usr-2", "account", make=True)  # which begins the WAL anew
    assert wrapped not in await asyncio.to_thread(files)
    assert await Users(opened.store).held(made.id) is None
    await opened.close()
