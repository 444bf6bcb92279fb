"""What `medinova keys …` does: a new key-encryption key, and where its data keys and the sealing of old data stand.

Every data key is wrapped anew by a job, page by page, while the server serves; until then it opens with the version
that wrapped it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Protocol

from medinova_rt import audit, jobs, resealing
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import WrongState
from medinova_rt.jobs import Job
from medinova_rt.ports import Keys, Store
from medinova_rt.principals import System
from medinova_rt.vault import Vault

REWRAP_JOB = "keys-rewrap"
TURN_S = 20.0  # of one job, whose lease is longer
REST = timedelta(milliseconds=100)


class Ring(Keys, Protocol):
    async def going(self) -> str | None:
        """The version that the next rotation drops, if any."""
        ...


class Rewrapping:
    def __init__(self, store: Store, vault: Vault, wake: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._vault = vault
        self._wake = wake

    async def run(self, job: Job, now: datetime) -> None:
        cursor, end = job.about.get("cursor"), monotonic() + TURN_S
        while monotonic() < end:
            cursor = (await self._vault.rewrap(cursor)).cursor
            if cursor is None:
                return
        about = {"cursor": cursor} if cursor else {}
        await self._store.transact([jobs.job(REWRAP_JOB, now + REST, now, clinic=PLATFORM, **about)])
        self._wake()


async def rotate(store: Store, vault: Vault, keys: Ring, now: datetime) -> list[str]:
    """Raises WrongState while data keys need the version that would go; Unavailable."""
    going = await keys.going()
    if going is not None and going in await vault.versions():
        raise WrongState(f"data keys are still wrapped by version {going}, which would go; let the server finish first")
    version = await keys.rotate()
    record = audit.record(System(), "keys.rotate", now, clinic=PLATFORM)
    await store.transact([jobs.job(REWRAP_JOB, now, now, clinic=PLATFORM), record])
    return [f"version    {version}", "data keys  are wrapped anew by the server, which goes on serving"]


async def status(store: Store, vault: Vault, keys: Ring, collections: Sequence[str]) -> list[str]:
    counts, newest = await vault.versions(), await keys.newest()
    lines = [f"newest     {newest}"]
    lines += [f"version    {version}: {count} data keys" for version, count in sorted(counts.items()) if version]
    lines.append(f"destroyed  {counts.get('', 0)} data keys")
    held = await resealing.progress(store)
    todo = resealing.left(held.value if held else None, collections)
    count = held.value.brought_up if held else 0
    lines.append(f"brought up {count} documents and patients of before; to walk: {', '.join(todo) or 'nothing'}")
    return lines
