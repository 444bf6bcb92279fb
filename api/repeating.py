"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): the same request again gets the same answer.

It is recognised by the caller, method, path and key; body, query and `If-Match` must be the same too. Kept is what will
not change by asking again: never a 401, 403, 408, 429 or 5xx, nor that others were faster. Access is asked before, so
an answer is given again only to whoever may still have it, and that it was given leaves an audit record.
"""

import re
from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import Enum

from aiohttp import hdrs, web

from api import problems
from api.call import REPEATS, REQUEST_ID, SETTINGS, STORE
from medinova_rt import audit, errors, repeats
from medinova_rt.access import Thing
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import Conflict, DomainError
from medinova_rt.principals import Principal, SeatHolder, Service
from medinova_rt.repeats import Answer, Ask
from medinova_rt.riders import Rider
from medinova_rt.rights import Action

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
# a Structured Fields String, as the draft wants it, or the bare token that many clients send
PATTERN = r'^(?:"[\x20\x21\x23-\x5b\x5d-\x7e]{1,128}"|[A-Za-z0-9._~:-]{1,128})$'
KEPT_HEADERS = (hdrs.CONTENT_TYPE, hdrs.ETAG, hdrs.LOCATION)
NOT_FINAL = frozenset({401, 403, 408, 425, 429})

PROBLEMS: frozenset[type[DomainError]] = frozenset(
    {problems.RepeatKeyWrong, errors.RepeatDiffers, errors.RepeatRunning, errors.RepeatUnanswered, Conflict}
)

_KEY = re.compile(PATTERN)


class Repeat(Enum):
    """Whether `Idempotency-Key` is looked at."""

    NEVER = "never"  # what reads; sign-in, tokens, tickets: an answer with a secret in it is not kept
    ALLOWED = "allowed"
    REQUIRED = "required"  # where a repeat would make a second thing


def asked(request: web.Request, repeat: Repeat, principal: Principal, data: bytes) -> Ask | None:
    """Return how the request is recognised when it comes again, None where it isn't; raises RepeatKeyWrong."""
    if repeat is Repeat.NEVER:
        return None
    said = request.headers.getall(HEADER, [])
    if not said:
        if repeat is Repeat.REQUIRED:
            raise problems.RepeatKeyWrong("Send an Idempotency-Key, so that a repeat makes no second thing.")
        return None
    if len(said) > 1 or not _KEY.fullmatch(said[0]):
        raise problems.RepeatKeyWrong("An Idempotency-Key is one text of 1 to 128 printable characters.")
    clinic = principal.clinic if isinstance(principal, Service) else ""
    return repeats.ask(
        who=(type(principal).__name__, clinic, principal.id),
        what=(request.method, request.rel_url.raw_path),
        key=said[0].strip('"'),
        sent=(
            data,
            request.rel_url.raw_query_string.encode(),
            ",".join(request.headers.getall(hdrs.IF_MATCH, [])).encode("utf-8", "surrogateescape"),
        ),
    )


async def replay(
    request: web.Request, answer: Answer, principal: Principal, action: Action, thing: Thing, now: datetime
) -> web.Response:
    """Return the answer once more, after its audit record."""
    own = principal.clinic if isinstance(principal, Service | SeatHolder) else PLATFORM
    given = audit.record(
        principal,
        action,
        now,
        clinic=thing.clinic or own,
        visit=thing.visit,
        seat=thing.seat,
        patient=thing.patient,
        user=thing.user,
        about=thing.about,
        outcome="repeated",
    )
    await request.app[STORE].transact([given])
    return web.Response(
        status=answer.status, body=answer.body.encode() or None, headers={**answer.headers, REPLAYED: "true"}
    )


async def run(
    request: web.Request, rider: Rider, handle: Callable[[], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Carry the request out with its rider, and keep the answer if it is final."""
    kept = request.app[REPEATS]
    try:
        with rider.waiting():
            response = await handle()
    except DomainError as error:
        settings = request.app[SETTINGS]
        refusal = problems.answer(error, public_url=settings.public_url, request_id=request[REQUEST_ID])
        if isinstance(error, Conflict) and not isinstance(error, errors.Changed):
            await kept.release(rider)
        else:
            await _put(kept, rider, refusal)
        raise
    except (Exception, CancelledError):
        await kept.release(rider)
        raise
    await _put(kept, rider, response)
    return response


async def _put(kept: repeats.Repeats, rider: Rider, response: web.StreamResponse) -> None:
    is_final = response.status < 500 and response.status not in NOT_FINAL
    if not is_final or not isinstance(response, web.Response) or not isinstance(response.body, bytes | None):
        await kept.release(rider)
        return
    headers = {str(name): response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    body = (response.body or b"").decode()
    await kept.keep(rider, Answer(status=response.status, headers=headers, body=body))
