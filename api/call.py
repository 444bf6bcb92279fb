"""What a handler is given and gives back, and the keys under which the application holds its parts.

`server.py` fills the keys; a handler takes what it needs from `call.app`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Generic, Protocol, TypeVar

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta, Struct

from api import conditions
from medinova_rt.access import Thing
from medinova_rt.accounts import Accounts
from medinova_rt.adapters.outbox_notifier import OutboxNotifier
from medinova_rt.assertions import Assertions
from medinova_rt.clinics import Clinics
from medinova_rt.config import Settings
from medinova_rt.entrance import Entrance
from medinova_rt.erasures import Erasures
from medinova_rt.exports import Exports
from medinova_rt.factors import OwnFactors
from medinova_rt.ids import ClinicId
from medinova_rt.invitations import Invitations
from medinova_rt.links import Links
from medinova_rt.logs import Trail
from medinova_rt.merges import Merges
from medinova_rt.operations.health import Health
from medinova_rt.operations.telemetry import Counters
from medinova_rt.patients import Patients
from medinova_rt.ports import Identity, Rooms, Store
from medinova_rt.principals import Principal
from medinova_rt.register import Register
from medinova_rt.relations import Relations
from medinova_rt.repeats import Repeats
from medinova_rt.sessions import Sessions
from medinova_rt.signed_in import SignedIn
from medinova_rt.signin import SignIn
from medinova_rt.tokens import Tokens
from medinova_rt.users import Users
from medinova_rt.visits import Visits


class Clock(Protocol):
    """Returns the present instant, aware and in UTC."""

    def __call__(self) -> datetime: ...


SETTINGS = web.AppKey("settings", Settings)
SERVICE_KEY = web.AppKey("service_key", str)
SERVICE_CLINIC = web.AppKey("service_clinic", ClinicId)  # whose the service key is
STORE = web.AppKey("store", Store)
REPEATS = web.AppKey("repeats", Repeats)
IDENTITY = web.AppKey("identity", Identity)
SIGN_IN = web.AppKey("sign_in", SignIn)
FACTORS = web.AppKey("factors", OwnFactors)
CLINICS = web.AppKey("clinics", Clinics)
PATIENTS = web.AppKey("patients", Patients)
REGISTER = web.AppKey("register", Register)
MERGES = web.AppKey("merges", Merges)
ERASURES = web.AppKey("erasures", Erasures)
EXPORTS = web.AppKey("exports", Exports)
RELATIONS = web.AppKey("relations", Relations)
USERS = web.AppKey("users", Users)
INVITATIONS = web.AppKey("invitations", Invitations)
VISITS = web.AppKey("visits", Visits)
SESSIONS = web.AppKey("sessions", Sessions)
SIGNED_IN = web.AppKey("signed_in", SignedIn)
TOKENS = web.AppKey("tokens", Tokens)
ACCOUNTS = web.AppKey("accounts", Accounts)
ASSERTIONS = web.AppKey("assertions", Assertions)
ENTRANCE = web.AppKey("entrance", Entrance)
LINKS = web.AppKey("links", Links)
OUTBOX = web.AppKey("outbox", OutboxNotifier)  # only where there is no mail server
ROOMS = web.AppKey("rooms", Rooms)
HEALTH = web.AppKey("health", Health)
COUNTERS = web.AppKey("counters", Counters)
CLOCK = web.AppKey("clock", Clock)
PROTOCOL = web.AppKey("protocol", int)  # what signalling speaks
WEB = web.AppKey("web", Path)  # the folder of the browser client

REQUEST_ID = web.RequestKey[Trail]("request_id")

Instant = Annotated[datetime, Meta(tz=True)]  # RFC 3339

B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Call(Generic[B]):
    """One request that was authenticated, authorised and decoded."""

    app: web.Application
    principal: Principal  # as `access.guard` returned it: by which role it acts
    thing: Thing  # as it stood when access was asked
    path: Mapping[str, str]
    body: B
    query: Any  # the route's `query` Struct, or None
    expected: int | None  # the version of `If-Match`; None: `*`, or the route wants none. Pass it to `changes.change`
    now: datetime
    request: web.Request


@dataclass(frozen=True, slots=True)
class Reply:
    """JSON, with the status that the route states."""

    content: Struct | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None  # only where it differs from the route's
    etag: int | None = None  # the version of the document that `content` shows, and that a change has to name

    def response(self, status: int, *, is_read: bool = False) -> web.Response:
        """Whatever is read has an `ETag`, also without a version; what was changed has one by its version."""
        if self.content is None:
            return web.Response(status=self.status or status, headers=self.headers)
        body = msgspec.json.encode(self.content)
        headers = dict(self.headers)
        if self.etag is not None or is_read:
            headers[hdrs.ETAG] = conditions.tag(self.etag, body)
        return web.Response(
            status=self.status or status,
            body=body,
            content_type="application/json",
            charset="utf-8",
            headers=headers,
        )


AnyCall = Call[Any]
