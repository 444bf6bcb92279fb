"""Service accounts: a clinic's systems, each with a name, what it may do, and its public keys.

A system proves that it is itself by a signature (`assertions`), so nothing that is kept here lets anybody in. Keys are
given by value: an address to fetch them from would be an address that others choose and this server visits.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from medinova_rt import audit, changes, documents, turns
from medinova_rt.access import Thing
from medinova_rt.changes import Held
from medinova_rt.errors import BadInput, Changed, Conflict, LimitReached, NotFound
from medinova_rt.grants import FOREVER
from medinova_rt.ids import AccountId, ClinicId, new_id
from medinova_rt.phi import Open
from medinova_rt.ports import Delete, Find, Insert, Store, Stored, Write
from medinova_rt.principals import ServiceScope
from medinova_rt.remembered import Remembered
from medinova_rt.rights import Action

COLLECTION = "accounts"
SCHEMA = 1
BY_CLINIC = Find(COLLECTION, equal=("clinic",), ordered_by="created_at")
FINDS: tuple[Find, ...] = (BY_CLINIC,)

MAX_ACCOUNTS = 50  # of one clinic
MAX_KEYS = 5
MAX_REMEMBERED = 1_000
RSA_BITS = range(2048, 4097)
RSA_EXPONENT = 65537  # the one that everybody makes; a huge one would only cost time

PublicKey = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey
IMPLIED = {ServiceScope.PATIENTS: ServiceScope.PATIENTS_READ}


class Jwk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A public key (RFC 7517): P-384 for ES384, RSA of 2048 to 4096 bits for RS384, Ed25519 for EdDSA."""

    kty: Open[Literal["EC", "RSA", "OKP"]]
    kid: Open[str]
    alg: Open[Literal["ES384", "RS384", "EdDSA"] | None] = None
    use: Open[Literal["sig"] | None] = None
    key_ops: Open[list[Literal["verify"]] | None] = None
    ext: Open[bool | None] = None
    crv: Open[Literal["P-384", "Ed25519"] | None] = None
    x: Open[str | None] = None
    y: Open[str | None] = None
    n: Open[str | None] = None
    e: Open[str | None] = None

    @property
    def algorithm(self) -> str:
        """The one that this key signs with, whatever a signature says."""
        return {"EC": "ES384", "RSA": "RS384", "OKP": "EdDSA"}[self.kty]

    def public(self) -> PublicKey:
        """Raises BadInput for what is no key, or a weak one."""
        members = msgspec.to_builtins(self)
        try:
            key: object = jwt.PyJWK.from_dict(members, algorithm=self.algorithm).key
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            raise BadInput("This is no public key.") from None
        if self.alg not in (None, self.algorithm):
            raise BadInput("The key does not fit its algorithm.")
        match key:
            case EllipticCurvePublicKey() if key.curve.name == "secp384r1":
                return key
            case RSAPublicKey() if key.key_size in RSA_BITS and key.public_numbers().e == RSA_EXPONENT:
                return key
            case Ed25519PublicKey():
                return key
            case _:
                raise BadInput("Keys are P-384, RSA of 2048 to 4096 bits, or Ed25519.")


class Account(Struct, frozen=True, kw_only=True):
    id: Open[AccountId]
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    name: Open[str]  # of a system
    keys: Open[list[Jwk]]
    scopes: Open[list[ServiceScope]]
    disabled: Open[bool] = False
    created_at: Open[datetime]

    def granted(self, asked: Sequence[str] | None) -> frozenset[ServiceScope]:
        """What of the scopes asked for the account has; all of its own where none was named."""
        has = {*self.scopes, *(IMPLIED[scope] for scope in self.scopes if scope in IMPLIED)}
        return frozenset(self.scopes) if asked is None else frozenset(scope for scope in has if scope in asked)


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be another than before."""

    name: str | UnsetType = UNSET
    keys: list[Jwk] | UnsetType = UNSET
    scopes: list[ServiceScope] | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


def read(stored: Stored) -> Account:
    return documents.decode(Account, stored.document, SCHEMA, {})


def thing(held: Held[Account]) -> Thing:
    return Thing(held.value.clinic, kind="account", about=held.value.id, version=held.version)


class Accounts:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._known = Remembered(self._load, MAX_REMEMBERED)

    @property
    def watched(self) -> Mapping[str, Callable[[Write], None]]:
        """As in `signed_in`: the writes after which an account is read again."""
        return {COLLECTION: lambda write: self._known.forget(AccountId(write.id))}

    def forget_all(self) -> None:
        """As in `signed_in`."""
        self._known.forget_all()

    async def current(self, id: AccountId, now: datetime) -> Held[Account] | None:
        """As it stands, or stood a moment ago; None where it is gone or disabled."""
        return await self._known.get(id, now)

    async def held(self, id: AccountId) -> Held[Account] | None:
        return await changes.held(self._store, COLLECTION, id, read)

    async def of_clinic(self, clinic: ClinicId) -> list[Held[Account]]:
        page = await self._store.find(BY_CLINIC, (clinic,), limit=2 * MAX_ACCOUNTS)
        return [Held(read(row), row.version, row.token) for row in page.rows]

    async def create(
        self,
        actor: audit.Actor,
        clinic: ClinicId,
        name: str,
        keys: list[Jwk],
        scopes: Sequence[ServiceScope],
        now: datetime,
    ) -> Held[Account]:
        """Raises BadInput, LimitReached, Conflict."""
        check_keys(keys)
        id_ = AccountId(new_id("acc", now))
        made = Account(id=id_, clinic=clinic, name=name, keys=keys, scopes=sorted(set(scopes)), created_at=now)
        for _ in range(changes.ATTEMPTS):
            turn = await turns.turn(self._store, clinic, turns.place(COLLECTION, clinic))
            if len(await self.of_clinic(clinic)) >= MAX_ACCOUNTS:
                raise LimitReached(f"A clinic has at most {MAX_ACCOUNTS} service accounts.")
            with contextlib.suppress(Conflict):
                token, *_ = await self._store.transact(
                    [Insert(COLLECTION, id_, documents.encode(made)), _record(actor, made, now), turn]
                )
                return Held(made, 1, token)
        raise Conflict("others are changing this; try again")

    async def change(
        self, actor: audit.Actor, id: AccountId, change: Change, now: datetime, expected: int | None
    ) -> Held[Account]:
        """Raises NotFound, Changed, BadInput. Tokens of before hold no longer, whatever was changed."""
        wanted = {
            name: value
            for name in ("name", "keys", "scopes", "disabled")
            if (value := getattr(change, name)) is not UNSET
        }
        check_keys(wanted.get("keys", []))

        def decide(before: Account) -> tuple[Account, list[Write]]:
            after = replace(before, **wanted)
            return (before, []) if after == before else (after, [_record(actor, after, now)])

        return await changes.change(self._store, COLLECTION, id, read, decide, expected)

    async def remove(self, actor: audit.Actor, id: AccountId, now: datetime, expected: int | None) -> None:
        """Raises NotFound, Changed."""
        for _ in range(changes.ATTEMPTS):
            held = await self.held(id)
            if held is None:
                raise NotFound("there is no such thing here")
            if expected is not None and held.version != expected:
                raise Changed("it was changed since you read it; read it again")
            try:
                await self._store.transact([Delete(COLLECTION, id, held.token), _record(actor, held.value, now)])
            except Conflict:
                continue
            return
        raise Conflict("others are changing this; try again")

    async def _load(self, id: AccountId, now: datetime) -> tuple[Held[Account], datetime] | None:
        held = await self.held(id)
        return None if held is None or held.value.disabled else (held, FOREVER)


def check_keys(keys: Sequence[Jwk]) -> None:
    """Raises BadInput, with a pointer to the key at fault."""
    if len(keys) > MAX_KEYS:
        raise BadInput(f"An account has at most {MAX_KEYS} keys.", "/jwks/keys")
    if len({key.kid for key in keys}) < len(keys):
        raise BadInput("Each key needs a kid of its own.", "/jwks/keys")
    for place, key in enumerate(keys):
        try:
            key.public()
        except BadInput as fault:
            raise BadInput(str(fault), f"/jwks/keys/{place}") from None


def _record(actor: audit.Actor, account: Account, now: datetime) -> Insert:
    return audit.record(actor, Action.ACCOUNT_CHANGE, now, clinic=account.clinic, about=account.id)
