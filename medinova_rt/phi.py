"""How private each field of a document is, said in its type.

`Open[T]`: ids, instants, states, numbers: may be logged, compared and found by. `Searchable[T]`: private, and found
through a blind index. `Private[T]`: about a person; never in a log, a metric, an address or an exception. A field with
none of the three fails the build (tests/medinova_rt/test_phi.py), so that nobody has to guess later what to encrypt.
"""

from enum import StrEnum
from typing import Annotated, TypeVar, get_type_hints

import msgspec
from msgspec import Meta

T = TypeVar("T")


class Mark(StrEnum):
    OPEN = "open"
    SEARCHABLE = "searchable"
    PRIVATE = "private"


Open = Annotated[T, Meta(extra={"mark": Mark.OPEN})]
Searchable = Annotated[T, Meta(extra={"mark": Mark.SEARCHABLE})]
Private = Annotated[T, Meta(extra={"mark": Mark.PRIVATE})]


def marks(kind: type[msgspec.Struct]) -> dict[str, Mark]:
    """Return each field's mark; raises TypeError naming the first field with none or with more than one."""
    hints = get_type_hints(kind, include_extras=True)
    found = {}
    for field in kind.__struct_fields__:
        metas = [each for each in getattr(hints[field], "__metadata__", ()) if isinstance(each, Meta) and each.extra]
        marked = [meta.extra["mark"] for meta in metas if meta.extra and "mark" in meta.extra]
        if len(marked) != 1:
            raise TypeError(f"{kind.__name__}.{field} needs one mark: Open, Searchable or Private")
        found[field] = Mark(marked[0])
    return found
