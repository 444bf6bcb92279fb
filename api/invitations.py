"""Invitations to work at a clinic, and how whoever got one, of whatever kind, accepts it."""

from typing import Annotated, Literal

from aiohttp import web
from msgspec import Meta, Struct

from api import paging
from api.call import INVITATIONS, Call, Instant, Reply
from api.clinics import clinic_of
from api.paging import Paging
from api.persons import Email, Language, Name, Roles, Zone
from api.sign_in import Secret, admit, browser_of
from medinova_rt.grants import Kind, StaffRole
from medinova_rt.ids import ClinicId, InvitationId, UserId
from medinova_rt.invitations import Profile
from medinova_rt.invited import Invitation
from medinova_rt.ports import Method

InvitationToken = Annotated[str, Meta(min_length=1, max_length=200, description="What follows the `#` of the link.")]


class NewInvitation(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to invite, and in which roles; `language` is that of the letter."""

    email: Email
    name: Name
    roles: Roles
    language: Language = "en"


class InvitationView(Struct, frozen=True):
    """An invitation that is open: neither accepted nor withdrawn, and in time."""

    id: InvitationId
    email: str
    name: str
    roles: list[StaffRole]
    language: str
    created_at: Instant
    expires_at: Instant


class InvitationPage(Struct, frozen=True):
    """Open invitations."""

    items: list[InvitationView]
    next_cursor: str | None


class Look(Struct, frozen=True, forbid_unknown_fields=True):
    """The secret of an invitation."""

    token: InvitationToken


class InvitingClinic(Struct, frozen=True):
    """Who invites."""

    id: ClinicId
    name: str


class ShownInvitation(Struct, frozen=True):
    """What one is invited to: to work in `roles`, or, without any, to be (`self`) or act for a patient.

    With `has_account`, who has that address has signed in here before, or could: accepting sets nothing of theirs.
    """

    clinic: InvitingClinic
    email: str
    name: str
    roles: list[StaffRole]
    kind: Kind
    has_account: bool
    language: str


class Acceptance(Struct, frozen=True, forbid_unknown_fields=True):
    """The secret of an invitation; what else is said counts for whoever has no account yet."""

    token: InvitationToken
    name: Name | None = None
    password: Secret | None = None
    language: Language | None = None
    zone: Zone | None = None


class AcceptanceView(Struct, frozen=True):
    """As of any sign-in, or `sign-in`: accepted, and the user is to sign in as always."""

    state: Literal["signed-in", "second-factor", "enrol", "sign-in"]
    methods: list[Method]
    user: UserId


async def listed(call: Call[None]) -> Reply:
    """List the open invitations to work at the clinic."""
    assert isinstance(call.query, Paging)
    query = call.query
    found, cursor = await call.app[INVITATIONS].listed(clinic_of(call), call.now, query.limit, query.cursor)
    return paging.reply(call, InvitationPage([view(each) for each in found], cursor), cursor)


async def create(call: Call[NewInvitation]) -> Reply:
    """Invite somebody to work at the clinic: by a letter whose link holds for seven days."""
    body = call.body
    made = await call.app[INVITATIONS].invite(
        call.principal, clinic_of(call), body.email, body.name, body.roles, body.language, call.now
    )
    return Reply(view(made))


async def withdraw(call: Call[None]) -> Reply:
    """Withdraw an invitation that is open: its letter is worth nothing then."""
    invitation = InvitationId(call.path["invitation"])
    await call.app[INVITATIONS].withdraw(call.principal, clinic_of(call), invitation, call.now)
    return Reply()


async def look(call: Call[Look]) -> Reply:
    """See what one is invited to, before accepting."""
    shown = await call.app[INVITATIONS].look(call.body.token, call.now)
    invitation = shown.invitation
    return Reply(
        ShownInvitation(
            clinic=InvitingClinic(shown.clinic.id, shown.clinic.name),
            email=invitation.email,
            name=invitation.name,
            roles=invitation.roles,
            kind=invitation.relation.kind if invitation.relation else Kind.MEMBER,
            has_account=shown.has_account,
            language=invitation.language,
        )
    )


async def accept(call: Call[Acceptance]) -> Reply | web.Response:
    """Accept an invitation, once.

    Whoever has no account gets one and is signed in. Whoever has one with a password or second factor signs in as
    always: the letter alone opens no such account.
    """
    body = call.body
    profile = Profile(body.name, body.password, body.language, body.zone)
    accepted = await call.app[INVITATIONS].accept(body.token, profile, browser_of(call), call.now)
    if accepted.entered is None:
        return Reply(AcceptanceView("sign-in", [], accepted.user))
    return admit(call, accepted.entered)


def view(invitation: Invitation) -> InvitationView:
    return InvitationView(
        invitation.id,
        invitation.email,
        invitation.name,
        invitation.roles,
        invitation.language,
        invitation.created_at,
        invitation.expires_at,
    )
