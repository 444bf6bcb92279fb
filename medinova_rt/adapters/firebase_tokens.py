"""ID tokens of Firebase: whether one holds, told without asking anybody, and whom it names.

What Google lists for it is checked: RS256 by a key of Google's that the header names, `aud` the project, `iss` its
issuer, `sub` the account, `exp`, `iat` and `auth_time`; and that whoever it names signed in just now (`FRESH`), since a
token is exchanged once for a session of ours, and kept nowhere. Its custom claims are not looked at: Firebase says who
somebody is, and our memberships what they may.

The emulator signs nothing (`alg: none`). Its tokens are read by a class of their own, which the settings must ask for
(`medinova_rt/doorman.py`): the one here has no way to take an unsigned token.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from msgspec import Struct

from medinova_rt import tokens
from medinova_rt.errors import NotAuthenticated
from medinova_rt.phi import Open, Private

FRESH = timedelta(minutes=5)  # since the sign-in at Firebase
LEEWAY = timedelta(seconds=30)  # that Google's clock may be ahead or behind
LONGEST = timedelta(hours=1)  # that a token of Firebase's lives
MAX_TOKEN = 8_192  # characters; theirs have about 1,000, and custom claims 1,000 more
MAX_UID = 128
MAX_KEY_ID = 128
ALGORITHM = "RS256"


@dataclass(frozen=True, slots=True)
class Said:
    """What a token that holds says. `digest` is of what was signed, of which there is one writing only."""

    uid: str
    authenticated_at: datetime
    email: str = field(repr=False)  # empty: none
    email_verified: bool
    second: bool  # a second factor was part of it
    digest: str

    @property
    def expires_at(self) -> datetime:
        """When it can no longer be exchanged."""
        return self.authenticated_at + FRESH + LEEWAY


class _How(Struct, frozen=True):
    sign_in_provider: Open[str] = ""
    sign_in_second_factor: Open[str] = ""
    tenant: Open[str] = ""


class _Claims(Struct, frozen=True):
    iss: Open[str]
    aud: Open[str]
    sub: Open[str]
    iat: Open[int]
    exp: Open[int]
    auth_time: Open[int]
    firebase: Open[_How]
    email: Private[str] = ""
    email_verified: Open[bool] = False


class Keys(Protocol):
    async def key(self, id: str, now: datetime) -> RSAPublicKey | None: ...


class FirebaseTokens:
    def __init__(self, project: str, keys: Keys) -> None:
        self._project = project
        self._keys = keys

    async def read(self, text: str, now: datetime) -> Said:
        """Raises NotAuthenticated, whatever is wrong; Unavailable where Google's keys are not to be had."""
        header = _header(text)
        name = header.get("kid")
        if header.get("alg") != ALGORITHM or "crit" in header or not isinstance(name, str):
            raise _refused()
        if not 0 < len(name) <= MAX_KEY_ID:
            raise _refused()
        key = await self._keys.key(name, now)
        if key is None:
            raise _refused()
        # what a library finds by the clock, and by whom it is for, is found below by ours, with an end to every claim
        options: Any = {f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}
        try:
            claims = jwt.decode(text, key, algorithms=[ALGORITHM], options=options)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise _refused() from None
        return _said(claims, text, self._project, now)


class EmulatedTokens:
    """Takes what the emulator makes, so anybody can make it: for a server that only this machine sees."""

    def __init__(self, project: str) -> None:
        self._project = project

    async def read(self, text: str, now: datetime) -> Said:
        """Raises NotAuthenticated."""
        if _header(text).get("alg") != "none" or not text.endswith("."):
            raise _refused()
        try:
            claims = tokens.segment(text, 1)
        except ValueError:
            raise _refused() from None
        return _said(claims, text, self._project, now)


def _header(text: str) -> dict[str, Any]:
    if len(text) > MAX_TOKEN or text.count(".") != 2 or not text.isascii():
        raise _refused()
    try:
        return tokens.header(text)
    except ValueError:
        raise _refused() from None


def _said(claims: dict[str, Any], text: str, project: str, now: datetime) -> Said:
    try:
        said = msgspec.convert(claims, _Claims)
    except msgspec.ValidationError:
        raise _refused() from None
    if (said.aud, said.iss) != (project, f"https://securetoken.google.com/{project}"):
        raise _refused()
    if not 0 < len(said.sub) <= MAX_UID or said.firebase.tenant or not _in_time(said, now):
        raise _refused()
    return Said(
        uid=said.sub,
        authenticated_at=datetime.fromtimestamp(said.auth_time, UTC),
        email=said.email,
        email_verified=said.email_verified,
        second=bool(said.firebase.sign_in_second_factor),
        digest=hashlib.sha256(text.rpartition(".")[0].encode()).hexdigest(),
    )


def _in_time(said: _Claims, now: datetime) -> bool:
    at, leeway = now.timestamp(), LEEWAY.total_seconds()
    is_issued = said.auth_time <= said.iat + leeway and max(said.iat, said.auth_time) <= at + leeway
    lives = at < said.exp + leeway and said.exp <= said.iat + LONGEST.total_seconds() + leeway
    return is_issued and lives and at <= said.auth_time + FRESH.total_seconds() + leeway


def _refused() -> NotAuthenticated:
    """One answer for all, so that it helps nobody to find out what would pass."""
    return NotAuthenticated("that does not prove who you are")
