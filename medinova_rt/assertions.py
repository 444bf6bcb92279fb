"""How a clinic's system signs in: by a short-lived statement that it signed itself (RFC 7523, SMART Backend Services).

A statement works once. Using it inserts a document under an id derived from the account and its `jti`, which stays as
long as the statement could be shown again; of two that come at once, one finds the other's.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import msgspec
from msgspec import Struct

from medinova_rt import audit, documents, tokens
from medinova_rt.accounts import Account, Accounts
from medinova_rt.changes import Held
from medinova_rt.errors import BadInput, Conflict, NotAuthenticated
from medinova_rt.ids import AccountId, ClinicId, derived_id
from medinova_rt.phi import Open
from medinova_rt.ports import MAX_TRANSACT_WRITES, Delete, Find, Insert, Store, encode_instant
from medinova_rt.principals import Service
from medinova_rt.rights import Action

COLLECTION = "used-assertions"
SCHEMA = 1
BY_END = Find(COLLECTION, ordered_by="expires_at")
FINDS: tuple[Find, ...] = (BY_END,)

LIFE = timedelta(minutes=5)
LEEWAY = timedelta(seconds=10)
MAX_ASSERTION = 8_192  # characters; RSA of 4096 bits makes 684 of signature
MAX_JTI = 255
TYPES = (None, "JWT", "client-authentication+jwt")


class UsedAssertion(Struct, frozen=True, kw_only=True):
    """That it is there says that the statement was used."""

    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    expires_at: Open[datetime]


class _Said(Struct, frozen=True, kw_only=True):
    """The claims, of which a signature says whether they are true."""

    iss: Open[str]
    sub: Open[str]
    aud: Open[str]
    exp: Open[float]
    jti: Open[str]
    nbf: Open[float] = 0
    iat: Open[float] = 0


class Assertions:
    def __init__(self, store: Store, accounts: Accounts, token_url: str) -> None:
        self._store = store
        self._accounts = accounts
        self._url = token_url

    async def redeem(self, text: str, now: datetime, address: str | None = None, client_id: str = "") -> Held[Account]:
        """Return the account that signed it (`client_id`, if that was said) and use the statement up.

        Raises NotAuthenticated, whatever is wrong.
        """
        account, said = await self._read(text, now)
        if client_id not in ("", account.value.id):
            raise _refused()
        expires = datetime.fromtimestamp(said.exp, UTC) + LEEWAY
        clinic = account.value.clinic
        used = documents.encode(UsedAssertion(clinic=clinic, expires_at=expires))
        actor = Service(clinic, address, account.value.id, frozenset(account.value.scopes))
        try:
            await self._store.transact(
                [
                    Insert(COLLECTION, derived_id("jti", account.value.id, said.jti), used),
                    audit.record(actor, Action.TOKEN_GRANT, now, clinic=clinic, about=account.value.id),
                ]
            )
        except Conflict:
            raise _refused() from None
        return account

    async def sweep(self, now: datetime) -> bool:
        """Drop some of those that nobody can show again; return whether there may be more."""
        page = await self._store.find(BY_END, below=encode_instant(now), limit=MAX_TRANSACT_WRITES)
        if page.rows:
            await self._store.transact([Delete(COLLECTION, row.id, row.token) for row in page.rows])
        return page.cursor is not None

    async def _read(self, text: str, now: datetime) -> tuple[Held[Account], _Said]:
        """The key is one of the account's by its name, and says by which algorithm it is used."""
        if len(text) > MAX_ASSERTION:
            raise _refused()
        try:
            header, account = tokens.header(text), AccountId(_issuer(text))
            held = await self._accounts.current(account, now)
            keys = held.value.keys if held else ()
            key = next((each for each in keys if each.kid == header.get("kid")), None)
            if held is None or key is None or header.get("typ") not in TYPES:
                raise _refused()
            options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}  # by our clock, below
            claims = jwt.decode(
                text, key.public(), algorithms=[key.algorithm], audience=self._url, issuer=account, options=options
            )
            said = msgspec.convert(claims, _Said)
        except (jwt.PyJWTError, ValueError, BadInput):
            raise _refused() from None
        if said.sub != account or not _in_time(said, now) or not 0 < len(said.jti) <= MAX_JTI:
            raise _refused()
        return held, said


def _issuer(text: str) -> str:
    """Raises ValueError."""
    issuer = tokens.segment(text, 1).get("iss")
    if not isinstance(issuer, str):
        raise ValueError("a statement names who makes it")
    return issuer


def _in_time(said: _Said, now: datetime) -> bool:
    at, leeway = now.timestamp(), LEEWAY.total_seconds()
    return max(said.nbf, said.iat) - leeway <= at < said.exp <= at + LIFE.total_seconds() + leeway


def _refused() -> NotAuthenticated:
    """One answer for all, so that it helps nobody to find out what would pass."""
    return NotAuthenticated("The assertion does not hold.")
