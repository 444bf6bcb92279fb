"""Access tokens: JWTs signed with Ed25519 (RFC 9068) that live five minutes.

The keys are stored nowhere: each day has one, derived from the server's secret and the day's number (HKDF-SHA-256), so
that every process of a server has the same. `kid` is the day and a fingerprint of the key. The key of the day signs;
that of yesterday counts as long as tokens of it can live; that of tomorrow is published a day before it signs. With
`old_secret` the secret itself rotates: what was signed by keys of the old one goes on counting.

That a token holds says who it was made for, not that it still counts: its session, or its account, is asked for at
every request. So the claims of a token are remembered by its digest, and a signature is checked once.
"""

import base64
import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from medinova_rt.errors import NotAuthenticated
from medinova_rt.ids import AccountId, SessionId, UserId
from medinova_rt.phi import Open
from medinova_rt.principals import ServiceScope

LIFE = timedelta(minutes=5)
LEEWAY = timedelta(seconds=30)  # between the clocks of one server's processes
DAY = timedelta(days=1)
ALGORITHM = "EdDSA"
TYPE = "at+jwt"
BROWSER = "medinova-web"  # `client_id` of what a signed-in user asked for
MAX_TOKEN = 2_048  # characters; ours have about 600
MAX_REMEMBERED = 20_000  # the one checked longest ago goes
MAX_KEYS = 16  # derived and at hand


@dataclass(frozen=True, slots=True)
class Claims:
    """Whom a token was made for: a user, in a session, or a service account at one version of it."""

    expires_at: datetime
    user: UserId | None = None
    session: SessionId | None = None
    account: AccountId | None = None
    version: int = 0
    scopes: frozenset[ServiceScope] = frozenset()


@dataclass(frozen=True, slots=True)
class Key:
    id: str
    private: Ed25519PrivateKey
    public: Ed25519PublicKey
    header: str  # of every token that it signs, base64url

    def jwk(self) -> dict[str, str]:
        """RFC 8037."""
        x = base64.urlsafe_b64encode(self.public.public_bytes_raw()).rstrip(b"=").decode()
        return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.id, "use": "sig", "alg": ALGORITHM}


class _Said(Struct, frozen=True):
    """RFC 9068, and what is ours in it."""

    iss: Open[str]
    aud: Open[str]
    sub: Open[str]
    iat: Open[int]
    exp: Open[int]
    jti: Open[str]
    client_id: Open[str]
    sid: Open[str | None] = None  # of a user's
    ver: Open[int | None] = None  # of an account's
    scope: Open[str] = ""


_said = msgspec.json.Decoder(_Said)


class Tokens:
    def __init__(self, secret: bytes, issuer: str, old_secret: bytes | None = None) -> None:
        """`issuer`: the public URL, which is the audience, too."""
        self._secrets = (secret,) if old_secret is None else (secret, old_secret)
        self._issuer = issuer
        self._keys: dict[tuple[int, int], Key] = {}
        self._known: dict[bytes, Claims] = {}

    def for_user(self, user: UserId, session: SessionId, now: datetime) -> str:
        return self._sign({"sub": user, "sid": session, "client_id": BROWSER}, now)

    def for_account(self, account: AccountId, version: int, scopes: Iterable[ServiceScope], now: datetime) -> str:
        return self._sign(
            {"sub": account, "client_id": account, "ver": version, "scope": " ".join(sorted(scopes))}, now
        )

    def read(self, token: str, now: datetime) -> Claims:
        """Raises NotAuthenticated."""
        if len(token) > MAX_TOKEN:
            raise _refused()
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        claims = self._known.get(digest)
        if claims is None:
            claims = self._check(token, now)
            self._known[digest] = claims
            if len(self._known) > MAX_REMEMBERED:
                del self._known[next(iter(self._known))]
        if now >= claims.expires_at:
            self._known.pop(digest, None)
            raise _refused()
        return claims

    def jwks(self, now: datetime) -> list[dict[str, str]]:
        """The keys by which tokens are checked now, and tomorrow's."""
        return [key.jwk() for key in self._published(now)]

    # --- checking ---

    def _check(self, token: str, now: datetime) -> Claims:
        """The header is compared as text with those that our keys write, so nothing that it says decides anything.

        A library that reads any JWT costs as much again as the signature.
        """
        signed, _, signature = token.rpartition(".")
        said_header, _, said = signed.partition(".")
        key = next((each for each in self._published(now) if each.header == said_header), None)
        if key is None:
            raise _refused()
        try:
            key.public.verify(_bytes(signature), signed.encode("ascii"))
            claims = _said.decode(_bytes(said))
            if claims.iss != self._issuer or claims.aud != self._issuer:
                raise _refused()
            return _claims(claims, key, now)
        except (InvalidSignature, msgspec.MsgspecError, ValueError):
            raise _refused() from None

    def _published(self, now: datetime) -> Iterator[Key]:
        """Today's first. Those of before today only while a token of theirs can live."""
        today = _day(now)
        days = [today, today + 1]
        if _day(now - LIFE - LEEWAY) < today:
            days.append(today - 1)
        return (self._key(which, day) for day in days for which in range(len(self._secrets)))

    # --- signing ---

    def _sign(self, about: Mapping[str, object], now: datetime) -> str:
        key = self._key(0, _day(now))
        issued = int(now.timestamp())
        claims = {
            "iss": self._issuer,
            "aud": self._issuer,
            "iat": issued,
            "exp": issued + int(LIFE.total_seconds()),
            "jti": secrets.token_urlsafe(16),
            **about,
        }
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"typ": TYPE, "kid": key.id})

    def _key(self, which: int, day: int) -> Key:
        key = self._keys.get((which, day))
        if key is None:
            if len(self._keys) >= MAX_KEYS:
                self._keys.clear()
            key = self._keys[which, day] = _derived(self._secrets[which], day)
        return key


def header(token: str) -> dict[str, Any]:
    """Raises ValueError. Of a header alone, since PyJWT's own way to it reads the whole token."""
    return segment(token, 0)


def segment(token: str, place: int) -> dict[str, Any]:
    """What a JWT says there, true or not; raises ValueError."""
    part = [*token.split(".", 3), ""][place]
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        raise ValueError("this is no JWT") from None


def _bytes(part: str) -> bytes:
    """Raises ValueError, also for base64 that has a second way of writing it: one token, one text."""
    data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part.encode():
        raise ValueError("this is no base64url")
    return data


def _derived(secret: bytes, day: int) -> Key:
    seed = HKDF(SHA256(), length=32, salt=None, info=b"medinova access token key %d" % day).derive(secret)
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = private.public_key()
    name = f"{day}-{hashlib.sha256(public.public_bytes_raw()).hexdigest()[:12]}"
    header, _, _ = jwt.encode({}, private, algorithm=ALGORITHM, headers={"typ": TYPE, "kid": name}).partition(".")
    return Key(name, private, public, header)


def _claims(said: _Said, key: Key, now: datetime) -> Claims:
    """What is signed is ours; asked is only whether it is in its time."""
    issued, expires = datetime.fromtimestamp(said.iat, UTC), datetime.fromtimestamp(said.exp, UTC)
    if issued > now + LEEWAY or expires - issued > LIFE or not key.id.startswith(f"{_day(issued)}-"):
        raise _refused()
    if said.sid is not None:
        return Claims(expires, user=UserId(said.sub), session=SessionId(said.sid))
    if said.ver is None:
        raise _refused()
    scopes = frozenset(ServiceScope(scope) for scope in said.scope.split())
    return Claims(expires, account=AccountId(said.sub), version=said.ver, scopes=scopes)


def _day(now: datetime) -> int:
    return int(now.timestamp()) // int(DAY.total_seconds())


def _refused() -> NotAuthenticated:
    """One answer for all, so that it helps nobody to find out what would pass."""
    return NotAuthenticated("The access token does not hold.")
