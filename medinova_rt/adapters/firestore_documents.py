"""A document as Firestore keeps it, and what is asked of Firestore for the port's reads and writes.

In `kept`, which no index touches, the whole document is one JSON text, `body`, with its `version` and the `nonce` of
the transact that wrote it. In `by` are the fields that a declared find compares, in Firestore's own types. So a
document comes back exactly as it went in (Firestore has no list in a list, and no field without a name), its indexes
hold what finds ask for and nothing else, and its size is that of its JSON.

In `by` there are integers, text and truth values only: what is not there matches nothing. A truth value is looked for
but never ordered by, hence the bound at minus infinity: Firestore puts truth values before numbers, numbers before
text.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from google.cloud.firestore_v1.types import (
    Cursor,
    Document,
    DocumentTransform,
    Precondition,
    StructuredQuery,
    Target,
    Value,
    Write,
)
from google.protobuf.timestamp_pb2 import Timestamp

from medinova_rt import ports
from medinova_rt.adapters.store_rules import Position, Row, Rules, json_type
from medinova_rt.errors import Conflict
from medinova_rt.ports import Delete, Find, Insert, Replace, Stored, Token
from medinova_rt.shelf import Kept

KEPT = "kept"
BY = "by"
AT = "at"  # when it was written, by Firestore's clock; in collections whose changes are told
ID = "id"  # where a find without an order begins with the last id
NAME = "__name__"
GONE = "_gone"  # no noun's collection begins so: marks of documents that were deleted
UNTIL = "until"  # of a mark: when it can go

_TOKEN = re.compile(r"([1-9][0-9]{0,17})@([0-9]{1,12})\.([0-9]{9})")
_Operator = StructuredQuery.FieldFilter.Operator
_Direction = StructuredQuery.Direction
_LEAST = Value(double_value=float("-inf"))


class Names:
    """Of one database: `projects/…/databases/…` and what is below."""

    def __init__(self, project: str, database: str) -> None:
        self.database = f"projects/{project}/databases/{database}"
        self.root = f"{self.database}/documents"

    def document(self, collection: str, id: str) -> str:
        return f"{self.root}/{collection}/{id}"


def place(name: str) -> tuple[str, str]:
    _, collection, named = name.rsplit("/", 2)
    return collection, named


# --- tokens: the document's version, so that the next one is known without a read, and the time of its last change ---


def token(collection: str, id: str, version: int, updated_at: Timestamp) -> Token:
    return Token(f"{collection}/{id}/{version}@{updated_at.seconds}.{updated_at.nanos:09}")


def held(write: Replace | Delete) -> tuple[int, Timestamp]:
    """Return the version and the time of the token; raises Conflict for one that cannot be of that document."""
    beginning = f"{write.collection}/{write.id}/"
    found = _TOKEN.fullmatch(write.token, len(beginning)) if write.token.startswith(beginning) else None
    if found is None:
        raise Conflict("somebody else changed it first")
    version, seconds, nanos = map(int, found.groups())
    return version, Timestamp(seconds=seconds, nanos=nanos)


# --- writing ---


class Writing:
    """Turns the port's writes into Firestore's. Each document of the `told` collections says when it was written, and
    what is deleted from them leaves a mark, so that other processes can listen for both."""

    def __init__(self, names: Names, rules: Rules, told: frozenset[str]) -> None:
        self._names = names
        self._found_by = rules.found_by
        self._last_first = {find.collection for find in rules.finds if order(find) == [ID]}
        self._told = told

    def write(self, wanted: ports.Write, body: str, version: int, nonce: str) -> Write:
        if isinstance(wanted, Insert):
            current = Precondition(exists=False)
        else:
            current = Precondition(update_time=held(wanted)[1])
        if isinstance(wanted, Delete):
            return Write(delete=self._names.document(wanted.collection, wanted.id), current_document=current)
        write = self.whole(wanted.collection, wanted.id, wanted.document, body, version, nonce)
        write.current_document = current
        return write

    def whole(self, collection: str, id: str, document: ports.Document, body: str, version: int, nonce: str) -> Write:
        """Without a precondition."""
        kept = {
            "body": Value(string_value=body),
            "version": Value(integer_value=version),
            "nonce": Value(string_value=nonce),
        }
        fields = {KEPT: Value(map_value={"fields": kept})}
        if by := self._by(collection, document):
            fields[BY] = Value(map_value={"fields": by})
        if collection in self._last_first:
            fields[ID] = Value(string_value=id)
        write = Write(update=Document(name=self._names.document(collection, id), fields=fields))
        return _timed(write) if collection in self._told else write

    def mark(self, deleted: Delete, nonce: str, until: datetime) -> Write | None:
        """That a document is gone, kept until then; None: nobody listens for it."""
        if deleted.collection not in self._told:
            return None
        fields = {
            "collection": Value(string_value=deleted.collection),
            "id": Value(string_value=deleted.id),
            UNTIL: Value(timestamp_value=until),
            KEPT: Value(map_value={"fields": {"nonce": Value(string_value=nonce)}}),
        }
        name = self._names.document(GONE, f"{deleted.collection}.{deleted.id}")
        return _timed(Write(update=Document(name=name, fields=fields)))

    def _by(self, collection: str, document: ports.Document) -> dict[str, Value]:
        fields = self._found_by.get(collection, ())
        return {field: _value(document[field]) for field in fields if json_type(document.get(field)) is not None}


def _timed(write: Write) -> Write:
    write.update_transforms = [
        DocumentTransform.FieldTransform(
            field_path=AT, set_to_server_value=DocumentTransform.FieldTransform.ServerValue.REQUEST_TIME
        )
    ]
    return write


def _value(value: Any) -> Value:
    match value:
        case bool():
            return Value(boolean_value=value)
        case int():
            return Value(integer_value=int(value))
        case _:
            return Value(string_value=str(value))


# --- reading ---


def nonce(document: Any) -> str:
    return str(_kept(document)["nonce"].string_value)


def stored(document: Any) -> Stored:
    """Of the protobuf message itself, which is much faster to read than its wrapping."""
    fields = _kept(document)
    collection, named = place(document.name)
    version = fields["version"].integer_value
    return Stored(named, body(document), version, token(collection, named, version, document.update_time))


def kept(document: Any) -> Kept:
    fields = _kept(document)
    return Kept(place(document.name)[1], fields["body"].string_value, fields["version"].integer_value)


def body(document: Any) -> ports.Document:
    found: ports.Document = msgspec.json.decode(_kept(document)["body"].string_value)
    return found


def _kept(document: Any) -> Any:
    return document.fields[KEPT].map_value.fields


def row(document: Any, find: Find) -> Row:
    fields = _kept(document)
    version = fields["version"].integer_value
    value: str | int | None = None
    if find.ordered_by is not None:
        ordered = document.fields[BY].map_value.fields[find.ordered_by]
        value = ordered.string_value if ordered.WhichOneof("value_type") == "string_value" else ordered.integer_value
    named = place(document.name)[1]
    said = token(find.collection, named, version, document.update_time)
    return Row(named, fields["body"].string_value, version, said, value)


def query(
    names: Names, find: Find, equal: Sequence[Any], bounds: tuple[Any, Any], start: Position | None, limit: int
) -> StructuredQuery:
    at_least, below = bounds
    filters = [_where(field, _Operator.EQUAL, value) for field, value in zip(find.equal, equal, strict=True)]
    if find.ordered_by is not None and at_least is not None:
        filters.append(_where(find.ordered_by, _Operator.GREATER_THAN_OR_EQUAL, at_least))
    if find.ordered_by is not None and below is not None:
        filters.append(_where(find.ordered_by, _Operator.LESS_THAN, below))
    direction = _Direction.DESCENDING if find.descending else _Direction.ASCENDING
    asked = StructuredQuery(
        from_=[{"collection_id": find.collection}],
        order_by=[{"field": {"field_path": path}, "direction": direction} for path in order(find)],
        limit=limit,
    )
    if filters:
        all_of = StructuredQuery.CompositeFilter.Operator.AND
        asked.where = StructuredQuery.Filter(composite_filter={"op": all_of, "filters": filters})
    is_open = find.ordered_by is not None and at_least is None and below is None
    if is_open and find.descending:
        asked.end_at = Cursor(values=[_LEAST], before=False)
    elif is_open:
        asked.start_at = Cursor(values=[_LEAST], before=True)
    if start is not None:
        asked.start_at = Cursor(values=_position(names, find, start), before=False)
    return asked


def order(find: Find) -> list[str]:
    """The paths ordered by. Firestore takes no query of ids alone from the last one down, hence the field for it."""
    if find.ordered_by is not None:
        return [f"{BY}.{find.ordered_by}", NAME]
    return [ID] if find.descending else [NAME]


def _position(names: Names, find: Find, start: Position) -> list[Value]:
    value, last = start
    named = Value(reference_value=names.document(find.collection, last))
    if value is not None:
        return [_value(value), named]
    return [Value(string_value=last)] if find.descending else [named]


def _where(field: str, operator: Any, value: Any) -> StructuredQuery.Filter:
    return StructuredQuery.Filter(
        field_filter={"field": {"field_path": f"{BY}.{field}"}, "op": operator, "value": _value(value)}
    )


def all_after(names: Names, collection: str, after: str, limit: int) -> StructuredQuery:
    """Every document of a collection, by id."""
    asked = StructuredQuery(
        from_=[{"collection_id": collection}],
        order_by=[{"field": {"field_path": NAME}, "direction": _Direction.ASCENDING}],
        limit=limit,
    )
    if after:
        asked.start_at = Cursor(values=[Value(reference_value=names.document(collection, after))], before=False)
    return asked


def is_empty(at_least: Any, below: Any) -> bool:
    """Whether nothing can be in that range: Firestore refuses one of two types."""
    return at_least is not None and below is not None and json_type(at_least) != json_type(below)


def target(names: Names, collection: str, id: int, since: datetime) -> Target:
    """What is listened to: the documents of a collection that were written since."""
    where = StructuredQuery.Filter(
        field_filter={
            "field": {"field_path": AT},
            "op": _Operator.GREATER_THAN_OR_EQUAL,
            "value": Value(timestamp_value=since),
        }
    )
    asked = StructuredQuery(from_=[{"collection_id": collection}], where=where)
    return Target(query={"parent": names.root, "structured_query": asked}, target_id=id)
