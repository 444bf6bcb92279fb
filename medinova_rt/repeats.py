"""Requests that may come again, each by a key of the caller's: the second time, the first answer is given.

A record goes through three states. *Running*: somebody carries the request out; whoever asks meanwhile is told so, and
whoever asks after `LEASE` takes it over, since its process must have died. *Done*: the act is in the store; the mark
rode in the transact of the act (`riders`), so the two are there together or not at all. *Answered*: the answer is kept,
for `LIFE`. A process that dies between the last two leaves a request that is done and has no answer: that is what its
repeat is told once the lease is over, and never is it done a second time.

A record is bound to who asked and for what (its id), and to all that they sent along (its fingerprint). What is not
final is not kept: the record is dropped and the request may be sent again, unless its act was done.

An answer may hold what is stored nowhere else (a join link, say): the store seals it, and it is gone with the record.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from medinova_rt import documents
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import Conflict, RepeatDiffers, RepeatRunning, RepeatUnanswered, Unavailable
from medinova_rt.ids import derived_id
from medinova_rt.logs import Log, code
from medinova_rt.phi import Basis, Open, Private, Sealing
from medinova_rt.ports import Delete, Find, Insert, Replace, Store, Stored, Write, encode_instant
from medinova_rt.riders import Rider

COLLECTION = "repeats"
SCHEMA = 1
BY_EXPIRY = Find(COLLECTION, ordered_by="expires_at")
FINDS: tuple[Find, ...] = (BY_EXPIRY,)

LIFE = timedelta(hours=24)
LEASE = timedelta(seconds=30)  # a request ends within 10 s; the rest is for clocks that differ
MAX_ANSWER_BYTES = 256 << 10  # of a longer one is kept that it was given
ATTEMPTS = 3
BATCH = 100

log = Log(__name__)


class State(StrEnum):
    RUNNING = "running"
    DONE = "done"
    ANSWERED = "answered"


class Answer(Struct, frozen=True, kw_only=True):
    """`headers` name things by their ids and versions."""

    status: Open[int]
    headers: Open[dict[str, str]]
    body: Private[str]


class Record(Struct, frozen=True, kw_only=True):
    clinic: Open[str] = PLATFORM  # the caller may belong to several
    schema: Open[int] = SCHEMA
    fingerprint: Open[str]
    state: Open[State] = State.RUNNING
    until: Open[datetime]  # the end of the lease
    expires_at: Open[datetime]
    answer: Private[Answer | None] = None


SEALINGS: tuple[Sealing, ...] = (Sealing(COLLECTION, Record, basis=Basis.SECURITY),)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, as it is recognised."""

    id: str
    fingerprint: str


def ask(who: tuple[str, ...], what: tuple[str, ...], key: str, sent: tuple[bytes, ...]) -> Ask:
    """`who` asks for `what` (method and path) under `key`, with all that `sent` holds."""
    digest = hashlib.sha256()
    for part in sent:
        digest.update(len(part).to_bytes(8, "big") + part)
    return Ask(derived_id("rep", *who, *what, key), digest.hexdigest())


class Repeats:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def look(self, ask: Ask, now: datetime) -> Answer | None:
        """Return the answer kept, None where the request may be carried out.

        Raises RepeatDiffers, RepeatRunning, RepeatUnanswered.
        """
        stored = await self._store.get(COLLECTION, ask.id)
        return None if stored is None else self._answer(_read(stored), ask, now)

    async def claim(self, ask: Ask, now: datetime) -> Rider | Answer:
        """Make the request ours to carry out: the rider marks it as done. Or return its answer; raises as `look`."""
        record = Record(fingerprint=ask.fingerprint, until=now + LEASE, expires_at=now + LIFE)
        running, done = documents.encode(record), documents.encode(replace(record, state=State.DONE))
        for _ in range(ATTEMPTS):
            stored = await self._store.get(COLLECTION, ask.id)
            if stored and (answer := self._answer(_read(stored), ask, now)):
                return answer
            put = Replace(COLLECTION, ask.id, running, stored.token) if stored else Insert(COLLECTION, ask.id, running)
            try:
                (token,) = await self._store.transact([put])
            except Conflict:
                continue
            return Rider(Replace(COLLECTION, ask.id, done, token))
        raise RepeatRunning("the same request came at the same moment; ask again")

    async def keep(self, rider: Rider, answer: Answer) -> None:
        """Give this answer from now on; what cannot be kept leaves the request done and unanswered."""
        done = documents.decode(Record, rider.write.document, SCHEMA, {})
        fits = len(answer.body) <= MAX_ANSWER_BYTES
        kept = replace(done, state=State.ANSWERED, answer=answer) if fits else done
        await self._put(Replace(COLLECTION, rider.write.id, documents.encode(kept), rider.token))

    async def release(self, rider: Rider) -> None:
        """Let the request be sent again, unless its act was done."""
        if not rider.has_arrived:
            await self._put(Delete(COLLECTION, rider.write.id, rider.token))

    async def _put(self, write: Write) -> None:
        try:
            await self._store.transact([write])
        except Conflict:
            pass  # done after all, or taken over by somebody who waited for us long enough
        except Unavailable as error:
            log.warning("a repeat could not be kept", code=code(error))

    async def sweep(self, now: datetime) -> bool:
        """Drop some of what has expired; return whether there may be more. Raises Conflict when one is claimed anew."""
        page = await self._store.find(BY_EXPIRY, below=encode_instant(now), limit=BATCH)
        if page.rows:
            await self._store.transact([Delete(COLLECTION, row.id, row.token) for row in page.rows])
        return page.cursor is not None

    def _answer(self, record: Record, ask: Ask, now: datetime) -> Answer | None:
        if now >= record.expires_at or (record.state is State.RUNNING and now >= record.until):
            return None
        if record.fingerprint != ask.fingerprint:
            raise RepeatDiffers("this key came before with another request")
        if record.answer:
            return record.answer
        if record.state is not State.ANSWERED and now < record.until:
            raise RepeatRunning("the same request is still running; ask again")
        raise RepeatUnanswered("this was done before, and its answer was lost; read what there is now")


def _read(stored: Stored) -> Record:
    return documents.decode(Record, stored.document, SCHEMA, {})
