"""A clinic's audit trail as a running server makes it, to be looked at and tampered with.

As a program it is such a server, to be killed: it says a line for each round of 40 records and a checkpoint.
"""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from medinova_rt import audit, strands
from medinova_rt.adapters.folder_copies import FolderCopies
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.adapters.strand_store import StrandStore
from medinova_rt.checkpoints import Checkpoints
from medinova_rt.ids import ClinicId, PatientId
from medinova_rt.ports import Document, Insert, Store
from medinova_rt.principals import Service
from medinova_rt.signing import SigningKey
from medinova_rt.verification import Verdict, Verification
from tests.medinova_rt.conftest import declared

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
ONE, TWO = ClinicId("cli-1"), ClinicId("cli-2")
KEY = SigningKey(base64.urlsafe_b64encode(bytes(range(32))).decode())
OTHER_KEY = SigningKey(base64.urlsafe_b64encode(bytes(32)).decode())


class MemoryCopies:
    """Copies of checkpoints, kept as lines."""

    def __init__(self) -> None:
        self.lines: dict[ClinicId, list[bytes]] = {}

    async def last(self, clinic: ClinicId) -> bytes | None:
        lines = self.lines.get(clinic)
        return lines[-1] if lines else None

    async def append(self, clinic: ClinicId, after: bytes | None, lines: Sequence[bytes]) -> None:
        if await self.last(clinic) == after:
            self.lines.setdefault(clinic, []).extend(lines)

    async def read(self, clinic: ClinicId) -> AsyncIterator[bytes]:
        for line in list(self.lines.get(clinic, [])):
            yield line

    async def clinics(self) -> set[ClinicId]:
        return set(self.lines)


class Trail:
    """`store` is underneath, where whoever tampers works; `chained` is what a server writes through."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.chained = StrandStore(store, "node", lambda: NOW)
        self.copies = MemoryCopies()
        self.checkpoints = Checkpoints(self.chained, KEY, self.copies)
        self.minutes = 0

    @property
    def now(self) -> datetime:
        return NOW + timedelta(minutes=self.minutes)

    def restart(self) -> None:
        self.chained = StrandStore(self.store, f"node-{self.minutes}", lambda: NOW)
        self.checkpoints = Checkpoints(self.chained, KEY, self.copies)

    def act(self, clinic: ClinicId = ONE, **more: Any) -> Insert:
        return audit.record(
            Service(clinic), "patient.read", self.now, clinic=clinic, patient=PatientId("pat-1"), **more
        )

    async def write(self, count: int = 1, clinic: ClinicId = ONE) -> None:
        for _ in range(count):
            await self.chained.transact([self.act(clinic)])

    async def checkpoint(self) -> None:
        self.minutes += 1
        await self.checkpoints.write(self.now)

    async def verify(self, clinic: ClinicId = ONE, after: timedelta = timedelta(hours=1)) -> Verdict:
        return await Verification(self.store, clinic, {KEY.id: KEY}, self.copies, self.now + after).run()

    async def faults(self, clinic: ClinicId = ONE) -> list[str]:
        return (await self.verify(clinic)).faults

    async def strands(self, clinic: ClinicId = ONE) -> list[strands.Strand]:
        page = await self.store.find(strands.BY_PLACE, (clinic,), limit=500)
        return [strands.read(row) for row in page.rows]

    async def records(self, clinic: ClinicId = ONE) -> list[Document]:
        """Of all strands, one after the other."""
        found = []
        for strand in await self.strands(clinic):
            found += [row.document for row in (await self.store.find(audit.BY_STRAND, (strand.id,), limit=500)).rows]
        return found


async def serve(folder: Path) -> None:
    store = SqliteStore(folder / "store.db", declared())
    await store.open()
    copies = FolderCopies(folder / "copies")
    await copies.open()
    chained = StrandStore(store)
    made = Checkpoints(chained, KEY, copies)
    while True:
        now = datetime.now(UTC)
        records = [audit.record(Service(ONE), "patient.read", now, clinic=ONE) for _ in range(40)]
        await asyncio.gather(*(chained.transact([each]) for each in records), made.write(now))
        print("round", flush=True)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
