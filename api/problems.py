"""What goes wrong, as HTTP says it: RFC 9457 problem+json from the error tree, by one table.

The classes here are those that only HTTP knows; the rest come from `medinova_rt.errors`. Whatever is in no row is
"internal": the answer says no more, the log has the place.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from aiohttp import web
from msgspec import Struct

from medinova_rt import errors
from medinova_rt.errors import DomainError

MEDIA_TYPE = "application/problem+json"
BUSY_RETRY_S = 2


class WrongMethod(DomainError):
    code = "wrong-method"


class Senseless(errors.BadInput):
    """As documented, so that the decoder took it; but no such thing can be (RFC 9110 §15.5.21)."""

    code = "senseless"


class TooLarge(DomainError):
    code = "too-large"


class TooSlow(DomainError):
    code = "too-slow"


class NotAcceptable(DomainError):
    code = "not-acceptable"


class WrongMediaType(DomainError):
    """Carries the media type to send instead."""

    code = "wrong-media-type"

    def __init__(self, text: str, accepted: str = "application/json") -> None:
        super().__init__(text)
        self.accepted = accepted


class PreconditionRequired(DomainError):
    code = "precondition-required"


class RepeatKeyWrong(DomainError):
    code = "idempotency-key"


class CrossOrigin(DomainError):
    code = "cross-origin"


@dataclass(frozen=True, slots=True)
class Row:
    status: int
    title: str


TABLE: Mapping[type[DomainError], Row] = {
    errors.BadInput: Row(400, "The request is not what is documented"),
    RepeatKeyWrong: Row(400, "The Idempotency-Key is missing or malformed"),
    errors.NotAuthenticated: Row(401, "No valid credential"),
    errors.LinkExpired: Row(401, "The link has expired"),
    errors.LinkRevoked: Row(401, "The link was withdrawn"),
    errors.Forbidden: Row(403, "Not allowed"),
    errors.ProveAgain: Row(403, "Show again that it is you"),
    CrossOrigin: Row(403, "Sent by another site"),
    errors.NotFound: Row(404, "No such thing"),
    WrongMethod: Row(405, "Wrong method"),
    NotAcceptable: Row(406, "No such form of the answer"),
    TooSlow: Row(408, "The request took too long to come in"),
    errors.RepeatRunning: Row(409, "The same request is still running"),
    errors.RepeatUnanswered: Row(409, "Done before, and the answer was lost"),
    errors.Conflict: Row(409, "Changed by somebody else first"),
    errors.NotLinked: Row(409, "The account elsewhere needs a second proof"),
    errors.WrongState: Row(409, "Not possible in this state"),
    errors.NumberTaken: Row(409, "The number is another patient's"),
    errors.LikelyDuplicates: Row(409, "The patient may be there already"),
    errors.LimitReached: Row(409, "A limit is reached"),
    errors.Changed: Row(412, "Changed since it was read"),
    TooLarge: Row(413, "The request is too large"),
    WrongMediaType: Row(415, "Wrong media type"),
    errors.RepeatDiffers: Row(422, "The key was used for another request"),
    Senseless: Row(422, "The request makes no sense here"),
    PreconditionRequired: Row(428, "If-Match is missing"),
    errors.TooFast: Row(429, "Too many requests"),
    DomainError: Row(500, "Something went wrong on our side"),
    errors.Unavailable: Row(503, "Not available now"),
    errors.KeyLost: Row(503, "What was sealed cannot be opened"),
}


class Fault(Struct, frozen=True):
    """One member of the request at fault, by JSON Pointer (RFC 6901)."""

    pointer: str
    detail: str


class Problem(Struct, frozen=True, omit_defaults=True):
    """RFC 9457. Programs read `code`; `detail` is for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[Fault] = []
    candidates: list[str] = []  # of `likely-duplicates`: the ids of the patients that it may be
    proofs: list[str] = []  # of `not-linked`: what would do: `mail`, `totp`, `recovery`


def answer(error: DomainError, *, public_url: str, request_id: str) -> web.Response:
    """Return the response for `error`, by the nearest row above its class."""
    row = next(TABLE[ancestor] for ancestor in type(error).__mro__ if ancestor in TABLE)
    pointer = error.pointer if isinstance(error, errors.BadInput) else ""
    problem = Problem(
        type=f"{public_url}/docs#{error.code}",
        title=row.title,
        status=row.status,
        code=error.code,
        detail=str(error),
        request_id=request_id,
        errors=[Fault(pointer, str(error))] if pointer else [],
        candidates=list(error.candidates) if isinstance(error, errors.LikelyDuplicates) else [],
        proofs=list(error.proofs) if isinstance(error, errors.NotLinked) else [],
    )
    return web.Response(
        status=row.status, body=msgspec.json.encode(problem), content_type=MEDIA_TYPE, headers=_headers(error)
    )


def internal() -> DomainError:
    return DomainError("Something went wrong on our side; the request id helps us to find it.")


def from_http(refusal: web.HTTPException) -> DomainError:
    """Return what the router or the body reader refused, as one of ours."""
    match refusal:
        case web.HTTPMethodNotAllowed():
            return WrongMethod(f"Use {' or '.join(sorted(refusal.allowed_methods))} here.")
        case web.HTTPRequestEntityTooLarge():
            return TooLarge("The body is larger than allowed here.")
        case web.HTTPNotFound():
            return errors.NotFound("There is nothing at this address.")
        case web.HTTPForbidden():
            return errors.Forbidden("This is not allowed.")
        case web.HTTPServiceUnavailable():
            return errors.Unavailable("Not available now; try again in a moment.")
        case _ if 400 <= refusal.status < 500:
            return errors.BadInput("The request is malformed.")
        case _:
            return internal()


def from_schema(fault: msgspec.ValidationError, where: str = "", members: Sequence[str] = ()) -> errors.BadInput:
    """Return what the decoder found, without repeating anything that was sent: what could have been said instead.

    `where` names a place that has no JSON Pointers, e.g. "query ": its parameter is named in the text then.
    `members` are those of the whole body.
    """
    text, _, path = str(fault).partition(" - at `")
    pointer = "/".join(["", *re.findall(r"[^.\[\]$`]+", path)])
    if where:
        name = pointer.removeprefix("/")
        return errors.BadInput(f"The {where}parameter {name} does not fit." if name else f"The {where}does not fit.")
    match text:
        case _ if text.startswith(("Expected", "Object missing")):
            return errors.BadInput(f"{text.replace('`', '')}.", pointer)
        case _ if text.startswith("Object contains unknown"):
            known = f" Known are: {', '.join(members)}." if members and not pointer else ""
            return errors.BadInput(f"A member is not known here.{known}", pointer)
        case _:
            return errors.BadInput("A value is not one of those allowed.", pointer)


def _headers(error: DomainError) -> dict[str, str]:
    match error:
        case errors.NotAuthenticated():
            return {"WWW-Authenticate": 'Bearer realm="MediNova RT"'}
        case WrongMediaType():
            return {"Accept": error.accepted}
        case errors.RepeatRunning():
            return {"Retry-After": str(BUSY_RETRY_S)}
        case errors.TooFast():
            return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
        case errors.Unavailable() if not error.permanent:
            return {"Retry-After": str(BUSY_RETRY_S)}
        case _:
            return {}
