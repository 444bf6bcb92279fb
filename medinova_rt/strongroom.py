"""The vault with what it stands on, as the settings say: the key store, and whoever holds the key-encryption keys.

The key store is `keys.db` in the data folder, or beside a Firestore database another one that is named after it.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from medinova_rt import vault
from medinova_rt.adapters.local_keys import LocalKeys
from medinova_rt.backing import backing, opened
from medinova_rt.config import KMS, Settings, firestore_place
from medinova_rt.errors import KeyLost, Unavailable
from medinova_rt.folder import KEY_STORE, KEYS, CannotStart
from medinova_rt.ports import Keys
from medinova_rt.vault import Vault


class Strongroom:
    def __init__(self, settings: Settings) -> None:
        """Raises CannotStart."""
        self._place, self._file = key_place(settings.store), Path(settings.data) / KEY_STORE
        self.store = backing(self._place, self._file, vault.FINDS, scrubs=True)
        self.keys = _keys(settings)
        self.vault = Vault(self.store, self.keys, _utc_now)

    async def open(self) -> None:
        """Raises CannotStart."""
        if not self.keys.exists() and not self._place and await asyncio.to_thread(self._file.exists):
            raise CannotStart(f"MEDINOVA_DATA: {KEY_STORE} is there, and what opens it ({KEYS}) is not; restore it.")
        try:
            await self.keys.open()
        except Unavailable as error:
            raise CannotStart(f"MEDINOVA_KEYS: {error}.") from error
        await opened(self.store, self._place, self._file)
        try:
            await self.vault.open()
        except KeyLost as error:
            raise CannotStart("The data keys were wrapped by other key-encryption keys than these.") from error
        except Unavailable as error:
            raise CannotStart("The key store, or what holds the key-encryption keys, does not answer.") from error

    async def close(self) -> None:
        """Again is fine, and so is one that was opened in part."""
        await self.vault.close()
        await self.store.close()
        await self.keys.close()


class Ring(Keys, Protocol):
    """Keys that are opened and closed, by whoever made them."""

    async def open(self) -> None:
        """Raises Unavailable, with a sentence for whoever started the server."""
        ...

    async def close(self) -> None: ...

    def exists(self) -> bool:
        """Whether there are any yet."""
        ...

    async def going(self) -> str | None:
        """The version that the next rotation drops, if any."""
        ...


def _keys(settings: Settings) -> Ring:
    """Google's library is imported only where it is chosen; it comes with the extra `kms`. Raises CannotStart."""
    if not settings.keys.startswith(KMS):
        return LocalKeys(Path(settings.keys or Path(settings.data) / KEYS))
    try:
        from medinova_rt.adapters.kms_keys import KmsKeys
    except ModuleNotFoundError as error:
        raise CannotStart("MEDINOVA_KEYS needs what `pip install 'medinova-rt[kms]'` brings.") from error
    return KmsKeys(settings.keys.removeprefix(KMS))


def key_place(place: str) -> str:
    """Where the data keys are if the documents are at that place."""
    if not place:
        return ""
    project, database = firestore_place(place)
    name = "medinova" if database == "(default)" else database[:58]
    return f"firestore://{project}/{name}-keys"


def _utc_now() -> datetime:
    return datetime.now(UTC)
