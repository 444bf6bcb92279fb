"""Who is a patient, or acts for one."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from api.call import INVITATIONS, PATIENTS, RELATIONS, STORE, Call, Instant, Reply
from api.persons import Email, Name
from medinova_rt.errors import BadInput, NotFound
from medinova_rt.grants import FOREVER, Grant, Kind, Scope
from medinova_rt.ids import GrantId, InvitationId, PatientId, UserId
from medinova_rt.invited import Invitation, Relation
from medinova_rt.names import MAX_NAME
from medinova_rt.users import Users, normal_email

Somebody = Annotated[str, Meta(pattern="^usr-[0-9a-z-]{1,36}$", description="A user's id.")]


class RelationView(Struct, frozen=True):
    """Somebody's relation to the patient, and what of the patient's affairs it covers; `ends_at` null: no end."""

    id: GrantId
    user: UserId
    name: str
    email: str
    kind: Kind
    scope: list[Scope]
    starts_at: Instant
    ends_at: Instant | None


class RelationList(Struct, frozen=True):
    """Those that have not ended, also those that have yet to start."""

    items: list[RelationView]
    next_cursor: None = None


class RelationInvited(Struct, frozen=True):
    """An invitation was mailed; the relation is there when it is accepted."""

    invitation: InvitationId


class RelationInvitation(Struct, frozen=True):
    """An invitation that is open: who was written to, and what they become by accepting."""

    id: InvitationId
    email: str
    name: str
    kind: Kind
    scope: list[Scope]
    created_at: Instant
    expires_at: Instant


class RelationInvitations(Struct, frozen=True):
    """Those that are neither accepted nor withdrawn, and in time, the oldest first."""

    items: list[RelationInvitation]
    next_cursor: None = None


class NewRelation(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose relation: a `user`, or an `email`, with which somebody without an account is invited,
    as `name`.

    A child's `parent` or `guardian` stops when the child comes of age, if not before. `self` covers everything.
    """

    kind: Literal["self", "parent", "guardian", "carer"]
    scope: Annotated[list[Scope], Meta(max_length=len(Scope))] = []
    user: Somebody | None = None
    email: Email | None = None
    name: Name | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None


async def list_(call: Call[None]) -> Reply:
    """List who is the patient or acts for them."""
    patient = await call.app[PATIENTS].get(_patient(call))
    found = await call.app[RELATIONS].of_patient(call.principal, patient, call.now)
    return Reply(RelationList([await _view(call, each) for each in found]))


async def read(call: Call[None]) -> Reply:
    """Read one relation, also one that has ended."""
    held = await call.app[RELATIONS].read(call.principal, _patient(call), GrantId(call.path["relation"]), call.now)
    return Reply(await _view(call, held.value), etag=held.version)


async def add(call: Call[NewRelation]) -> Reply:
    """Give somebody whom the clinic knows a relation to the patient. Anybody else is mailed an invitation (202).

    Whether an address has an account elsewhere is not for a clinic to learn, nor to bind its owner without their say.
    """
    body, (starts_at, until) = call.body, _span(call)
    if (body.user is None) == (body.email is None):
        raise BadInput("name a user or an e-mail address")
    user = None if body.user is None else UserId(body.user)
    if body.email is not None:
        found = await Users(call.app[STORE]).by_email(normal_email(body.email))
        user = found.id if found else None
    assert call.thing.clinic
    if user is None or not await call.app[RELATIONS].knows(call.thing.clinic, user, call.now):
        if body.user is not None:
            raise BadInput("there is no such user here", "/user")
        return await _invite(call)
    made = await call.app[RELATIONS].add(
        call.principal,
        _patient(call),
        user,
        Kind(body.kind),
        body.scope,
        call.now,
        starts_at=starts_at,
        ends_at=until,
    )
    where = {"Location": f"/v1/patients/{_patient(call)}/relations/{made.value.id}"}
    return Reply(await _view(call, made.value), where, etag=made.version)


async def _invite(call: Call[NewRelation]) -> Reply:
    body, (starts_at, until) = call.body, _span(call)
    assert body.email is not None
    kind = Kind(body.kind)
    await call.app[RELATIONS].check(_patient(call), kind, body.scope, call.now, starts_at, until)
    patient = await call.app[PATIENTS].get(_patient(call))
    name = body.name or (patient.name if kind is Kind.SELF else body.email)
    relation = Relation(patient=patient.id, kind=kind, scope=body.scope, starts_at=starts_at, ends_at=until)
    invited = await call.app[INVITATIONS].invite_to_patient(
        call.principal, patient.clinic, body.email, name[:MAX_NAME].strip(), relation, patient.language, call.now
    )
    return Reply(RelationInvited(invited.id), status=202)


def _span(call: Call[NewRelation]) -> tuple[datetime | None, datetime]:
    """Within what a calendar holds in every time zone."""
    starts_at, ends_at = call.body.starts_at, call.body.ends_at
    return starts_at and max(starts_at, call.now), FOREVER if ends_at is None else min(ends_at, FOREVER)


async def end(call: Call[None]) -> Reply:
    """End a relation now. Doing it again changes nothing. Patients may end what others are to them."""
    await call.app[RELATIONS].end(
        call.principal, _patient(call), GrantId(call.path["relation"]), call.now, call.expected
    )
    return Reply()


async def list_invited(call: Call[None]) -> Reply:
    """List the open invitations to be the patient or act for them."""
    patient = await call.app[PATIENTS].get(_patient(call))
    found = await call.app[INVITATIONS].of_patient(call.principal, patient, call.now)
    return Reply(RelationInvitations([_invited(each) for each in found]))


async def withdraw(call: Call[None]) -> Reply:
    """Withdraw an invitation that is open: its letter is worth nothing then."""
    invitation = InvitationId(call.path["invited"])
    await call.app[INVITATIONS].withdraw_of(call.principal, _patient(call), invitation, call.now)
    return Reply()


def _invited(invitation: Invitation) -> RelationInvitation:
    assert invitation.relation is not None
    relation = invitation.relation
    return RelationInvitation(
        invitation.id,
        invitation.email,
        invitation.name,
        relation.kind,
        relation.scope,
        invitation.created_at,
        invitation.expires_at,
    )


async def _view(call: Call[Any], grant: Grant) -> RelationView:
    try:
        user = await Users(call.app[STORE]).get(grant.user)
        name, email = user.name, user.email
    except NotFound:
        name = email = ""
    ends_at = None if grant.ends_at >= FOREVER else grant.ends_at
    return RelationView(grant.id, grant.user, name, email, grant.kind, grant.scope, grant.starts_at, ends_at)


def _patient(call: Call[Any]) -> PatientId:
    return PatientId(call.path["patient"])
