"""Every error the clinic raises on purpose, with the stable code that REST and WebSocket show.

DomainError
├── BadInput          bad-input        what was sent makes no sense here
├── NotAuthenticated  not-authenticated  no credential, or one that is wrong or has expired
│   ├── LinkExpired   link-expired     a join link of ours, shown after its time
│   └── LinkRevoked   link-revoked     a join link of ours, or what came of it, withdrawn by the clinic
├── Forbidden         forbidden        known, but may not do this
│   └── ProveAgain    prove-again      may, once they have shown again that it is them
├── NotFound          not-found        no such thing, or none the caller may know of
├── Conflict          conflict         somebody else changed it first; read again
│   └── Changed       changed          it is no longer the version that the caller had read
├── RepeatDiffers     idempotency-mismatch    the key came before with another request
├── RepeatRunning     idempotency-running     the same request is still running
├── RepeatUnanswered  idempotency-unanswered  the same request was carried out; its answer was lost
├── NotLinked         not-linked       an account elsewhere needs a second proof; carries which would do
├── WrongState        wrong-state      the thing's state has no such move
├── NumberTaken       number-taken     the clinic's number is another patient's
├── LikelyDuplicates  likely-duplicates  the clinic may have that patient already; carries the candidates' ids
├── LimitReached      limit-reached    a stated bound is full
├── TooFast           too-fast         more often than allowed; carries retry_after_s
└── Unavailable       unavailable      a part we depend on does not answer; `permanent`: a retry makes no sense
    └── KeyLost       key-lost         what this was sealed under is gone or wrong, and nobody destroyed it

Texts are for people and never hold patient data; programs read `code`. Anything else that escapes is "internal".
"""

from collections.abc import Sequence


class DomainError(Exception):
    """Base of all; `str(error)` is one plain sentence safe to show to anyone."""

    code = "internal"


class BadInput(DomainError):
    """Carries, where it helps, the JSON Pointer (RFC 6901) of the member at fault."""

    code = "bad-input"

    def __init__(self, text: str, pointer: str = "") -> None:
        super().__init__(text)
        self.pointer = pointer


class NotAuthenticated(DomainError):
    code = "not-authenticated"


class LinkExpired(NotAuthenticated):
    code = "link-expired"


class LinkRevoked(NotAuthenticated):
    code = "link-revoked"


class Forbidden(DomainError):
    code = "forbidden"


class ProveAgain(Forbidden):
    code = "prove-again"


class NotFound(DomainError):
    code = "not-found"


class Conflict(DomainError):
    code = "conflict"


class Changed(Conflict):
    code = "changed"


class RepeatDiffers(DomainError):
    code = "idempotency-mismatch"


class RepeatRunning(DomainError):
    code = "idempotency-running"


class RepeatUnanswered(DomainError):
    code = "idempotency-unanswered"


class NotLinked(DomainError):
    """`proofs`: `mail` for a mailed code, `totp` and `recovery` for the user's own; none: nothing would do."""

    code = "not-linked"

    def __init__(self, text: str, proofs: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.proofs = tuple(proofs)


class WrongState(DomainError):
    code = "wrong-state"


class NumberTaken(DomainError):
    code = "number-taken"


class LikelyDuplicates(DomainError):
    """Carries the ids of the records that may be the same person's."""

    code = "likely-duplicates"

    def __init__(self, text: str, candidates: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.candidates = tuple(candidates)


class LimitReached(DomainError):
    code = "limit-reached"


class TooFast(DomainError):
    code = "too-fast"

    def __init__(self, text: str, retry_after_s: float) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Unavailable(DomainError):
    code = "unavailable"

    def __init__(self, text: str, *, permanent: bool = False) -> None:
        super().__init__(text)
        self.permanent = permanent


class KeyLost(Unavailable):
    """Permanent until somebody brings back the key store or the key-encryption key that belongs to the data."""

    code = "key-lost"

    def __init__(self, text: str) -> None:
        super().__init__(text, permanent=True)
