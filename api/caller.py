"""Who is calling: by service key, by the cookie of the seat that the path names, or nobody we know."""

import hmac
from datetime import datetime

from aiohttp import web

from api.call import LINKS, SERVICE_CLINIC, SERVICE_KEY, SETTINGS, VISITS
from api.forwarded import address
from medinova_rt.access import Principal, Service, Stranger
from medinova_rt.config import Settings
from medinova_rt.entrance import holder
from medinova_rt.errors import NotAuthenticated
from medinova_rt.ids import VisitId


async def authenticate(request: web.Request, now: datetime) -> Principal:
    """Return who it is; raises NotAuthenticated if a credential was shown that does not hold."""
    where = address(request)
    if authorization := request.headers.get("Authorization"):
        scheme, _, key = authorization.partition(" ")
        known = request.app[SERVICE_KEY].encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(key.strip().encode("utf-8", "replace"), known):
            raise NotAuthenticated("The service key is not right.")
        return Service(request.app[SERVICE_CLINIC], where)
    seat = request.match_info.get("seat", "")
    cookie = request.cookies.get(request.app[SETTINGS].cookie_name(seat)) if seat else None
    if cookie is None:
        return Stranger(where)
    grant = request.app[LINKS].read_cookie(cookie, now)
    if (grant.visit, grant.seat) != (VisitId(request.match_info["visit"]), seat):
        raise NotAuthenticated("This seat is not yours.")
    visit = await request.app[VISITS].find(grant.visit)
    if visit is None:
        raise NotAuthenticated("There is no such visit any more.")
    return holder(visit, grant, where)


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
