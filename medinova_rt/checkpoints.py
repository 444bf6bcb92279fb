"""Checkpoints of the audit trail: where every strand of a clinic stood at an instant, signed, and copied elsewhere.

Whoever can write to the store can make a whole chain anew, cut its end off, or put an older copy of the store back.
They cannot sign: the key is not in the store. And what they put back lags behind the copies of the checkpoints.

A checkpoint holds the root of a Merkle tree over the heads of all strands, and those heads that have moved since the
one before; the others stand as they did there. So one that is written costs what has moved, however many strands are
long at rest, and reading the checkpoints in order gives every head at any of them. A strand that rests for
`CLOSE_AFTER` is closed and not looked at again: by then, no process adds to it.

One process makes them, by a job, once a minute; where two do after all, the number decides: it is there once.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from medinova_rt import audit, documents, jobs, strands
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import Conflict
from medinova_rt.ids import CheckpointId, ClinicId, JobId, StrandId, derived_id
from medinova_rt.jobs import Job
from medinova_rt.logs import Log, Word
from medinova_rt.merkle import Tree
from medinova_rt.phi import Open
from medinova_rt.ports import MAX_PAGE, Find, Insert, Replace, Store, Stored, Token, Write
from medinova_rt.signing import SigningKey
from medinova_rt.strands import State, Strand, canonical

COLLECTION = "checkpoints"
SCHEMA = 1
BY_NUMBER = Find(COLLECTION, equal=("clinic",), ordered_by="number")
LATEST = Find(COLLECTION, equal=("clinic",), ordered_by="number", descending=True)
FINDS: tuple[Find, ...] = (BY_NUMBER, LATEST)

CHECKPOINT_JOB = "checkpoint"
EVERY = timedelta(minutes=1)
CLOSE_AFTER = timedelta(hours=3)  # three times as long as a lane may be idle and be used again
MAX_MOVED = 90  # heads in one checkpoint, since each is a write of its transact
AT_ONCE = 32  # heads read at the same time
MAX_LEAVES = 200_000  # of the trees kept in memory, all clinics together; the one not used longest goes

log = Log(__name__)


class Head(Struct, frozen=True):
    strand: Open[StrandId]
    seq: Open[int]
    digest: Open[str]

    def leaf(self) -> bytes:
        return f"{self.strand} {self.seq} {self.digest}".encode()


class Checkpoint(Struct, frozen=True, kw_only=True):
    id: Open[CheckpointId]
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    number: Open[int]  # from 1
    at: Open[datetime]
    previous: Open[str]  # the digest of the one before, the clinic's id for the first
    strands: Open[int]  # how many there are
    records: Open[int]  # in all of them
    root: Open[str]
    moved: Open[list[Head]]  # one that is new here takes the next place in the tree
    key: Open[str]  # which one has signed
    signature: Open[str] = ""


class Copies(Protocol):
    """Where the checkpoints are kept beside the store: added to, a line for each, never changed."""

    async def last(self, clinic: ClinicId) -> bytes | None:
        """The last whole line. Raises Unavailable."""
        ...

    async def append(self, clinic: ClinicId, after: bytes | None, lines: Sequence[bytes]) -> None:
        """Return once they are durable. They are left out where `after` is not the last line: somebody else was first.

        Raises Unavailable.
        """
        ...

    def read(self, clinic: ClinicId) -> AsyncIterator[bytes]:
        """The lines from the first; the last one may have been cut. Raises Unavailable."""
        ...

    async def clinics(self) -> set[ClinicId]: ...


def checkpoint_id(clinic: ClinicId, number: int) -> CheckpointId:
    return CheckpointId(derived_id("chk", clinic, str(number)))


def read(stored: Stored) -> Checkpoint:
    return documents.decode(Checkpoint, stored.document, SCHEMA, {})


def signed_part(checkpoint: Checkpoint) -> bytes:
    return canonical(documents.encode(replace(checkpoint, signature="")))


def line(checkpoint: Checkpoint) -> bytes:
    """As it is copied, without the end of line; its digest is what the next one names."""
    return canonical(documents.encode(checkpoint))


def digest(checkpoint: Checkpoint) -> str:
    return sha256(line(checkpoint)).hexdigest()


@dataclass(slots=True)
class Ledger:
    """The heads of a clinic's strands as checkpoints have told them so far. The one who writes them and the one who
    verifies them both count by it."""

    number: int = 0
    digest: str = ""
    records: int = 0
    tree: Tree = field(default_factory=Tree)
    places: dict[StrandId, int] = field(default_factory=dict)
    seqs: list[int] = field(default_factory=list)  # by place

    def seq(self, strand: StrandId) -> int:
        """Where a strand stands; 0 if it is new."""
        place = self.places.get(strand)
        return 0 if place is None else self.seqs[place]

    def holds(self, head: Head) -> bool:
        return self.tree.holds(self.places[head.strand], head.leaf())

    def put(self, head: Head) -> int:
        """Take a head over; return its place."""
        place = self.places.setdefault(head.strand, len(self.seqs))
        if place == len(self.seqs):
            self.seqs.append(0)
        self.records += head.seq - self.seqs[place]
        self.seqs[place] = head.seq
        self.tree.put(place, head.leaf())
        return place


class Checkpoints:
    def __init__(self, store: Store, key: SigningKey, copies: Copies) -> None:
        self._store = store
        self._key = key
        self._copies = copies
        self._ledgers: OrderedDict[ClinicId, Ledger] = OrderedDict()
        self._counts = Counter({"checkpoints": 0, "mismatches": 0})

    def counters(self) -> Mapping[str, int]:
        """Totals since start. A `mismatch` is what `medinova audit verify` is to be run for."""
        return self._counts

    async def plan(self, now: datetime) -> None:
        """Leave the next job, unless it is there already."""
        slot = int(now.timestamp() // EVERY.total_seconds()) + 1
        due = datetime.fromtimestamp(slot * EVERY.total_seconds(), UTC)
        planned_id = JobId(derived_id("job", CHECKPOINT_JOB, str(slot)))
        planned = Job(id=planned_id, clinic=PLATFORM, kind=CHECKPOINT_JOB, about={}, due_at=due)
        try:
            await self._store.transact([Insert(jobs.COLLECTION, planned.id, documents.encode(planned))])
        except Conflict:
            pass

    async def run(self, job: Job, now: datetime) -> None:
        await self.plan(now)  # first, so that there is a next one whatever comes of this
        await self.write(now)

    async def write(self, now: datetime) -> None:
        """Make a checkpoint of every clinic that has news. Raises Unavailable."""
        async for clinic, held in self._open_strands():
            await self._of_clinic(clinic, held, now)

    async def _open_strands(self) -> AsyncIterator[tuple[ClinicId, list[tuple[Strand, Token]]]]:
        cursor, held = None, list[tuple[Strand, Token]]()
        while True:
            page = await self._store.find(strands.BY_STATE, (State.OPEN,), limit=MAX_PAGE, cursor=cursor)
            for row in page.rows:
                strand = strands.read(row)
                if held and held[0][0].clinic != strand.clinic:
                    yield held[0][0].clinic, held
                    held = []
                held.append((strand, row.token))
            cursor = page.cursor
            if cursor is None:
                break
        if held:
            yield held[0][0].clinic, held

    async def _of_clinic(self, clinic: ClinicId, held: list[tuple[Strand, Token]], now: datetime) -> None:
        last = await self._last(clinic)
        if not await self._copies_follow(clinic, last):
            return
        heads: list[Head | None] = []
        for start in range(0, len(held), AT_ONCE):
            found = (self._head(strand.id) for strand, _ in held[start : start + AT_ONCE])
            heads += await asyncio.gather(*found)
        moved, resting = [], []
        for (strand, token), head in zip(held, heads, strict=True):
            if head is None or head.seq < strand.seq:
                self._mismatch(clinic, Word("strand-is-shorter"))
            elif head.seq > strand.seq:
                moved.append((strand, token, head))
            elif now - strand.moved_at > CLOSE_AFTER:
                resting.append((strand, token))
        try:
            for begin in range(0, len(moved), MAX_MOVED):
                last = await self._put(clinic, last, moved[begin : begin + MAX_MOVED], now)
                if last is None:
                    return
            for begin in range(0, len(resting), MAX_MOVED):
                await self._store.transact([_closing(each) for each in resting[begin : begin + MAX_MOVED]])
        except Conflict:  # another process is at it
            self._ledgers.pop(clinic, None)

    async def _last(self, clinic: ClinicId) -> Checkpoint | None:
        page = await self._store.find(LATEST, (clinic,), limit=1)
        return read(page.rows[0]) if page.rows else None

    async def _head(self, strand: StrandId) -> Head | None:
        page = await self._store.find(audit.LAST_OF_STRAND, (strand,), limit=1)
        if not page.rows:
            return None
        return _head_of(strand, page.rows[0])

    async def _copies_follow(self, clinic: ClinicId, last: Checkpoint | None) -> bool:
        """Bring the copies up to the store; False where they are ahead of it, or say otherwise: nothing may be added
        to a store that was put back, since nobody could tell any more that it was."""
        copied = await self._copies.last(clinic)
        number = msgspec.json.decode(copied, type=Checkpoint).number if copied else 0
        there = last.number if last else 0
        if number > there or (copied and last and number == there and copied != line(last)):
            self._mismatch(clinic, Word("copies-are-of-another-store"))
            return False
        while number < there:
            page = await self._store.find(BY_NUMBER, (clinic,), at_least=number + 1, limit=MAX_PAGE)
            missing = [read(row) for row in page.rows]
            if not missing:
                break
            lines = [line(each) for each in missing]
            await self._copies.append(clinic, copied, lines)
            number, copied = missing[-1].number, lines[-1]
        return True

    async def _put(
        self, clinic: ClinicId, last: Checkpoint | None, moved: list[tuple[Strand, Token, Head]], now: datetime
    ) -> Checkpoint | None:
        """None where it does not follow the one before. Raises Conflict."""
        ledger = await self._ledger(clinic, last)
        if ledger is None:
            return None
        self._ledgers.pop(clinic, None)  # until it is written
        writes, heads = list[Write](), list[Head]()
        intact = await asyncio.gather(*(self._still_stands(ledger, strand.id) for strand, _, _ in moved))
        for (strand, token, head), is_intact in zip(moved, intact, strict=True):
            if not is_intact or head.seq <= ledger.seq(head.strand):
                self._mismatch(clinic, Word("strand-was-rewritten"))
                continue  # what was signed before stays so, and shows
            place = ledger.put(head)
            after = replace(strand, place=place, seq=head.seq, digest=head.digest, moved_at=now)
            writes.append(_replacing(after, token))
            heads.append(head)
        if not writes:
            self._remember(clinic, ledger)
            return last
        number = ledger.number + 1
        made = Checkpoint(
            id=checkpoint_id(clinic, number),
            clinic=clinic,
            number=number,
            at=now,
            previous=ledger.digest or clinic,
            strands=len(ledger.tree),
            records=ledger.records,
            root=ledger.tree.root.hex(),
            moved=heads,
            key=self._key.id,
        )
        made = replace(made, signature=self._key.sign(signed_part(made)))
        await self._store.transact([Insert(COLLECTION, made.id, documents.encode(made)), *writes])
        ledger.number, ledger.digest = number, digest(made)
        self._remember(clinic, ledger)
        self._counts["checkpoints"] += 1
        await self._copies.append(clinic, line(last) if last else None, [line(made)])
        return made

    async def _still_stands(self, ledger: Ledger, strand: StrandId) -> bool:
        """Whether a strand leads through where the last checkpoint saw it; else nobody is to sign where it leads."""
        seq = ledger.seq(strand)
        if not seq:
            return True
        page = await self._store.find(audit.BY_STRAND, (strand,), at_least=seq, limit=1)
        return bool(page.rows) and ledger.holds(_head_of(strand, page.rows[0]))

    async def _ledger(self, clinic: ClinicId, last: Checkpoint | None) -> Ledger | None:
        """The heads as the last checkpoint left them: remembered, or read from the strands, which say it too."""
        kept = self._ledgers.get(clinic)
        if kept and last and kept.digest == digest(last):
            return kept
        ledger, cursor = Ledger(), None
        while last:
            page = await self._store.find(strands.BY_PLACE, (clinic,), at_least=0, limit=MAX_PAGE, cursor=cursor)
            for strand in map(strands.read, page.rows):
                ledger.put(Head(strand.id, strand.seq, strand.digest))
            cursor = page.cursor
            if cursor is None:
                break
        if last:
            if (last.root, last.strands) != (ledger.tree.root.hex(), len(ledger.tree)):
                self._mismatch(clinic, Word("strands-differ"))
                return None
            ledger.number, ledger.digest = last.number, digest(last)
        return ledger

    def _remember(self, clinic: ClinicId, ledger: Ledger) -> None:
        self._ledgers[clinic] = ledger
        self._ledgers.move_to_end(clinic)
        while len(self._ledgers) > 1 and sum(len(each.tree) for each in self._ledgers.values()) > MAX_LEAVES:
            self._ledgers.popitem(last=False)

    def _mismatch(self, clinic: ClinicId, why: Word) -> None:
        self._counts["mismatches"] += 1
        log.error("the audit trail does not fit its checkpoints: run medinova audit verify", code=why, clinic=clinic)


def _head_of(strand: StrandId, row: Stored) -> Head:
    return Head(strand, row.document["seq"], row.document["digest"])


def _replacing(strand: Strand, token: Token) -> Write:
    return Replace(strands.COLLECTION, strand.id, documents.encode(strand), token)


def _closing(held: tuple[Strand, Token]) -> Write:
    strand, token = held
    return _replacing(replace(strand, state=State.CLOSED), token)
