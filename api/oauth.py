"""Access tokens for service accounts (RFC 6749, RFC 7523, SMART Backend Services), and the keys to check tokens by.

Refusals have the body of RFC 6749 §5.2, which OAuth clients read, instead of problem+json. What is refused before a
request is understood (too large, too many, no form) is a problem here as anywhere.
"""

from typing import Annotated

from aiohttp import hdrs
from msgspec import UNSET, Meta, Struct, UnsetType

from api.call import ASSERTIONS, TOKENS, Call, Reply
from api.limits import LIMITS
from api.sessions import AccessToken
from medinova_rt.errors import NotAuthenticated
from medinova_rt.tokens import LIFE

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
KEYS_LIFE_S = 3600  # below the day by which a key is published ahead


def _as(pattern: str) -> Meta:
    """Describe what is looked at later, so that a refusal is OAuth's."""
    return Meta(extra_json_schema={"pattern": pattern})


class TokenRequest(Struct, frozen=True):
    """A parameter that is not known is ignored, as OAuth asks."""

    grant_type: Annotated[str, _as("^client_credentials$")] | UnsetType = UNSET
    client_assertion_type: Annotated[str, _as(f"^{ASSERTION_TYPE}$")] | UnsetType = UNSET
    client_assertion: Annotated[str, _as(r"^[\w-]+\.[\w-]+\.[\w-]+$")] | UnsetType = UNSET
    client_id: str | None = None
    scope: str | None = None


class OAuthError(Struct, frozen=True):
    """RFC 6749 §5.2; programs read `error`."""

    error: str
    error_description: str


class PublicKey(Struct, frozen=True):
    """RFC 8037."""

    kty: str
    crv: str
    x: str
    kid: str
    use: str
    alg: str


class KeySet(Struct, frozen=True):
    """RFC 7517. Tomorrow's key is among them."""

    keys: list[PublicKey]


async def token(call: Call[TokenRequest]) -> Reply:
    """Exchange a statement that a service account signed for an access token.

    The statement is a JWT whose `iss` and `sub` are the account's id, whose `aud` is this address, and that lives at
    most five minutes; its `jti` works once. `scope` names some of what the account may do; without it, all of it.
    """
    asked = call.body
    if asked.grant_type != "client_credentials":
        return _refusal("unsupported_grant_type", "Only client_credentials is known here.")
    if asked.client_assertion_type != ASSERTION_TYPE or asked.client_assertion in (UNSET, ""):
        return _refusal("invalid_request", "A client_assertion of type jwt-bearer is missing.")
    try:
        held = await call.app[ASSERTIONS].redeem(
            str(asked.client_assertion), call.now, call.principal.address, asked.client_id or ""
        )
    except NotAuthenticated as refused:
        call.app[LIMITS].failed(call.request)
        return _refusal("invalid_client", str(refused), status=401)
    scopes = held.value.granted(None if asked.scope is None else asked.scope.split())
    if not scopes:
        return _refusal("invalid_scope", "The account may do nothing of what was asked.")
    made = call.app[TOKENS].for_account(held.value.id, held.version, scopes, call.now)
    return Reply(AccessToken(made, int(LIFE.total_seconds()), scope=" ".join(sorted(scopes))))


async def keys(call: Call[None]) -> Reply:
    """Read the public keys by which access tokens are checked."""
    found = [PublicKey(**key) for key in call.app[TOKENS].jwks(call.now)]
    return Reply(KeySet(found), headers={hdrs.CACHE_CONTROL: f"public, max-age={KEYS_LIFE_S}"})


def _refusal(error: str, description: str, status: int = 400) -> Reply:
    headers = {"WWW-Authenticate": 'Bearer realm="MediNova RT"'} if status == 401 else {}
    return Reply(OAuthError(error, description), headers, status)
