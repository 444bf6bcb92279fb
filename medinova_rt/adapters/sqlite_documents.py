"""The documents table: how it is laid out, and the SQL of the port's reads and writes.

Every document is one row, its JSON as text. A declared find is answered by a partial expression index over that text,
so it reads what it returns and no more; nothing else is ever asked of the table. What is compared for equality is the
value's JSON (`->`), in which 1, "1", true and ["1"] differ; what is ranged over is the value itself. Documents in which
the one is null or the other neither integer nor text are not in the index at all: nothing finds them, so they cost it
nothing, and no row that was found has to be parsed to be sure.
"""

import contextlib
import functools
import sqlite3
from collections.abc import Generator, Sequence
from secrets import token_hex
from typing import Any, assert_never

import msgspec

from medinova_rt.adapters.store_rules import Position, Row, json_type
from medinova_rt.errors import Conflict, Unavailable
from medinova_rt.ports import Delete, Find, Insert, Replace, Stored, Token, Write

BY_PLACE = "sqlite_autoindex_documents_1"  # that of UNIQUE (collection, id): it knows a whole collection by id
LAYOUT = 3  # kept in `user_version`; those before had other indexes

INSERT = "INSERT INTO documents VALUES (?, ?, 1, ?, ?) ON CONFLICT DO NOTHING"
REPLACE = (
    "UPDATE documents SET version = version + 1, token = ?, body = ? WHERE collection = ? AND id = ? AND token = ?"
)
DELETE = "DELETE FROM documents WHERE collection = ? AND id = ? AND token = ?"
GET = "SELECT body, version, token FROM documents WHERE collection = ? AND id = ?"


def lay_out(writer: sqlite3.Connection, finds: frozenset[Find]) -> None:
    """Make tables and indexes, all or nothing; raises Unavailable for a file of a newer version, sqlite3.Error.

    An index no longer declared stays, for a process of the version that needs it; those of an older layout go.
    """
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("BEGIN IMMEDIATE")
    try:
        (layout,) = writer.execute("PRAGMA user_version").fetchone()
        if layout > LAYOUT:
            raise Unavailable("the store was written by a newer version of this program", permanent=True)
        writer.execute(
            "CREATE TABLE IF NOT EXISTS documents (collection TEXT NOT NULL, id TEXT NOT NULL,"
            " version INTEGER NOT NULL, token TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (collection, id)) STRICT"
        )
        if 0 < layout < LAYOUT:
            _drop_indexes(writer)
        for find in sorted(finds, key=repr):
            if index_name(find) != BY_PLACE:
                writer.execute(_index(find))
        writer.execute(f"PRAGMA user_version = {LAYOUT}")
        writer.execute("COMMIT")
    finally:
        if writer.in_transaction:
            writer.execute("ROLLBACK")


def _drop_indexes(writer: sqlite3.Connection) -> None:
    names = writer.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    for (name,) in names:
        writer.execute(f'DROP INDEX "{name}"')


def _value(field: str) -> str:
    return f"json_extract(body, '$.{field}')"


def _json(field: str) -> str:
    return f"body -> '$.{field}'"


def _covers(find: Find) -> list[str]:
    """What a document must be for the index to know it; a query has to say the same for the index to be chosen."""
    told = [f"{_value(field)} IS NOT NULL" for field in find.equal]
    kind = [f"json_type(body, '$.{field}') IN ('integer', 'text')" for field in (find.ordered_by,) if field is not None]
    return [f"collection = '{find.collection}'", *told, *kind]


def index_name(find: Find) -> str:
    """The same for both directions: SQLite reads an index either way."""
    if not find.equal and find.ordered_by is None:
        return BY_PLACE
    return "-".join(("find", find.collection, *find.equal, "by", find.ordered_by or "id"))


def _index(find: Find) -> str:
    fields = [*map(_json, find.equal), *([_value(find.ordered_by)] if find.ordered_by else [])]
    return (
        f'CREATE INDEX IF NOT EXISTS "{index_name(find)}" ON documents ({", ".join([*fields, "id"])})'
        f" WHERE {' AND '.join(_covers(find))}"
    )


def select(
    find: Find, equal: Sequence[Any], at_least: Any, below: Any, start: Position | None, limit: int
) -> tuple[str, list[Any]]:
    """The query and its values. Names are checked by `Rules`; they stand in the text since an index is chosen by it.

    SQLite puts every integer before every text, hence the bound where a range is open to the other type.
    """
    sql = _select(find, json_type(at_least), json_type(below), _place(start))
    values: list[Any] = [msgspec.json.encode(value).decode() for value in equal]
    values += [bound for bound in (at_least, below) if bound is not None]
    if start is not None:
        after, last = start
        values += [last] if after is None else [after, after, last]
    return sql, [*values, limit + 1]


def _place(start: Position | None) -> str:
    """How a page begins: nowhere in particular, after an id, or after a value and an id."""
    if start is None:
        return ""
    return "id" if start[0] is None else "value"


@functools.lru_cache(maxsize=512)
def _select(find: Find, at_least: str | None, below: str | None, start: str) -> str:
    where = [*_covers(find), *(f"{_json(field)} = ?" for field in find.equal)]
    value = "NULL"
    if find.ordered_by is not None:
        value = _value(find.ordered_by)
        if at_least is not None:
            where.append(f"{value} >= ?" if at_least == "text" else f"{value} >= ? AND {value} < ''")
        if below is not None:
            where.append(f"{value} >= '' AND {value} < ?" if below == "text" else f"{value} < ?")
    beyond, way = ("<", " DESC") if find.descending else (">", "")
    if start == "id":
        where.append(f"id {beyond} ?")
    elif start == "value":
        where.append(f"{value} {beyond}= ? AND ({value} {beyond} ? OR id {beyond} ?)")
    order = f"id{way}" if find.ordered_by is None else f"{value}{way}, id{way}"
    return (
        f'SELECT id, body, version, token, {value} FROM documents INDEXED BY "{index_name(find)}"'  # noqa: S608  # declared names only
        f" WHERE {' AND '.join(where)} ORDER BY {order} LIMIT ?"
    )


def rows(connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> Generator[Row, None, None]:
    cursor = connection.execute(sql, values)
    try:
        for found in cursor:
            yield Row(*found)
    finally:
        with contextlib.suppress(sqlite3.ProgrammingError):  # closed with its connection, where a row was damaged
            cursor.close()  # a read transaction left open would hold the WAL file


def get(connection: sqlite3.Connection, collection: str, id: str) -> Stored | None:
    found = connection.execute(GET, (collection, id)).fetchone()
    return None if found is None else Stored(id, msgspec.json.decode(found[0]), found[1], Token(found[2]))


def write(writer: sqlite3.Connection, wanted: Write, body: str) -> Token:
    """Raises Conflict. A token is random, so that one of a document deleted and made again fits nothing."""
    token, place = token_hex(8), (wanted.collection, wanted.id)
    values: tuple[str, ...]
    match wanted:
        case Insert():
            sql, values = INSERT, (*place, token, body)
        case Replace(token=held):
            sql, values = REPLACE, (token, body, *place, held)
        case Delete(token=held):
            token, sql, values = "", DELETE, (*place, held)
        case _:
            assert_never(wanted)
    if writer.execute(sql, values).rowcount != 1:
        raise Conflict("somebody else changed it first")
    return Token(token)
