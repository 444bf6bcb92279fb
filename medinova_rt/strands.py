"""Chains of audit records: what makes a record that is altered, taken out, moved or put in again show.

A strand is the chain of one (clinic, process, lane): its records are numbered from 1, and each carries the digest of
the one before. Nobody else writes to it, so no two writers share a head; that is what lets records be chained without
anybody waiting. `adapters.strand_store` makes the links, `checkpoints` signs the heads, `verification` looks at it all.

A strand's id is derived from what its document says of its origin, so that this cannot be altered either.
`place`, `seq` and `digest` are where the last checkpoint saw it; its records say where it really stands.
"""

from datetime import datetime
from enum import StrEnum
from hashlib import sha256

import msgspec
from msgspec import Struct

from medinova_rt import documents
from medinova_rt.ids import ClinicId, StrandId, derived_id
from medinova_rt.phi import Open
from medinova_rt.ports import Document, Find, Stored, encode_instant

COLLECTION = "strands"
SCHEMA = 1
BY_STATE = Find(COLLECTION, equal=("state",), ordered_by="clinic")
BY_PLACE = Find(COLLECTION, equal=("clinic",), ordered_by="place")
FINDS: tuple[Find, ...] = (BY_STATE, BY_PLACE)

NOWHERE = -1  # the place of a strand that no checkpoint has seen

_canonical = msgspec.json.Encoder(order="deterministic").encode


class State(StrEnum):
    OPEN = "open"
    CLOSED = "closed"  # nothing is added any more


class Strand(Struct, frozen=True, kw_only=True):
    id: Open[StrandId]
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    node: Open[str]  # the process
    started_at: Open[datetime]
    opened: Open[int]  # which one of that process it is, from 1
    state: Open[State] = State.OPEN
    place: Open[int] = NOWHERE  # among the clinic's strands, in the order in which checkpoints first saw them
    seq: Open[int] = 0
    digest: Open[str] = ""
    moved_at: Open[datetime]  # the checkpoint that saw it move last

    @property
    def is_itself(self) -> bool:
        return self.id == _id(self.clinic, self.node, self.started_at, self.opened)


def new_strand(clinic: ClinicId, node: str, started_at: datetime, opened: int) -> Strand:
    made = _id(clinic, node, started_at, opened)
    return Strand(id=made, clinic=clinic, node=node, started_at=started_at, opened=opened, moved_at=started_at)


def _id(clinic: ClinicId, node: str, started_at: datetime, opened: int) -> StrandId:
    return StrandId(derived_id("str", clinic, node, encode_instant(started_at), str(opened)))


def read(stored: Stored) -> Strand:
    return documents.decode(Strand, stored.document, SCHEMA, {})


def canonical(document: Document) -> bytes:
    """The JSON that is digested and signed: names in order, no blanks, UTF-8."""
    return _canonical(document)


def digest(document: Document) -> str:
    """Of everything in it but its own digest, as it is stored: what is sealed stays so."""
    if "digest" in document:
        document = {name: value for name, value in document.items() if name != "digest"}
    return sha256(_canonical(document)).hexdigest()


def link(document: Document, strand: StrandId, seq: int, previous: str) -> Document:
    """Return the record as it follows the one whose digest is `previous`: the strand's id for the first."""
    linked = {**document, "strand": strand, "seq": seq, "previous": previous}
    linked.pop("digest", None)
    linked["digest"] = sha256(_canonical(linked)).hexdigest()
    return linked
