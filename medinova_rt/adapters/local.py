"""The in-process twins of the ports: for tests, and the shortest statement of what each port means."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import msgspec

from medinova_rt.adapters.store_rules import Position, Row, Rules, check_value, json_type, page
from medinova_rt.errors import Conflict
from medinova_rt.ports import Delete, Document, Find, Insert, Page, Replace, Stored, Token, Write


@dataclass(frozen=True, slots=True)
class _Kept:
    body: str
    document: Document  # decoded once, to compare with; never handed out
    version: int
    token: Token


class MemoryStore:
    """Each method lets other tasks run first, as a real store does, and then acts at once."""

    def __init__(self, finds: Sequence[Find] = ()) -> None:
        self._rules = Rules(finds)
        self._kept: dict[str, dict[str, _Kept]] = {}

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def get(self, collection: str, id: str) -> Stored | None:
        await asyncio.sleep(0)
        kept = self._kept.get(collection, {}).get(id)
        return None if kept is None else Stored(id, msgspec.json.decode(kept.body), kept.version, kept.token)

    async def find(
        self,
        find: Find,
        equal: Sequence[str | int | bool] = (),
        *,
        at_least: str | int | None = None,
        below: str | int | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        start = self._rules.position(find, equal, limit, cursor)
        for bound in (at_least, below):
            check_value(bound)
        await asyncio.sleep(0)
        found = self._matching(find, equal, at_least, below, start)
        rows = sorted(found, key=lambda row: _order(row.value, row.id), reverse=find.descending)
        return page(find, equal, rows, limit)

    def _matching(
        self, find: Find, equal: Sequence[Any], at_least: Any, below: Any, start: Position | None
    ) -> Iterator[Row]:
        for key, kept in self._kept.get(find.collection, {}).items():
            if not all(_same(kept.document.get(field), value) for field, value in zip(find.equal, equal, strict=True)):
                continue
            value = None if find.ordered_by is None else kept.document.get(find.ordered_by)
            if find.ordered_by is not None and json_type(value) not in ("integer", "text"):
                continue  # not comparable: no ordered find shows it
            if at_least is not None and (json_type(value) != json_type(at_least) or _order(value) < _order(at_least)):
                continue
            if below is not None and (json_type(value) != json_type(below) or _order(value) >= _order(below)):
                continue
            place = _order(value, key)
            if start is None or (place < _order(*start) if find.descending else place > _order(*start)):
                yield Row(key, kept.body, kept.version, kept.token, value)

    async def transact(self, writes: Sequence[Write]) -> list[Token]:
        bodies = self._rules.bodies(writes)
        await asyncio.sleep(0)
        if not all(map(self._holds, writes)):
            raise Conflict("somebody else changed it first")
        return [self._apply(write, body) for write, body in zip(writes, bodies, strict=True)]

    def _holds(self, write: Write) -> bool:
        kept = self._kept.get(write.collection, {}).get(write.id)
        match write:
            case Insert():
                return kept is None
            case Replace(token=token) | Delete(token=token):
                return kept is not None and kept.token == token

    def _apply(self, write: Write, body: str) -> Token:
        documents = self._kept.setdefault(write.collection, {})
        before = documents.pop(write.id, None)
        if isinstance(write, Delete):
            return Token("")
        version = 1 if before is None else before.version + 1
        token = Token(token_hex(8))
        documents[write.id] = _Kept(body, msgspec.json.decode(body), version, token)
        return token


def _same(found: Any, value: Any) -> bool:
    return json_type(found) == json_type(value) and bool(found == value)


def _order(value: Any, id: str = "") -> tuple[int, int, bytes, str]:
    """Integers, then text by its UTF-8 bytes; then the id."""
    if isinstance(value, str):
        return (1, 0, value.encode(), id)
    return (0, value or 0, b"", id)
