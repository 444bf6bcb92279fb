"""All that stands between the nouns and the disk, put together as the settings say."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from medinova_rt import clinics, grants
from medinova_rt.cabinet import Cabinet
from medinova_rt.clinics import Clinics
from medinova_rt.config import Settings
from medinova_rt.folder import keep_folder
from medinova_rt.ports import Insert, Write
from tests.e2e.polling import until
from tests.firestore import Emulator

GRANT = {"clinic": "cli-1", "schema": 1, "user": "usr-1"}


@pytest.fixture
async def two(emulator: Emulator, tmp_path: Path) -> AsyncIterator[tuple[Cabinet, Cabinet]]:
    """Of two servers with the same keys, on one database."""
    keep_folder(tmp_path / "var")
    settings = Settings(store=f"firestore://{emulator.project()}/(default)", data=str(tmp_path / "var"))
    here, there = Cabinet(settings), Cabinet(settings)
    await here.open()
    await there.open()
    yield here, there
    await here.close()
    await there.close()


async def test_on_firestore_a_server_hears_what_another_one_writes(two: tuple[Cabinet, Cabinet]) -> None:
    here, there = two
    heard: list[Write] = []
    there.watched.watch({grants.COLLECTION: heard.append}, heard.clear)
    await here.store.transact([Insert(grants.COLLECTION, "gra-1", GRANT)])

    async def is_heard() -> bool | None:
        return any(each.id == "gra-1" for each in heard) or None

    await until(is_heard, "the grant", 10)
    (write,) = heard
    assert not hasattr(write, "document") or write.document["user"] == "usr-1"


async def test_on_firestore_what_one_server_sealed_another_one_opens(two: tuple[Cabinet, Cabinet]) -> None:
    here, there = two
    await Clinics(here.store).ensure(clinics.DEMO)
    assert (await Clinics(there.store).get(clinics.DEMO.id)).name == clinics.DEMO.name
