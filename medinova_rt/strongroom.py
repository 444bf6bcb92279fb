"""The vault with what it stands on, as the settings say: the key store, and whoever holds the key-encryption keys.

The key store is `keys.db` in the data folder, or beside a Firestore database another one that is named after it.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from medinova_rt import vault
from medinova_rt.adapters.local_keys import LocalKeys
from medinova_rt.backing import backing, opened
from medinova_rt.config import Settings, firestore_place
from medinova_rt.errors import KeyLost, Unavailable
from medinova_rt.folder import KEY_STORE, KEYS, CannotStart
from medinova_rt.vault import Vault


class Strongroom:
    def __init__(self, settings: Settings) -> None:
        """Raises CannotStart."""
        self._place, self._file = key_place(settings.store), Path(settings.data) / KEY_STORE
        self.store = backing(self._place, self._file, vault.FINDS)
        self.keys = LocalKeys(Path(settings.data) / KEYS)
        self.vault = Vault(self.store, self.keys, _utc_now)

    async def open(self) -> None:
        """Raises CannotStart."""
        if not self.keys.exists() and await asyncio.to_thread(self._file.exists):
            raise CannotStart(f"MEDINOVA_DATA: {KEY_STORE} is there, and {KEYS}, which opens it, is not; restore it.")
        try:
            await self.keys.open()
        except Unavailable as error:
            raise CannotStart(f"MEDINOVA_DATA: {error}.") from error
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


def key_place(place: str) -> str:
    """Where the data keys are if the documents are at that place."""
    if not place:
        return ""
    project, database = firestore_place(place)
    name = "medinova" if database == "(default)" else database[:58]
    return f"firestore://{project}/{name}-keys"


def _utc_now() -> datetime:
    return datetime.now(UTC)
