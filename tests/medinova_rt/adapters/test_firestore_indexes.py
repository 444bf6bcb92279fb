"""Which finds need an index of their own."""

import pytest

from medinova_rt.adapters import firestore_documents, firestore_indexes
from medinova_rt.ports import Find

ASCENDING, DESCENDING = "ASCENDING", "DESCENDING"

NEEDED = [
    (Find("things"), []),
    (Find("things", equal=("a",)), []),
    (Find("things", ordered_by="c"), []),
    (Find("things", ordered_by="c", descending=True), []),
    (Find("things", descending=True), []),
    (Find("things", equal=("a", "b")), [("by.a", ASCENDING), ("by.b", ASCENDING)]),
    (Find("things", equal=("a",), ordered_by="c"), [("by.a", ASCENDING), ("by.c", ASCENDING)]),
    (Find("things", equal=("a",), ordered_by="c", descending=True), [("by.a", ASCENDING), ("by.c", DESCENDING)]),
    (Find("things", equal=("a",), descending=True), [("by.a", ASCENDING), ("id", DESCENDING)]),
]


@pytest.mark.parametrize(("find", "fields"), NEEDED, ids=lambda each: repr(each)[:60])
def test_a_find_has_the_index_that_it_needs(find: Find, fields: list[tuple[str, str]]) -> None:
    made = firestore_indexes.document((find, find), ())["indexes"]
    assert [(each["fieldPath"], each["order"]) for index in made for each in index["fields"]] == fields


def test_what_is_only_kept_is_in_no_index() -> None:
    made = firestore_indexes.document((), ("things",))["fieldOverrides"]
    assert {(each["collectionGroup"], each["fieldPath"], each.get("ttl")) for each in made} == {
        ("things", "kept", None),
        ("_gone", "kept", None),
        ("_gone", "until", True),
    }
    assert all(each["indexes"] == [] for each in made)


def test_the_names_are_those_of_the_documents() -> None:
    for name in ("BY", "GONE", "ID", "KEPT", "UNTIL"):
        assert getattr(firestore_indexes, name) == getattr(firestore_documents, name)
