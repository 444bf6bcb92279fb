"""What a whole town stands on, put back when it was taken away; and how often what was asked for was there.

Who signs out, removes a service account or changes a factor is answered for real; then the documents are as before, so
that whoever tries the same operation once more finds something to try it on.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from aiohttp import web
from msgspec.structs import replace

from api import call
from api.route import Route
from medinova_rt import accounts, clinics, documents, emergency, grants, invited, members, sessions
from medinova_rt.adapters import embedded_credentials
from medinova_rt.adapters.embedded_credentials import App, Credentials, Key
from medinova_rt.emergency import Emergency
from medinova_rt.errors import DomainError, NotAuthenticated, NotFound, TooFast
from medinova_rt.ports import Delete, Document, Insert, Replace, Write
from tests.api.town import HERE, Town

SOON = timedelta(hours=1)
PASSKEY = "psk-here"


class Ground:
    """Of one caller."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()  # operation with parameters, `there` or `missing`
        self._town: Town | None = None
        self._kept: dict[tuple[str, str], Document | None] = {}

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be asked around every call; before the town is built."""
        serve: Callable[[Route, web.Request], Awaitable[web.StreamResponse]] = Route.serve

        async def served(route: Route, request: web.Request) -> web.StreamResponse:
            try:
                response = await serve(route, request)
            except (NotAuthenticated, TooFast):
                raise  # before anything was looked for
            except DomainError as error:
                self._count(route, "missing" if isinstance(error, NotFound) else "there")
                raise
            self._count(route, "there")
            if not route.is_safe:
                await self.put_back()
            return response

        monkeypatch.setattr(Route, "serve", served)

    def _count(self, route: Route, what: str) -> None:
        if route.parameters:
            self.calls[route.operation, what] += 1

    @property
    def share(self) -> float:
        """Of the calls that named something, those in which it was there."""
        there = sum(count for (_, what), count in self.calls.items() if what == "there")
        return there / max(1, self.calls.total())

    async def keep(self, town: Town, who: str) -> None:
        """Let the caller have proven who they are for as long as this takes, with all that one can prove it with."""
        self._town = town
        ids = town.ids
        places = [
            (clinics.COLLECTION, HERE),
            (members.ROSTERS, HERE),
            (accounts.COLLECTION, ids["account"]),
            (invited.COLLECTION, ids["invitation"]),
            (invited.COLLECTION, ids["invited"]),
            (emergency.COLLECTION, ids["emergency"]),
            (grants.COLLECTION, ids["relation"]),
            (grants.COLLECTION, members.grant_id(HERE, town.users[ids_of(town, ids["member"])])),
        ]
        taken = await self._get(emergency.COLLECTION, ids["emergency"])
        assert taken is not None
        of = documents.decode(Emergency, taken, emergency.SCHEMA, {})
        places.append((grants.COLLECTION, emergency.grant_id(of.user, of.patient)))
        if who in town.users:
            places += await self._proven(town, who)
        self._kept = {place: await self._get(*place) for place in places}

    async def _proven(self, town: Town, who: str) -> list[tuple[str, str]]:
        session, user, now = town.sessions[who], town.users[who], town.app[call.CLOCK]()
        await self.last(town, who)
        app = App(id="totp-here", secret="JBSWY3DPEHPK3PXP", last_step=0, created_at=now)
        key = Key(id=PASSKEY, name="blue key", credential="AAAA", public_key="AAAA", sign_count=0, created_at=now)
        id_ = embedded_credentials.id_of(user)
        await town.insert(embedded_credentials.COLLECTION, Credentials(id=id_, user=user, app=app, keys=[key]))
        town.ids |= {"session": session, "passkey": PASSKEY}
        return [(sessions.COLLECTION, session), (embedded_credentials.COLLECTION, id_)]

    async def last(self, town: Town, who: str) -> None:
        """Let their session, and their proof of who they are, outlive all of this."""
        held = await town.app[call.STORE].get(sessions.COLLECTION, town.sessions[who])
        assert held is not None
        late = town.app[call.CLOCK]() + SOON
        lasting = replace(
            sessions.read(held), last_seen_at=late, authenticated_at=late, second_at=late, expires_at=late + SOON
        )
        await town.app[call.STORE].transact(
            [Replace(sessions.COLLECTION, held.id, documents.encode(lasting), held.token)]
        )

    async def put_back(self) -> None:
        if self._town is None:
            return
        writes: list[Write] = []
        for (collection, id_), kept in self._kept.items():
            held = await self._town.app[call.STORE].get(collection, id_)
            if held is None and kept is not None:
                writes.append(Insert(collection, id_, kept))
            elif held is not None and kept is None:
                writes.append(Delete(collection, id_, held.token))
            elif held is not None and kept is not None and held.document != kept:
                writes.append(Replace(collection, id_, kept, held.token))
        if writes:
            await self._town.app[call.STORE].transact(writes)

    async def _get(self, collection: str, id_: str) -> Document | None:
        assert self._town is not None
        held = await self._town.app[call.STORE].get(collection, id_)
        return None if held is None else dict(held.document)


def ids_of(town: Town, user: str) -> str:
    return next(who for who, id_ in town.users.items() if id_ == user)
