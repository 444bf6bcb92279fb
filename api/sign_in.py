"""Signing in: a password, or a code or link by mail; then, for those who have one, a second factor.

Whether an address is known shows nowhere: not in an answer, not in how long it takes. Nothing here is repeated by
`Idempotency-Key`, since what is kept for a repeat would be a session.
"""

from typing import Annotated, Any, Literal

from aiohttp import hdrs, web
from msgspec import Meta, Struct

from api import caller
from api.call import SETTINGS, SIGN_IN, Call, Reply
from api.limits import LIMITS
from api.persons import Email
from medinova_rt.config import Settings
from medinova_rt.ids import UserId
from medinova_rt.operations.network import network
from medinova_rt.passwords import MAXIMUM
from medinova_rt.ports import EmailCode, EmailLink, IdToken, Method, Passkey, Password, RecoveryCode, Totp
from medinova_rt.principals import Half
from medinova_rt.signin import Browser, Entered, Next
from medinova_rt.users import normal_email

DEVICE_LIFE_S = 180 * 24 * 3600

Secret = Annotated[str, Meta(min_length=1, max_length=4 * MAXIMUM)]  # in whatever way its letters are composed
Code = Annotated[str, Meta(min_length=1, max_length=40, description="Spaces and hyphens in it don't count.")]
IdTokenText = Annotated[str, Meta(min_length=1, max_length=8_192)]
Credential = Annotated[
    dict[str, Any], Meta(description="What `PublicKeyCredential.toJSON()` of the browser returns (WebAuthn level 3).")
]


class PasswordSignIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Who it is, and their password."""

    email: Email
    password: Secret


class CodeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Where to send the code."""

    email: Email


class CodeSignIn(Struct, frozen=True, forbid_unknown_fields=True):
    """The six digits that were mailed to that address."""

    email: Email
    code: Code


class LinkSignIn(Struct, frozen=True, forbid_unknown_fields=True):
    """`token` is what follows the `#` of the link."""

    token: Annotated[str, Meta(min_length=1, max_length=100)]


class FirebaseSignIn(Struct, frozen=True, forbid_unknown_fields=True):
    """An ID token of a sign-in of the last 5 minutes; `code` where a second proof was asked for (`not-linked`)."""

    id_token: IdTokenText
    code: Code | None = None


class FirebaseView(Struct, frozen=True):
    """Where the browser signs in at Firebase: Identity Toolkit, and the project's web key."""

    url: str
    key: str


class WaysView(Struct, frozen=True):
    """Who proves who somebody is: this server (`own`), or Firebase, whose ID token is exchanged here."""

    identity: Literal["own", "firebase"]
    firebase: FirebaseView | None


class FactorCode(Struct, frozen=True, forbid_unknown_fields=True):
    """What the authenticator app shows, or one of the recovery codes."""

    code: Code


class PasskeyAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """What the browser made of the options."""

    credential: Credential


class SignInView(Struct, frozen=True):
    """Whether that was all: `second-factor` asks for one of `methods`, `enrol` for setting one up.

    A user who is to enrol is signed in, and may do everything but what their clinics ask a second factor for.
    """

    state: Next
    methods: list[Method]
    user: UserId


async def by_password(call: Call[PasswordSignIn]) -> web.Response:
    """Sign in with a password."""
    claim = Password(call.body.password, normal_email(call.body.email))
    return admit(call, await call.app[SIGN_IN].first(claim, browser_of(call), call.now))


async def send_code(call: Call[CodeRequest]) -> Reply:
    """Have a six-digit code and a link mailed, which sign in once, within 10 minutes.

    The answer is the same whether somebody has that address or not. A new code makes the one before worthless; links
    work until they expire. How many letters an address gets is bounded.
    """
    email = normal_email(call.body.email)
    call.app[LIMITS].letter(call.request)
    await call.app[SIGN_IN].mail_code(email, browser_of(call), call.now)
    return Reply()


async def by_code(call: Call[CodeSignIn]) -> web.Response:
    """Sign in with a code that was mailed; it can be tried five times."""
    claim = EmailCode(normal_email(call.body.email), call.body.code)
    return admit(call, await call.app[SIGN_IN].first(claim, browser_of(call), call.now))


async def by_link(call: Call[LinkSignIn]) -> web.Response:
    """Sign in with a link that was mailed. To open the link does nothing; its page has a button that sends this."""
    return admit(call, await call.app[SIGN_IN].first(EmailLink(call.body.token), browser_of(call), call.now))


async def ways(call: Call[None]) -> Reply:
    """Say how one signs in at this server."""
    firebase = call.app[SETTINGS].firebase
    view = FirebaseView(firebase.paths, firebase.key) if firebase else None
    return Reply(WaysView("firebase" if firebase else "own", view))


async def by_firebase(call: Call[FirebaseSignIn]) -> web.Response:
    """Exchange an ID token of Firebase, once, for a session of ours.

    An account that signs in here for the first time has to have a verified address, which is that of a user here, and
    `code`, a second proof: which would do says the problem `not-linked`; for `mail`, `POST /v1/sign-in/code` sends it.
    """
    claim = IdToken(call.body.id_token, call.body.code or "")
    return admit(call, await call.app[SIGN_IN].first(claim, browser_of(call), call.now))


async def by_totp(call: Call[FactorCode]) -> web.Response:
    """Take the second step with a code of the authenticator app, which is taken once."""
    return admit(call, await call.app[SIGN_IN].second(_half(call), Totp(call.body.code), browser_of(call), call.now))


async def by_recovery(call: Call[FactorCode]) -> web.Response:
    """Take the second step with a recovery code, which is used up."""
    claim = RecoveryCode(call.body.code)
    return admit(call, await call.app[SIGN_IN].second(_half(call), claim, browser_of(call), call.now))


async def passkey_options(call: Call[None]) -> web.Response:
    """Get what to ask the browser for a passkey with: the `publicKey` of `navigator.credentials.get`."""
    half = _half(call)
    return options(await call.app[SIGN_IN].passkey_options(half.user, half.session, call.now))


async def by_passkey(call: Call[PasskeyAnswer]) -> web.Response:
    """Take the second step with a passkey or security key."""
    claim = Passkey(call.body.credential)
    return admit(call, await call.app[SIGN_IN].second(_half(call), claim, browser_of(call), call.now))


def browser_of(call: Call[Any]) -> Browser:
    """Where the request comes from, as signing in looks at it."""
    address = call.principal.address
    return Browser(
        address,
        network(address),
        call.request.headers.get(hdrs.USER_AGENT),
        call.request.cookies.get(call.app[SETTINGS].device_cookie),
    )


def admit(call: Call[Any], entered: Entered, status: int = 200) -> web.Response:
    """Answer whoever has signed in, or half so, with the cookies of the session and of the browser."""
    response = Reply(SignInView(entered.state, entered.methods, entered.user)).response(status)
    caller.set_session(response, call.app[SETTINGS], entered.secret)
    if entered.device is not None:
        _set_device(response, call.app[SETTINGS], entered.device)
    return response


def options(said: Any) -> web.Response:
    return web.json_response(said)


def _set_device(response: web.Response, settings: Settings, device: str) -> None:
    response.set_cookie(
        settings.device_cookie,
        device,
        max_age=DEVICE_LIFE_S,
        path="/",
        httponly=True,
        samesite="Lax",
        secure=settings.cookies_are_secure,
    )


def _half(call: Call[Any]) -> Half:
    assert isinstance(call.principal, Half)
    return call.principal
