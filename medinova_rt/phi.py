"""How private each field of a document is, said in its type.

`Open[T]`: ids, instants, states, numbers: may be logged, compared and found by. `Searchable[T]`: private, and found
through a blind index. `Private[T]`: about a person; never in a log, a metric, an address or an exception. A field with
none of the three fails the build (tests/medinova_rt/test_phi.py), so that nobody has to guess later what to encrypt.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
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


class Basis(StrEnum):
    """Why a group of fields is kept (GDPR, Art. 6 and 9), and so what becomes of it when its person asks to be erased.

    Each person has a data key for each basis: one can be destroyed while another is kept.
    """

    CARE = "care"  # Art. 9(2)(h): the record; the law keeps it for years
    CONTACT = "contact"  # Art. 6(1)(b): how to reach somebody, while they are cared for
    ACCOUNT = "account"  # Art. 6(1)(b): what a user signs in with
    SECURITY = "security"  # Art. 6(1)(c), (f): who did what, from where
    CONSENT = "consent"  # Art. 9(2)(a): goes when the consent does


@dataclass(frozen=True, slots=True)
class Sealing:
    """How a collection's private fields are kept: sealed under a data key of whoever they are about.

    `subject` names the open field that says who that is (a patient, a user); where it is null, they are the clinic's.
    `bases` gives the basis of each field that has another than `basis`. `blind`: its id was derived from something
    private, like an e-mail address, and is kept under a key.
    """

    collection: str
    kind: type[msgspec.Struct]
    subject: str = "clinic"
    basis: Basis = Basis.CARE
    bases: Mapping[str, Basis] = field(default_factory=dict)
    blind: bool = False


def marks(kind: type[msgspec.Struct]) -> dict[str, Mark]:
    """Return each field's mark; raises TypeError naming the first field with none or with more than one."""
    hints = get_type_hints(kind, include_extras=True)
    found = {}
    for name in kind.__struct_fields__:
        metas = [each for each in getattr(hints[name], "__metadata__", ()) if isinstance(each, Meta) and each.extra]
        marked = [meta.extra["mark"] for meta in metas if meta.extra and "mark" in meta.extra]
        if len(marked) != 1:
            raise TypeError(f"{kind.__name__}.{name} needs one mark: Open, Searchable or Private")
        found[name] = Mark(marked[0])
    return found
