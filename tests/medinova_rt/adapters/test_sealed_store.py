import asyncio
import importlib
import pkgutil
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

import medinova_rt
import medinova_rt.adapters
from medinova_rt import documents, folder, users, vault
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.local_keys import LocalKeys
from medinova_rt.adapters.sealed_store import SealedStore, sealed_fields
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.errors import BadInput, Conflict, DomainError, KeyLost, NotFound, Unavailable
from medinova_rt.ids import ClinicId
from medinova_rt.phi import Basis, Open, Private, Sealing, Searchable
from medinova_rt.ports import Delete, Document, Find, Insert, Replace, Store
from medinova_rt.vault import Vault

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
HERE = ClinicId("cli-1")
OF_OWNER = Find("things", equal=("owner",), ordered_by="size")


class Part(Struct, frozen=True):
    number: Open[int]
    word: Private[str]


class Thing(Struct, frozen=True, kw_only=True):
    id: Open[str]
    clinic: Open[ClinicId] = HERE
    schema: Open[int] = 1
    owner: Open[str | None] = None
    size: Open[int] = 0
    name: Searchable[str]
    parts: Open[list[Part]] = []
    phone: Private[str | None] = None
    zone: Private[str] = "UTC"


SEALING = Sealing("things", Thing, "owner", Basis.CARE, dict.fromkeys(("phone", "zone"), Basis.CONTACT))
THING = Thing(id="t1", owner="pat-1", size=1, name="Ana Ruiz", parts=[Part(7, "liver")], phone="+34", zone="Asia/Tokyo")


@pytest.fixture(params=["local", "sqlite"])
async def below(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    finds = (OF_OWNER, Find("plain"))
    opened = MemoryStore(finds) if request.param == "local" else SqliteStore(tmp_path / "store.db", finds)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def make(tmp_path: Path) -> Callable[[], Vault]:
    keys, store = LocalKeys(tmp_path / "kek.json"), MemoryStore(vault.FINDS)
    await keys.open()
    return lambda: Vault(store, keys, lambda: NOW)


@pytest.fixture
def held(make: Callable[[], Vault]) -> Vault:
    return make()


@pytest.fixture
def store(below: Store, held: Vault) -> SealedStore:
    return SealedStore(below, held, [SEALING])


def put(thing: Thing) -> Insert:
    return Insert("things", thing.id, documents.encode(thing))


async def read(store: Store, id: str = "t1") -> Thing | None:
    stored = await store.get("things", id)
    return None if stored is None else documents.decode(Thing, stored.document, 1, {})


async def beneath(below: Store, id: str = "t1") -> Document:
    stored = await below.get("things", id)
    assert stored
    return stored.document


async def change(below: Store, document: Document, id: str = "t1") -> None:
    stored = await below.get("things", id)
    assert stored
    await below.transact([Replace("things", id, document, stored.token)])


async def test_what_is_private_is_sealed_and_comes_back(store: SealedStore, below: Store) -> None:
    await store.transact([put(THING)])
    document = await beneath(below)
    assert (set(document), set(document["sealed"])) == (
        {"id", "clinic", "schema", "owner", "size", "sealed"},
        {"care", "contact"},
    )
    assert await read(store) == THING


async def test_it_is_found_and_changed_like_any_other(store: SealedStore) -> None:
    await store.transact([put(THING), put(msgspec.structs.replace(THING, id="t2", size=0))])
    page = await store.find(OF_OWNER, ("pat-1",))
    assert [(row.id, row.document["name"]) for row in page.rows] == [("t2", "Ana Ruiz"), ("t1", "Ana Ruiz")]
    other = msgspec.structs.replace(THING, name="Eva")
    (token,) = await store.transact([Replace("things", "t1", documents.encode(other), page.rows[1].token)])
    assert await read(store) == other
    with pytest.raises(Conflict):
        await store.transact([Replace("things", "t1", documents.encode(other), page.rows[1].token)])
    await store.transact([Delete("things", "t1", token)])
    assert await read(store) is None


async def test_whose_it_is_nobody_says_it_is_the_clinics(store: SealedStore, held: Vault) -> None:
    await store.transact([put(msgspec.structs.replace(THING, owner=None))])
    assert held.at_hand(HERE, Basis.CARE)
    assert held.at_hand("pat-1", Basis.CARE) is None


@pytest.mark.parametrize(
    ("fields", "sealed"),
    [
        ({"phone": None, "zone": "UTC"}, {"care"}),
        ({"phone": None}, {"care", "contact"}),
        ({"name": "", "parts": []}, {"contact"}),
    ],
)
async def test_where_there_is_nothing_to_tell_nothing_is_sealed(
    store: SealedStore, below: Store, fields: dict[str, Any], sealed: set[str]
) -> None:
    thing = msgspec.structs.replace(THING, **fields)
    await store.transact([put(thing)])
    assert (await beneath(below))["sealed"].keys() == sealed
    assert await read(store) == thing


async def test_the_same_is_sealed_differently_each_time(store: SealedStore, below: Store) -> None:
    await store.transact([put(THING), put(msgspec.structs.replace(THING, id="t2"))])
    one, other = await beneath(below), await beneath(below, "t2")
    assert one["sealed"]["care"] != other["sealed"]["care"]


async def test_what_was_written_before_passes_as_it_is(store: SealedStore, below: Store) -> None:
    await below.transact([put(THING), Insert("plain", "p", {"clinic": "cli-1", "schema": 1, "sealed": "ours"})])
    assert await read(store) == THING
    assert [row.document["name"] for row in (await store.find(OF_OWNER, ("pat-1",))).rows] == ["Ana Ruiz"]
    stored = await store.get("plain", "p")
    assert stored
    assert stored.document["sealed"] == "ours"


async def test_what_one_process_sealed_another_opens(
    store: SealedStore, below: Store, make: Callable[[], Vault]
) -> None:
    await store.transact([put(THING)])
    assert await read(SealedStore(below, make(), [SEALING])) == THING


# --- damage -------------------------------------------------------------------------------------------------------


async def test_no_altered_character_of_it_opens(store: SealedStore, below: Store) -> None:
    await store.transact([put(THING)])
    whole = await beneath(below)
    text = whole["sealed"]["care"]
    for at in range(len(text) - 4):
        other = "A" if text[at] != "A" else "B"
        await change(below, {**whole, "sealed": {"care": text[:at] + other + text[at + 1 :]}})
        with pytest.raises(Unavailable) as caught:
            await store.get("things", "t1")
        assert caught.value.permanent


@pytest.mark.parametrize("bad", ["", "AQ==", "no base64 ✗", 7, ["x"], {"a": 1}, "A" * 4000])
async def test_what_is_nothing_sealed_is_damage(store: SealedStore, below: Store, bad: Any) -> None:
    await store.transact([put(THING)])
    whole = await beneath(below)
    await change(below, {**whole, "sealed": {"care": bad}})
    with pytest.raises(Unavailable):
        await store.get("things", "t1")
    with pytest.raises(Unavailable):
        await store.find(OF_OWNER, ("pat-1",))


SWAPS: dict[str, Callable[[Document, Document], Document]] = {
    "another document's": lambda one, other: {**one, "sealed": other["sealed"]},
    "another basis's": lambda one, _: {**one, "sealed": {"care": one["sealed"]["contact"]}},
    "another clinic's": lambda one, _: {**one, "clinic": "cli-2"},
    "another person's": lambda one, _: {**one, "owner": "pat-2"},
}


@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize("owner", ["pat-1", "pat-2"])
async def test_what_was_put_elsewhere_does_not_open(store: SealedStore, below: Store, swap: str, owner: str) -> None:
    other = msgspec.structs.replace(THING, id="t2", owner=owner, name="Eva")
    third = msgspec.structs.replace(THING, id="t3", owner="pat-2")
    await store.transact([put(THING), put(other), put(third)])
    await change(below, SWAPS[swap](await beneath(below), await beneath(below, "t2")))
    with pytest.raises(DomainError) as caught:
        await store.get("things", "t1")
    assert isinstance(caught.value, Unavailable)
    assert "Ana" not in str(caught.value)
    assert "Eva" not in str(caught.value)
    assert (await read(store, "t2")) == other


async def test_a_document_in_the_place_of_another_does_not_open(store: SealedStore, below: Store) -> None:
    await store.transact([put(THING)])
    await below.transact([Insert("things", "t9", await beneath(below))])
    with pytest.raises(Unavailable):
        await store.get("things", "t9")


async def test_a_lost_key_is_said_to_be_lost(store: SealedStore, below: Store, tmp_path: Path) -> None:
    await store.transact([put(THING)])
    keys = LocalKeys(tmp_path / "kek.json")
    await keys.open()
    other = SealedStore(below, Vault(MemoryStore(vault.FINDS), keys, lambda: NOW), [SEALING])
    for ask in (other.get("things", "t1"), other.find(OF_OWNER, ("pat-1",))):
        with pytest.raises(KeyLost):
            await ask
    await other.transact([put(msgspec.structs.replace(THING, id="t2"))])  # makes one, which is not that one
    with pytest.raises(KeyLost):
        await other.get("things", "t1")
    assert other.counters() == {"destroyed": 0, "lost": 3, "damaged": 0}


# --- erasure ------------------------------------------------------------------------------------------------------


async def test_a_document_whose_key_was_destroyed_is_as_if_not_there(store: SealedStore, held: Vault) -> None:
    await store.transact([put(THING), put(msgspec.structs.replace(THING, id="t2", owner="pat-2"))])
    await held.destroy(HERE, "pat-1", Basis.CARE, NOW)
    assert await read(store) is None
    assert (await store.find(OF_OWNER, ("pat-1",))).rows == []
    assert await read(store, "t2")
    assert store.counters()["destroyed"] == 2
    with pytest.raises(NotFound):
        await store.transact([put(msgspec.structs.replace(THING, id="t3"))])


async def test_where_another_basis_was_destroyed_its_fields_are_left_out(store: SealedStore, held: Vault) -> None:
    await store.transact([put(THING)])
    await held.destroy(HERE, "pat-1", Basis.CONTACT, NOW)
    left = msgspec.structs.replace(THING, phone=None, zone="UTC")
    assert await read(store) == left
    stored = await store.get("things", "t1")
    assert stored
    await store.transact([Replace("things", "t1", documents.encode(left), stored.token)])
    with pytest.raises(NotFound):
        await store.transact([put(msgspec.structs.replace(left, id="t2", phone="+34"))])


# --- who is sealed ------------------------------------------------------------------------------------------------


async def test_what_is_no_json_is_refused_as_by_any_store(store: SealedStore) -> None:
    bad: list[tuple[type[Exception], Any]] = [(BadInput, "\ud800"), (RuntimeError, object())]
    for error, value in bad:
        with pytest.raises(error):
            await store.transact([Insert("things", "t1", {**documents.encode(THING), "name": value})])


class NoDefault(Struct, kw_only=True):
    clinic: Open[str]
    name: Private[str]
    phone: Private[str]


@pytest.mark.parametrize(
    "sealing",
    [
        Sealing("things", NoDefault, bases={"phone": Basis.CONTACT}),
        Sealing("things", NoDefault, "name"),
        Sealing("things", NoDefault, "owner"),
        Sealing("things", NoDefault, bases={"clinic": Basis.CONTACT}),
        Sealing("things", Part),
    ],
)
def test_a_sealing_that_does_not_fit_is_refused(sealing: Sealing) -> None:
    with pytest.raises(TypeError):
        SealedStore(MemoryStore(), Vault(MemoryStore(), None, lambda: NOW), [sealing])  # type: ignore[arg-type]


def kinds() -> list[type[Struct]]:
    names = [f"medinova_rt.{each.name}" for each in pkgutil.iter_modules(medinova_rt.__path__)]
    names += [f"medinova_rt.adapters.{each.name}" for each in pkgutil.iter_modules(medinova_rt.adapters.__path__)]
    modules = [importlib.import_module(name) for name in names if not name.endswith(("__main__", ".config"))]
    return [
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Struct) and kind.__module__ == module.__name__
    ]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_document_with_private_fields_is_sealed(kind: type[Struct]) -> None:
    if not {"clinic", "schema"} <= set(kind.__struct_fields__):
        return  # part of a document, or none
    assert bool(sealed_fields(kind)) == (
        kind in {each.kind for each in folder.SEALINGS if each.kind is not users.Taken}
    )


def test_nothing_is_found_by_what_is_sealed() -> None:
    finds = {each: {*each.equal, each.ordered_by} for each in folder.FINDS}
    for sealing in folder.SEALINGS:
        private = sealed_fields(sealing.kind)
        assert not [
            each for each, fields in finds.items() if each.collection == sealing.collection and fields & private
        ]


def test_each_collection_is_sealed_once_and_all_of_them_fit() -> None:
    assert len({each.collection for each in folder.SEALINGS}) == len(folder.SEALINGS)
    SealedStore(MemoryStore(), Vault(MemoryStore(), None, lambda: NOW), folder.SEALINGS)  # type: ignore[arg-type]


async def test_many_at_once_share_one_key(store: SealedStore, held: Vault) -> None:
    await asyncio.gather(*(store.transact([put(msgspec.structs.replace(THING, id=f"t{n}"))]) for n in range(50)))
    assert held.counters()["made"] == 2
