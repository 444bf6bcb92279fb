"""What ties a user to a clinic or a patient: membership, relation, emergency access, operation of the platform.

One collection holds them all, so that whatever a user may be is one find, and an audit record can name the one grant
that gave a right. A grant is never deleted: it ends. `Standing` is what somebody's grants come to at one instant.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from medinova_rt import documents
from medinova_rt.ids import ClinicId, EmergencyId, GrantId, PatientId, UserId
from medinova_rt.phi import Open
from medinova_rt.ports import MAX_PAGE, Find, Store, Stored, encode_instant

COLLECTION = "grants"
SCHEMA = 1
BY_USER = Find(COLLECTION, equal=("user",), ordered_by="ends_at")
BY_CLINIC = Find(COLLECTION, equal=("clinic", "kind"), ordered_by="created_at")
BY_PATIENT = Find(COLLECTION, equal=("patient",), ordered_by="created_at")
FINDS: tuple[Find, ...] = (BY_USER, BY_CLINIC, BY_PATIENT)

FOREVER = datetime(9999, 12, 31, tzinfo=UTC)  # of a grant without an end: an instant, so that finds can range over it
MAX_GRANTS = MAX_PAGE  # of one user, not ended; whoever gives one keeps well below


class Kind(StrEnum):
    MEMBER = "member"
    SELF = "self"
    PARENT = "parent"
    GUARDIAN = "guardian"
    CARER = "carer"
    EMERGENCY = "emergency"
    OPERATOR = "operator"


RELATIONS = frozenset({Kind.SELF, Kind.PARENT, Kind.GUARDIAN, Kind.CARER})


class StaffRole(StrEnum):
    CLINICIAN = "clinician"
    FRONT_DESK = "front-desk"
    BILLING = "billing"
    ADMINISTRATOR = "administrator"
    INTERPRETER = "interpreter"


class Scope(StrEnum):
    """What of a patient's affairs a relation covers; `self` covers all."""

    RECORD = "record"
    VISITS = "visits"
    APPOINTMENTS = "appointments"
    BILLING = "billing"


class Grant(Struct, frozen=True, kw_only=True):
    id: Open[GrantId]
    clinic: Open[ClinicId]  # clinics.PLATFORM for an operator
    schema: Open[int] = SCHEMA
    user: Open[UserId]
    kind: Open[Kind]
    roles: Open[list[StaffRole]] = []  # of a member
    patient: Open[PatientId | None] = None  # of a relation or an emergency
    scope: Open[list[Scope]] = []  # of a relation
    emergency: Open[EmergencyId | None] = None  # whose right it is
    created_at: Open[datetime]
    starts_at: Open[datetime]
    ends_at: Open[datetime] = FOREVER  # no longer in force at that instant
    until: Open[datetime] = FOREVER  # of a relation: the end that was asked for; a child's coming of age may be earlier

    def holds(self, now: datetime) -> bool:
        return self.starts_at <= now < self.ends_at


@dataclass(frozen=True, slots=True)
class Standing:
    """What a user may be, where; stays so until `until`, unless a grant is changed."""

    members: Mapping[ClinicId, Grant] = field(default_factory=dict)
    patients: Mapping[PatientId, Grant] = field(default_factory=dict)  # whom the user is or acts for
    emergencies: Mapping[PatientId, Grant] = field(default_factory=dict)
    operator: Grant | None = None
    until: datetime = FOREVER


def standing(grants: Iterable[Grant], now: datetime) -> Standing:
    """Sum up a user's grants; of two for one patient, the one made later counts."""
    known = sorted(grants, key=lambda grant: grant.created_at)
    holding = [grant for grant in known if grant.holds(now)]
    boundaries = [at for grant in known for at in (grant.starts_at, grant.ends_at) if at > now]
    relations = {grant.patient: grant for grant in holding if grant.kind in RELATIONS and grant.patient}
    emergencies = {grant.patient: grant for grant in holding if grant.kind is Kind.EMERGENCY and grant.patient}
    return Standing(
        members={grant.clinic: grant for grant in holding if grant.kind is Kind.MEMBER and grant.roles},
        patients=relations,
        emergencies=emergencies,
        operator=next((grant for grant in holding if grant.kind is Kind.OPERATOR), None),
        until=min(boundaries, default=FOREVER),
    )


def read(stored: Stored) -> Grant:
    return documents.decode(Grant, stored.document, SCHEMA, {})


async def of_user(store: Store, user: UserId, now: datetime) -> list[Grant]:
    """Those of the user that have not ended, also those that have yet to start; at most `MAX_GRANTS`."""
    after = encode_instant(now + timedelta(microseconds=1))
    page = await store.find(BY_USER, (user,), at_least=after, limit=MAX_GRANTS)
    return [read(row) for row in page.rows]
