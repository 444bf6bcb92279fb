"""Who is calling: by the credential that the request shows, in this order, or nobody we know.

| shown                                        | makes                                    |
| -------------------------------------------- | ---------------------------------------- |
| `Authorization: Bearer`, the service key     | the clinic's system                      |
| `Authorization: Bearer`, an access token     | its user, or its service account         |
| the cookie of the seat that the path names   | the seat's holder                        |
| the cookie of a session                      | its user, or half of them                |

The first that is shown decides: one that does not hold is 401, whatever else was shown. What a token or a cookie was
made for is asked of the store's memory at every request, so that what is revoked holds no longer.

A token is never a fresh proof of identity (`rights.FRESH`): whoever comes by one may act for five minutes, but not take
the account over, nor make of the token another one or a session.
"""

import hmac
from dataclasses import replace
from datetime import UTC, datetime

from aiohttp import hdrs, web

from api.call import ACCOUNTS, LINKS, SERVICE_CLINIC, SERVICE_KEY, SETTINGS, SIGNED_IN, TOKENS, VISITS, AnyCall
from api.forwarded import address
from medinova_rt.config import Settings
from medinova_rt.entrance import holder
from medinova_rt.errors import Forbidden, NotAuthenticated
from medinova_rt.ids import VisitId
from medinova_rt.principals import Person, Principal, Service, Stranger
from medinova_rt.tokens import Claims

LONG_AGO = datetime.min.replace(tzinfo=UTC)
ENDED = web.RequestKey("ended", bool)  # the session of the cookie is over; `explain` takes the cookie back


async def authenticate(request: web.Request, now: datetime) -> Principal:
    """Return who it is; raises NotAuthenticated if a credential was shown that does not hold."""
    where = address(request)
    if (authorization := request.headers.get(hdrs.AUTHORIZATION)) is not None:  # an empty one holds no more than any
        return await _bearer(request, authorization, now, where)
    settings = request.app[SETTINGS]
    seat = request.match_info.get("seat", "")
    if seat and (cookie := request.cookies.get(settings.cookie_name(seat))) is not None:
        return await _holder(request, cookie, seat, now, where)
    if (cookie := request.cookies.get(settings.session_cookie)) is not None:
        return await _signed_in(request, cookie, now, where)
    return Stranger(where)


async def _bearer(request: web.Request, authorization: str, now: datetime, where: str) -> Principal:
    scheme, _, said = authorization.partition(" ")
    credential, known = said.strip(), request.app[SERVICE_KEY].encode()
    if scheme.lower() != "bearer":
        raise NotAuthenticated("Show the credential as a bearer token.")
    if hmac.compare_digest(credential.encode("utf-8", "replace"), known):
        return Service(request.app[SERVICE_CLINIC], where)
    if credential.count(".") != 2:
        raise NotAuthenticated("The service key is not right.")
    claims = request.app[TOKENS].read(credential, now)
    return await (_account if claims.account else _user)(request, claims, now, where)


async def _user(request: web.Request, claims: Claims, now: datetime, where: str) -> Principal:
    live = await request.app[SIGNED_IN].by_id(claims.session, now) if claims.session else None
    principal = live.principal(where) if live else None
    if not isinstance(principal, Person) or principal.user != claims.user:
        raise NotAuthenticated("The session of this access token is over.")
    return replace(principal, authenticated_at=LONG_AGO, second_at=None)


def by_cookie(call: AnyCall) -> Person:
    """Return the user of a session; raises Forbidden where a token is shown, which must not outlive itself."""
    if hdrs.AUTHORIZATION in call.request.headers or not isinstance(call.principal, Person):
        raise Forbidden("this takes the session itself, not a token of it")
    return call.principal


async def _account(request: web.Request, claims: Claims, now: datetime, where: str) -> Principal:
    held = await request.app[ACCOUNTS].current(claims.account, now) if claims.account else None
    if held is None or held.version != claims.version:
        raise NotAuthenticated("The service account was changed or removed; ask for another token.")
    return Service(held.value.clinic, where, held.value.id, claims.scopes)


async def _holder(request: web.Request, cookie: str, seat: str, now: datetime, where: str) -> Principal:
    grant = request.app[LINKS].read_cookie(cookie, now)
    if (grant.visit, grant.seat) != (VisitId(request.match_info["visit"]), seat):
        raise NotAuthenticated("This seat is not yours.")
    visit = await request.app[VISITS].find(grant.visit)
    if visit is None:
        raise NotAuthenticated("There is no such visit any more.")
    return holder(visit, grant, where)


async def _signed_in(request: web.Request, cookie: str, now: datetime, where: str) -> Principal:
    """A cookie with a secret of before is refused but not taken back: by now the browser may hold the next one."""
    live = await request.app[SIGNED_IN].by_cookie(cookie, now)
    if live is None:
        request[ENDED] = True
        raise NotAuthenticated("This sign-in is over; sign in again.")
    return live.principal(where)


def set_session(response: web.StreamResponse, settings: Settings, secret: str) -> None:
    """Put a session into the browser. No lifetime: the server decides, and a closed browser forgets it."""
    response.set_cookie(
        settings.session_cookie, secret, path="/", httponly=True, samesite="Lax", secure=settings.cookies_are_secure
    )


def clear_session(response: web.StreamResponse, settings: Settings) -> None:
    """Take the session out of the browser, and nothing else: a visit under way keeps its seat's cookie."""
    response.del_cookie(
        settings.session_cookie, path="/", httponly=True, samesite="Lax", secure=settings.cookies_are_secure
    )
