"""A Store that chains the audit records that are written through it (`medinova_rt.strands`).

A transact that carries records takes a lane of each of their clinics: a strand that nobody else writes to meanwhile. So
records are chained without one transact waiting for another, and the head moves only when the transact is done. Lanes
are opened as they are needed, up to `MAX_LANES`; there, whoever comes waits. The lane used last is taken first: those
that a rush has opened fall idle, and are let go.

After an outcome that is not known (the store did not answer, the caller was cancelled) the record may be there or not:
the lane is given up, and nothing ever follows in that strand. Either way it is whole.

Below this, a transact has more writes: the documents of strands that begin. `ports.MAX_STRANDS` keeps room for them.
"""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from time import monotonic

from medinova_rt import audit, documents, strands
from medinova_rt.errors import BadInput, Conflict, LimitReached
from medinova_rt.ids import ClinicId, new_id
from medinova_rt.layered import LayeredStore
from medinova_rt.ports import Insert, Replace, Store, Token, Write
from medinova_rt.strands import Strand

MAX_LANES = 64  # of one clinic in one process; whoever comes then waits, and the store below bounds how many do
IDLE_S = 3600.0  # a lane that was not used for so long is not used again: its strand can be closed
NOT_DONE = (Conflict, BadInput, LimitReached)  # whatever else is raised, nobody knows


class _Lane:
    """A strand of this process and where it stands. `seq` 0: nothing is written yet, not even its document."""

    __slots__ = ("digest", "is_lost", "seq", "strand", "used_at")

    def __init__(self, strand: Strand) -> None:
        self.strand = strand
        self.seq = 0
        self.digest: str = strand.id
        self.used_at = 0.0  # monotonic
        self.is_lost = False  # nobody knows what became of its last record


class _Lanes:
    """Those of one clinic. `free` are those that nobody has taken, the one used last at the end."""

    __slots__ = ("free", "taken", "turn", "waiting")

    def __init__(self) -> None:
        self.free: list[_Lane] = []
        self.taken = 0
        self.waiting = 0
        self.turn = asyncio.Semaphore(0)  # one for each lane that was handed on to who waits

    async def wait(self) -> None:
        self.waiting += 1
        try:
            await self.turn.acquire()
        finally:
            self.waiting -= 1

    def leave(self) -> None:
        if self.waiting:
            self.turn.release()
        else:
            self.taken -= 1


class StrandStore(LayeredStore):
    def __init__(self, store: Store, node: str | None = None, clock: Callable[[], datetime] | None = None) -> None:
        super().__init__(store)
        self._clock = clock or (lambda: datetime.now(UTC))
        self._node = node or f"{socket.gethostname()}-{os.getpid()}-{new_id('nod', self._clock())}"
        self._opened = 0
        self._lanes: dict[ClinicId, _Lanes] = {}
        self._counts = Counter({"strands": 0, "given_up": 0})

    def counters(self) -> Mapping[str, int]:
        """Totals since start: strands begun, and those of them that were given up."""
        return self._counts

    async def transact(self, writes: Sequence[Write]) -> list[Token]:
        """Raises RuntimeError for a write to the audit trail that is no `Insert`.

        One of before there were strands may be brought up to what is stored today.
        """
        clinics = {_clinic(write) for write in writes if write.collection == audit.COLLECTION and not _is_old(write)}
        if not clinics:
            return await self._below.transact(writes)
        taken: dict[ClinicId, _Lane] = {}
        try:
            for clinic in sorted(clinics):  # in one order, so that no two wait for each other's
                lanes = self._lanes.get(clinic)
                if lanes is None:
                    lanes = self._lanes[clinic] = _Lanes()
                if lanes.taken < MAX_LANES:
                    lanes.taken += 1
                else:
                    await lanes.wait()
                taken[clinic] = self._lane(clinic, lanes)
            return await self._linked(writes, taken)
        finally:
            now = monotonic()
            for clinic, lane in taken.items():
                lanes = self._lanes[clinic]
                if not lane.is_lost:
                    lane.used_at = now
                    lanes.free.append(lane)
                lanes.leave()

    async def _linked(self, writes: Sequence[Write], taken: Mapping[ClinicId, _Lane]) -> list[Token]:
        heads = {clinic: (lane.seq, lane.digest) for clinic, lane in taken.items()}
        linked: list[Write] = []
        for write in writes:
            if write.collection == audit.COLLECTION and isinstance(write, Insert):
                clinic = write.document["clinic"]
                seq, digest = heads[clinic]
                document = strands.link(write.document, taken[clinic].strand.id, seq + 1, digest)
                heads[clinic] = seq + 1, document["digest"]
                linked.append(Insert(write.collection, write.id, document))
            else:
                linked.append(write)
        linked.extend(_beginning(lane.strand) for lane in taken.values() if not lane.seq)
        try:
            tokens = await self._below.transact(linked)
        except NOT_DONE:
            raise
        except BaseException:
            self._counts["given_up"] += len(taken)
            for lane in taken.values():
                lane.is_lost = True
            raise
        if len(tokens) > len(writes):
            self._counts["strands"] += len(tokens) - len(writes)
            del tokens[len(writes) :]
        for clinic, lane in taken.items():
            lane.seq, lane.digest = heads[clinic]
        return tokens

    def _lane(self, clinic: ClinicId, lanes: _Lanes) -> _Lane:
        if lanes.free:
            lane = lanes.free.pop()
            if monotonic() - lane.used_at < IDLE_S:
                return lane
            lanes.free.clear()  # the others were used before it
        self._opened += 1
        return _Lane(strands.new_strand(clinic, self._node, self._clock(), self._opened))


def _beginning(strand: Strand) -> Insert:
    return Insert(strands.COLLECTION, strand.id, documents.encode(strand))


def _is_old(write: Write) -> bool:
    return isinstance(write, Replace) and write.document.get("strand") is None


def _clinic(write: Write) -> ClinicId:
    if not isinstance(write, Insert):
        raise RuntimeError("an audit record is only ever inserted")
    return ClinicId(write.document["clinic"])
