"""The contract of the Store port: what every store must do, run over each of them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from medinova_rt.adapters.firestore_store import FirestoreStore
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.errors import BadInput, Conflict, LimitReached
from medinova_rt.ports import (
    MAX_DOCUMENT_BYTES,
    MAX_PAGE,
    MAX_RIDERS,
    MAX_STRANDS,
    MAX_TRANSACT_WRITES,
    Delete,
    Document,
    Find,
    Insert,
    Replace,
    Store,
    Token,
    encode_instant,
)

BY_ID = Find("things")
BY_SIZE = Find("things", ordered_by="size")
OF_KIND = Find("things", equal=("kind",))
OF_KIND_BY_SIZE = Find("things", equal=("kind",), ordered_by="size")
OF_KIND_AND_STATE = Find("things", equal=("kind", "state"), ordered_by="size")
LAST_BY_ID = Find("things", descending=True)
LAST_BY_SIZE = Find("things", ordered_by="size", descending=True)
LARGEST_OF_KIND = Find("things", equal=("kind",), ordered_by="size", descending=True)
FINDS = (BY_ID, BY_SIZE, OF_KIND, OF_KIND_BY_SIZE, OF_KIND_AND_STATE, LAST_BY_ID, LAST_BY_SIZE, LARGEST_OF_KIND)

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


@pytest.fixture(params=["local", "sqlite", "firestore"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened: MemoryStore | SqliteStore | FirestoreStore
    match request.param:
        case "local":
            opened = MemoryStore(FINDS)
        case "sqlite":
            opened = SqliteStore(tmp_path / "store.db", FINDS)
        case _:
            opened = FirestoreStore(request.getfixturevalue("emulator").project(), finds=FINDS)
    await opened.open()
    yield opened
    await opened.close()


def document(**fields: Any) -> Document:
    return {"clinic": "cli-1", "schema": 1, **fields}


def thing(id: str, **fields: Any) -> Insert:
    return Insert("things", id, document(**fields))


async def ids(store: Store, find: Find, equal: Any = (), **rest: Any) -> list[str]:
    return [row.id for row in (await store.find(find, equal, **rest)).rows]


async def walk(store: Store, find: Find, equal: Any = (), **rest: Any) -> list[list[str]]:
    pages, cursor = [], None
    while True:
        page = await store.find(find, equal, cursor=cursor, **rest)
        pages.append([row.id for row in page.rows])
        cursor = page.cursor
        if cursor is None:
            return pages


# --- one document -------------------------------------------------------------------------------------------------

VALUES = [
    {"text": 'Zoë 🩺 \u0001 "quoted" \\ / \u2028 \x7f'},
    {"empty": "", "none": None, "yes": True, "no": False},
    {"numbers": [0, -1, 2**53 + 1, -(2**63), 2**63 - 1, 1.5, 1e300]},
    {"nested": {"list": [{"a": [1, [2, [3]]]}], "": "an empty name", "a.b": "a dotted name"}},
    {"nul": "a\0b"},
]


@pytest.mark.parametrize("fields", VALUES)
async def test_returns_what_was_stored(store: Store, fields: Document) -> None:
    await store.transact([thing("a", **fields)])
    stored = await store.get("things", "a")
    assert stored is not None
    assert stored.document == document(**fields)


@pytest.mark.parametrize(
    ("collection", "id"), [("things", "b"), ("others", "a"), ("things", ""), ("things", "../a"), ("things", "a" * 99)]
)
async def test_what_is_not_there_is_none(store: Store, collection: str, id: str) -> None:
    await store.transact([thing("a")])
    assert await store.get(collection, id) is None


async def test_a_stored_document_is_no_part_of_the_callers(store: Store) -> None:
    mine = document(list=[1])
    await store.transact([Insert("things", "a", mine)])
    mine["list"].append(2)
    first = await store.get("things", "a")
    assert first is not None
    first.document["list"].append(3)
    again = await store.get("things", "a")
    assert again is not None
    assert again.document["list"] == [1]


async def test_versions_count_and_tokens_differ(store: Store) -> None:
    (token,) = await store.transact([thing("a", size=1)])
    tokens = [token]
    for size in (2, 2):
        tokens += await store.transact([Replace("things", "a", document(size=size), tokens[-1])])
    stored = await store.get("things", "a")
    assert stored is not None
    assert (stored.version, stored.token, len(set(tokens))) == (3, tokens[-1], 3)


# --- preconditions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "0", "1", "stale", "ö", "\ud800"])
async def test_a_token_that_is_not_current_conflicts(store: Store, token: str) -> None:
    await store.transact([thing("a")])
    for write in (Replace("things", "a", document(), Token(token)), Delete("things", "a", Token(token))):
        with pytest.raises(Conflict):
            await store.transact([write])


async def test_an_old_token_conflicts(store: Store) -> None:
    (old,) = await store.transact([thing("a")])
    await store.transact([Replace("things", "a", document(), old)])
    with pytest.raises(Conflict):
        await store.transact([Replace("things", "a", document(), old)])


async def test_a_token_from_before_deletion_conflicts(store: Store) -> None:
    (old,) = await store.transact([thing("a")])
    assert await store.transact([Delete("things", "a", old)]) == [""]
    await store.transact([thing("a")])
    with pytest.raises(Conflict):
        await store.transact([Replace("things", "a", document(), old)])


async def test_a_deleted_document_starts_anew(store: Store) -> None:
    (token,) = await store.transact([thing("a")])
    (token,) = await store.transact([Replace("things", "a", document(), token)])
    await store.transact([Delete("things", "a", token)])
    assert await store.get("things", "a") is None
    await store.transact([thing("a")])
    stored = await store.get("things", "a")
    assert stored is not None
    assert stored.version == 1


async def test_insert_of_what_is_there_conflicts(store: Store) -> None:
    await store.transact([thing("a", size=1)])
    with pytest.raises(Conflict):
        await store.transact([thing("a", size=2)])


async def test_of_many_racers_one_wins(store: Store) -> None:
    (token,) = await store.transact([thing("a", size=0)])
    race = [store.transact([Replace("things", "a", document(size=n), token)]) for n in range(50)]
    results = await asyncio.gather(*race, return_exceptions=True)
    won = [n for n, result in enumerate(results) if isinstance(result, list)]
    stored = await store.get("things", "a")
    assert stored is not None
    assert ([stored.document["size"]], stored.version) == (won, 2)
    assert sum(isinstance(result, Conflict) for result in results) == 49


async def test_counting_by_compare_and_set_loses_nothing(store: Store) -> None:
    await store.transact([thing("a", size=0)])

    async def add() -> None:
        while True:
            before = await store.get("things", "a")
            assert before is not None
            after = document(size=before.document["size"] + 1)
            try:
                await store.transact([Replace("things", "a", after, before.token)])
            except Conflict:
                continue
            return

    await asyncio.gather(*(add() for _ in range(20)))
    stored = await store.get("things", "a")
    assert stored is not None
    assert stored.document["size"] == 20


# --- all or nothing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad", [thing("b"), Replace("things", "x", document(), Token("1")), Delete("things", "b", Token("old"))]
)
async def test_a_failing_write_undoes_the_others(store: Store, bad: Any) -> None:
    (token,) = await store.transact([thing("a", size=1)])
    await store.transact([thing("b", size=1)])
    with pytest.raises(Conflict):
        await store.transact([thing("c"), Replace("things", "a", document(size=2), token), thing("d"), bad])
    assert await ids(store, BY_ID) == ["a", "b"]
    stored = await store.get("things", "a")
    assert stored is not None
    assert (stored.document["size"], stored.token) == (1, token)


async def test_a_failing_transact_leaves_its_neighbours_alone(store: Store) -> None:
    await store.transact([thing("taken")])
    transacts = [store.transact([thing(f"n{n}"), *([thing("taken")] if n % 3 == 0 else [])]) for n in range(30)]
    results = await asyncio.gather(*transacts, return_exceptions=True)
    assert [isinstance(result, Conflict) for result in results] == [n % 3 == 0 for n in range(30)]
    assert len(await ids(store, BY_ID)) == 21


async def test_a_transact_of_nothing_is_fine(store: Store) -> None:
    assert await store.transact([]) == []


async def test_many_collections_change_together(store: Store) -> None:
    tokens = await store.transact([thing("a"), Insert("others", "a", document())])
    assert len(set(tokens)) == 2
    assert await ids(store, BY_ID) == ["a"]


# --- limits -------------------------------------------------------------------------------------------------------


def _filled(size: int) -> Document:
    empty = len(b'{"clinic":"cli-1","schema":1,"text":""}')
    return document(text="x" * (size - empty))


async def test_a_document_of_the_largest_size_passes(store: Store) -> None:
    await store.transact([Insert("things", "a", _filled(MAX_DOCUMENT_BYTES))])
    stored = await store.get("things", "a")
    assert stored is not None
    assert stored.document == _filled(MAX_DOCUMENT_BYTES)


async def test_a_document_one_byte_larger_does_not(store: Store) -> None:
    with pytest.raises(LimitReached, match="1008 KiB"):
        await store.transact([Insert("things", "a", _filled(MAX_DOCUMENT_BYTES + 1))])


async def test_the_size_is_counted_in_bytes_not_letters(store: Store) -> None:
    with pytest.raises(LimitReached):
        await store.transact([thing("a", text="ö" * (MAX_DOCUMENT_BYTES * 3 // 4))])


async def test_a_transact_is_limited_as_a_whole(store: Store) -> None:
    with pytest.raises(LimitReached, match="a change is too large"):
        await store.transact([Insert("things", f"a{n}", _filled(MAX_DOCUMENT_BYTES)) for n in range(11)])


async def test_a_page_is_limited_in_bytes(store: Store) -> None:
    for n in range(20):
        await store.transact([Insert("things", f"a{n:02}", _filled(MAX_DOCUMENT_BYTES))])
    assert [len(page) for page in await walk(store, BY_ID)] == [16, 4]


MISUSES = [
    [thing(f"a{n}") for n in range(MAX_TRANSACT_WRITES + MAX_RIDERS + MAX_STRANDS + 1)],
    [thing("a"), thing("a")],
    [Insert("things", "a", {"schema": 1})],
    [Insert("things", "a", {"clinic": "cli-1"})],
    [Insert("things", "a", {"clinic": "cli-1", "schema": True})],
    [Insert("things", "a/b", document())],
    [Insert("things", "", document())],
    [Insert("things", "a" * 41, document())],
    [Insert("Things'; --", "a", document())],
    [thing("a", what=object())],
    [thing("a", size=2**63)],
]


@pytest.mark.parametrize("writes", MISUSES, ids=lambda writes: repr(writes[-1])[:60])
async def test_misuse_is_a_runtime_error(store: Store, writes: Any) -> None:
    with pytest.raises(RuntimeError):
        await store.transact(writes)
    assert await ids(store, BY_ID) == []


@pytest.mark.parametrize("fields", [{"text": "\ud800"}, {"kind": "a\0b"}, {"kind": "\udfff"}, {"kind": "ö" * 751}])
async def test_text_that_no_store_can_compare_is_bad_input(store: Store, fields: Document) -> None:
    with pytest.raises(BadInput):
        await store.transact([thing("a", **fields)])


# --- finds --------------------------------------------------------------------------------------------------------

UNDECLARED = [
    Find("things", equal=("state",)),
    Find("things", equal=("state", "kind"), ordered_by="size"),
    Find("others", equal=("kind",)),
    Find("things", equal=("kind",), ordered_by="state"),
]


@pytest.mark.parametrize("find", UNDECLARED, ids=repr)
async def test_an_undeclared_find_is_refused(store: Store, find: Find) -> None:
    with pytest.raises(RuntimeError, match="not declared"):
        await store.find(find, ["x"] * len(find.equal))


@pytest.mark.parametrize(
    ("equal", "rest"), [((), {}), (("a", "b"), {}), (("a",), {"limit": 0}), (("a",), {"limit": MAX_PAGE + 1})]
)
async def test_a_find_that_asks_wrongly_is_misuse(store: Store, equal: Any, rest: Any) -> None:
    with pytest.raises(RuntimeError):
        await store.find(OF_KIND, equal, **rest)


@pytest.mark.parametrize("equal", [("a\0b",), ("\ud800",)])
async def test_a_find_of_impossible_text_is_bad_input(store: Store, equal: Any) -> None:
    with pytest.raises(BadInput):
        await store.find(OF_KIND, equal)


async def test_equality_compares_value_and_type(store: Store) -> None:
    kinds: dict[str, Any] = {
        "int": 1,
        "true": True,
        "text": "1",
        "list": [1],
        "list-text": "[1]",
        "none": None,
        "none-text": "null",
        "false": False,
        "zero": 0,
        "empty": "",
        "float": 1.0,
        "object": {"a": 1},
        "object-text": '{"a":1}',
    }
    await store.transact([thing(name, kind=kind) for name, kind in kinds.items()] + [thing("missing")])
    asked: list[Any] = [1, True, "1", "[1]", "null", False, 0, "", '{"a":1}', "true"]
    found = {repr(value): await ids(store, OF_KIND, (value,)) for value in asked}
    assert found == {
        "1": ["int"],
        "True": ["true"],
        "'1'": ["text"],
        "'[1]'": ["list-text"],
        "'null'": ["none-text"],
        "False": ["false"],
        "0": ["zero"],
        "''": ["empty"],
        """'{"a":1}'""": ["object-text"],
        "'true'": [],
    }


class Kind(StrEnum):
    ROUND = "round"


async def test_a_string_enumeration_is_text(store: Store) -> None:
    await store.transact([thing("a", kind=Kind.ROUND, size="s")])
    assert await ids(store, OF_KIND, (Kind.ROUND,)) == await ids(store, OF_KIND, ("round",)) == ["a"]
    assert await ids(store, BY_SIZE, at_least=Kind.ROUND) == ["a"]


async def test_several_equalities_hold_together(store: Store) -> None:
    rows = [thing(f"{kind}{state}", kind=kind, state=state, size=1) for kind in "ab" for state in "xy"]
    await store.transact(rows)
    assert await ids(store, OF_KIND_AND_STATE, ("a", "y")) == ["ay"]


TEXTS = [
    "",
    "\u0001",
    " ",
    "A",
    "Z",
    "a",
    "aa",
    "b",
    "z",
    "~",
    "é",
    "ö",
    "\u07ff",
    "\u0800",
    "\ud7ff",
    "\ue000",
    "\uffff",
    "😀",
]


async def test_strings_order_by_their_utf8_bytes(store: Store) -> None:
    by_bytes = sorted(TEXTS, key=str.encode)
    await store.transact([thing(f"n{n}", kind="a", size=text) for n, text in enumerate(reversed(TEXTS))])
    page = await store.find(OF_KIND_BY_SIZE, ("a",))
    assert [row.document["size"] for row in page.rows] == by_bytes


async def test_integers_order_by_value_and_come_before_text(store: Store) -> None:
    sizes = [-(2**63), -10, -9, 0, 2, 10, 2**63 - 1, "", "10", "9"]
    await store.transact([thing(f"n{n}", size=size) for n, size in enumerate(reversed(sizes))])
    assert [row.document["size"] for row in (await store.find(BY_SIZE)).rows] == sizes


async def test_equal_values_order_by_id(store: Store) -> None:
    await store.transact([thing(name, size=1) for name in ("b", "a-", "a", "B", "9", "a0")])
    assert await ids(store, BY_SIZE) == sorted(["b", "a-", "a", "B", "9", "a0"])


async def test_an_ordered_find_shows_only_what_can_be_ordered(store: Store) -> None:
    values: list[Any] = [None, True, 1.5, [1], {"a": 1}, 1, "1"]
    await store.transact([thing("missing"), *(thing(f"n{n}", size=value) for n, value in enumerate(values))])
    assert await ids(store, BY_SIZE) == ["n5", "n6"]


async def test_instants_order_by_time(store: Store) -> None:
    steps = [
        timedelta(0),
        timedelta(microseconds=1),
        timedelta(milliseconds=10),
        timedelta(seconds=1),
        timedelta(days=400),
    ]
    instants = [encode_instant(NOW + step) for step in steps]
    assert len({len(instant) for instant in instants}) == 1
    await store.transact([thing(f"n{n}", size=instant) for n, instant in enumerate(instants)])
    assert await ids(store, BY_SIZE, at_least=instants[1], below=instants[4]) == ["n1", "n2", "n3"]


RANGES: list[tuple[dict[str, Any], str]] = [
    ({}, "0123abc"),
    ({"at_least": 1}, "123"),
    ({"below": 2}, "01"),
    ({"at_least": 1, "below": 3}, "12"),
    ({"at_least": 1, "below": 1}, ""),
    ({"at_least": 3, "below": 1}, ""),
    ({"at_least": "b"}, "bc"),
    ({"below": "b"}, "a"),
    ({"at_least": ""}, "abc"),
    ({"at_least": "a", "below": "c"}, "ab"),
    ({"at_least": 1, "below": "b"}, ""),
]


@pytest.mark.parametrize(("bounds", "expected"), RANGES)
async def test_a_range_is_half_open_and_of_one_type(store: Store, bounds: Any, expected: str) -> None:
    sizes: list[Any] = [0, 1, 2, 3, "a", "b", "c"]
    await store.transact([thing(f"n{size}", kind="k", size=size) for size in sizes])
    assert "".join(name[1:] for name in await ids(store, OF_KIND_BY_SIZE, ("k",), **bounds)) == expected
    assert "".join(name[1:] for name in await ids(store, LARGEST_OF_KIND, ("k",), **bounds)) == expected[::-1]


async def test_a_changed_document_is_found_by_its_new_values_only(store: Store) -> None:
    (token,) = await store.transact([thing("a", kind="old")])
    (token,) = await store.transact([Replace("things", "a", document(kind="new"), token)])
    assert (await ids(store, OF_KIND, ("old",)), await ids(store, OF_KIND, ("new",))) == ([], ["a"])
    await store.transact([Delete("things", "a", token)])
    assert await ids(store, OF_KIND, ("new",)) == []


# --- pages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
@pytest.mark.parametrize("find", [BY_ID, BY_SIZE, LAST_BY_ID, LAST_BY_SIZE], ids=repr)
async def test_pages_show_everything_once_and_in_order(store: Store, find: Find, limit: int) -> None:
    sizes: list[Any] = [2, 1, "b", 1, 1, "a", 2]
    await store.transact([thing(f"n{n}", size=size) for n, size in enumerate(sizes)])
    pages = await walk(store, find, limit=limit)
    assert [name for page in pages for name in page] == await ids(store, find)
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert 1 <= len(pages[-1]) <= limit


async def test_an_empty_find_has_no_cursor(store: Store) -> None:
    page = await store.find(BY_ID)
    assert (page.rows, page.cursor) == ([], None)


async def test_pages_hold_while_rows_change(store: Store) -> None:
    tokens = await store.transact([thing(f"n{n}", kind="k", size=n) for n in range(6)])
    first = await store.find(OF_KIND_BY_SIZE, ("k",), limit=3)
    await store.transact(
        [
            Delete("things", "n2", tokens[2]),  # the row the cursor stands on
            Delete("things", "n4", tokens[4]),
            Replace("things", "n5", document(kind="k", size=-1), tokens[5]),  # moved to where we have been
            thing("n9", kind="k", size=2),  # after the cursor: equal value, later id
            thing("n1a", kind="k", size=2),  # before it: equal value, earlier id
        ]
    )
    second = await store.find(OF_KIND_BY_SIZE, ("k",), limit=3, cursor=first.cursor)
    assert ([row.id for row in first.rows], [row.id for row in second.rows]) == (["n0", "n1", "n2"], ["n9", "n3"])


async def test_a_cursor_goes_on_within_the_range(store: Store) -> None:
    await store.transact([thing(f"n{n}", size=n) for n in range(9)])
    assert await walk(store, BY_SIZE, at_least=2, below=7, limit=2) == [["n2", "n3"], ["n4", "n5"], ["n6"]]


async def test_a_cursor_of_another_find_is_refused(store: Store) -> None:
    await store.transact([thing(f"n{n}", kind=kind, state="s", size=n) for n, kind in enumerate("kkkll")])
    cursor = (await store.find(OF_KIND_BY_SIZE, ("k",), limit=1)).cursor
    others: list[tuple[Find, Any]] = [
        (OF_KIND_BY_SIZE, ("l",)),
        (OF_KIND, ("k",)),
        (BY_SIZE, ()),
        (OF_KIND_AND_STATE, ("k", "s")),
        (LARGEST_OF_KIND, ("k",)),
    ]
    for find, equal in others:
        with pytest.raises(BadInput, match="cursor"):
            await store.find(find, equal, cursor=cursor)


@pytest.mark.parametrize(
    "cursor", ["", "x", "!!!!", "bnVsbA==", "W10=", "ö", "\ud800", "A" * 5000, "W1tbW1tbW1tb" * 300]
)
async def test_a_made_up_cursor_is_bad_input(store: Store, cursor: str) -> None:
    with pytest.raises(BadInput, match="the cursor is not one of this list"):
        await store.find(BY_SIZE, cursor=cursor)
