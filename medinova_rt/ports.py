"""What the domain asks of the world. Each port is a small Protocol; adapters/ holds who answers.

Store is one generic document store for all nouns. A document is a JSON object (`dict`) with `clinic` and `schema`; its
place is (collection, id). `get` returns it with its integer version (what ETag shows) and an opaque token; `Replace`
and `Delete` take the token, so a compare-and-set needs no read lock. `transact` is all or nothing, with no reads
inside. `find` is equalities plus at most one range, ordered by the range field then id; a find that is not declared is
refused (`RuntimeError`: our own misuse) by every adapter, so that what works here works on a store that needs its
indexes built.

The tightest store's limits hold everywhere: a document is at most 1008 KiB of JSON, a text that a find compares at most
1500 bytes, instants are fixed-width UTC text in microseconds (`encode_instant`), strings order by their UTF-8 bytes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NewType, Protocol

from medinova_rt.ids import MailId, SessionId, UserId, VisitId

Document = dict[str, Any]
Token = NewType("Token", str)  # opaque; equal tokens mean the same version of the same document

MAX_DOCUMENT_BYTES = (1 << 20) - (16 << 10)  # of JSON; what a store keeps beside it finds room in the rest of 1 MiB
MAX_TRANSACT_WRITES = 100  # of whoever writes; a rider (medinova_rt/riders.py) finds room beside them
MAX_RIDERS = 1
MAX_STRANDS = MAX_TRANSACT_WRITES  # chains of audit records begun along with their first (adapters/strand_store.py)
MAX_PAGE = 500


def encode_instant(instant: datetime) -> str:
    """Return e.g. `2026-11-24T10:00:00.000000Z`, the one form of an instant in documents: text order is time order."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"  # strftime takes three times as long


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


# --- what data keys are wrapped with ---


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A data key as it is kept: worth nothing without the key-encryption key of that version."""

    version: str
    data: bytes


class Keys(Protocol):
    """Key-encryption keys, which never leave whoever holds them. All methods raise Unavailable."""

    async def wrap(self, key: bytes, context: bytes) -> Wrapped:
        """Under the newest version; `context` is bound to it, and has to be shown again."""
        ...

    async def unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        """Raises KeyLost: that version is gone, or this is not what was wrapped in that context."""
        ...

    async def newest(self) -> str: ...

    async def rotate(self) -> str:
        """Make a new version, which wraps from now on, and return it; those before go on unwrapping."""
        ...


# --- who somebody is: what is shown as proof, what is set up to prove it with later ---


@dataclass(frozen=True, slots=True)
class Password:
    password: str = field(repr=False)
    email: str = ""  # normal; empty where the user is known already


@dataclass(frozen=True, slots=True)
class EmailCode:
    """The six digits that were mailed."""

    email: str
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EmailLink:
    """What follows the `#` of the address that was mailed."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Totp:
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RecoveryCode:
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Passkey:
    credential: Mapping[str, Any] = field(repr=False)  # what the browser's PublicKeyCredential says of itself as JSON


@dataclass(frozen=True, slots=True)
class IdToken:
    """What an identity provider says of somebody who signed in there, second factor and all.

    `code` is the second proof that the account there is the user's here, asked for once (`NotLinked`).
    """

    token: str = field(repr=False)
    code: str = field(default="", repr=False)


FirstClaim = Password | EmailCode | EmailLink | IdToken  # says who it is as well
SecondClaim = Totp | RecoveryCode | Passkey
Claim = FirstClaim | SecondClaim


@dataclass(frozen=True, slots=True)
class Proven:
    """Holds if `along` is written in the transact of what it is proof for; a Conflict there: ask again.

    That write is what uses up a code, so that of two who show the same one, one gets in.
    """

    user: UserId
    strong: bool  # a second factor is part of it
    along: tuple[Write, ...] = ()


@dataclass(frozen=True, slots=True)
class Mailing:
    """A code and a link that were made for an address; `user` is None where nobody has it, and nothing is mailed."""

    user: UserId | None
    code: str = field(repr=False)
    token: str = field(repr=False)  # empty: there is no link
    along: tuple[Write, ...]  # to be written either way, so that both take the same time


Method = Literal["totp", "passkey", "recovery"]


@dataclass(frozen=True, slots=True)
class Factor:
    """A second factor that a user has."""

    id: str  # tot-…, psk-…
    kind: Literal["totp", "passkey"]
    name: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Factors:
    password: bool
    second: tuple[Factor, ...]
    recovery_codes: int  # not yet used
    elsewhere: bool = False  # an identity provider keeps them, and nothing of them is set up here

    @property
    def methods(self) -> list[Method]:
        """By which the second step of a sign-in can be taken; none: it is not asked for."""
        kinds = {each.kind for each in self.second}
        found: list[Method] = [kind for kind in ("totp", "passkey") if kind in kinds]
        return [*found, "recovery"] if found and self.recovery_codes else found


@dataclass(frozen=True, slots=True)
class NewPassword:
    password: str = field(repr=False)
    minimum: int  # characters
    near: tuple[str, ...] = field(repr=False)  # words that others would try first: name, e-mail, clinic
    email: str = field(default="", repr=False)  # of a user who is only being made


@dataclass(frozen=True, slots=True)
class NewTotp:
    """Begins it: the secret counts once `ConfirmedTotp` shows that it has arrived in an app."""

    email: str  # what the app calls the account


@dataclass(frozen=True, slots=True)
class ConfirmedTotp:
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewPasskey:
    name: str
    credential: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewRecoveryCodes:
    """Ten more, which make the older ones worthless."""


Enrolment = NewPassword | NewTotp | ConfirmedTotp | NewPasskey | NewRecoveryCodes


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Holds if `along` is written, as `Proven` does. What there is to show is shown this once."""

    along: tuple[Write, ...]
    factor: Factor | None = None
    secret: str = field(default="", repr=False)
    uri: str = field(default="", repr=False)  # otpauth:…
    recovery_codes: tuple[str, ...] = field(default=(), repr=False)


class Identity(Protocol):
    """Proves who somebody is. Nothing here assumes that there are passwords: what an adapter does not know, it refuses.

    Raises NotAuthenticated for whatever does not prove it, always in the same words and time class, whoever is known;
    Unavailable when there is more to check than can be checked in time.
    """

    async def prove(
        self, claim: Claim, now: datetime, *, user: UserId | None = None, session: SessionId | None = None
    ) -> Proven:
        """`user`: whose proof it must be, None only for a FirstClaim; `session`: to which a passkey was challenged.

        Raises NotLinked for an IdToken of an account that is not yet known to be the user's.
        """
        ...

    async def mailing(self, email: str, now: datetime) -> Mailing:
        """Make a code and a link for that address; the code made before is worth nothing then."""
        ...

    async def challenge(
        self, user: UserId, session: SessionId, now: datetime, new_for: str | None = None
    ) -> Mapping[str, Any]:
        """Return what the browser is asked for a passkey (JSON of WebAuthn), a new one of the account called `new_for`.

        Raises NotFound where the user has none, LimitReached where there is no room for one more.
        """
        ...

    async def enrol(
        self, user: UserId, what: Enrolment, now: datetime, *, session: SessionId | None = None
    ) -> Enrolled:
        """Raises BadInput for a password that is none, NotAuthenticated for what was not confirmed, LimitReached,
        WrongState for what is set up elsewhere."""
        ...

    async def remove(self, user: UserId, factor: str, now: datetime) -> list[Write]:
        """Return what takes a second factor away, with the last one the recovery codes too. Raises NotFound."""
        ...

    async def factors(self, user: UserId) -> Factors: ...
