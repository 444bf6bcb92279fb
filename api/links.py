"""Exchanging a join link for what opens the visit: the seat's cookie, or a ticket where cookies don't reach."""

from typing import Annotated, Literal

from aiohttp import web
from msgspec import Meta, Struct

from api.call import ENTRANCE, SETTINGS, Call, Instant, Reply
from medinova_rt.ids import SeatId, VisitId
from medinova_rt.links import COOKIE_LIFE, MAX_TOKEN

MAX_SEAT_COOKIES = 8  # in one browser: more would outgrow what servers take in headers, and nobody is in nine visits


class Exchange(Struct, frozen=True, forbid_unknown_fields=True):
    """`token` is what follows the `#` of the link."""

    token: Annotated[str, Meta(min_length=1, max_length=MAX_TOKEN)]
    want: Literal["cookie", "ticket"] = "cookie"


class Admission(Struct, frozen=True):
    """Where the seat's page is. `ticket` goes into the first message of the WebSocket, once, before `expires_at`."""

    visit: VisitId
    seat: SeatId
    path: str
    ticket: str | None
    expires_at: Instant


async def exchange(call: Call[Exchange]) -> web.Response:
    """Exchange a join link's token for the cookie of its seat (`Set-Cookie`), or for a one-time ticket.

    A link can be exchanged again, on this device or another, until it expires or is revoked.
    """
    entry = await call.app[ENTRANCE].exchange(call.body.token, call.body.want, call.now, call.principal.address)
    visit, seat, is_ticket = entry.visit.id, entry.seat.id, call.body.want == "ticket"
    ticket = entry.credential if is_ticket else None
    response = Reply(Admission(visit, seat, f"/visit/{visit}/{seat}", ticket, entry.expires_at)).response(200)
    if not is_ticket:
        _set_cookie(call, response, seat, entry.credential)
    return response


def _set_cookie(call: Call[Exchange], response: web.Response, seat: SeatId, value: str) -> None:
    settings = call.app[SETTINGS]
    prefix, name = settings.cookie_name(""), settings.cookie_name(seat)
    for old in _surplus({cookie for cookie in call.request.cookies if cookie.startswith(prefix)} - {name}):
        response.del_cookie(old, path="/", secure=settings.cookies_are_secure, httponly=True, samesite="Lax")
    response.set_cookie(
        name,
        value,
        max_age=int(COOKIE_LIFE.total_seconds()),
        path="/",
        httponly=True,
        samesite="Lax",
        secure=settings.cookies_are_secure,
    )


def _surplus(names: set[str]) -> list[str]:
    """Return the oldest beyond the bound, making room for one more; the ids in the names sort by age."""
    return sorted(names)[: max(0, len(names) + 1 - MAX_SEAT_COOKIES)]
