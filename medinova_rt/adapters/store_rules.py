"""The rules that every store keeps alike: what a document may hold, which finds are declared, what a cursor is.

They are those of the tightest store, checked before an adapter does anything, so that what passes here passes there.
Our own misuse is a RuntimeError; what a caller's input can bring about is a DomainError.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

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
    Page,
    Stored,
    Token,
    Write,
)

MAX_TRANSACT_BYTES = 9 << 20  # of JSON, all writes together; Firestore takes 10 MiB of what it becomes on the wire
MAX_FOUND_BYTES = 1500  # of a text that is compared; Firestore's indexes hold no more of it
MAX_PAGE_BYTES = 16 << 20  # a page ends early here, with a cursor, so that memory has a bound
MAX_CURSOR = 4096  # characters

Scalar = str | int | bool
Position = tuple[str | int | None, str]  # the value of the ordering field (None without one), then the id

_ID = re.compile(r"[A-Za-z0-9-]{1,40}")
_COLLECTION = re.compile(r"[a-z][a-z0-9-]{0,39}")
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_position = msgspec.json.Decoder(tuple[str, str | int | None, str])


@dataclass(frozen=True, slots=True)
class Row:
    """A document on its way to a page; `value` is that of the ordering field."""

    id: str
    body: str
    version: int
    token: str
    value: str | int | None


class Rules:
    def __init__(self, finds: Sequence[Find]) -> None:
        self.finds = frozenset(finds)
        self.found_by: dict[str, set[str]] = {}
        for find in finds:
            fields = [*find.equal, *([find.ordered_by] if find.ordered_by else [])]
            if not _COLLECTION.fullmatch(find.collection) or not all(map(_FIELD.fullmatch, fields)):
                raise RuntimeError("a find names its collection and fields in small letters")
            self.found_by.setdefault(find.collection, set()).update(fields)

    def bodies(self, writes: Sequence[Write]) -> list[str]:
        """Return each write's document as JSON text, empty for `Delete`.

        Raises LimitReached, BadInput, RuntimeError, and Conflict for a token that cannot be one.
        """
        if len(writes) > MAX_TRANSACT_WRITES + MAX_RIDERS + MAX_STRANDS:
            raise RuntimeError("a transact has too many writes")
        if len({(write.collection, write.id) for write in writes}) < len(writes):
            raise RuntimeError("a transact writes a document twice")
        bodies = [self._body(write) for write in writes]
        if sum(map(len, bodies)) > MAX_TRANSACT_BYTES:
            raise LimitReached("a change is too large")
        return [body.decode() for body in bodies]

    def _body(self, write: Write) -> bytes:
        if not _COLLECTION.fullmatch(write.collection) or not is_id(write.id):
            raise RuntimeError("a document's place is not well formed")
        if not isinstance(write, Insert) and not write.token.isascii():
            raise Conflict("somebody else changed it first")
        if isinstance(write, Delete):
            return b""
        self._check_document(write.collection, write.document)
        try:
            body = msgspec.json.encode(write.document)
        except UnicodeEncodeError:
            raise BadInput("text is not valid Unicode") from None
        except (TypeError, OverflowError) as error:
            raise RuntimeError("a document is not JSON") from error
        if len(body) > MAX_DOCUMENT_BYTES:
            raise LimitReached("a document is larger than 1008 KiB")
        return body

    def _check_document(self, collection: str, document: Document) -> None:
        if not isinstance(document.get("clinic"), str) or type(document.get("schema")) is not int:
            raise RuntimeError("a document lacks its clinic or schema")
        for field in self.found_by.get(collection, ()):
            check_value(document.get(field))

    def position(self, find: Find, equal: Sequence[Scalar], limit: int, cursor: str | None) -> Position | None:
        """Check a find and return where its page begins (after that position); raises RuntimeError, BadInput."""
        if find not in self.finds:
            raise RuntimeError(f"a find in {find.collection} is not declared")
        if len(equal) != len(find.equal) or not 1 <= limit <= MAX_PAGE:
            raise RuntimeError("a find has the wrong number of values or an impossible limit")
        for value in equal:
            check_value(value)
        return None if cursor is None else _read_cursor(cursor, _fingerprint(find, equal), find.ordered_by is not None)


def is_id(text: str) -> bool:
    """Whether the text can be an id; one that cannot is simply not found."""
    return _ID.fullmatch(text) is not None


def json_type(value: Any) -> str | None:
    """What tells comparable values apart (1 is not true): its type in SQLite's words, None if it can't be."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return "integer"
        case str():
            return "text"
        case _:
            return None


def check_value(value: Any) -> None:
    """Refuse what not every store can compare.

    Raises BadInput for text with NUL, half a surrogate pair or too many letters, RuntimeError for an integer over 64
    bits.
    """
    if isinstance(value, str) and ("\0" in value or not (value.isascii() or _HALF_PAIR.search(value) is None)):
        raise BadInput("text is not valid Unicode")
    if isinstance(value, str) and len(value) * 4 > MAX_FOUND_BYTES and len(value.encode()) > MAX_FOUND_BYTES:
        raise BadInput("text is too long to be found by")
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise RuntimeError("an integer does not fit in 64 bits")


def page(find: Find, equal: Sequence[Scalar], rows: Iterable[Row], limit: int) -> Page:
    """Make a page of the first rows, which come in order; a cursor says that there are more."""
    taken: list[Stored] = []
    last: Row | None = None
    size = 0
    for row in rows:
        size += len(row.body)
        if last is not None and (len(taken) == limit or size > MAX_PAGE_BYTES):
            return Page(taken, _cursor(_fingerprint(find, equal), (last.value, last.id)))
        taken.append(Stored(row.id, msgspec.json.decode(row.body), row.version, Token(row.token)))
        last = row
    return Page(taken, None)


def _fingerprint(find: Find, equal: Sequence[Scalar]) -> str:
    said = msgspec.json.encode((find.collection, find.equal, find.ordered_by, find.descending, list(equal)))
    return hashlib.sha256(said).hexdigest()[:12]


def _cursor(fingerprint: str, position: Position) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((fingerprint, *position))).decode()


def _read_cursor(cursor: str, fingerprint: str, ordered: bool) -> Position:
    """A cursor of another find, or of the same with other values, is refused like one that was damaged."""
    try:
        if len(cursor) > MAX_CURSOR or not cursor.isascii():
            raise ValueError
        said, value, last = _position.decode(base64.b64decode(cursor, altchars=b"-_", validate=True))
        if said != fingerprint or not is_id(last) or ordered is (value is None):
            raise ValueError
        check_value(value)
    except (ValueError, msgspec.DecodeError, RuntimeError, BadInput):
        raise BadInput("the cursor is not one of this list") from None
    return value, last
