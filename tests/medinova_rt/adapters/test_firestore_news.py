"""What other processes write is heard of, and that some of it may have been missed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from medinova_rt.adapters import firestore_news
from medinova_rt.adapters.firestore_store import FirestoreStore
from medinova_rt.ports import Delete, Document, Insert, Replace, Token, Write
from tests.bad_line import bad_line
from tests.e2e.polling import until
from tests.firestore import Emulator

TOLD = ("sessions", "grants")


class Ear:
    def __init__(self, project: str) -> None:
        self.heard: list[Write] = []
        self.lost = 0
        self.store = FirestoreStore(project, told=TOLD)
        self.store.listen(self.heard.append, self.lose)

    def lose(self) -> None:
        self.lost += 1

    async def hears(self, *wanted: Write) -> None:
        """Until it has heard all of that, in any order."""

        async def all_of_it() -> bool | None:
            return all(each in self.heard for each in wanted) or None

        await until(all_of_it, f"{wanted}, and not {self.heard}", 10)


def document(**fields: Any) -> Document:
    return {"clinic": "cli-1", "schema": 1, **fields}


def changed(collection: str, name: str, **fields: Any) -> Replace:
    return Replace(collection, name, document(**fields), Token(""))


@asynccontextmanager
async def listening(project: str) -> AsyncIterator[Ear]:
    ear = Ear(project)
    await ear.store.open()

    async def listens() -> bool | None:
        return ear.store.counters()["complete"] > 0 or None

    await until(listens, "the stream", 10)
    yield ear
    await ear.store.close()


@pytest.fixture
async def other(emulator: Emulator) -> AsyncIterator[tuple[str, FirestoreStore]]:
    project = emulator.project()
    store = FirestoreStore(project, told=TOLD)
    await store.open()
    yield project, store
    await store.close()


async def test_changes_and_deletions_made_elsewhere_are_told_and_our_own_are_not(other: Any) -> None:
    project, writer = other
    (old,) = await writer.transact([Insert("sessions", "ses-old", document())])
    async with listening(project) as ear:
        await ear.store.transact([Insert("sessions", "ses-own", document())])
        await writer.transact([Insert("chat-lines", "cha-1", document())])
        (token,) = await writer.transact([Insert("grants", "gra-1", document(user="usr-1"))])
        await writer.transact([Replace("grants", "gra-1", document(user="usr-2"), token)])
        await writer.transact([Delete("sessions", "ses-old", old)])
        deleted = Delete("sessions", "ses-old", Token(""))
        await ear.hears(changed("grants", "gra-1", user="usr-2"), deleted)
        assert {(each.collection, each.id) for each in ear.heard} == {("grants", "gra-1"), ("sessions", "ses-old")}
        assert ear.lost == 0


async def test_a_broken_stream_drops_everything_and_hears_later_what_was_missed(
    other: Any, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, writer = other
    async with bad_line(emulator.host) as line:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", line.host)
        async with listening(project) as ear:
            await line.down()

            async def lost() -> bool | None:
                return ear.lost > 0 or None

            await until(lost, "the loss", 10)
            await writer.transact([Insert("sessions", "ses-1", document())])
            await line.up()
            await ear.hears(changed("sessions", "ses-1"))


async def test_a_stream_is_renewed_without_a_loss(other: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firestore_news, "RENEW_S", 0.5)
    project, writer = other
    async with listening(project) as ear:

        async def renewed() -> bool | None:
            return ear.store.counters()["streams"] >= 3 or None

        await until(renewed, "the third stream", 20)
        monkeypatch.setattr(firestore_news, "RENEW_S", 600)
        await writer.transact([Insert("sessions", "ses-1", document())])
        await ear.hears(changed("sessions", "ses-1"))
        assert ear.lost == 0


async def test_a_listener_that_fails_counts_as_a_loss_and_the_next_stream_goes_on(other: Any) -> None:
    project, writer = other
    async with listening(project) as ear:
        news = ear.store._news
        assert news is not None
        heard, news._changed = news._changed, _fail
        await writer.transact([Insert("sessions", "ses-1", document())])

        async def lost() -> bool | None:
            return ear.lost > 0 or None

        await until(lost, "the loss", 10)
        news._changed = heard
        await ear.hears(changed("sessions", "ses-1"))


def _fail(write: Write) -> None:
    raise RuntimeError(write.id)
