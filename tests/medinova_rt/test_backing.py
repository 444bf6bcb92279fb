"""Which store is at the bottom, and what is said where it cannot be had."""

import sys
from pathlib import Path

import pytest

from medinova_rt.accounts import Accounts
from medinova_rt.adapters.firestore_store import FirestoreStore
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.backing import backing, opened
from medinova_rt.folder import TOLD, CannotStart
from medinova_rt.signed_in import SignedIn

FIRESTORE = "firestore://demo-medinova/(default)"


def test_the_setting_chooses(tmp_path: Path) -> None:
    assert isinstance(backing("", tmp_path / "a.db", ()), SqliteStore)
    assert isinstance(backing(FIRESTORE, tmp_path / "a.db", ()), FirestoreStore)


def test_without_the_extra_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "medinova_rt.adapters.firestore_store", None)
    with pytest.raises(CannotStart, match=r"pip install 'medinova-rt\[firestore\]'"):
        backing(FIRESTORE, tmp_path / "a.db", ())


@pytest.mark.parametrize(
    ("place", "said"),
    [("", "MEDINOVA_DATA: a.db cannot be opened."), (FIRESTORE, "MEDINOVA_STORE: there is no such database of .*")],
)
async def test_what_cannot_be_opened_is_named(
    place: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    file = tmp_path / "missing" / "a.db"
    with pytest.raises(CannotStart, match=said):
        await opened(backing(place, file, ()), place, file)


async def test_an_emulator_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    with pytest.raises(CannotStart, match=r"MEDINOVA_STORE: Firestore does not answer\."):
        await opened(backing(FIRESTORE, tmp_path / "a.db", ()), FIRESTORE, tmp_path / "a.db")


def test_whatever_is_remembered_is_told_of() -> None:
    store = MemoryStore()
    assert {*SignedIn(store).watched, *Accounts(store).watched} <= set(TOLD)
