"""The stores that what is kept is tested over, with every find that the nouns declare."""

import importlib
import pkgutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import medinova_rt
from medinova_rt.adapters.firestore_store import FirestoreStore
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.ports import Find, Store

ELSEWHERE = ("__main__", "server", "adapters", "operations")


def declared() -> tuple[Find, ...]:
    names = [each.name for each in pkgutil.iter_modules(medinova_rt.__path__) if each.name not in ELSEWHERE]
    modules = [importlib.import_module(f"medinova_rt.{name}") for name in names]
    return tuple(dict.fromkeys(find for module in modules for find in getattr(module, "FINDS", ())))


@pytest.fixture(params=["local", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """A module that needs only one of them has a fixture of its own under this name.

    `--store firestore`: Google's emulator in the place of SQLite.
    """
    finds = declared()
    opened: MemoryStore | SqliteStore | FirestoreStore
    if request.param == "local":
        opened = MemoryStore(finds)
    elif request.config.getoption("--store") == "firestore":
        opened = FirestoreStore(request.getfixturevalue("emulator").project(), finds=finds)
    else:
        opened = SqliteStore(tmp_path / "store.db", finds)
    await opened.open()
    yield opened
    await opened.close()
