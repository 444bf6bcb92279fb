"""Who proves who somebody is, as the settings say: this server itself, or Firebase.

The emulator of Firebase signs nothing, so whoever can reach the server could be anybody. It is taken only where every
sign of a developer's machine is there at once: the settings name it, `FIREBASE_AUTH_EMULATOR_HOST` (by which the SDK
itself decides whom to ask) names the same one, it is on this machine, so is the public URL, and the project is one of
those that cannot be real. One of them alone stops the start.
"""

import importlib.util
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from medinova_rt.adapters.argon2_hashing import Argon2Hashing
from medinova_rt.adapters.embedded_identity import EmbeddedIdentity
from medinova_rt.config import Firebase, Settings
from medinova_rt.folder import CannotStart
from medinova_rt.ports import Identity, Store
from medinova_rt.users import Users

EMULATOR = "FIREBASE_AUTH_EMULATOR_HOST"
WATCH_JOB = "watch"
WATCH_EVERY = timedelta(minutes=1)


class Doorman(Identity, Protocol):
    """An identity as the server holds it."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    def counters(self) -> Mapping[str, int]: ...

    async def sweep(self, now: datetime) -> bool: ...

    async def watch(self, now: datetime) -> bool:
        """End the sessions of some whom an identity provider no longer lets in; return whether more are due."""
        ...


def identity(settings: Settings, store: Store, secret: bytes, environ: Mapping[str, str]) -> Doorman:
    """Return it, to be opened. `settings.on_port` was applied. Raises CannotStart."""
    users = Users(store)
    own = EmbeddedIdentity(store, users, secret, settings.public_url, Argon2Hashing())
    if settings.firebase is None:
        return own
    check(settings.firebase, settings, environ)
    if importlib.util.find_spec("firebase_admin") is None:
        raise CannotStart("MEDINOVA_IDENTITY: Firebase needs its package; install medinova-rt[firebase].")
    return _firebase(settings.firebase, store, users, own)


def check(chosen: Firebase, settings: Settings, environ: Mapping[str, str]) -> None:
    """Raise CannotStart where the emulator is meant by halves, or where others could reach it."""
    told = environ.get(EMULATOR, "")
    if not chosen.emulator and not told:
        return
    if chosen.emulator != told:
        raise CannotStart(f"MEDINOVA_IDENTITY and {EMULATOR} must name the same emulator, or neither one.")
    if not settings.is_local:
        raise CannotStart("MEDINOVA_IDENTITY: the emulator proves nothing, so the public URL has to be local.")
    if not chosen.project.startswith("demo-"):
        raise CannotStart("MEDINOVA_IDENTITY: with the emulator goes a project of no account, demo-…")


def _firebase(chosen: Firebase, store: Store, users: Users, own: EmbeddedIdentity) -> Doorman:
    """The SDK takes half a second to import, and only who chose it has it."""
    from medinova_rt.adapters.firebase_accounts import FirebaseAccounts
    from medinova_rt.adapters.firebase_identity import FirebaseIdentity
    from medinova_rt.adapters.firebase_tokens import EmulatedTokens, FirebaseTokens
    from medinova_rt.adapters.google_keys import GoogleKeys

    accounts = FirebaseAccounts(chosen.project)
    if chosen.emulator:
        return FirebaseIdentity(store, users, own, EmulatedTokens(chosen.project), accounts, [accounts])
    keys = GoogleKeys()
    tokens = FirebaseTokens(chosen.project, keys)
    return FirebaseIdentity(store, users, own, tokens, accounts, [keys, accounts])
