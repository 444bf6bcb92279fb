"""What keeps the audit trail honest, as the settings say: the key that signs its checkpoints, and where copies go.

Both are apart from the store on purpose: whoever can write to the one should not have the other.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from medinova_rt.adapters.folder_copies import FolderCopies
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.backing import backing, opened
from medinova_rt.cabinet import Cabinet
from medinova_rt.config import Settings
from medinova_rt.folder import DATABASE, FINDS, CannotStart, key
from medinova_rt.operations.audit_desk import Desk
from medinova_rt.ports import Store
from medinova_rt.signing import SigningKey, VerifyingKey

KEY_FILE = "audit.key"
COPIES_FOLDER = "checkpoints"


def key_file(settings: Settings) -> Path:
    return Path(settings.audit_key or Path(settings.data) / KEY_FILE)


def signing_key(settings: Settings) -> SigningKey:
    """Made at the first start; raises CannotStart."""
    file = key_file(settings)
    try:
        made = SigningKey(key(file))
        is_shared = file.stat().st_mode & 0o077
    except (ValueError, OSError):
        raise CannotStart(f"MEDINOVA_AUDIT_KEY: {file.name} holds no signing key.") from None
    if is_shared:
        raise CannotStart(f"MEDINOVA_AUDIT_KEY: {file.name} can be read by others; chmod 600 it.")
    return made


def verifying_keys(settings: Settings, given: Sequence[VerifyingKey]) -> list[VerifyingKey]:
    """Those given, and the server's own if it is here; raises CannotStart where there is none."""
    if key_file(settings).is_file():
        return [*given, signing_key(settings)]
    if not given:
        raise CannotStart(f"{key_file(settings).name} is not here: give the public key with --key.")
    return [*given]


def copies(settings: Settings, folder: str = "") -> FolderCopies:
    return FolderCopies(Path(folder or settings.audit_copies or Path(settings.data) / COPIES_FOLDER))


@contextlib.asynccontextmanager
async def desk(settings: Settings, folder: str = "") -> AsyncIterator[Desk]:
    """The trail as it is stored, for which no data key is needed; `folder`: where other copies are.

    Raises CannotStart.
    """
    file = _database(settings)
    documents = backing(settings.store, file, FINDS)
    await opened(documents, settings.store, file)
    try:
        check = documents.check if isinstance(documents, SqliteStore) else None
        yield Desk(documents, copies(settings, folder), check)
    finally:
        await documents.close()


@contextlib.asynccontextmanager
async def reading_room(settings: Settings) -> AsyncIterator[Store]:
    """The trail as the clinic sees it, addresses unsealed. Raises CannotStart."""
    _database(settings)
    cabinet = Cabinet(settings)
    try:
        await cabinet.open()
        yield cabinet.store
    finally:
        await cabinet.close()


def _database(settings: Settings) -> Path:
    file = Path(settings.data) / DATABASE
    if not settings.store and not file.is_file():
        raise CannotStart("MEDINOVA_DATA holds no database; is it the folder that the server uses?")
    return file
