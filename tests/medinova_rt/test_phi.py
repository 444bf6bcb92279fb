import importlib
import pkgutil

import msgspec
import pytest

import medinova_rt
from medinova_rt import audit, chat, jobs, visits
from medinova_rt.entrance import Entry
from medinova_rt.phi import Mark, Open, Private, Searchable, marks

# what holds no document: settings, and the parts that do input and output
ELSEWHERE = ("__main__", "server", "config", "adapters", "operations")


def nouns() -> list[type[msgspec.Struct]]:
    names = [each.name for each in pkgutil.iter_modules(medinova_rt.__path__) if each.name not in ELSEWHERE]
    modules = [importlib.import_module(f"medinova_rt.{name}") for name in names]
    return [
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__
    ]


@pytest.mark.parametrize("kind", nouns(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_field_is_marked(kind: type[msgspec.Struct]) -> None:
    assert set(marks(kind)) == set(kind.__struct_fields__)


def test_there_are_nouns_to_look_at() -> None:
    assert {visits.Visit, visits.Seat, visits.Link, chat.ChatLine, audit.Record, jobs.Job} <= set(nouns())


def test_these_are_private() -> None:
    private = {
        f"{kind.__name__}.{field}"
        for kind in nouns()
        for field, mark in marks(kind).items()
        if mark is not Mark.OPEN and kind is not Entry
    }
    assert private == {
        "Seat.name",
        "ChatLine.text",
        "Record.address",
        "Emergency.reason",
        "Session.device",
        "Session.address",
        "Identifier.value",
        "Patient.given",
        "Patient.family",
        "Patient.birth_date",
        "Patient.email",
        "Patient.phone",
        "Patient.language",
        "Patient.zone",
        "Patient.number",
        "User.email",
        "User.name",
        "Profile.name",
        "Invitation.email",
        "Invitation.name",
        "Draft.to",
        "NewAddress.email",
        "Draft.parameters",
        "Answer.body",
        "Record.answer",
        "Spent.id",
    }


class Good(msgspec.Struct):
    open: Open[int]
    name: Searchable[str]
    text: Private[str | None] = None


class Unmarked(msgspec.Struct):
    id: Open[str]
    name: str


class Twice(msgspec.Struct):
    name: Open[Private[str]]


def test_marks_are_told_by_field() -> None:
    assert marks(Good) == {"open": Mark.OPEN, "name": Mark.SEARCHABLE, "text": Mark.PRIVATE}


@pytest.mark.parametrize(("kind", "named"), [(Unmarked, "Unmarked.name"), (Twice, "Twice.name")])
def test_a_field_without_exactly_one_mark_is_named(kind: type[msgspec.Struct], named: str) -> None:
    with pytest.raises(TypeError, match=named):
        marks(kind)
