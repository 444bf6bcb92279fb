"""Around every request: its id, its log line, errors as problem+json, other sites kept out, the browsers' orders."""

import re
import secrets
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from api import caller, limits, malformed, pages, problems, sites, trace
from api.call import COUNTERS, REQUEST_ID, SETTINGS
from api.trace import TRACE
from medinova_rt.config import Settings
from medinova_rt.errors import DomainError, NotFound
from medinova_rt.logs import Log, Trail, Word

log = Log(__name__)

REQUEST_ID_HEADER = "X-Request-Id"
METHODS = {method: Word(method) for method in hdrs.METH_ALL}
OTHER, NONE = Word("other"), Word("none")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id (or keep a plain one that a proxy gave) and write one line about it."""
    request[REQUEST_ID] = _given_id(request.headers.get(REQUEST_ID_HEADER, "")) or Trail(secrets.token_hex(16))
    span = request[TRACE] = trace.begin(
        request.headers.getall("traceparent", []), request.headers.getall("tracestate", [])
    )
    started = time.monotonic()
    response = await handler(request)
    resource = request.match_info.route.resource
    log.info(
        "request",
        request=request[REQUEST_ID],
        trace=span.id,
        span=span.span,
        parent=span.parent,
        method=METHODS.get(request.method, OTHER),
        route=Word(resource.canonical) if resource else NONE,  # never the path: it is whatever somebody typed
        status=response.status,
        duration_ms=round((time.monotonic() - started) * 1000, 1),
    )
    return response


def _given_id(given: str) -> Trail | None:
    """Return the id that a proxy gave, if it is a UUID or 32 hexadecimal digits: no other holds nobody's name."""
    return (
        Trail(given.lower())
        if re.fullmatch(r"(?i)[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", given)
        else None
    )


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever is raised into a problem; what nobody expected goes to the log and is "internal" outside."""
    try:
        return await handler(request)
    except DomainError as error:
        problem = error
    except web.HTTPException as refusal:
        problem = problems.from_http(refusal)
        if isinstance(problem, problems.WrongMethod):
            return _explained(request, problem, {"Allow": refusal.headers[hdrs.ALLOW]})
    except Exception:
        log.exception("a request failed", request=request[REQUEST_ID], trace=request[TRACE].id)
        problem = problems.internal()
    return _explained(request, problem, {})


def _explained(request: web.Request, problem: DomainError, headers: dict[str, str]) -> web.StreamResponse:
    request.app[COUNTERS].add(f"api.problem.{problem.code}")
    if isinstance(problem, NotFound) and (page := pages.lost(request)):
        return page
    response = problems.answer(problem, public_url=request.app[SETTINGS].public_url, request_id=request[REQUEST_ID])
    response.headers.update(headers)
    if caller.ENDED in request:
        caller.clear_session(response, request.app[SETTINGS])
    return response


@web.middleware
async def refuse_other_sites(request: web.Request, handler: Handler) -> web.StreamResponse:
    sites.check(request)
    return sites.preflight(request) or await handler(request)


def harden(app: web.Application, settings: Settings) -> None:
    """Send the headers below with every response, errors, files and upgrades included."""
    headers = security_headers(settings)

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        response.headers[hdrs.SERVER] = malformed.SERVER
        response.headers.update({**limits.fields(request), **sites.fields(request)})
        if REQUEST_ID in request:
            response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]

    app.on_response_prepare.append(add)


def security_headers(settings: Settings) -> dict[str, str]:
    host = urlsplit(settings.public_url).netloc
    sockets = f"{'wss' if settings.is_https else 'ws'}://{host}"  # older Safari: 'self' does not cover WebSockets
    asked = ["'self'", sockets, *([settings.firebase.toolkit] if settings.firebase else [])]
    headers = {
        "Content-Security-Policy": (
            f"default-src 'self'; connect-src {' '.join(asked)}; media-src 'self' blob:; img-src 'self' data: blob:; "
            "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        # what is not named keeps its default, which for all that the pages use is `self`
        "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self)",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",  # what a page or file of the client states itself stays
    }
    if settings.is_https and not settings.is_local:  # there it would spoil http://localhost for everything else
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers
