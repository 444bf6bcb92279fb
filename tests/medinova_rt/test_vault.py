import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from medinova_rt import vault
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.local_keys import LocalKeys
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.clinics import DEMO
from medinova_rt.errors import KeyLost, Unavailable
from medinova_rt.layered import LayeredStore
from medinova_rt.phi import Basis
from medinova_rt.ports import Find, Page, Replace, Store, Stored, Token, Wrapped
from medinova_rt.vault import FRESH_S, INDEX, Key, Vault

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
NONCE = b"n" * 12


class Clocks:
    """Both that a vault has, moved on by hand."""

    def __init__(self) -> None:
        self.s = 0.0

    def wall(self) -> datetime:
        return NOW + timedelta(seconds=self.s)

    def monotonic(self) -> float:
        return self.s


class CountedKeys:
    """The Keys port over another, counting; `gate` holds an unwrapping up."""

    def __init__(self, keys: LocalKeys) -> None:
        self._keys = keys
        self.unwrapped = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def wrap(self, key: bytes, context: bytes) -> Wrapped:
        return await self._keys.wrap(key, context)

    async def unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        self.unwrapped += 1
        await self.gate.wait()
        return await self._keys.unwrap(wrapped, context)

    async def newest(self) -> str:
        return await self._keys.newest()

    async def rotate(self) -> str:
        return await self._keys.rotate()


class Flaky(LayeredStore):
    out = False

    async def get(self, collection: str, id: str) -> Stored | None:
        if self.out:
            raise Unavailable("the store does not answer")
        return await super().get(collection, id)

    async def find(self, find: Find, equal: Any = (), **rest: Any) -> Page:
        if self.out:
            raise Unavailable("the store does not answer")
        return await super().find(find, equal, **rest)


@pytest.fixture(params=["local", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    sqlite = request.param == "sqlite"
    opened = SqliteStore(tmp_path / "keys.db", vault.FINDS) if sqlite else MemoryStore(vault.FINDS)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def keys(tmp_path: Path) -> CountedKeys:
    opened = LocalKeys(tmp_path / "kek.json")
    await opened.open()
    return CountedKeys(opened)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
async def make(store: Store, keys: CountedKeys, clocks: Clocks) -> AsyncIterator[Callable[..., Vault]]:
    made: list[Vault] = []

    def one(over: Store = store, **rest: Any) -> Vault:
        made.append(Vault(over, keys, clocks.wall, monotonic=clocks.monotonic, **rest))
        return made[-1]

    yield one
    for each in made:
        await each.close()


Make = Callable[..., Vault]


async def needed(held: Vault, subject: str = "pat-1", purpose: str = Basis.CARE) -> Key:
    return await held.key(DEMO.id, subject, purpose, make=True)


async def read(held: Vault, subject: str = "pat-1", purpose: str = Basis.CARE) -> Key:
    return await held.key(DEMO.id, subject, purpose, make=False)


def fits(one: Key, other: Key) -> bool:
    assert one.cipher
    assert other.cipher
    return other.cipher.decrypt(NONCE, one.cipher.encrypt(NONCE, b"text", None), None) == b"text"


async def test_a_key_is_made_once_and_the_same_for_everybody(make: Make) -> None:
    first = await needed(make())
    assert fits(first, await needed(make()))
    assert fits(first, await read(make()))


async def test_processes_that_make_it_at_once_agree(make: Make) -> None:
    found = await asyncio.gather(*(needed(make()) for _ in range(8)))
    assert all(fits(found[0], each) for each in found)


async def test_a_key_is_kept_before_it_is_given_away(make: Make, store: Store) -> None:
    key = await needed(make())
    (row,) = (await store.find(vault.ALL)).rows
    assert row.document["reference"] == key.reference.hex()
    assert row.document["wrapped"]


async def test_each_subject_and_purpose_has_its_own(make: Make) -> None:
    held = make()
    found = [await needed(held, who, what) for who in ("pat-1", "pat-2") for what in (Basis.CARE, Basis.CONTACT)]
    assert len({key.reference for key in found}) == 4


async def test_a_key_that_is_not_there_is_lost_and_not_made_by_reading(make: Make, store: Store) -> None:
    held = make()
    with pytest.raises(KeyLost):
        await read(held)
    assert (await store.find(vault.ALL)).rows == []
    await needed(make())
    assert (await read(held)).cipher  # that there was none is not remembered


async def test_many_who_miss_it_at_once_unwrap_it_once(make: Make, keys: CountedKeys) -> None:
    await needed(make())
    held = make()
    await asyncio.gather(*(read(held) for _ in range(100)))
    assert (keys.unwrapped, held.at_hand("pat-1", Basis.CARE) is not None) == (1, True)


async def test_one_who_goes_away_takes_it_from_nobody(make: Make, keys: CountedKeys) -> None:
    await needed(make())
    held = make()
    keys.gate.clear()
    first, second = asyncio.create_task(read(held)), asyncio.create_task(read(held))
    while not keys.unwrapped:
        await asyncio.sleep(0)
    first.cancel()
    keys.gate.set()
    assert (await second).cipher
    assert keys.unwrapped == 1


async def test_the_key_used_longest_ago_goes_first(make: Make) -> None:
    held = make(capacity=2)
    for who in ("pat-1", "pat-2"):
        await needed(held, who)
    held.at_hand("pat-1", Basis.CARE)
    await needed(held, "pat-3")
    assert [held.at_hand(f"pat-{n}", Basis.CARE) is not None for n in (1, 2, 3)] == [True, False, True]


async def test_a_destroyed_key_is_overwritten_and_never_made_again(make: Make, store: Store) -> None:
    held = make()
    await needed(held)
    assert await held.destroy(DEMO.id, "pat-1", Basis.CARE, NOW) == NOW
    assert await held.destroy(DEMO.id, "pat-1", Basis.CARE, NOW + timedelta(days=1)) == NOW
    (row,) = (await store.find(vault.ALL)).rows
    assert (row.document["wrapped"], row.document["version"]) == ("", "")
    assert [(await needed(each)).cipher for each in (held, make())] == [None, None]


async def test_what_was_never_there_can_be_destroyed_too(make: Make) -> None:
    await make().destroy(DEMO.id, "pat-1", Basis.CARE, NOW)
    assert (await needed(make())).cipher is None


async def test_every_process_drops_a_destroyed_key_at_its_next_look(make: Make, clocks: Clocks) -> None:
    here, there = make(), make()
    for each in (here, there):
        await needed(each)
        await needed(each, "pat-2")
    clocks.s = 1.0
    await here.destroy(DEMO.id, "pat-1", Basis.CARE, clocks.wall())
    clocks.s = 1.0 + vault.POLL_S
    await there.look()
    gone, kept = (there.at_hand(who, Basis.CARE) for who in ("pat-1", "pat-2"))
    assert gone
    assert gone.cipher is None
    assert kept
    assert kept.cipher


async def test_a_process_that_cannot_ask_reads_again_before_it_opens_anything(
    make: Make, store: Store, clocks: Clocks, keys: CountedKeys
) -> None:
    flaky = Flaky(store)
    here, there = make(), make(flaky)
    await needed(here)
    key = await read(there)
    clocks.s = FRESH_S + 0.1
    assert there.at_hand("pat-1", Basis.CARE) is None
    flaky.out = True
    with pytest.raises(Unavailable):
        await read(there)
    flaky.out = False
    unwrapped = keys.unwrapped
    assert (await read(there)).cipher is key.cipher
    assert keys.unwrapped == unwrapped  # that it is the same is enough
    await here.destroy(DEMO.id, "pat-1", Basis.CARE, clocks.wall())
    clocks.s += FRESH_S + 0.1
    assert (await read(there)).cipher is None


async def test_looking_keeps_the_others_fresh(make: Make, clocks: Clocks) -> None:
    held = make()
    await needed(held)
    for _ in range(10):
        clocks.s += vault.POLL_S
        await held.look()
        assert held.at_hand("pat-1", Basis.CARE)


async def test_a_key_destroyed_while_it_is_read_is_not_remembered(make: Make, keys: CountedKeys) -> None:
    await needed(make())
    here, there = make(), make()
    keys.gate.clear()
    reading = asyncio.create_task(read(there))
    while not keys.unwrapped:
        await asyncio.sleep(0)
    await here.destroy(DEMO.id, "pat-1", Basis.CARE, NOW)
    await there.look()
    keys.gate.set()
    assert (await reading).cipher is None
    assert (await read(there)).cipher is None


async def test_a_key_in_the_place_of_another_does_not_open(make: Make, store: Store) -> None:
    held = make()
    for who in ("pat-1", "pat-2"):
        await needed(held, who)
    one, other = (await store.find(vault.ALL)).rows
    swapped = {**one.document, "wrapped": other.document["wrapped"]}
    await store.transact([Replace(vault.COLLECTION, one.id, swapped, one.token)])
    with pytest.raises(KeyLost):
        await read(make(), one.document["subject"])


async def test_a_key_store_of_another_key_file_is_told_at_the_start(
    make: Make, store: Store, tmp_path: Path, clocks: Clocks
) -> None:
    opened = make()
    await opened.open()
    other = LocalKeys(tmp_path / "other.json")
    await other.open()
    with pytest.raises(KeyLost):
        await Vault(store, other, clocks.wall).open()


async def test_an_index_key_is_the_clinics_own(make: Make) -> None:
    held = make()
    digests = []
    for clinic in (DEMO.id, DEMO.id, type(DEMO.id)("cli-2")):
        digest = (await held.index_key(clinic)).copy()
        digest.update(b"value")
        digests.append(digest.hexdigest())
    assert digests[0] == digests[1] != digests[2]
    await held.destroy(DEMO.id, DEMO.id, INDEX, NOW)
    with pytest.raises(KeyLost):
        await held.index_key(DEMO.id)


# --- under a new key-encryption key ---


async def all_rewrapped(held: Vault, limit: int = 3) -> int:
    done, cursor = 0, None
    while True:
        one = await held.rewrap(cursor, limit)
        done, cursor = done + one.rewrapped, one.cursor
        assert one.failed == 0
        if cursor is None:
            return done


async def test_rotation_wraps_every_key_anew_and_they_stay_the_same(make: Make, keys: CountedKeys) -> None:
    held = make()
    before = [await needed(held, f"pat-{n}") for n in range(10)]
    await held.destroy(DEMO.id, "pat-9", Basis.CARE, NOW)
    assert await keys.rotate() == "2"
    assert fits(before[0], await read(make(), "pat-0"))  # under the version before
    assert await all_rewrapped(held) == 9
    assert await held.versions() == {"2": 9, "": 1}
    assert await all_rewrapped(held) == 0
    assert all([fits(key, await read(make(), f"pat-{n}")) for n, key in enumerate(before[:9])])


async def test_nothing_fails_while_keys_rotate(make: Make, keys: CountedKeys) -> None:
    stop = asyncio.Event()
    worked = 0

    async def work(n: int) -> None:
        nonlocal worked
        while not stop.is_set():
            held = make(capacity=2)
            who = f"pat-{n}-{worked % 7}"
            assert fits(await needed(held, who), await read(make(), who))
            worked += 1

    workers = [asyncio.create_task(work(n)) for n in range(4)]
    for _ in range(3):
        await keys.rotate()
        await all_rewrapped(make())
    while worked < 50:
        await asyncio.sleep(0)
    stop.set()
    await asyncio.gather(*workers)
    held = make()
    await all_rewrapped(held)
    assert set(await held.versions()) == {"4"}


async def test_who_rewraps_a_key_that_is_destroyed_meanwhile_brings_nothing_back(make: Make, store: Store) -> None:
    held = make()
    await needed(held)

    class Late(LayeredStore):
        async def transact(self, writes: Any) -> list[Token]:
            await held.destroy(DEMO.id, "pat-1", Basis.CARE, NOW)
            return await super().transact(writes)

    await held._keys.rotate()
    assert await all_rewrapped(make(Late(store))) == 1
    assert (await read(make())).cipher is None


async def test_a_damaged_key_is_lost_and_holds_nobody_up(make: Make, store: Store, keys: CountedKeys) -> None:
    held = make()
    for n in range(3):
        await needed(held, f"pat-{n}")
    row = (await store.find(vault.ALL)).rows[1]
    await store.transact([Replace(vault.COLLECTION, row.id, {**row.document, "wrapped": "AAAA"}, row.token)])
    await keys.rotate()
    one = await held.rewrap(None)
    assert (one.rewrapped, one.failed, one.cursor) == (2, 1, None)
