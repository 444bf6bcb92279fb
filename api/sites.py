"""What pages of other sites may do here: nothing with our cookies, and what CORS allows to those that are listed.

Browsers state the origin of every unsafe request; a program that states none carries nobody's cookies. Where
`Authorization` is the credential no cookie is looked at (`caller`), and no page can send it here that was not let, so
such a request is taken from anywhere. Signing in sets a cookie, so it is refused from elsewhere although none is sent.

A listed origin (`MEDINOVA_ORIGINS`) may ask with `Authorization`, never with cookies: no answer allows credentials.
"""

from aiohttp import hdrs, web

from api import problems, repeating
from api.call import SETTINGS
from medinova_rt.config import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
PREFLIGHT_S = 600

ASKED_WITH = (
    hdrs.ACCEPT_LANGUAGE,
    hdrs.AUTHORIZATION,
    hdrs.CONTENT_TYPE,
    hdrs.IF_MATCH,
    hdrs.IF_NONE_MATCH,
    repeating.HEADER,
    "traceparent",
    "tracestate",
    "X-Request-Id",
)
SHOWN = (
    "Deprecation",
    hdrs.ETAG,
    hdrs.LINK,
    hdrs.LOCATION,
    "RateLimit",
    "RateLimit-Policy",
    repeating.REPLAYED,
    hdrs.RETRY_AFTER,
    "Sunset",
    hdrs.WWW_AUTHENTICATE,
    "X-Request-Id",
)


def check(request: web.Request) -> None:
    """Raise CrossOrigin for what another site's page may not ask."""
    if request.method in SAFE_METHODS or request.headers.get(
        hdrs.AUTHORIZATION
    ):  # as `caller` asks: an empty one is none
        return
    settings = request.app[SETTINGS]
    origins = request.headers.getall(hdrs.ORIGIN, [])
    sites = request.headers.getall("Sec-Fetch-Site", ["same-origin"])
    if {*sites} <= {"same-origin", "none"} and {*origins} <= {settings.public_url}:
        return
    if hdrs.COOKIE in request.headers or not _listed(request, settings):
        raise problems.CrossOrigin(f"Open the page at {settings.public_url} instead.")


def preflight(request: web.Request) -> web.Response | None:
    """Return the answer to a listed origin that asks what it may ask; None for whatever else was sent."""
    if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
        return None
    refusal = request.match_info.http_exception
    if not _listed(request, request.app[SETTINGS]) or not isinstance(refusal, web.HTTPMethodNotAllowed):
        return None
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": ", ".join(sorted(refusal.allowed_methods)),
            "Access-Control-Allow-Headers": ", ".join(ASKED_WITH),
            "Access-Control-Max-Age": str(PREFLIGHT_S),
        },
    )


def fields(request: web.Request) -> dict[str, str]:
    """Return what lets a listed origin read the answer; with a list, that answers differ by origin."""
    settings = request.app[SETTINGS]
    if not settings.origins:
        return {}
    if not _listed(request, settings):
        return {hdrs.VARY: "Origin"}
    return {
        hdrs.VARY: "Origin",
        "Access-Control-Allow-Origin": request.headers[hdrs.ORIGIN],
        "Access-Control-Expose-Headers": ", ".join(SHOWN),
    }


def _listed(request: web.Request, settings: Settings) -> bool:
    origins = request.headers.getall(hdrs.ORIGIN, [])
    return len(origins) == 1 and bool(settings.origins) and origins[0] in settings.origins.split(",")
