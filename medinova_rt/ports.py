"""What the domain asks of the world. Each port is a small Protocol; adapters/ holds who answers.

Store is one generic document store for all nouns. A document is a JSON object (`dict`) with `clinic` and `schema`; its
place is (collection, id). `get` returns it with its integer version (what ETag shows) and an opaque token; `Replace`
and `Delete` take the token, so a compare-and-set needs no read lock. `transact` is all or nothing, with no reads
inside. `find` is equalities plus at most one range, ordered by the range field then id; a find that is not declared is
refused (`RuntimeError`: our own misuse) by every adapter, so that what works here works on a store that needs its
indexes built.

The tightest store's limits hold everywhere: a document is at most 1 MiB of JSON, instants are fixed-width UTC text in
microseconds (`encode_instant`), strings order by their UTF-8 bytes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NewType, Protocol

from medinova_rt.ids import MailId, VisitId

Document = dict[str, Any]
Token = NewType("Token", str)  # opaque; equal tokens mean the same version of the same document

MAX_DOCUMENT_BYTES = 1 << 20
MAX_TRANSACT_WRITES = 100
MAX_PAGE = 500


def encode_instant(instant: datetime) -> str:
    """Return e.g. `2026-11-24T10:00:00.000000Z`, the one form of an instant in documents: text order is time order."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True)
class Stored:
    id: str
    document: Document
    version: int  # 1 at insert, +1 at each replace
    token: Token


@dataclass(frozen=True, slots=True)
class Find:
    """A declared find: its collection, the fields compared for equality, and the one field that may be ranged over.

    `descending`: the last comes first, ids too.
    """

    collection: str
    equal: tuple[str, ...] = ()
    ordered_by: str | None = None
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[Stored]
    cursor: str | None  # pass it back for the next page; None: this was the last


@dataclass(frozen=True, slots=True)
class Insert:
    """Precondition: absent."""

    collection: str
    id: str
    document: Document


@dataclass(frozen=True, slots=True)
class Replace:
    """Precondition: `token` is current."""

    collection: str
    id: str
    document: Document
    token: Token


@dataclass(frozen=True, slots=True)
class Delete:
    """Precondition: `token` is current."""

    collection: str
    id: str
    token: Token


Write = Insert | Replace | Delete


class Store(Protocol):
    """All methods raise `Unavailable` when the store does not answer. What returned is durable."""

    async def get(self, collection: str, id: str) -> Stored | None: ...

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
        """`equal` gives the values in the order of `find.equal`; the range is half-open on `find.ordered_by`."""
        ...

    async def transact(self, writes: Sequence[Write]) -> list[Token]:
        """Apply all or nothing; return a token per write, in order (an empty one for `Delete`).

        Raises `Conflict` if any precondition fails.
        """
        ...


class Rooms(Protocol):
    """Live rooms, as the domain sees them; signaling/rooms.py answers."""

    async def close(self, visit: VisitId, reason: str) -> None:
        """Tell everyone in the visit that it is over and let go of its media; no room is fine too."""
        ...

    async def revoke(self, visit: VisitId, link: str) -> None:
        """Cut whoever came in by that link."""
        ...

    async def changed(self, visit: VisitId) -> None:
        """The visit's document was changed elsewhere (REST): read it again and tell those present."""
        ...


@dataclass(frozen=True, slots=True)
class Letter:
    """One e-mail to one person. Raises ValueError for an address that is more or less than one, or a subject of several
    lines: either would let a value add recipients or header fields."""

    id: MailId  # the same at each attempt, so that a repeat is recognised
    to: str
    subject: str
    text: str
    written_at: datetime

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.to):
            raise ValueError("this is no e-mail address")
        if not self.subject.isprintable():
            raise ValueError("a subject is one line")


_ATOM = r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+"  # RFC 5322 §3.2.3
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{3,254}}\Z)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")


class Notifier(Protocol):
    """Takes letters to people."""

    async def send(self, letter: Letter) -> None:
        """Return once somebody else answers for the letter; sent again under its id, it is still one letter.

        Raises Unavailable: `permanent` where this letter was refused and will be again.
        """
        ...
