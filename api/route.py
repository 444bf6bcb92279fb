"""One row of the route table, and the one order in which every request is answered.

    size 413 → sign-in 401 → limits 429 → may it be seen? 404, may it be done? 403 → was it done before? (replay, 409,
    422, 400) → is it what the caller saw? 428, 412 → 406, 415, 400, 422 → the handler, and with it state 409

Each step is asked once, here, so that no handler can forget one. What the order buys: nobody unknown learns what is
there, nobody without a right learns its version or what would fit, and a repeated request gets its answer though the
version has moved on. tests/api/test_order.py sends every route what is wrong in each step and in all after it.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web
from msgspec import Struct

from api import bodies, caller, conditions, deprecation, forwarded, problems, repeating, things
from api.call import CLOCK, FACTORS, REPEATS, STORE, AnyCall, Call, Reply
from api.limits import LIMITS
from api.repeating import Repeat
from medinova_rt import access, errors, rights
from medinova_rt.access import NOWHERE, Thing
from medinova_rt.errors import BadInput, DomainError, NotAuthenticated, NotFound, Unavailable
from medinova_rt.principals import Person, Principal, Stranger
from medinova_rt.repeats import Answer
from medinova_rt.rights import Action, Relation

TIME_LIMIT_S = 10.0
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

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
    request: type[Struct] | None = None  # of a PATCH: what is absent is `msgspec.UNSET` (RFC 7396)
    form: bool = False  # the body is a form instead of JSON
    query: type[Struct] | None = None
    response: type[Struct] | None = None
    also: Mapping[int, type[Struct]] = field(default_factory=dict)  # answers of other statuses that are no problems
    produces: str = "application/json"  # of an answer that is not a `response`
    errors: tuple[type[DomainError], ...] = ()  # those of its own; `problems` adds what any route of its kind may raise
    about: str = (
        ""  # the loader (`things.LOADERS`) of what is acted on, where it is not named by the path's last parameter
    )
    repeat: Repeat | None = None  # None: as the method says
    precondition: bool = False  # `If-Match` is mandatory: an existing object is changed
    guessable: bool = False  # a stranger's 401 counts against their network, and too many of them are 429
    deprecated: datetime | None = None  # since when (RFC 9745)
    sunset: datetime | None = None  # from when on it may be gone (RFC 8594)

    @property
    def template(self) -> str:
        """The path as OpenAPI writes it."""
        return re.sub(r"{(\w+):[^}]*}", r"{\1}", self.path)

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.template)

    def admits(self, kind: str) -> bool:
        """Whether a caller of this kind can have the right, to a thing of the nearest relation."""
        return any(who == kind for who, _ in rights.TABLE[self.action])

    @property
    def admits_people(self) -> set[str]:
        """The roles of signed-in users that can have the right; roles of seats have the same names."""
        by_seat = (Relation.SEAT, Relation.VISIT)
        return {who for who, at in rights.TABLE[self.action] if at not in by_seat and who not in ("service", "system")}

    @property
    def is_public(self) -> bool:
        return access.may(Stranger(), self.action, NOWHERE)

    @property
    def is_safe(self) -> bool:
        return self.method in SAFE_METHODS

    @property
    def is_seated(self) -> bool:
        """Whether a seat's cookie is looked for."""
        return "seat" in self.parameters and not self.is_public

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/v1/")

    @property
    def repeats(self) -> Repeat:
        """A stranger's request is bound to nobody, so its answer is kept for nobody."""
        if self.is_safe or self.is_public:
            return Repeat.NEVER
        return Repeat.ALLOWED if self.repeat is None else self.repeat

    @property
    def thing(self) -> str:
        """The name of the loader of what is acted on."""
        return self.about or (self.parameters[-1] if self.parameters else "me")

    @property
    def media_type(self) -> str:
        """Of the request's body."""
        if self.form:
            return bodies.FORM
        return bodies.MERGE_PATCH if self.method == "PATCH" else bodies.JSON

    @property
    def problems(self) -> list[type[DomainError]]:
        """Every error that the route can answer with, by status."""
        possible = {*self.errors, DomainError, Unavailable, errors.TooFast, problems.TooLarge, problems.TooSlow}
        if self.is_api:
            possible |= {BadInput, problems.NotAcceptable}
        if self.request:
            possible |= {BadInput, problems.WrongMediaType}
        if self.is_api and (self.request or self.query):
            possible |= {problems.Senseless}
        if not self.is_public:
            possible |= {NotAuthenticated, errors.Forbidden, NotFound}
        if self.action in rights.FRESH:
            possible |= {errors.ProveAgain}
        if self.parameters:
            possible |= {NotFound}
        if not self.is_safe:
            possible |= {problems.CrossOrigin}
        if self.is_seated:
            possible |= {errors.LinkRevoked}
        if self.guessable:
            possible |= {NotAuthenticated}
        if self.repeats is not Repeat.NEVER:
            possible |= repeating.PROBLEMS
        if self.precondition:
            possible |= {problems.PreconditionRequired, errors.Changed, errors.Conflict}
        return sorted(possible, key=lambda kind: (problems.TABLE[kind].status, kind.code))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        try:
            async with asyncio.timeout(TIME_LIMIT_S):
                response = await self._answer(request)
        except TimeoutError:
            raise Unavailable("This took too long; try again.") from None
        deprecation.mark(response, self.deprecated, self.sunset)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        now = request.app[CLOCK]()
        data = await bodies.read(request)
        principal, thing = await self._admit(request, now)
        ask = repeating.asked(request, self.repeats, principal, data)
        if ask and (kept := await request.app[REPEATS].look(ask, now)):
            return await repeating.replay(request, kept, principal, self.action, thing, now)
        expected = conditions.expected(request, thing.version) if self.precondition else None
        if self.is_api:
            bodies.check_accepts(request, self.produces)
        body = bodies.decode(request, data, self.request, self.media_type) if self.request else None
        query = bodies.decode_query(request, self.query) if self.is_api else None
        call = Call(request.app, principal, thing, request.match_info, body, query, expected, now, request)
        if ask is None:
            return await self._handle(call)
        claimed = await request.app[REPEATS].claim(ask, now)
        if isinstance(claimed, Answer):  # somebody was faster, since we looked
            return await repeating.replay(request, claimed, principal, self.action, thing, now)
        return await repeating.run(request, claimed, lambda: self._handle(call))

    async def _admit(self, request: web.Request, now: datetime) -> tuple[Principal, Thing]:
        """Return who it is and what the path names, when that may be seen and this be done to it."""
        limits = request.app[LIMITS]
        if self.is_public:
            limits.stranger(request, guessable=self.guessable)
            return Stranger(forwarded.address(request)), NOWHERE
        principal = await caller.authenticate(request, now)
        if isinstance(principal, Stranger):
            raise NotAuthenticated("sign in or open your link first")
        limits.caller(request, principal)
        thing = await things.load(request, principal, self.thing)
        limits.clinic(request, principal, thing)
        acting = await access.guard(request.app[STORE], principal, self.action, thing, now)
        if self.action in rights.FRESH_SECOND and isinstance(acting, Person):
            await request.app[FACTORS].require_second(acting, now)
        return acting, thing

    async def _handle(self, call: Call[Any]) -> web.StreamResponse:
        try:
            reply = await self.handler(call)
        except BadInput as fault:  # what was decoded is as documented
            if problems.Senseless in self.problems:
                raise problems.Senseless(str(fault), fault.pointer) from None
            raise
        except NotAuthenticated:
            if self.guessable:
                call.app[LIMITS].failed(call.request)
            raise
        if not isinstance(reply, Reply):
            return reply
        is_read = self.is_safe and self.is_api
        response = reply.response(self.status, is_read=is_read)
        return conditions.not_modified(call.request, response) if is_read else response
