"""Where the documents are, as the settings say, with all that stands between the nouns and the disk.

From the nouns downwards: `RidingStore` takes a request's done mark along, `WatchedStore` tells whoever remembers a
document that it was written, `SealedStore` seals what is private, `StrandStore` chains the audit records.
The server opens a cabinet, and so does work on the data without a server.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from medinova_rt import clinics, doorman, resealing
from medinova_rt.adapters.sealed_store import SealedStore
from medinova_rt.adapters.strand_store import StrandStore
from medinova_rt.adapters.watched_store import WatchedStore
from medinova_rt.backing import backing, opened
from medinova_rt.clinics import Clinics
from medinova_rt.config import DEFAULT_PORT, Settings
from medinova_rt.folder import DATABASE, FINDS, SEALINGS, TOLD, keep_folder, key
from medinova_rt.operations.people import Office
from medinova_rt.riders import RidingStore
from medinova_rt.strongroom import Strongroom


class Cabinet:
    """`store` is what the nouns are given; `documents` is the adapter underneath, for who asks how it is.

    `strongroom` has the data keys, in a store of their own.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises CannotStart."""
        self._place, self._file = settings.store, Path(settings.data) / DATABASE
        self.strongroom = Strongroom(settings)
        self.documents = backing(self._place, self._file, FINDS, TOLD)
        self.strands = StrandStore(self.documents)
        self.sealed = SealedStore(self.strands, self.strongroom.vault, SEALINGS)
        self.watched = WatchedStore(self.sealed)
        self.documents.listen(self.watched.tell, self.watched.lose)
        self.store = RidingStore(self.watched)

    async def open(self) -> None:
        """Raises CannotStart."""
        await self.strongroom.open()
        await opened(self.documents, self._place, self._file)
        progress = await resealing.progress(self.documents)
        if progress and not resealing.left(progress.value, self.sealed.collections):
            self.sealed.settle()

    async def close(self) -> None:
        """Again is fine, and so is one that was opened in part."""
        await self.documents.close()
        await self.strongroom.close()

    def counters(self) -> Mapping[str, int]:
        return self.documents.counters()

    def key_counters(self) -> Mapping[str, int]:
        return {**self.strongroom.vault.counters(), **{f"documents-{k}": n for k, n in self.sealed.counters().items()}}


@contextlib.asynccontextmanager
async def office(settings: Settings) -> AsyncIterator[Office]:
    """The data without a server, to put people in: also beside one that runs. Raises CannotStart."""
    data = Path(settings.data)
    keep_folder(data)
    secret = (settings.secret.reveal() or key(data / "secret.key")).encode()
    cabinet = Cabinet(settings)
    settings = settings.on_port(settings.listen_port or DEFAULT_PORT)  # of no account here: that of passkeys
    identity = doorman.identity(settings, cabinet.store, secret, os.environ)
    try:
        await cabinet.open()
        await identity.open()
        await Clinics(cabinet.store).ensure(clinics.DEMO)
        yield Office(cabinet.store, identity, datetime.now(UTC))
    finally:
        await identity.close()
        await cabinet.close()
