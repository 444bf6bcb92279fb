"""One's own sessions, signing out, and the access token that a session stands for."""

from aiohttp import web
from msgspec import Struct

from api import caller
from api.call import SESSIONS, SETTINGS, STORE, TOKENS, Call, Instant, Reply
from medinova_rt import audit
from medinova_rt.clinics import PLATFORM
from medinova_rt.devices import UNKNOWN
from medinova_rt.ids import SessionId
from medinova_rt.principals import Half, Person
from medinova_rt.rights import Action
from medinova_rt.tokens import LIFE

CLEARED = '"storage"'


class SessionView(Struct, frozen=True):
    """`device` is what the browser said of itself; `current`: the session that asks."""

    id: SessionId
    created_at: Instant
    last_seen_at: Instant
    device: str
    current: bool


class SessionList(Struct, frozen=True):
    """Newest first: all there are, since there are few."""

    items: list[SessionView]
    next_cursor: None = None


class AccessToken(Struct, frozen=True):
    """A bearer token (RFC 6750); it holds for `expires_in` seconds, and no longer than its session."""

    access_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105  # no secret: how a token is shown
    scope: str | None = None  # of a service account


async def read_all(call: Call[None]) -> Reply:
    """Read where one is signed in."""
    person = _person(call)
    held = await call.app[SESSIONS].of_user(person.user)
    items = [
        SessionView(
            each.id, each.created_at, each.last_seen_at, each.device or UNKNOWN, current=each.id == person.session
        )
        for each in reversed(held)
        if call.now < each.ends_at(person.standing)
    ]
    return Reply(SessionList(items))


async def revoke(call: Call[None]) -> web.Response:
    """Sign one device out; its access tokens end with it. One's own present session is fine, too."""
    session = SessionId(call.path["session"])
    await call.app[SESSIONS].revoke(call.principal, session, call.now)
    response = Reply().response(204)
    if session == call.principal.session:
        caller.clear_session(response, call.app[SETTINGS])
    return response


async def revoke_others(call: Call[None]) -> Reply:
    """Sign out everywhere but here."""
    person = _person(call)
    await call.app[SESSIONS].revoke_all(person, person.user, call.now, but=person.session)
    return Reply()


async def sign_out(call: Call[None]) -> web.Response:
    """End one's session, and have the browser drop what pages kept (`Clear-Site-Data`).

    The cookie goes by its name, not with all others: those of seats stay, so a visit under way goes on, and so do those
    that other servers of the same domain have set. While there is such a visit its pages keep their notes, too.
    """
    assert isinstance(call.principal, Person | Half)
    await call.app[SESSIONS].revoke(call.principal, call.principal.session, call.now, Action.SIGN_OUT)
    settings = call.app[SETTINGS]
    has_seat = any(name.startswith(settings.cookie_name("")) for name in call.request.cookies)
    response = Reply(headers={} if has_seat else {"Clear-Site-Data": CLEARED}).response(204)
    caller.clear_session(response, settings)
    return response


async def issue(call: Call[None]) -> Reply:
    """Get an access token for the present session, for programs that cannot carry its cookie."""
    person = caller.by_cookie(call)
    token = call.app[TOKENS].for_user(person.user, person.session, call.now)
    record = audit.record(person, Action.TOKEN_ISSUE, call.now, clinic=PLATFORM, user=person.user, about=person.session)
    await call.app[STORE].transact([record])
    return Reply(AccessToken(token, int(LIFE.total_seconds())))


def _person(call: Call[None]) -> Person:
    assert isinstance(call.principal, Person)
    return call.principal
