"""A clinic's audit trail, for its administrators."""

from msgspec import Struct

from api import paging
from api.call import STORE, Call, Instant, Reply
from medinova_rt.accesses import Accesses
from medinova_rt.audit import Outcome, Record
from medinova_rt.ids import AuditId, ClinicId, GrantId, LinkId, PatientId, SeatId, SessionId, UserId, VisitId


class RecordView(Struct, frozen=True):
    """Who did what, by which role and right, when and from where; and what it was done to.

    `strand` and `seq` are its place in the chain that `medinova audit verify` looks at; older ones have none.
    """

    id: AuditId
    at: Instant
    role: str
    actor: str
    session: SessionId | None
    grant: GrantId | None
    address: str | None
    action: str
    outcome: Outcome
    patient: PatientId | None
    visit: VisitId | None
    seat: SeatId | None
    link: LinkId | None
    user: UserId | None
    about: str | None
    strand: str | None
    seq: int | None


class RecordPage(Struct, frozen=True):
    """Newest first."""

    items: list[RecordView]
    next_cursor: str | None


async def list_(call: Call[None]) -> Reply:
    """Read what was done at the clinic, newest first. To read it is on record as well."""
    clinic, query = ClinicId(call.path["clinic"]), call.query
    found, cursor = await Accesses(call.app[STORE]).of_clinic(
        call.principal, clinic, call.now, query.limit, query.cursor
    )
    return paging.reply(call, RecordPage([_view(each) for each in found], cursor), cursor)


def _view(record: Record) -> RecordView:
    said = {name: getattr(record, name) for name in RecordView.__struct_fields__ if name != "role"}
    return RecordView(role=record.actor_kind, **said)
