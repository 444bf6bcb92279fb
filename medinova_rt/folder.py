"""The data folder: the database with every query asked of it, the keys, and work on both without a server."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from medinova_rt import (
    accounts,
    assertions,
    audit,
    clinics,
    emergency,
    entrance,
    grants,
    invitations,
    jobs,
    lookups,
    mail,
    relations,
    repeats,
    sessions,
    signin,
    users,
    visits,
)
from medinova_rt.adapters import embedded_challenges, outbox_notifier
from medinova_rt.adapters.argon2_hashing import Argon2Hashing
from medinova_rt.adapters.embedded_identity import EmbeddedIdentity
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.clinics import Clinics
from medinova_rt.config import DEFAULT_PORT, Settings
from medinova_rt.errors import Unavailable
from medinova_rt.operations.keys import kept_key
from medinova_rt.operations.people import Office
from medinova_rt.users import Users

DATABASE = "medinova.db"
FINDS = (
    *audit.FINDS,
    *clinics.FINDS,
    *emergency.FINDS,
    *entrance.FINDS,
    *grants.FINDS,
    *invitations.FINDS,
    *jobs.FINDS,
    *lookups.FINDS,
    *mail.FINDS,
    *embedded_challenges.FINDS,
    *outbox_notifier.FINDS,
    *relations.FINDS,
    *repeats.FINDS,
    *signin.FINDS,
    *users.FINDS,
    *visits.FINDS,
    *sessions.FINDS,
    *accounts.FINDS,
    *assertions.FINDS,
)


class CannotStart(Exception):
    """Carries one sentence for whoever started the server."""


@contextlib.asynccontextmanager
async def office(settings: Settings) -> AsyncIterator[Office]:
    """The data folder without a server, to put people in: also beside one that runs. Raises CannotStart."""
    data = Path(settings.data)
    keep_folder(data)
    secret = (settings.secret or key(data / "secret.key")).encode()
    store = SqliteStore(data / DATABASE, FINDS)
    url = settings.on_port(settings.listen_port or DEFAULT_PORT).public_url  # of no account here: that of passkeys
    identity = EmbeddedIdentity(store, Users(store), secret, url, Argon2Hashing())
    try:
        await store.open()
    except Unavailable as error:
        raise CannotStart(f"MEDINOVA_DATA: {DATABASE} cannot be opened.") from error
    try:
        await identity.open()
        await Clinics(store).ensure(clinics.DEMO)
        yield Office(store, identity, datetime.now(UTC))
    finally:
        await identity.close()
        await store.close()


def keep_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart("MEDINOVA_DATA is no folder that this user can make or use.") from error


def key(file: Path) -> str:
    try:
        return kept_key(file)
    except OSError as error:
        raise CannotStart(f"MEDINOVA_DATA: {file.name} cannot be read, made, or holds no key.") from error
