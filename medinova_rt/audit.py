"""What was done to whose visit, by whom, from where: written in the same transact as the act itself.

A record holds ids and codes, never what was said or how somebody is called. A known caller who was refused leaves a
record too (`outcome="denied"`); strangers do not, since anyone could fill the log with them (transports count those).
Records are only ever inserted. The store chains them on their way down (`strands`): `strand`, `seq`, `previous` and
`digest` are its own, and a record written before that was so has none.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from medinova_rt import documents
from medinova_rt.ids import (
    AuditId,
    ClinicId,
    GrantId,
    LinkId,
    PatientId,
    SeatId,
    SessionId,
    StrandId,
    UserId,
    VisitId,
    new_id,
)
from medinova_rt.phi import Basis, Open, Private, Sealing
from medinova_rt.ports import Find, Insert, Store, Stored

COLLECTION = "audit"
SCHEMA = 2
BY_VISIT = Find(COLLECTION, equal=("visit",), ordered_by="at")
BY_PATIENT = Find(COLLECTION, equal=("patient",), ordered_by="at", descending=True)  # who saw the record lately
BY_CLINIC = Find(COLLECTION, equal=("clinic",), ordered_by="at")
LATEST = Find(COLLECTION, equal=("clinic",), ordered_by="at", descending=True)
BY_STRAND = Find(COLLECTION, equal=("strand",), ordered_by="seq")
LAST_OF_STRAND = Find(COLLECTION, equal=("strand",), ordered_by="seq", descending=True)
FINDS: tuple[Find, ...] = (BY_VISIT, BY_PATIENT, BY_CLINIC, LATEST, BY_STRAND, LAST_OF_STRAND)

Outcome = Literal["done", "denied", "repeated"]  # repeated: the answer of before was given again


class Actor(Protocol):
    """Whoever acts; principals.Principal is one."""

    @property
    def kind(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def address(self) -> str | None: ...
    @property
    def session(self) -> SessionId | None: ...
    @property
    def grant(self) -> GrantId | None: ...


class Record(Struct, frozen=True, kw_only=True):
    id: Open[AuditId]
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    at: Open[datetime]
    actor_kind: Open[str]  # "service", "system", the role of the seat, or the role by which a user acted
    actor: Open[str]  # the service account's or clinic's, the seat's, or the user's id
    session: Open[SessionId | None] = None  # of a user
    grant: Open[GrantId | None] = None  # what gave the user that role
    action: Open[str]
    outcome: Open[Outcome]
    visit: Open[VisitId | None]
    seat: Open[SeatId | None]
    link: Open[LinkId | None]
    patient: Open[PatientId | None] = None
    user: Open[UserId | None] = None  # who was acted upon
    about: Open[str | None] = None  # the id of anything else that was
    address: Private[str | None]  # an IP address is personal data
    strand: Open[StrandId | None] = None  # the chain it is in; None: of before there were any
    seq: Open[int | None] = None  # from 1
    previous: Open[str | None] = None  # the digest of the one before, the strand's id for the first
    digest: Open[str | None] = None


# the clinic's: a record stays when whoever acted has been erased
SEALINGS: tuple[Sealing, ...] = (Sealing(COLLECTION, Record, basis=Basis.SECURITY),)


def record(
    actor: Actor,
    action: str,
    now: datetime,
    *,
    clinic: ClinicId,
    visit: VisitId | None = None,
    seat: SeatId | None = None,
    link: LinkId | None = None,
    patient: PatientId | None = None,
    user: UserId | None = None,
    about: str | None = None,
    outcome: Outcome = "done",
) -> Insert:
    """Return the write that belongs into the transact of the act; the ids given are what was acted upon."""
    made = Record(
        id=AuditId(new_id("aud", now)),
        clinic=clinic,
        at=now,
        actor_kind=actor.kind,
        actor=actor.id,
        session=actor.session,
        grant=actor.grant,
        action=str(action),
        outcome=outcome,
        visit=visit,
        seat=seat,
        link=link,
        patient=patient,
        user=user,
        about=about,
        address=actor.address,
    )
    return Insert(COLLECTION, made.id, documents.encode(made))


def read(stored: Stored) -> Record:
    return documents.decode(Record, stored.document, SCHEMA, {1: dict})


async def trail(store: Store, visit: VisitId, limit: int = 500) -> Sequence[Record]:
    """The visit's first `limit` records, oldest first."""
    page = await store.find(BY_VISIT, (visit,), limit=limit)
    return [read(row) for row in page.rows]
