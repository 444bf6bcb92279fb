"""What one proves with who one is: password, authenticator app, passkeys, recovery codes; and to prove it afresh."""

import io
from typing import Annotated, Any

import segno
from aiohttp import web
from msgspec import Meta, Struct

from api import caller
from api.call import FACTORS, SETTINGS, SIGN_IN, Call, Instant, Reply
from api.sign_in import Code, Credential, FactorCode, IdTokenText, Secret, browser_of, options
from medinova_rt.errors import BadInput
from medinova_rt.factors import Changed
from medinova_rt.ids import UserId
from medinova_rt.ports import Claim, EmailCode, Factor, IdToken, Passkey, Password, Totp
from medinova_rt.principals import Person

MAX_NAME = 60


class Proof(Struct, frozen=True, forbid_unknown_fields=True):
    """One of these. `code` is one that `POST /v1/sign-in/code` has mailed, `id_token` one of Firebase."""

    password: Secret | None = None
    totp: Code | None = None
    credential: Credential | None = None
    code: Code | None = None
    id_token: IdTokenText | None = None


class PasswordChange(Struct, frozen=True, forbid_unknown_fields=True):
    """The new password: any characters, at least 8 (staff: 12), at most 256, and none of the commonest. `current` is
    checked where it is sent."""

    password: Secret
    current: Secret | None = None


class PasskeyView(Struct, frozen=True):
    """A passkey or security key."""

    id: str
    name: str
    created_at: Instant
    last_used_at: Instant | None


class NewPasskeyView(Struct, frozen=True):
    """The passkey; with one's first second factor come `recovery_codes`, which are shown this once."""

    id: str
    name: str
    created_at: Instant
    last_used_at: Instant | None
    recovery_codes: list[str]


class FactorsView(Struct, frozen=True):
    """What there is; of the recovery codes, how many are left. `elsewhere`: an identity provider keeps all of it."""

    password: bool
    totp: bool
    passkeys: list[PasskeyView]
    recovery_codes: int
    elsewhere: bool


class TotpView(Struct, frozen=True):
    """For the app: the secret to type, the same as an address, and as a QR code (SVG). Shown this once."""

    secret: str
    uri: str
    qr: str


class RecoveryCodes(Struct, frozen=True):
    """Each stands in for a second factor once. They are shown this once."""

    recovery_codes: list[str]


class NewPasskeyRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What the browser made of the options, and what to call it."""

    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME, pattern=r"^(?! )[^\x00-\x1f\x7f]+(?<! )$")]
    credential: Credential


async def prove(call: Call[Proof]) -> web.Response:
    """Show again that it is you, for what asks for a fresh proof. The session gets a new secret."""
    person = caller.by_cookie(call)
    claim = await _claim(call, person)
    return _renewed(call, await call.app[SIGN_IN].prove(person, claim, browser_of(call), call.now))


async def proof_options(call: Call[None]) -> web.Response:
    """Get what to ask the browser for a passkey with: the `publicKey` of `navigator.credentials.get`."""
    person = _person(call)
    return options(await call.app[SIGN_IN].passkey_options(person.user, person.session, call.now))


async def read(call: Call[None]) -> Reply:
    """List what one has to prove with who one is."""
    have = await call.app[FACTORS].of(_person(call).user)
    keys = [_passkey(each) for each in have.second if each.kind == "passkey"]
    has_app = any(each.kind == "totp" for each in have.second)
    return Reply(FactorsView(have.password, has_app, keys, have.recovery_codes, have.elsewhere))


async def set_password(call: Call[PasswordChange]) -> web.Response:
    """Set or change the password. All other sessions end, and a letter tells of it."""
    person, browser = _person(call), browser_of(call)
    if call.body.current is not None:
        await call.app[SIGN_IN].check(person, Password(call.body.current), call.now)
    secret = await call.app[FACTORS].set_password(person, call.body.password, browser.device, call.now)
    return _renewed(call, secret)


async def begin_totp(call: Call[None]) -> Reply:
    """Begin to set up an authenticator app. It counts once a code of it was confirmed, within 10 minutes."""
    begun = await call.app[FACTORS].begin_totp(_person(call), call.now)
    return Reply(TotpView(begun.secret, begun.uri, _qr(begun.uri)))


async def confirm_totp(call: Call[FactorCode]) -> web.Response:
    """Confirm the app with a code of it. It takes the place of one there was.

    With one's first second factor come recovery codes.
    """
    changed = await call.app[FACTORS].confirm_totp(_person(call), call.body.code, call.now)
    return _shown_once(call, changed)


async def remove_totp(call: Call[None]) -> Reply:
    """Take the authenticator app away, with the last second factor the recovery codes too."""
    person = _person(call)
    await call.app[FACTORS].remove(person, await call.app[FACTORS].totp(person.user), call.now)
    return Reply()


async def passkey_creation(call: Call[None]) -> web.Response:
    """Get what to have the browser make a passkey with: the `publicKey` of `navigator.credentials.create`."""
    return options(await call.app[FACTORS].passkey_options(_person(call), call.now))


async def add_passkey(call: Call[NewPasskeyRequest]) -> web.Response:
    """Add the passkey that the browser made within 5 minutes of the options; up to ten."""
    changed = await call.app[FACTORS].add_passkey(_person(call), call.body.name, call.body.credential, call.now)
    made = changed.enrolled.factor
    assert made is not None
    codes = list(changed.enrolled.recovery_codes)
    view = NewPasskeyView(made.id, made.name, made.created_at, made.last_used_at, codes)
    return _renewed(call, changed.secret, Reply(view, {"Location": f"/v1/me/passkeys/{made.id}"}, 201))


async def remove_passkey(call: Call[None]) -> Reply:
    """Take a passkey away, with the last second factor the recovery codes too."""
    await call.app[FACTORS].remove(_person(call), call.path["passkey"], call.now)
    return Reply()


async def renew_recovery_codes(call: Call[None]) -> web.Response:
    """Get ten new recovery codes; the older ones are worthless then."""
    return _shown_once(call, await call.app[FACTORS].new_recovery_codes(_person(call), call.now))


def _qr(text: str) -> str:
    """As an image of its own (with its namespace), dark on light whatever the page's colours are."""
    picture = io.BytesIO()
    made = segno.make(text, error="m")
    made.save(picture, kind="svg", xmldecl=False, nl=False, scale=4, border=4, light="#fff", dark="#000")
    return picture.getvalue().decode()


async def _claim(call: Call[Proof], person: Person) -> Claim:
    shown = [name for name in Proof.__struct_fields__ if getattr(call.body, name) is not None]
    match call.body:
        case _ if len(shown) != 1:
            raise BadInput("Send one proof: password, totp, credential, code or id_token.")
        case Proof(password=str(password)):
            return Password(password)
        case Proof(totp=str(code)):
            return Totp(code)
        case Proof(credential=dict(credential)):
            return Passkey(credential)
        case Proof(id_token=str(token)):
            return IdToken(token)
        case _:
            assert call.body.code is not None
            return EmailCode(await call.app[SIGN_IN].email_of(UserId(person.user)), call.body.code)


def _shown_once(call: Call[Any], changed: Changed) -> web.Response:
    return _renewed(call, changed.secret, Reply(RecoveryCodes(list(changed.enrolled.recovery_codes)), status=200))


def _renewed(call: Call[Any], secret: str, reply: Reply | None = None) -> web.Response:
    response = (reply or Reply()).response(204)
    caller.set_session(response, call.app[SETTINGS], secret)
    return response


def _passkey(factor: Factor) -> PasskeyView:
    return PasskeyView(factor.id, factor.name, factor.created_at, factor.last_used_at)


def _person(call: Call[Any]) -> Person:
    assert isinstance(call.principal, Person)
    return call.principal
