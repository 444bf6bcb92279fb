"""What a handler is given and gives back, and the keys under which the application holds its parts.

`server.py` fills the keys; a handler takes what it needs from `call.app`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Generic, Protocol, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from medinova_rt.access import Principal
from medinova_rt.clinics import Clinics
from medinova_rt.config import Settings
from medinova_rt.entrance import Entrance
from medinova_rt.ids import ClinicId
from medinova_rt.links import Links
from medinova_rt.operations.health import Health
from medinova_rt.operations.telemetry import Counters
from medinova_rt.ports import Rooms, Store
from medinova_rt.visits import Visits


class Clock(Protocol):
    """Returns the present instant, aware and in UTC."""

    def __call__(self) -> datetime: ...


SETTINGS = web.AppKey("settings", Settings)
SERVICE_KEY = web.AppKey("service_key", str)
SERVICE_CLINIC = web.AppKey("service_clinic", ClinicId)  # whose the service key is
STORE = web.AppKey("store", Store)
CLINICS = web.AppKey("clinics", Clinics)
VISITS = web.AppKey("visits", Visits)
ENTRANCE = web.AppKey("entrance", Entrance)
LINKS = web.AppKey("links", Links)
ROOMS = web.AppKey("rooms", Rooms)
HEALTH = web.AppKey("health", Health)
COUNTERS = web.AppKey("counters", Counters)
CLOCK = web.AppKey("clock", Clock)
PROTOCOL = web.AppKey("protocol", int)  # what signalling speaks
WEB = web.AppKey("web", Path)  # the folder of the browser client

REQUEST_ID = web.RequestKey("request_id", str)

Instant = Annotated[datetime, Meta(tz=True)]  # RFC 3339

B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Call(Generic[B]):
    """One request that was authenticated, authorised and decoded."""

    app: web.Application
    principal: Principal
    path: Mapping[str, str]
    body: B
    now: datetime
    request: web.Request


@dataclass(frozen=True, slots=True)
class Reply:
    """JSON, with the status that the route states."""

    content: Struct | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None  # only where it differs from the route's

    def response(self, status: int) -> web.Response:
        if self.content is None:
            return web.Response(status=self.status or status, headers=self.headers)
        return web.Response(
            status=self.status or status,
            body=msgspec.json.encode(self.content),
            content_type="application/json",
            charset="utf-8",
            headers=self.headers,
        )


AnyCall = Call[Any]
