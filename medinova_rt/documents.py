"""Between the Structs of the domain and the documents of the store.

Instants are written fixed-width (`encode_instant`), which msgspec's own form is not: it leaves out a zero fraction, and
then text order is no longer time order. A document written by an older program is brought up to the present `schema`
when it is read; it is stored so at its next change.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from medinova_rt.errors import Unavailable
from medinova_rt.ports import Document, encode_instant

S = TypeVar("S", bound=msgspec.Struct)
Upgrade = Callable[[Document], Document]  # from the schema it is listed under to the next


_PLAIN = frozenset({str, int, bool, type(None)})  # most of what there is, and nothing to be done with it


def encode(struct: msgspec.Struct) -> Document:
    document: Document = _fixed(msgspec.to_builtins(struct, builtin_types=(datetime,)))
    return document


def decode(kind: type[S], document: Document, schema: int, upgrades: Mapping[int, Upgrade]) -> S:
    """Return the Struct.

    Raises Unavailable where a newer program wrote it or where it is damaged, without a word of what is in it.
    """
    while document["schema"] < schema:
        document = {**upgrades[document["schema"]](document), "schema": document["schema"] + 1}
    if document["schema"] > schema:
        raise Unavailable("what is kept was written by a newer version of this program")
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError:
        raise Unavailable("what is kept is damaged", permanent=True) from None


def _fixed(value: Any) -> Any:
    match value:
        case datetime():
            return encode_instant(value)
        case dict():
            return {name: each if type(each) in _PLAIN else _fixed(each) for name, each in value.items()}
        case list() | tuple():
            return [each if type(each) in _PLAIN else _fixed(each) for each in value]
        case _:
            return value
