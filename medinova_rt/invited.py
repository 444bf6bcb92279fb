"""Who is invited: the invitations that are open, as they are kept.

An invitation says what its reader becomes, and who wrote it by what right. It is worth something as long as that right
is (`stands`), so nobody leaves letters behind that let others in after them. What a change of somebody's roles makes
void is withdrawn along with it (`withdrawing`), their own letters and those to them.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from medinova_rt import access, audit, changes, documents, grants, users
from medinova_rt.access import Thing
from medinova_rt.changes import Held
from medinova_rt.grants import FOREVER, Kind, Scope, StaffRole, Standing
from medinova_rt.ids import ClinicId, InvitationId, PatientId, SessionId, UserId
from medinova_rt.phi import Basis, Open, Private, Sealing
from medinova_rt.ports import MAX_PAGE, Delete, Find, Insert, Store, Stored, encode_instant
from medinova_rt.principals import Person
from medinova_rt.rights import Action

COLLECTION = "invitations"
SCHEMA = 1
BY_CLINIC = Find(COLLECTION, equal=("clinic", "of"), ordered_by="created_at")
BY_END = Find(COLLECTION, ordered_by="expires_at")
FINDS: tuple[Find, ...] = (BY_CLINIC, BY_END)

LIFE = timedelta(days=7)
MAX_OPEN = MAX_PAGE  # of one clinic and kind
KINDS: tuple["Of", ...] = ("staff", "patient")

Of = Literal["staff", "patient"]


class Relation(Struct, frozen=True, kw_only=True):
    """What there is to be between the invited and a patient."""

    patient: Open[PatientId]
    kind: Open[Kind]
    scope: Open[list[Scope]]
    starts_at: Open[datetime | None] = None
    ends_at: Open[datetime] = FOREVER


class Invitation(Struct, frozen=True, kw_only=True):
    id: Open[InvitationId]
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    of: Open[Of]
    by: Open[UserId | None] = None  # who invites; None: whoever runs the server, or a clinic's system
    right: Open[Action] = Action.INVITATION_ADD  # what `by` has to be let do, also when it is accepted
    email: Private[str]  # normalised
    name: Private[str]
    language: Open[str]
    roles: Open[list[StaffRole]] = []
    relation: Open[Relation | None] = None
    digest: Open[str]  # SHA-256 of the secret: worth nothing to whoever reads it
    created_at: Open[datetime]
    expires_at: Open[datetime]

    @property
    def patient(self) -> PatientId | None:
        return self.relation.patient if self.relation else None


SEALINGS: tuple[Sealing, ...] = (Sealing(COLLECTION, Invitation, basis=Basis.CONTACT),)  # who has no user yet


def read(stored: Stored) -> Invitation:
    return documents.decode(Invitation, stored.document, SCHEMA, {})


def thing(invitation: Invitation, version: int | None = None) -> Thing:
    """What `access.guard` is asked about."""
    return Thing(invitation.clinic, kind="invitation", about=invitation.id, version=version)


def permits(standing: Standing, invitation: Invitation, now: datetime) -> bool:
    """Whether somebody of that standing could send it."""
    assert invitation.by is not None
    person = Person(invitation.by, SessionId(""), standing, strong=True, authenticated_at=now)
    return access.may(person, invitation.right, Thing(invitation.clinic, kind="clinic"))


async def stands(store: Store, invitation: Invitation, now: datetime) -> bool:
    """Whether whoever sent it could send it still."""
    if invitation.by is None:
        return True
    who = await changes.held(store, users.COLLECTION, invitation.by, users.read)
    if who is None or who.value.disabled:
        return False
    return permits(grants.standing(await grants.of_user(store, invitation.by, now), now), invitation, now)


async def open_of(store: Store, clinic: ClinicId, of: Of, now: datetime) -> list[Held[Invitation]]:
    """All there are, the oldest first."""
    page = await store.find(BY_CLINIC, (clinic, of), at_least=encode_instant(now - LIFE), limit=MAX_OPEN)
    kept = [Held(read(row), row.version, row.token) for row in page.rows]
    return [each for each in kept if now < each.value.expires_at]


async def withdrawing(
    store: Store, actor: audit.Actor, clinic: ClinicId, now: datetime, is_void: Callable[[Invitation], bool]
) -> list[Delete | Insert]:
    """What withdraws those: two writes each. Whoever has no room for all of them writes the rest afterwards."""
    found = [each for of in KINDS for each in await open_of(store, clinic, of, now) if is_void(each.value)]
    return [write for each in found for write in withdrawal(actor, each, now)]


def withdrawal(actor: audit.Actor, held: Held[Invitation], now: datetime) -> tuple[Delete, Insert]:
    gone = held.value
    record = audit.record(
        actor, Action.INVITATION_WITHDRAW, now, clinic=gone.clinic, patient=gone.patient, about=gone.id
    )
    return Delete(COLLECTION, gone.id, held.token), record
