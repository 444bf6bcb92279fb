"""SQLite, and Firestore, and their in-process twin answer alike, whatever is asked of them."""

import asyncio
import tempfile
from pathlib import Path
from secrets import token_hex
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)

from medinova_rt.adapters.firestore_store import FirestoreStore
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.errors import DomainError
from medinova_rt.ports import Delete, Document, Find, Insert, Page, Replace, Stored, Write
from tests.firestore import Emulator

FINDS = (
    Find("things"),
    Find("things", ordered_by="size"),
    Find("things", equal=("kind",)),
    Find("things", equal=("kind",), ordered_by="size"),
    Find("things", equal=("kind", "size")),
    Find("things", descending=True),
    Find("things", equal=("kind",), ordered_by="size", descending=True),
)

IDS = st.sampled_from(["a", "b", "c", "B", "a-", "a0"])
TEXT = st.one_of(st.sampled_from(["", "a", "A", "ö", "1", "null", "[1]"]), st.text(max_size=3))
SCALARS = st.one_of(st.integers(-2, 2), st.sampled_from([2**63 - 1, -(2**63), 2**53 + 1]), st.booleans(), TEXT)
VALUES = st.one_of(SCALARS, st.none(), st.just([1]), st.just({"a": 1}), st.floats(allow_nan=False, width=32))
DOCUMENTS = st.fixed_dictionaries(
    {"clinic": st.just("cli-1"), "schema": st.just(1)}, optional={"kind": VALUES, "size": VALUES, "text": st.text()}
)
BOUNDS = st.one_of(st.none(), st.integers(-2, 2), TEXT)


class Twins(RuleBasedStateMachine):
    """Tokens are random and so differ; they are kept in pairs."""

    tokens = Bundle("tokens")
    cursors = Bundle("cursors")

    def make(self) -> SqliteStore | FirestoreStore:
        return SqliteStore(Path(self.folder.name) / "store.db", FINDS)

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.memory = MemoryStore(FINDS)
        self.other = self.make()
        self.runner.run(self.other.open())

    def teardown(self) -> None:
        if hasattr(self, "other"):
            self.runner.run(self.other.close())
            self.runner.close()
            self.folder.cleanup()

    def both(self, memory: Any, other: Any) -> tuple[Any, Any]:
        """Both results, or both errors."""
        outcomes = []
        for asked in (memory, other):
            try:
                outcomes.append(self.runner.run(asked))
            except (DomainError, RuntimeError) as error:
                outcomes.append(error)
        return outcomes[0], outcomes[1]

    def transact(self, memory: list[Write], other: list[Write]) -> Any:
        left, right = self.both(self.memory.transact(memory), self.other.transact(other))
        if isinstance(left, Exception) or isinstance(right, Exception):
            assert (type(left), str(left)) == (type(right), str(right))
            return multiple()
        return multiple(*((write.id, pair) for write, *pair in zip(memory, left, right, strict=True) if pair[0]))

    @rule(target=tokens, writes=st.lists(st.tuples(IDS, DOCUMENTS), min_size=1, max_size=3))
    def insert(self, writes: list[tuple[str, Document]]) -> Any:
        inserts: list[Write] = [Insert("things", name, document) for name, document in writes]
        return self.transact(inserts, inserts)

    @rule(target=tokens, held=tokens, document=DOCUMENTS, other=IDS)
    def replace(self, held: Any, document: Document, other: str) -> Any:
        name, tokens = held
        pair: list[list[Write]] = [
            [Replace("things", name, document, token), Insert("things", other, document)] for token in tokens
        ]
        return self.transact(*pair)

    @rule(target=tokens, held=tokens, document=DOCUMENTS)
    def replace_alone(self, held: Any, document: Document) -> Any:
        name, tokens = held
        left, right = tokens
        return self.transact(
            [Replace("things", name, document, left)],
            [Replace("things", name, document, right)],
        )

    @rule(held=consumes(tokens))
    def delete(self, held: Any) -> None:
        name, tokens = held
        left, right = tokens
        self.transact([Delete("things", name, left)], [Delete("things", name, right)])

    @rule(
        target=cursors,
        find=st.sampled_from(FINDS),
        equal=st.tuples(SCALARS, SCALARS),
        at_least=BOUNDS,
        below=BOUNDS,
        limit=st.integers(1, 3),
    )
    def find(self, find: Find, equal: Any, at_least: Any, below: Any, limit: int) -> Any:
        return self.turn(find, equal[: len(find.equal)], at_least, below, limit, None)

    @rule(target=cursors, went=cursors, limit=st.integers(1, 3))
    def next_page(self, went: Any, limit: int) -> Any:
        find, equal, at_least, below, cursor = went
        return self.turn(find, equal, at_least, below, limit, cursor)

    def turn(self, find: Find, equal: Any, at_least: Any, below: Any, limit: int, cursor: str | None) -> Any:
        if find.ordered_by is None:
            at_least = below = None
        left, right = self.both(
            *(
                store.find(find, equal, at_least=at_least, below=below, limit=limit, cursor=cursor)
                for store in (self.memory, self.other)
            )
        )
        if isinstance(left, Exception) or isinstance(right, Exception):
            assert (type(left), str(left)) == (type(right), str(right))
            return multiple()
        assert seen(left) == seen(right)
        return multiple() if left.cursor is None else (find, equal, at_least, below, left.cursor)

    @rule(name=IDS)
    def get(self, name: str) -> None:
        left, right = self.both(self.memory.get("things", name), self.other.get("things", name))
        assert (left and shown(left)) == (right and shown(right))


def shown(stored: Stored) -> tuple[str, Document, int]:
    return (stored.id, stored.document, stored.version)


def seen(page: Page) -> tuple[list[Any], str | None]:
    return ([shown(row) for row in page.rows], page.cursor)


class FirestoreTwins(Twins):
    """On the emulator that the environment names, each time in a database of its own."""

    def make(self) -> FirestoreStore:
        return FirestoreStore(f"demo-{token_hex(6)}", finds=FINDS)


TestTwins = Twins.TestCase
TestTwins.settings = settings(max_examples=settings().max_examples // 5, stateful_step_count=30)


def test_firestore_is_a_twin_too(emulator: Emulator) -> None:
    depth = settings(max_examples=settings().max_examples // 10, stateful_step_count=20)
    run_state_machine_as_test(FirestoreTwins, settings=depth)
