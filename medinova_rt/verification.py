"""Whether a clinic's audit trail is what was written: every record, every strand, every checkpoint, every copy.

It needs the store as it stands (sealed fields stay sealed: no data key is asked for), the public key, and the copies of
the checkpoints, and reads each page once or twice, so that memory is bounded by the number of strands. It runs beside a
server too: what comes in meanwhile only makes strands longer.

What is looked at, in this order: the checkpoints (signed, in a row, their tree, equal to their copies), then all
records by time (each in a strand that there is), then every strand from its first record to beyond the last checkpoint.
What was written since then is held by its chain alone, which whoever writes to the store can make anew: a minute, at
most.
"""

from array import array
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

import msgspec

from medinova_rt import audit, checkpoints, strands
from medinova_rt.checkpoints import Checkpoint, Copies, Head, Ledger
from medinova_rt.errors import Unavailable
from medinova_rt.ids import ClinicId, StrandId
from medinova_rt.ports import MAX_PAGE, Find, Store, Stored, encode_instant
from medinova_rt.signing import VerifyingKey
from medinova_rt.strands import NOWHERE, State, Strand

MAX_FAULTS = 20  # told, of one clinic; the rest is counted
UNSEEN = timedelta(minutes=10)  # in which a checkpoint has seen a record; the instant it bears is of a little before
COPY_LAG = timedelta(minutes=2)  # in which a checkpoint of a running server may lack its copy
DAMAGED = (Unavailable, msgspec.MsgspecError, ValueError, KeyError, TypeError, RuntimeError)  # what reading it raises

Progress = Callable[[str, int], None]  # what is counted, and how much of it there is by now


@dataclass(slots=True)
class Verdict:
    clinic: ClinicId
    records: int = 0  # chained
    unchained: int = 0  # of before there were strands
    strands: int = 0
    checkpoints: int = 0
    since: int = 0  # records that no checkpoint has seen yet
    faults: list[str] = field(default_factory=list)
    more_faults: int = 0

    @property
    def is_intact(self) -> bool:
        return not self.faults

    def blame(self, fault: str) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(fault)
        else:
            self.more_faults += 1


class _Told:
    """Where checkpoints saw a strand, one after the other. Of the digests there, one that stands for all is kept."""

    __slots__ = ("digest", "head", "seqs")

    def __init__(self) -> None:
        self.seqs = array("Q")
        self.digest = b""

    def add(self, head: Head) -> None:
        self.head = head  # the last one
        self.seqs.append(head.seq)
        self.digest = _onto(self.digest, head.digest)


def _onto(digest: bytes, next_one: str) -> bytes:
    return sha256(digest + next_one.encode()).digest()


class Verification:
    """Of one clinic, once."""

    def __init__(
        self,
        store: Store,
        clinic: ClinicId,
        keys: Mapping[str, VerifyingKey],
        copies: Copies,
        now: datetime,
        progress: Progress = lambda what, count: None,
    ) -> None:
        self._store = store
        self._clinic = clinic
        self._keys = keys
        self._copies = copies
        self._now = now
        self._progress = progress
        self._told: dict[StrandId, _Told] = {}
        self._last_at: datetime | None = None  # of the last checkpoint
        self._listed: Counter[str] = Counter()  # records by time, of each strand
        self._unchained: tuple[str, str] | None = None  # the last one: instant, id
        self._unreadable = False
        self.verdict = Verdict(clinic)

    async def run(self) -> Verdict:
        """Raises Unavailable."""
        await self._look_at_checkpoints()
        await self._look_at_list()
        await self._look_at_strands()
        if self._unreadable and self.verdict.is_intact:
            self.verdict.blame(
                "a record of before there were strands is damaged: the list by time cannot be read through"
            )
        return self.verdict

    # --- checkpoints ---

    async def _look_at_checkpoints(self) -> None:
        ledger, copied = Ledger(), 0
        copies = self._copies.read(self._clinic)
        say = self.verdict.blame
        async for row in self._rows(checkpoints.BY_NUMBER, self._clinic):
            number = ledger.number + 1
            copy = await anext(copies, None)
            copied += copy is not None
            if row is None:
                say(f"checkpoint {number} is damaged: it cannot be read")
                return
            fault, found = self._fault_of(row, ledger)
            if found is not None and found.number != number:
                say(f"checkpoint {number} is missing: checkpoint {found.number} follows on {number - 1}")
                return
            if fault or found is None:
                say(f"checkpoint {number} {fault}")
                return
            for head in found.moved:
                self._told.setdefault(head.strand, _Told()).add(head)
            self._last_at = found.at
            ledger.number, ledger.digest = number, checkpoints.digest(found)
            self.verdict.checkpoints = number
            self._progress("checkpoints", number)
            if copy is None and self._now - found.at > COPY_LAG:
                say(f"the copies end before checkpoint {number}: they are missing, or were cut")
                return
            if copy is not None and copy != checkpoints.line(found):
                what = "the copies were cut in" if not copy.endswith(b"}") else "the copy differs from the store at"
                say(f"{what} checkpoint {number}")
                return
        more = [line async for line in copies if line.endswith(b"}")][:1]
        next_id = checkpoints.checkpoint_id(self._clinic, ledger.number + 1)
        if more and await self._store.get(checkpoints.COLLECTION, next_id) is None:  # else it was made just now
            said = f"the copies go on after checkpoint {ledger.number}, the last one in the store"
            say(f"{said}: an older copy of the store was put back, or its checkpoints were deleted")

    def _fault_of(self, row: Stored, ledger: Ledger) -> tuple[str, Checkpoint | None]:
        try:
            found = checkpoints.read(row)
            if (
                row.id != found.id
                or found.id != checkpoints.checkpoint_id(self._clinic, found.number)
                or row.version != 1
            ):
                return "was altered: it is not where it belongs", found
            if found.number != ledger.number + 1:
                return "", found
            if strands.canonical(row.document) != checkpoints.line(found):
                return "was altered: it holds what no checkpoint holds", found
            key = self._keys.get(found.key)
            if key is None:
                return f"was signed with another key ({found.key}): give that one with --key if it was yours", found
            if not key.verifies(checkpoints.signed_part(found), found.signature):
                return "was altered: its signature does not fit", found
            if found.clinic != self._clinic or found.previous != (ledger.digest or self._clinic):
                return "does not follow the one before it", found
            for head in found.moved:
                if ledger.seq(head.strand) >= head.seq:
                    return f"takes records back from strand {head.strand}", found
                ledger.put(head)
            if (found.root, found.strands, found.records) != (ledger.tree.root.hex(), len(ledger.tree), ledger.records):
                return "does not stand for the heads that it tells", found
        except DAMAGED:
            return "was altered: it is no checkpoint any more", None
        return "", found

    # --- all records, by time ---

    async def _look_at_list(self) -> None:
        count = 0
        async for row in self._rows(audit.BY_CLINIC, self._clinic):
            if row is None:
                self._unreadable = True  # the strands will tell which
                return
            count += 1
            self._progress("records by time", count)
            if isinstance(strand := row.document.get("strand"), str):
                self._listed[strand] += 1
            else:
                self.verdict.unchained += 1
                self._unchained = str(row.document.get("at")), row.id

    # --- strands ---

    async def _look_at_strands(self) -> None:
        seen: set[StrandId] = set()
        first: str | None = None
        async for row in self._rows(strands.BY_PLACE, self._clinic):
            strand = self._strand(row)
            if strand is None:
                continue
            seen.add(strand.id)
            started = encode_instant(strand.started_at)
            first = min(first or started, started)
            await self._walk(strand)
        for known, told in self._told.items():
            if known not in seen:
                self.verdict.blame(f"strand {known} is missing, with {told.head.seq} records")
        for listed in self._listed:
            if listed not in seen:
                self.verdict.blame(
                    f"{self._listed[listed]} records say that they are of strand {listed}, which is not there"
                )
        if self._unchained and first is not None and self._unchained[0] >= first:
            self.verdict.blame(f"record {self._unchained[1]} is in no strand, and later than the first one began")

    def _strand(self, row: Stored | None) -> Strand | None:
        try:
            strand = strands.read(row) if row else None
        except DAMAGED:
            strand = None
        if row is None or strand is None:
            self.verdict.blame(f"strand {row.id if row else '(unknown)'} is damaged: its document cannot be read")
            return None
        if row.id != strand.id or not strand.is_itself or strand.clinic != self._clinic:
            self.verdict.blame(f"strand {row.id} was altered: its document says that it is another")
            return None
        told = self._told.get(strand.id)
        if told and (strand.place == NOWHERE or strand.seq < told.head.seq):
            self.verdict.blame(f"strand {row.id} was altered: its document lags behind the last checkpoint")
        return strand

    async def _walk(self, strand: Strand) -> None:
        """From the first record on, up to the first fault."""
        self.verdict.strands += 1
        told = self._told.get(strand.id, _Told())
        known = told.seqs[-1] if told.seqs else 0
        seq, previous, nth, digest = 0, str(strand.id), 0, b""
        async for row in self._records(strand.id):
            number = seq + 1
            if row is None:
                self.verdict.blame(f"record {number} of strand {strand.id} is damaged: it cannot be read")
                return
            fault = self._fault_of_record(row, strand, number, previous)
            if fault is None and number == known + 1:
                fault = self._fault_of_unseen(row, strand, number)
            if fault:
                self.verdict.blame(fault)
                return
            seq, previous = number, row.document["digest"]
            self.verdict.records += 1
            self._progress("records", self.verdict.records)
            if seq <= known and seq == told.seqs[nth]:
                nth, digest = nth + 1, _onto(digest, previous)
                if seq == known and digest != told.digest:
                    self.verdict.blame(await self._rewritten(strand.id))
                    return
        if seq < known:
            which = f"record {known} is" if seq + 1 == known else f"records {seq + 1} to {known} are"
            self.verdict.blame(f"strand {strand.id} was cut: {which} missing at its end")
        elif not seq:
            self.verdict.blame(f"strand {strand.id} has no records: they are missing")
        elif self._listed[strand.id] > seq:
            self.verdict.blame(f"strand {strand.id} has {seq} records, and by time there are {self._listed[strand.id]}")
        self.verdict.since += max(0, seq - known)

    def _fault_of_unseen(self, row: Stored, strand: Strand, number: int) -> str | None:
        """Of the first that no checkpoint has seen: it may be so for a moment, in a strand that is still written to."""
        said = f"record {number} ({row.id}) of strand {strand.id}"
        if strand.state is State.CLOSED:
            return f"{said} is later than the strand was closed, and no checkpoint has seen it"
        at = row.document.get("at")
        if self._last_at is not None and str(at) < encode_instant(self._last_at - UNSEEN):
            return f"{said} was not seen by the checkpoints that were made since: the strand was kept from them"
        return None

    def _fault_of_record(self, row: Stored, strand: Strand, number: int, previous: str) -> str | None:
        said, place = row.document, f"of strand {strand.id}"
        named = f"record {number} ({row.id}) {place}"
        seq = said.get("seq")
        try:
            is_whole = strands.digest(said) == said.get("digest")
        except DAMAGED:
            is_whole = False
        if type(seq) is int and seq > number and is_whole:
            return f"record {number} {place} is missing: record {seq} ({row.id}) comes next"
        if type(seq) is int and seq < number and is_whole:
            return f"record {seq} ({row.id}) {place} is there twice"
        if not is_whole or row.id != said.get("id") or row.version != 1 or said.get("strand") != strand.id:
            return f"{named} was altered"
        if said.get("clinic") != self._clinic:
            return f"{named} is of another clinic"
        if said.get("previous") != previous:
            return f"{named} does not follow the one before it: one of the two was replaced"
        return None

    async def _rewritten(self, strand: StrandId) -> str:
        """The chain is whole and yet not the one that was signed: say since where, as closely as checkpoints tell."""
        good = 0
        async for row in self._rows(checkpoints.BY_NUMBER, self._clinic):
            for head in checkpoints.read(row).moved if row else ():
                if head.strand == strand:
                    page = await self._store.find(audit.BY_STRAND, (strand,), at_least=head.seq, limit=1)
                    if not page.rows or page.rows[0].document.get("digest") != head.digest:
                        among = (
                            f"record {head.seq}" if head.seq == good + 1 else f"a record from {good + 1} to {head.seq}"
                        )
                        return f"{among} of strand {strand} was altered, and all that follow were made to fit it"
                    good = head.seq
        return f"strand {strand} was made anew"

    # --- reading what may be damaged ---

    async def _rows(self, find: Find, *equal: str) -> AsyncIterator[Stored | None]:
        """All of them; None and no more where one cannot be read."""
        cursor = None
        while True:
            try:
                page = await self._store.find(find, equal, limit=MAX_PAGE, cursor=cursor)
            except DAMAGED:
                await self._check_store()
                yield None
                return
            for row in page.rows:
                yield row
            cursor = page.cursor
            if cursor is None:
                return

    async def _records(self, strand: StrandId) -> AsyncIterator[Stored | None]:
        """As `_rows`, with all that come before the damaged one."""
        start = 1
        while True:
            try:
                page = await self._store.find(audit.BY_STRAND, (strand,), at_least=start, limit=MAX_PAGE)
            except DAMAGED:
                await self._check_store()
                async for row in self._singly(strand, start):
                    yield row
                return
            for row in page.rows:
                yield row
            last = page.rows[-1].document.get("seq") if page.rows else None
            if page.cursor is None or not isinstance(last, int):
                return
            start = last + 1

    async def _singly(self, strand: StrandId, start: int) -> AsyncIterator[Stored | None]:
        for seq in range(start, start + MAX_PAGE + 1):
            try:
                page = await self._store.find(audit.BY_STRAND, (strand,), at_least=seq, below=seq + 1, limit=1)
            except DAMAGED:
                yield None
                return
            for row in page.rows:
                yield row
        yield None

    async def _check_store(self) -> None:
        """Raises Unavailable where it is the store that does not answer, and no damaged document."""
        await self._store.get(strands.COLLECTION, "str-none")
