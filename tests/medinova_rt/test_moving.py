"""`medinova store copy` and `medinova store indexes`."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import medinova_rt
from medinova_rt import moving
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.backing import backing, opened
from medinova_rt.errors import BadInput
from medinova_rt.folder import COLLECTIONS, DATABASE, FINDS, KEY_STORE, CannotStart
from medinova_rt.ports import Insert
from medinova_rt.shelf import COPIES, MARK
from tests.firestore import Emulator

ROOT = Path(__file__).parents[2]


async def _filled(file: Path, collection: str) -> None:
    file.parent.mkdir(exist_ok=True)
    store = SqliteStore(file, FINDS)
    await store.open()
    await store.transact([Insert(collection, "a", {"clinic": "cli-1", "schema": 1})])
    await store.close()


async def test_documents_and_data_keys_go_to_firestore_and_back(tmp_path: Path, emulator: Emulator) -> None:
    await _filled(tmp_path / "here" / DATABASE, "clinics")
    await _filled(tmp_path / "here" / KEY_STORE, "data-keys")
    cloud = f"firestore://{emulator.project()}/(default)"
    for source, target in ((f"sqlite:{tmp_path}/here", cloud), (cloud, f"sqlite:{tmp_path}/there")):
        said: list[str] = []
        await moving.move(source, target, said.append)
        assert [line.partition("SHA")[0] for line in said] == [
            "documents:",
            "  clinics  +1",
            "  clinics  1  the same on both sides (",
            "data keys:",
            "  data-keys  +1",
            "  data-keys  1  the same on both sides (",
        ]


REFUSED = [
    ("sqlite:{}", "sqlite:{}", "the same"),
    ("sqlite:{}/nothing", "sqlite:{}/there", "no database"),
    ("sqlite:{}", "postgres://x", "A place is"),
    ("firestore://x", "sqlite:{}/there", "A place is"),
]


@pytest.mark.parametrize(("source", "target", "why"), REFUSED)
async def test_a_place_that_is_none_is_refused(source: str, target: str, why: str, tmp_path: Path) -> None:
    await _filled(tmp_path / DATABASE, "clinics")
    with pytest.raises(BadInput, match=why):
        await moving.move(source.format(tmp_path), target.format(tmp_path), print)


async def test_no_server_starts_on_half_a_copy(tmp_path: Path) -> None:
    file = tmp_path / DATABASE
    store = SqliteStore(file)
    await store.open()
    await store.transact([Insert(COPIES, MARK, {"clinic": "", "schema": 1})])
    await store.close()
    with pytest.raises(CannotStart, match="half of a copy"):
        await opened(backing("", file, FINDS), "", file)


def test_the_indexes_are_up_to_date() -> None:
    """`medinova store indexes > deploy/firestore.indexes.json` makes them anew."""
    assert (ROOT / "deploy" / "firestore.indexes.json").read_text() == moving.indexes()


def test_every_collection_is_listed() -> None:
    """Of whatever the code names to insert into."""
    inserted = set()
    for module in pkgutil.walk_packages(medinova_rt.__path__, "medinova_rt."):
        if module.name.endswith("__main__"):
            continue
        names = vars(importlib.import_module(module.name))
        for node in ast.walk(ast.parse(Path(names["__file__"]).read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Insert":
                collection = ast.unparse(node.args[0])
                if collection.rpartition(".")[2].isupper():  # a constant; the layers below pass on what they are given
                    inserted.add(eval(collection, names))
    assert len(inserted) > 20
    assert inserted - {"data-keys"} <= COLLECTIONS
