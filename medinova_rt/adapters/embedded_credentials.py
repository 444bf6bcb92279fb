"""What the embedded identity keeps of each user: hash of the password, secret of the app, passkeys, recovery codes.

One document per user, under an id derived from theirs, in a collection of its own: who reads users never reads these.
"""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from medinova_rt import changes, documents
from medinova_rt.changes import Held
from medinova_rt.clinics import PLATFORM
from medinova_rt.ids import ClinicId, UserId, derived_id
from medinova_rt.phi import Basis, Open, Private, Sealing
from medinova_rt.ports import Factor, Factors, Insert, Store, Stored, Write

COLLECTION = "credentials"
SCHEMA = 1


class App(Struct, frozen=True, kw_only=True):
    """An authenticator app."""

    id: Open[str]
    secret: Private[str]  # base 32; has to be had in the clear to know the code of now
    last_step: Open[int]  # of 30 s since 1970, whose code was used: it and those before are never taken again
    created_at: Open[datetime]
    last_used_at: Open[datetime | None] = None


class Key(Struct, frozen=True, kw_only=True):
    """A passkey or security key."""

    id: Open[str]
    name: Private[str]
    credential: Private[str]  # its own id, base64url
    public_key: Private[str]  # COSE, base64url
    sign_count: Open[int]
    created_at: Open[datetime]
    last_used_at: Open[datetime | None] = None


class Credentials(Struct, frozen=True, kw_only=True):
    id: Open[str]
    clinic: Open[ClinicId] = PLATFORM
    schema: Open[int] = SCHEMA
    user: Open[UserId]
    password: Private[str | None] = None  # argon2id in PHC form
    mailed_after: Open[datetime | None] = None  # codes and links of before count no more
    app: Private[App | None] = None
    keys: Private[list[Key]] = []
    recovery: Private[list[str]] = []  # digests of the codes not used yet

    @property
    def has_second(self) -> bool:
        return self.app is not None or bool(self.keys)

    def voids(self, mailed_at: datetime) -> bool:
        """Whether what was mailed then was made worthless by a password set since."""
        return self.mailed_after is not None and mailed_at < self.mailed_after

    def factors(self) -> Factors:
        apps = [Factor(self.app.id, "totp", "", self.app.created_at, self.app.last_used_at)] if self.app else []
        keys = [Factor(key.id, "passkey", key.name, key.created_at, key.last_used_at) for key in self.keys]
        return Factors(self.password is not None, (*apps, *keys), len(self.recovery))

    def without(self, factor: str) -> "Credentials | None":
        """Without that second factor, and without recovery codes when it was the last; None if it is none of theirs."""
        app = None if self.app and self.app.id == factor else self.app
        keys = [key for key in self.keys if key.id != factor]
        if app is self.app and len(keys) == len(self.keys):
            return None
        return replace(self, app=app, keys=keys, recovery=self.recovery if app or keys else [])


SEALINGS: tuple[Sealing, ...] = (Sealing(COLLECTION, Credentials, subject="user", basis=Basis.ACCOUNT),)


def read(stored: Stored) -> Credentials:
    return documents.decode(Credentials, stored.document, SCHEMA, {})


def id_of(user: UserId) -> str:
    return derived_id("crd", user)


async def held(store: Store, user: UserId) -> Held[Credentials] | None:
    return await changes.held(store, COLLECTION, id_of(user), read)


def putting(before: Held[Credentials] | None, after: Credentials) -> Write:
    """The write that puts `after` where `before` was read."""
    if before is None:
        return Insert(COLLECTION, after.id, documents.encode(after))
    return before.replacing(COLLECTION, after.id, after)
