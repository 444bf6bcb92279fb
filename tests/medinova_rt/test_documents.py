from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from medinova_rt import documents
from medinova_rt.errors import Unavailable
from medinova_rt.ports import Document


class Inner(msgspec.Struct, frozen=True):
    at: datetime


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    schema: int = 3
    at: datetime | None = None
    inner: list[Inner] = []
    by_name: dict[str, datetime] = {}
    title: str = ""


WHOLE = datetime(2026, 11, 24, 10, tzinfo=UTC)
WRITTEN = "2026-11-24T10:00:00.000000Z"


@pytest.mark.parametrize(
    ("instant", "written"),
    [
        (WHOLE, WRITTEN),
        (WHOLE + timedelta(microseconds=1), "2026-11-24T10:00:00.000001Z"),
        (WHOLE.astimezone(timezone(timedelta(hours=5, minutes=30))), WRITTEN),
    ],
)
def test_instants_are_fixed_width_wherever_they_stand(instant: datetime, written: str) -> None:
    document = documents.encode(Thing(at=instant, inner=[Inner(instant)], by_name={"x": instant}))
    assert (document["at"], document["inner"], document["by_name"]) == (written, [{"at": written}], {"x": written})


def test_what_was_encoded_is_decoded() -> None:
    thing = Thing(at=WHOLE, inner=[Inner(WHOLE)], by_name={"x": WHOLE}, title="t")
    assert documents.decode(Thing, documents.encode(thing), 3, {}) == thing


def _titled(document: Document) -> Document:
    return {**document, "title": document["name"]}


def _shouted(document: Document) -> Document:
    return {**document, "title": document["title"].upper()}


@pytest.mark.parametrize(
    ("document", "title"),
    [
        ({"schema": 1, "name": "old"}, "OLD"),
        ({"schema": 2, "title": "newer"}, "NEWER"),
        ({"schema": 3, "title": "new"}, "new"),
    ],
)
def test_an_older_document_is_brought_up_step_by_step(document: Document, title: str) -> None:
    thing = documents.decode(Thing, document, 3, {1: _titled, 2: _shouted})
    assert (thing.schema, thing.title) == (3, title)


def test_a_newer_document_is_refused() -> None:
    with pytest.raises(Unavailable, match="newer version") as raised:
        documents.decode(Thing, {"schema": 4}, 3, {})
    assert not raised.value.permanent  # another process may be of that version


def test_a_damaged_document_is_refused_without_a_word_of_it() -> None:
    with pytest.raises(Unavailable, match=r"^what is kept is damaged$") as raised:
        documents.decode(Thing, {"schema": 3, "at": "yesterday"}, 3, {})
    assert raised.value.permanent
    assert raised.value.__cause__ is None
