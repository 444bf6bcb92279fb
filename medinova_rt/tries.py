"""How often may somebody try to prove who they are: slowed down, in such a way that nobody can slow down another.

A wrong try costs; a right one is given back. It is taken before anything is compared, so that a thousand at once are no
more than one after another. Who tries from a browser that has been let in before (`browsers`) has an allowance of
their own, which nobody else can use up. All others share those of the account: one for each network, small and slow,
and one for all networks together, which no single network is fast enough to use up. Beside them api/limits.py slows
down a network that fails at many accounts.

| allowance        | at once | then one each |
| ---------------- | ------- | ------------- |
| a known browser  | 10      | 1 min (second factor: 5 min) |
| account, network | 5       | 5 min (second factor: 10 min) |
| account          | 50      | 1 min (second factor: 20, 5 min) |
| mailed code      | 10 a network, 20 an account | 5 min, 1 h |
| letters, account | 3       | 10 min        |
| letters, browser | 5       | 2 min         |

A mailed link lives 10 minutes, is not replaced by the next, and cannot be guessed, so it takes from no allowance:
whoever uses up the letters or the codes of another's account only sends the owner links that work.

They are in the store, so they hold over restarts and processes; each is a document until it is full again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec import Struct

from medinova_rt import changes, documents
from medinova_rt.changes import Held
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import Conflict, TooFast
from medinova_rt.ids import ClinicId, derived_id
from medinova_rt.phi import Basis, Open, Private, Sealing
from medinova_rt.ports import MAX_TRANSACT_WRITES, Delete, Find, Insert, Store, Stored, Write, encode_instant

COLLECTION = "tries"
SCHEMA = 1
BY_END = Find(COLLECTION, ordered_by="full_at")
FINDS: tuple[Find, ...] = (BY_END,)

ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Allowance:
    name: str
    burst: int
    every: timedelta

    def of(self, *whose: str) -> "Key":
        return Key(derived_id("try", self.name, *whose), self)


@dataclass(frozen=True, slots=True)
class Key:
    id: str
    allowance: Allowance


BROWSER = Allowance("browser", 10, timedelta(minutes=1))
NETWORK = Allowance("network", 5, timedelta(minutes=5))
ACCOUNT = Allowance("account", 50, timedelta(minutes=1))
CODE_NETWORK = Allowance("code-network", 10, timedelta(minutes=5))  # each code has five tries of its own, too
CODE_ACCOUNT = Allowance("code-account", 20, timedelta(hours=1))  # over all codes: six digits bear no more
SECOND_BROWSER = Allowance("second-browser", 10, timedelta(minutes=5))
SECOND_NETWORK = Allowance("second-network", 5, timedelta(minutes=10))
SECOND_ACCOUNT = Allowance("second-account", 20, timedelta(minutes=5))
PROOF = Allowance("proof", 10, timedelta(minutes=1))  # of one session
LETTERS = Allowance("letters", 3, timedelta(minutes=10))
LETTERS_BROWSER = Allowance("letters-browser", 5, timedelta(minutes=2))


class Spent(Struct, frozen=True, kw_only=True):
    """Of an allowance: when all of it is there again."""

    id: Private[str]  # derived from whose it is
    clinic: Open[ClinicId] = PLATFORM
    schema: Open[int] = SCHEMA
    full_at: Open[datetime]


SEALINGS: tuple[Sealing, ...] = (Sealing(COLLECTION, Spent, basis=Basis.SECURITY, blind=True),)


def _read(stored: Stored) -> Spent:
    return documents.decode(Spent, stored.document, SCHEMA, {})


class Tries:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def take(self, keys: Sequence[Key], now: datetime) -> None:
        """Count one try for each; raises TooFast, which counts for none."""
        for _ in range(ATTEMPTS):
            writes = [_taking(key, await self._held(key), now) for key in keys]
            if await self._written(writes):
                return
        raise TooFast("others try this at the same time; wait a moment", 1.0)

    async def give_back(self, keys: Sequence[Key], now: datetime) -> None:
        """It was a right one."""
        for key in keys:
            for _ in range(ATTEMPTS):
                before = await self._held(key)
                if before is None or await self._written([_giving(key, before, now)]):
                    break

    async def touch(self, keys: Sequence[Key]) -> None:
        """Write what is there once more: what takes as long as writing a record down, where there is none to write."""
        before = await self._held(keys[0])
        if before is not None:
            await self._written([before.replacing(COLLECTION, before.value.id, before.value)])

    async def sweep(self, now: datetime) -> bool:
        """Delete some of those that are full again; return whether there may be more."""
        page = await self._store.find(BY_END, below=encode_instant(now), limit=MAX_TRANSACT_WRITES)
        done = await self._written([Delete(COLLECTION, row.id, row.token) for row in page.rows])
        return done and page.cursor is not None

    async def _held(self, key: Key) -> Held[Spent] | None:
        return await changes.held(self._store, COLLECTION, key.id, _read)

    async def _written(self, writes: Sequence[Write]) -> bool:
        try:
            if writes:
                await self._store.transact(writes)
        except Conflict:
            return False
        return True


def _taking(key: Key, before: Held[Spent] | None, now: datetime) -> Write:
    allowance = key.allowance
    full_at = max(before.value.full_at if before else now, now) + allowance.every
    wait = full_at - now - allowance.burst * allowance.every
    if wait > timedelta():
        raise TooFast("Too many tries; wait a moment.", wait.total_seconds())
    spent = Spent(id=key.id, full_at=full_at)
    if before is None:
        return Insert(COLLECTION, key.id, documents.encode(spent))
    return before.replacing(COLLECTION, key.id, spent)


def _giving(key: Key, before: Held[Spent], now: datetime) -> Write:
    full_at = before.value.full_at - key.allowance.every
    if full_at <= now:
        return Delete(COLLECTION, key.id, before.token)
    return before.replacing(COLLECTION, key.id, Spent(id=key.id, full_at=full_at))
