"""The vault: a data key for each person and purpose, under which what is private about them is sealed.

A key is made when it is first needed, wrapped by whoever holds the key-encryption keys (`ports.Keys`), and kept in a
store of its own before anything is sealed under it: the document store, its replica and its backups never hold one. To
destroy a key is to overwrite it there; the document stays and says when, so that none is ever made in its place and
every process hears of it.

What was unwrapped is remembered, `CAPACITY` keys at most, the one used longest ago goes. A remembered key counts for
`FRESH_S` after it was last known to be there: each process asks every `POLL_S` which ones were destroyed, and one that
cannot ask reads again before it opens anything. So a destroyed key opens nothing anywhere after five seconds. That
there is no key is not remembered, that one was destroyed is.
"""

import asyncio
import base64
import contextlib
import hmac
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct
from msgspec.structs import replace

from medinova_rt import documents
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import Conflict, KeyLost, Unavailable
from medinova_rt.ids import ClinicId, derived_id
from medinova_rt.logs import Log, code
from medinova_rt.phi import Open
from medinova_rt.ports import MAX_PAGE, Find, Insert, Keys, Replace, Store, Stored, Wrapped, encode_instant

COLLECTION = "data-keys"
SCHEMA = 1
ALL = Find(COLLECTION)
DESTROYED = Find(COLLECTION, ordered_by="destroyed_at")
FINDS: tuple[Find, ...] = (ALL, DESTROYED)

INDEX: Final = "index"  # purpose of a clinic's key for what is found by; the others are those of phi.Basis
CHECK: Final = (
    "check"  # of the key that is opened at each start, to see that store and key-encryption key belong together
)

CAPACITY = 50_000  # people who are in the clinic at once have about four each
MAX_UNWRAPPING = 32  # at once
POLL_S = 2.0
FRESH_S = 4.0  # with the time to open and to answer: below the 5 s in which a destruction is promised
OVERLAP = timedelta(minutes=5)  # clocks that differ, and a destruction that was decided on well before it was written
ATTEMPTS = 8
KEY_BYTES = 32
REFERENCE_BYTES = 8

COUNTS = ("made", "unwrapped", "destroyed", "dropped", "lost", "rewrapped", "failed")

log = Log(__name__)

Place = tuple[str, str]  # whose it is, what for


class DataKey(Struct, frozen=True, kw_only=True):
    """A key as it is kept; its id is derived from `subject` and `purpose`."""

    id: Open[str]
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    subject: Open[str]  # a patient, a user, or the clinic
    purpose: Open[str]
    reference: Open[str]  # 16 hexadecimal digits, by which what was sealed names its key
    version: Open[str]  # of the key-encryption key
    wrapped: Open[str]  # base64; empty once it is destroyed
    made_at: Open[datetime]
    destroyed_at: Open[datetime | None] = None

    @property
    def context(self) -> bytes:
        """What it is bound to when it is wrapped, so that none can be put in another's place."""
        return msgspec.json.encode((self.clinic, self.subject, self.purpose, self.reference))


@dataclass(slots=True)
class Key:
    """An unwrapped one; `cipher` is None once it was destroyed."""

    reference: bytes
    cipher: AESGCM | None
    digest: "hmac.HMAC | None"  # of an index key: to be copied
    fresh_until: float  # of the monotonic clock


@dataclass(frozen=True, slots=True)
class Round:
    """What one page of keys came to; `cursor` is None after the last."""

    rewrapped: int
    failed: int
    cursor: str | None


class Vault:
    def __init__(
        self,
        store: Store,
        keys: Keys,
        clock: Callable[[], datetime],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        capacity: int = CAPACITY,
    ) -> None:
        """`store`: the one that holds data keys and nothing else."""
        self._store = store
        self._keys = keys
        self._clock = clock
        self._monotonic = monotonic
        self._capacity = capacity
        self._held: OrderedDict[Place, Key] = OrderedDict()  # the one used longest ago comes first
        self._loading: dict[tuple[Place, bool], asyncio.Task[Key]] = {}
        self._unwrapping = asyncio.Semaphore(MAX_UNWRAPPING)
        self._polled_until = float("-inf")
        self._since: datetime | None = None
        self._poll: asyncio.Task[None] | None = None
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))

    async def open(self) -> None:
        """Raises KeyLost where the key-encryption key is not the one that wrapped what is kept; Unavailable."""
        await self.key(PLATFORM, PLATFORM, CHECK, make=True)
        self._poll = asyncio.create_task(self._look_again())

    async def close(self) -> None:
        """Forget every key; again is fine."""
        waiting = [*self._loading.values(), *([self._poll] if self._poll else [])]
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        self._poll = None
        self._held.clear()

    def counters(self) -> Mapping[str, int]:
        """Totals since start by `COUNTS`, and the keys `held` now."""
        return {**self._counts, "held": len(self._held)}

    # --- to seal and open with ---

    def at_hand(self, subject: str, purpose: str) -> Key | None:
        """The key, if it is remembered and sure to be there still."""
        key = self._held.get((subject, purpose))
        if key is None:
            return None
        if key.cipher is not None:
            now = self._monotonic()
            if now > key.fresh_until and now > self._polled_until:
                return None
        self._held.move_to_end((subject, purpose))
        return key

    async def key(self, clinic: ClinicId, subject: str, purpose: str, *, make: bool) -> Key:
        """The key, which may have been destroyed; the first one if there is none and `make`.

        Those who ask for the same at once share one unwrapping. Raises KeyLost, Unavailable.
        """
        place = (subject, purpose)
        while (found := self.at_hand(subject, purpose)) is None:
            task = self._loading.get((place, make))
            if task is None:
                task = asyncio.create_task(self._load(clinic, place, make))
                self._loading[place, make] = task
                task.add_done_callback(lambda done: self._loaded(place, make, done))
            loaded = await asyncio.shield(task)  # one who goes away takes it from nobody
            if place not in self._held and self._monotonic() <= loaded.fresh_until:
                return loaded  # others have pushed it out already
        return found

    async def index_key(self, clinic: ClinicId) -> "hmac.HMAC":
        """What a clinic's blind index is keyed with, to be copied. Raises KeyLost, Unavailable."""
        key = self.at_hand(clinic, INDEX) or await self.key(clinic, clinic, INDEX, make=True)
        if key.digest is None:
            raise KeyLost("the clinic's index key was destroyed")
        return key.digest

    async def mac(self, clinic: ClinicId, text: bytes) -> str:
        """The same for the same text of one clinic, and nothing to whoever lacks its key; raises as `key`."""
        digest = (await self.index_key(clinic)).copy()
        digest.update(text)
        return digest.hexdigest()

    def _loaded(self, place: Place, make: bool, done: asyncio.Task[Key]) -> None:
        if self._loading.get((place, make)) is not done:
            return  # it was destroyed while it was being read
        del self._loading[place, make]
        if done.cancelled() or done.exception() is not None:
            return
        self._held[place] = done.result()
        self._held.move_to_end(place)
        if len(self._held) > self._capacity:
            self._held.popitem(last=False)

    async def _load(self, clinic: ClinicId, place: Place, make: bool) -> Key:
        for _ in range(ATTEMPTS):
            until = self._monotonic() + FRESH_S
            stored = await self._store.get(COLLECTION, _id(*place))
            if stored is not None:
                return await self._unlocked(_read(stored), until)
            if not make:
                self._counts["lost"] += 1
                raise KeyLost("the key that this was sealed under is not there")
            with contextlib.suppress(Conflict):  # somebody else made one at the same time: that is the one
                return await self._made(clinic, *place)
        raise Conflict("others are making this key; try again")

    async def _unlocked(self, kept: DataKey, until: float) -> Key:
        if kept.destroyed_at is not None:
            return Key(b"", None, None, until)
        held = self._held.get((kept.subject, kept.purpose))
        if held is not None and held.reference.hex() == kept.reference:
            return Key(held.reference, held.cipher, held.digest, until)
        async with self._unwrapping:
            try:
                raw = await self._keys.unwrap(_wrapped(kept), kept.context)
            except KeyLost:
                self._counts["lost"] += 1
                raise
        self._counts["unwrapped"] += 1
        return _key(kept, raw, until)

    async def _made(self, clinic: ClinicId, subject: str, purpose: str) -> Key:
        """Raises Conflict."""
        until = self._monotonic() + FRESH_S
        raw = secrets.token_bytes(KEY_BYTES)
        bare = DataKey(
            id=_id(subject, purpose),
            clinic=clinic,
            subject=subject,
            purpose=purpose,
            reference=secrets.token_hex(REFERENCE_BYTES),
            version="",
            wrapped="",
            made_at=self._clock(),
        )
        made = _with(bare, await self._keys.wrap(raw, bare.context))
        await self._store.transact([Insert(COLLECTION, made.id, documents.encode(made))])
        self._counts["made"] += 1
        return _key(made, raw, until)

    # --- to destroy ---

    async def destroy(self, clinic: ClinicId, subject: str, purpose: str, now: datetime) -> datetime:
        """Overwrite the key, and see to it that none is made in its place; return when that was done first.

        Every process opens nothing with it after five seconds. Raises Conflict, Unavailable.
        """
        for _ in range(ATTEMPTS):
            stored = await self._store.get(COLLECTION, _id(subject, purpose))
            before = None if stored is None else _read(stored)
            if before is not None and before.destroyed_at is not None:
                self._drop((subject, purpose))
                return before.destroyed_at
            gone = DataKey(
                id=_id(subject, purpose),
                clinic=clinic if before is None else before.clinic,
                subject=subject,
                purpose=purpose,
                reference="" if before is None else before.reference,
                version="",
                wrapped="",
                made_at=now if before is None else before.made_at,
                destroyed_at=now,
            )
            document = documents.encode(gone)
            put = Replace(COLLECTION, gone.id, document, stored.token) if stored else None
            try:
                await self._store.transact([put or Insert(COLLECTION, gone.id, document)])
            except Conflict:
                continue
            self._drop((subject, purpose))
            self._counts["destroyed"] += 1
            return now
        raise Conflict("others are changing this key; try again")

    async def look(self) -> None:
        """Drop what was destroyed since the last look, by whichever process."""
        until, since = self._monotonic() + FRESH_S, self._clock() - OVERLAP
        after = None if self._since is None else encode_instant(self._since)
        if after is None:  # nothing that is remembered was read longer ago
            after = encode_instant(since)
        cursor: str | None = None
        while True:
            page = await self._store.find(DESTROYED, at_least=after, limit=MAX_PAGE, cursor=cursor)
            for row in page.rows:
                gone = _read(row)
                self._drop((gone.subject, gone.purpose))
            if (cursor := page.cursor) is None:
                break
        self._since, self._polled_until = since, until

    def _drop(self, place: Place) -> None:
        """What is being read at this moment may have been read before, and is not remembered."""
        loading = [self._loading.pop((place, make), None) for make in (True, False)]
        held = self._held.get(place)
        if any(loading) or (held is not None and held.cipher is not None):
            self._held[place] = Key(b"", None, None, 0.0)
            self._counts["dropped"] += 1

    async def _look_again(self) -> None:
        while True:
            try:
                await self.look()
            except Unavailable as error:
                log.warning("the key store does not answer", code=code(error))
            await asyncio.sleep(POLL_S)

    # --- under a new key-encryption key ---

    async def rewrap(self, cursor: str | None, limit: int = 100) -> Round:
        """Wrap the keys of one page under the newest version; those that are serve as they are. Raises Unavailable."""
        newest = await self._keys.newest()
        page = await self._store.find(ALL, limit=limit, cursor=cursor)
        old = [row for row in page.rows if row.document["wrapped"] and row.document["version"] != newest]
        done = await asyncio.gather(*map(self._rewrapped, old))
        self._counts["rewrapped"] += sum(done)
        self._counts["failed"] += len(done) - sum(done)
        return Round(sum(done), len(done) - sum(done), page.cursor)

    async def _rewrapped(self, row: Stored) -> bool:
        """False where this one cannot be; who loses against its destruction has nothing left to do."""
        kept = _read(row)
        try:
            async with self._unwrapping:
                raw = await self._keys.unwrap(_wrapped(kept), kept.context)
                after = _with(kept, await self._keys.wrap(raw, kept.context))
            await self._store.transact([Replace(COLLECTION, row.id, documents.encode(after), row.token)])
        except Conflict:
            return True
        except KeyLost:
            log.error("a data key cannot be unwrapped")
            return False
        return True

    async def versions(self) -> Mapping[str, int]:
        """How many keys each version of the key-encryption key has wrapped; those destroyed are under ""."""
        found: Counter[str] = Counter()
        cursor: str | None = None
        while True:
            page = await self._store.find(ALL, limit=MAX_PAGE, cursor=cursor)
            found.update(row.document["version"] for row in page.rows)
            if (cursor := page.cursor) is None:
                return found


def _id(subject: str, purpose: str) -> str:
    return derived_id("dek", subject, purpose)


def _wrapped(kept: DataKey) -> Wrapped:
    try:
        return Wrapped(kept.version, base64.b64decode(kept.wrapped, validate=True))
    except ValueError:
        raise KeyLost("the data key is damaged") from None


def _with(key: DataKey, wrapped: Wrapped) -> DataKey:
    return replace(key, version=wrapped.version, wrapped=base64.b64encode(wrapped.data).decode())


def _key(kept: DataKey, raw: bytes, until: float) -> Key:
    digest = hmac.new(raw, digestmod="sha256") if kept.purpose == INDEX else None
    return Key(bytes.fromhex(kept.reference), AESGCM(raw), digest, until)


def _read(stored: Stored) -> DataKey:
    return documents.decode(DataKey, stored.document, SCHEMA, {})
