"""The one table of everything served over HTTP: it answers the requests and writes /openapi.json and /docs.

The WebSocket of a visit is mounted beside it (signaling) and described at /asyncapi.json.
"""

import functools

import msgspec
from aiohttp import web

from api import (
    accesses,
    accounts,
    emergencies,
    health,
    links,
    oauth,
    openapi,
    outbox,
    pages,
    paging,
    reference,
    seats,
    sessions,
    visits,
)
from api.bodies import MAX_BODY_BYTES
from api.call import HEALTH, SETTINGS, Call
from api.limits import LIMITS, Limits
from api.middleware import explain, harden, observe, refuse_other_sites
from api.repeating import Repeat
from api.route import Route
from medinova_rt.access import Action
from medinova_rt.config import Settings
from medinova_rt.errors import Conflict, LimitReached, LinkExpired, LinkRevoked, NotAuthenticated, NotFound, WrongState
from medinova_rt.operations.health import Readiness

MIDDLEWARES = (observe, explain, refuse_other_sites)  # outermost first


async def openapi_json(call: Call[None]) -> web.Response:
    """This description, in OpenAPI 3.1."""
    document, _ = _description(call.app[HEALTH].version, call.app[SETTINGS].public_url)
    return web.Response(body=document, content_type="application/json", charset="utf-8")


async def docs(call: Call[None]) -> web.Response:
    """This description, to read."""
    _, page = _description(call.app[HEALTH].version, call.app[SETTINGS].public_url)
    return web.Response(text=page, content_type="text/html")


async def docs_style(call: Call[None]) -> web.Response:
    """How /docs looks."""
    return web.Response(text=reference.STYLE, content_type="text/css", headers={"Cache-Control": "no-cache"})


ROUTES: tuple[Route, ...] = (
    Route(
        operation="createVisit",
        method="POST",
        path="/v1/visits",
        handler=visits.create,
        repeat=Repeat.REQUIRED,
        action=Action.VISIT_CREATE,
        request=visits.NewVisit,
        response=visits.VisitView,
        status=201,
        errors=(LimitReached,),
        summary="Create a visit",
        tag="visits",
    ),
    Route(
        operation="readVisit",
        method="GET",
        path="/v1/visits/{visit}",
        handler=visits.read,
        action=Action.VISIT_READ,
        response=visits.VisitView,
        summary="Read a visit",
        tag="visits",
    ),
    Route(
        operation="endVisit",
        method="POST",
        path="/v1/visits/{visit}/end",
        handler=visits.end,
        precondition=True,
        action=Action.VISIT_END,
        response=visits.VisitView,
        errors=(WrongState,),
        summary="End a visit",
        tag="visits",
    ),
    Route(
        operation="addSeat",
        method="POST",
        path="/v1/visits/{visit}/seats",
        handler=visits.add_seat,
        repeat=Repeat.REQUIRED,
        action=Action.SEAT_ADD,
        request=visits.NewSeat,
        response=visits.SeatView,
        status=201,
        errors=(Conflict, LimitReached, WrongState),
        summary="Add a seat",
        tag="visits",
    ),
    Route(
        operation="readSeat",
        method="GET",
        path="/v1/visits/{visit}/seats/{seat}",
        handler=seats.read,
        action=Action.SEAT_READ,
        response=seats.OwnSeat,
        summary="Read one's own seat",
        tag="seats",
    ),
    Route(
        operation="addLink",
        method="POST",
        path="/v1/visits/{visit}/seats/{seat}/links",
        handler=visits.add_link,
        repeat=Repeat.REQUIRED,
        action=Action.LINK_ADD,
        response=visits.LinkView,
        status=201,
        errors=(Conflict, LimitReached, WrongState),
        summary="Add a join link",
        tag="links",
    ),
    Route(
        operation="revokeLink",
        method="DELETE",
        path="/v1/visits/{visit}/links/{link}",
        handler=visits.revoke_link,
        precondition=True,
        action=Action.LINK_REVOKE,
        status=204,
        summary="Revoke a join link",
        tag="links",
    ),
    Route(
        operation="exchangeLink",
        method="POST",
        path="/v1/links/exchange",
        handler=links.exchange,
        action=Action.LINK_EXCHANGE,
        request=links.Exchange,
        response=links.Admission,
        errors=(LinkExpired, LinkRevoked, NotAuthenticated, WrongState),
        guessable=True,
        summary="Exchange a join link",
        tag="links",
    ),
    Route(
        operation="readOutbox",
        method="GET",
        path="/v1/outbox",
        handler=outbox.read,
        action=Action.OUTBOX_READ,
        about="nowhere",
        query=paging.Paging,
        response=outbox.OutboxPage,
        errors=(NotFound,),
        summary="Read the outbox",
        tag="operations",
    ),
    Route(
        operation="takeEmergency",
        method="POST",
        path="/v1/patients/{patient}/emergency",
        handler=emergencies.take,
        action=Action.EMERGENCY_TAKE,
        repeat=Repeat.REQUIRED,
        request=emergencies.NewEmergency,
        response=emergencies.EmergencyTaken,
        status=201,
        errors=(Conflict, LimitReached, WrongState),
        summary="Take emergency access to a record",
        tag="patients",
    ),
    Route(
        operation="listAccesses",
        method="GET",
        path="/v1/patients/{patient}/accesses",
        handler=accesses.read,
        action=Action.PATIENT_ACCESSES,
        query=paging.Paging,
        response=accesses.AccessPage,
        summary="Read who saw a record",
        tag="patients",
    ),
    Route(
        operation="listEmergencies",
        method="GET",
        path="/v1/clinics/{clinic}/emergencies",
        handler=emergencies.list_,
        action=Action.EMERGENCY_LIST,
        query=paging.Paging,
        response=emergencies.EmergencyPage,
        summary="List the emergencies of a clinic",
        tag="clinics",
    ),
    Route(
        operation="endEmergency",
        method="DELETE",
        path="/v1/clinics/{clinic}/emergencies/{emergency}",
        handler=emergencies.end,
        action=Action.EMERGENCY_END,
        precondition=True,
        status=204,
        summary="End an emergency",
        tag="clinics",
    ),
    Route(
        operation="signOut",
        method="POST",
        path="/v1/sign-out",
        handler=sessions.sign_out,
        action=Action.SIGN_OUT,
        status=204,
        repeat=Repeat.NEVER,
        errors=(Conflict,),
        summary="Sign out",
        tag="sessions",
    ),
    Route(
        operation="listSessions",
        method="GET",
        path="/v1/me/sessions",
        handler=sessions.read_all,
        action=Action.SESSION_LIST,
        response=sessions.SessionList,
        summary="Read where one is signed in",
        tag="sessions",
    ),
    Route(
        operation="revokeSession",
        method="DELETE",
        path="/v1/me/sessions/{session}",
        handler=sessions.revoke,
        action=Action.SESSION_REVOKE,
        status=204,
        errors=(Conflict,),
        summary="Sign one device out",
        tag="sessions",
    ),
    Route(
        operation="revokeOtherSessions",
        method="POST",
        path="/v1/me/sessions/revoke-others",
        handler=sessions.revoke_others,
        action=Action.SESSION_REVOKE,
        status=204,
        errors=(Conflict,),
        summary="Sign out everywhere but here",
        tag="sessions",
    ),
    Route(
        operation="issueToken",
        method="POST",
        path="/v1/me/token",
        handler=sessions.issue,
        action=Action.TOKEN_ISSUE,
        response=sessions.AccessToken,
        repeat=Repeat.NEVER,
        summary="Get an access token",
        tag="sessions",
    ),
    Route(
        operation="grantToken",
        method="POST",
        path="/oauth/token",
        handler=oauth.token,
        action=Action.TOKEN_GRANT,
        request=oauth.TokenRequest,
        form=True,
        response=sessions.AccessToken,
        also={400: oauth.OAuthError, 401: oauth.OAuthError},
        guessable=True,
        summary="Get an access token for a service account",
        tag="service accounts",
    ),
    Route(
        operation="readKeys",
        method="GET",
        path="/.well-known/jwks.json",
        handler=oauth.keys,
        action=Action.KEYS_READ,
        response=oauth.KeySet,
        summary="Read the keys of access tokens",
        tag="service accounts",
    ),
    Route(
        operation="listServiceAccounts",
        method="GET",
        path="/v1/clinics/{clinic}/service-accounts",
        handler=accounts.read_all,
        action=Action.ACCOUNT_LIST,
        response=accounts.AccountList,
        summary="Read the service accounts of a clinic",
        tag="service accounts",
    ),
    Route(
        operation="addServiceAccount",
        method="POST",
        path="/v1/clinics/{clinic}/service-accounts",
        handler=accounts.create,
        action=Action.ACCOUNT_CHANGE,
        request=accounts.NewAccount,
        response=accounts.AccountView,
        status=201,
        errors=(LimitReached,),
        repeat=Repeat.REQUIRED,
        summary="Make a service account",
        tag="service accounts",
    ),
    Route(
        operation="readServiceAccount",
        method="GET",
        path="/v1/clinics/{clinic}/service-accounts/{account}",
        handler=accounts.read,
        action=Action.ACCOUNT_LIST,
        response=accounts.AccountView,
        summary="Read a service account",
        tag="service accounts",
    ),
    Route(
        operation="changeServiceAccount",
        method="PATCH",
        path="/v1/clinics/{clinic}/service-accounts/{account}",
        handler=accounts.change,
        action=Action.ACCOUNT_CHANGE,
        request=accounts.AccountChange,
        response=accounts.AccountView,
        precondition=True,
        summary="Change a service account",
        tag="service accounts",
    ),
    Route(
        operation="removeServiceAccount",
        method="DELETE",
        path="/v1/clinics/{clinic}/service-accounts/{account}",
        handler=accounts.remove,
        action=Action.ACCOUNT_CHANGE,
        status=204,
        precondition=True,
        summary="Remove a service account",
        tag="service accounts",
    ),
    Route(
        operation="isAlive",
        method="GET",
        path="/healthz",
        handler=health.healthz,
        action=Action.HEALTH_READ,
        response=health.Alive,
        summary="Is the server alive?",
        tag="operations",
    ),
    Route(
        operation="isReady",
        method="GET",
        path="/readyz",
        handler=health.readyz,
        action=Action.HEALTH_READ,
        response=Readiness,
        also={503: Readiness},
        summary="Is the server ready?",
        tag="operations",
    ),
    Route(
        operation="readMetrics",
        method="GET",
        path="/metrics",
        handler=health.metrics,
        action=Action.METRICS_READ,
        produces="text/plain",
        summary="Read the counters",
        tag="operations",
    ),
    Route(
        operation="readOpenApi",
        method="GET",
        path="/openapi.json",
        handler=openapi_json,
        action=Action.PAGE_READ,
        summary="Read this description",
        tag="operations",
    ),
    Route(
        operation="readDocs",
        method="GET",
        path="/docs",
        handler=docs,
        action=Action.PAGE_READ,
        summary="Read this description as a page",
        tag="pages",
    ),
    Route(
        operation="readDocsStyle",
        method="GET",
        path="/docs/style.css",
        handler=docs_style,
        action=Action.PAGE_READ,
        summary="Read the style of that page",
        tag="pages",
    ),
    *(
        Route(
            operation=f"open{name}",
            method="GET",
            path=path,
            handler=pages.page,
            action=Action.PAGE_READ,
            summary=summary,
            tag="pages",
        )
        for name, path, summary in (
            ("Home", "/", "Open the front page"),
            ("SignIn", "/sign-in", "Sign in"),
            ("Invitation", "/invitation", "Open an invitation"),
            ("Profile", "/profile", "Open one's own profile"),
            ("People", "/people", "Open the people of a clinic"),
            ("Patients", "/patients", "Open the patients of a clinic"),
            ("Accesses", "/accesses", "Open who saw a record"),
            ("Outbox", "/outbox", "Open the letters of a server without a mail server"),
        )
    ),
    Route(
        operation="openJoin",
        method="GET",
        path="/join",
        handler=pages.join,
        action=Action.PAGE_READ,
        summary="Open a join link",
        tag="pages",
    ),
    Route(
        operation="openVisit",
        method="GET",
        path="/visit/{visit}/{seat}",
        handler=pages.visit,
        action=Action.PAGE_READ,
        summary="Open the page of a seat",
        tag="pages",
    ),
    Route(
        operation="readIcon",
        method="GET",
        path="/favicon.ico",
        handler=pages.icon,
        action=Action.PAGE_READ,
        summary="Read the icon",
        tag="pages",
    ),
    Route(
        operation="readAsset",
        method="GET",
        path="/web/{name:.+}",
        handler=pages.asset,
        action=Action.PAGE_READ,
        summary="Read a file of the pages",
        tag="pages",
    ),
)


@functools.lru_cache(maxsize=1)
def _description(version: str, public_url: str) -> tuple[bytes, str]:
    """Return /openapi.json and /docs, made once."""
    document = openapi.document(ROUTES, version=version, public_url=public_url)
    return msgspec.json.encode(document), reference.page(document)


def make_app(settings: Settings) -> web.Application:
    """Return an application that serves the table; its parts (`api.call`) are put in by whoever starts it."""
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=MAX_BODY_BYTES)
    app[LIMITS] = Limits()
    harden(app, settings)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, route.serve)
        if route.method == "GET":
            app.router.add_route("HEAD", route.path, route.serve)
    return app
