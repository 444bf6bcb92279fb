"""One row of the route table, and the one place where every request is authenticated, authorised and decoded."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from aiohttp import hdrs, web
from msgspec import Struct

from api import caller, problems
from api.call import CLOCK, SERVICE_CLINIC, STORE, VISITS, AnyCall, Call, Reply
from medinova_rt import access, errors, visits
from medinova_rt.access import NOWHERE, Action, Principal, SeatHolder, Stranger, Thing
from medinova_rt.errors import BadInput, DomainError, NotFound, Unavailable
from medinova_rt.ids import SeatId, VisitId
from medinova_rt.operations.limit import Limit
from medinova_rt.operations.network import network

TIME_LIMIT_S = 10.0
MAX_BODY_BYTES = 64 * 1024

STRANGERS = web.AppKey("strangers", Limit)  # by network
HOLDERS = web.AppKey("holders", Limit)  # by seat: each try leaves an audit record

Handler = Callable[[AnyCall], Awaitable[Reply | web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    operation: str  # the operationId: stable, since clients are generated from it
    method: str
    path: str
    handler: Handler
    action: Action
    summary: str
    tag: str
    status: int = 200
    request: type[Struct] | None = None
    response: type[Struct] | None = None
    also: Mapping[int, type[Struct]] = field(default_factory=dict)  # answers of other statuses that are no problems
    produces: str = "application/json"  # of an answer that is not a `response`
    errors: tuple[type[DomainError], ...] = ()  # those of its own; `problems` adds what any route of its kind may raise
    limited: bool = False  # strangers may only try so often

    @property
    def template(self) -> str:
        """The path as OpenAPI writes it."""
        return re.sub(r"{(\w+):[^}]*}", r"{\1}", self.path)

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.template)

    def admits(self, kind: str) -> bool:
        """Whether a caller of this kind can have the right, to a thing of the nearest relation."""
        return any(who == kind for who, _ in access.TABLE[self.action])

    @property
    def is_public(self) -> bool:
        return access.may(Stranger(), self.action, NOWHERE)

    @property
    def is_seated(self) -> bool:
        """Whether a seat's cookie is looked for."""
        return "seat" in self.parameters and not self.is_public

    @property
    def problems(self) -> list[type[DomainError]]:
        """Every error that the route can answer with, by status."""
        possible = {*self.errors, DomainError, Unavailable}
        if self.request:
            possible |= {BadInput, problems.TooLarge, problems.WrongMediaType}
        if not self.is_public:
            possible |= {errors.NotAuthenticated, errors.Forbidden}
        if self.parameters:
            possible |= {NotFound}
        if self.method not in ("GET", "HEAD"):
            possible |= {problems.CrossOrigin}
        if self.is_seated:
            possible |= {errors.LinkRevoked}
        if self.limited or self.is_seated:
            possible |= {errors.TooFast}
        return sorted(possible, key=lambda kind: (problems.TABLE[kind].status, kind.code))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        try:
            async with asyncio.timeout(TIME_LIMIT_S):
                reply = await self._answer(request)
        except TimeoutError:
            raise Unavailable("This took too long; try again.") from None
        return reply.response(self.status) if isinstance(reply, Reply) else reply

    async def _answer(self, request: web.Request) -> Reply | web.StreamResponse:
        now = request.app[CLOCK]()
        if self.limited:
            request.app[STRANGERS].take(network(caller.address(request)), asyncio.get_running_loop().time())
        principal = Stranger(caller.address(request)) if self.is_public else await self._admit(request, now)
        body = await _decode(request, self.request) if self.request else None
        return await self.handler(Call(request.app, principal, request.match_info, body, now, request))

    async def _admit(self, request: web.Request, now: datetime) -> Principal:
        """Ask `access.guard`, once, for everything that is not for everyone."""
        principal = await caller.authenticate(request, now)
        if isinstance(principal, SeatHolder):
            request.app[HOLDERS].take(principal.seat, asyncio.get_running_loop().time())
        thing = NOWHERE if isinstance(principal, Stranger) else await _thing(request)
        await access.guard(request.app[STORE], principal, self.action, thing, now)
        return principal


async def _thing(request: web.Request) -> Thing:
    """Return what the path names; without a visit in it, the clinic itself."""
    if "visit" not in request.match_info:
        return Thing(request.app[SERVICE_CLINIC])
    visit = await request.app[VISITS].find(VisitId(request.match_info["visit"]))
    seat = request.match_info.get("seat")
    return visits.thing(visit, SeatId(seat) if seat else None)


async def _decode(request: web.Request, kind: type[Struct]) -> Struct:
    if request.content_type != "application/json":
        raise problems.WrongMediaType("Send JSON, as application/json.")
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        raise problems.WrongMediaType("Send the body uncompressed.")
    data = await request.read()
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as fault:
        raise problems.from_schema(fault) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise BadInput("The body is not JSON.") from None
