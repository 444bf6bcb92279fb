"""The people who work at a clinic, and their roles."""

from datetime import datetime
from typing import Any

from msgspec import Struct

from api import paging
from api.call import STORE, Call, Instant, Reply
from api.clinics import clinic_of
from api.paging import Paging
from api.persons import Roles
from medinova_rt.grants import FOREVER, StaffRole
from medinova_rt.ids import UserId
from medinova_rt.members import Member, Members


class MemberView(Struct, frozen=True):
    """Somebody who works at the clinic, or did (`active` is false, since `ended_at`)."""

    user: UserId
    name: str
    email: str
    roles: list[StaffRole]
    active: bool
    since: Instant
    ended_at: Instant | None


class MemberPage(Struct, frozen=True):
    """People of a clinic."""

    items: list[MemberView]
    next_cursor: str | None


class MemberChange(Struct, frozen=True, forbid_unknown_fields=True):
    """All roles that the member is to have."""

    roles: Roles


async def listed(call: Call[None]) -> Reply:
    """List who works at the clinic or did, the longest first."""
    assert isinstance(call.query, Paging)
    found, cursor = await _members(call).listed(clinic_of(call), call.query.limit, call.query.cursor)
    return paging.reply(call, MemberPage([view(each, call.now) for each in found], cursor), cursor)


async def read(call: Call[None]) -> Reply:
    """Read in which roles somebody works at the clinic."""
    return _reply(call, await _members(call).get(clinic_of(call), _user(call)))


async def change(call: Call[MemberChange]) -> Reply:
    """Give a member other roles; a clinic's last administrator stays one."""
    member = await _members(call).change_roles(
        call.principal, clinic_of(call), _user(call), call.body.roles, call.now, call.expected
    )
    return _reply(call, member)


async def deactivate(call: Call[None]) -> Reply:
    """End somebody's work at the clinic: their roles there are gone within seconds, wherever they are signed in."""
    member = await _members(call).deactivate(call.principal, clinic_of(call), _user(call), call.now, call.expected)
    return _reply(call, member)


async def reactivate(call: Call[None]) -> Reply:
    """Take somebody back in the roles that they had."""
    member = await _members(call).reactivate(call.principal, clinic_of(call), _user(call), call.now, call.expected)
    return _reply(call, member)


def view(member: Member, now: datetime) -> MemberView:
    user, grant = member.user, member.grant
    return MemberView(
        user=user.id,
        name=user.name,
        email=user.email,
        roles=grant.roles,
        active=grant.holds(now),
        since=grant.starts_at,
        ended_at=None if grant.ends_at == FOREVER else grant.ends_at,
    )


def _reply(call: Call[Any], member: Member) -> Reply:
    return Reply(view(member, call.now), etag=member.version)


def _members(call: Call[Any]) -> Members:
    return Members(call.app[STORE])


def _user(call: Call[Any]) -> UserId:
    return UserId(call.path["member"])
