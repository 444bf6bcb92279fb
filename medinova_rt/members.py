"""Members: which users work at a clinic, in which roles.

A membership is a grant (`grants.Grant`) under an id derived from clinic and user, so that there is one for each pair;
who is deactivated and comes back, comes back to it. Sessions read standings anew, so a role that is gone is gone
everywhere within seconds; the invitations that the change makes void go with it.

Each clinic has a `Roster`: who its administrators are and how many members it has. Every change of either goes through
it by compare-and-set in the same transact as the grant. So two administrators who remove each other in the same instant
cannot both succeed: one of them reads again, and finds that the other is the last.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from medinova_rt import audit, changes, documents, grants, invited, users
from medinova_rt.access import Thing
from medinova_rt.changes import ATTEMPTS, Held
from medinova_rt.errors import BadInput, Changed, Conflict, LimitReached, NotFound, WrongState
from medinova_rt.grants import BY_CLINIC, FOREVER, Grant, Kind, StaffRole
from medinova_rt.ids import ClinicId, GrantId, UserId, derived_id
from medinova_rt.invited import Invitation
from medinova_rt.phi import Open
from medinova_rt.ports import MAX_TRANSACT_WRITES, Find, Insert, Store, Stored, Write
from medinova_rt.rights import Action
from medinova_rt.users import User

ROSTERS = "rosters"
SCHEMA = 1
FINDS: tuple[Find, ...] = ()

MAX_MEMBERS = 10_000  # active, of one clinic
MAX_ADMINISTRATORS = 100  # of one clinic: they stand in one document
MAX_CLINICS = 50  # of one user

ADMINISTRATOR = StaffRole.ADMINISTRATOR


class Roster(Struct, frozen=True, kw_only=True):
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    administrators: Open[list[UserId]] = []
    active: Open[int] = 0


@dataclass(frozen=True, slots=True)
class Member:
    user: User
    grant: Grant
    version: int  # of the grant


def grant_id(clinic: ClinicId, user: UserId) -> GrantId:
    return GrantId(derived_id("gra", Kind.MEMBER, clinic, user))


def fit_roles(roles: Iterable[StaffRole], pointer: str = "/roles") -> list[StaffRole]:
    """Return each once, in the order of `StaffRole`; raises BadInput for none."""
    given = set(roles)
    if not given:
        raise BadInput("somebody who works here has a role", pointer)
    return [role for role in StaffRole if role in given]


def thing(grant: Grant | None, version: int | None = None) -> Thing:
    """What `access.guard` is asked about; for a member that was not found, a thing that nobody may know of."""
    if grant is None:
        return Thing()
    return Thing(grant.clinic, kind="member", user=grant.user, about=grant.id, version=version)


def _after(roster: Roster, before: Grant | None, after: Grant, now: datetime) -> Roster:
    """Return the roster once the grant has changed; raises WrongState for the last administrator, LimitReached."""
    was, stays = before is not None and before.holds(now), after.holds(now)
    others = [each for each in roster.administrators if each != after.user]
    administers = stays and ADMINISTRATOR in after.roles
    if after.user in roster.administrators and not administers and not others:
        raise WrongState("this is the clinic's last administrator; make somebody else one first")
    active = roster.active + stays - was
    if active > MAX_MEMBERS and stays and not was:
        raise LimitReached(f"a clinic has at most {MAX_MEMBERS} members")
    if administers and len(others) >= MAX_ADMINISTRATORS:
        raise LimitReached(f"a clinic has at most {MAX_ADMINISTRATORS} administrators")
    if administers and after.user in roster.administrators:
        others = roster.administrators
    elif administers:
        others = [*others, after.user]
    return replace(roster, administrators=others, active=active)


class Members:
    """The use cases. `actor` is whom the audit record names."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def held(self, clinic: ClinicId, user: UserId) -> Held[Grant] | None:
        """The membership as it stands, also when it has ended."""
        return await changes.held(self._store, grants.COLLECTION, grant_id(clinic, user), grants.read)

    async def get(self, clinic: ClinicId, user: UserId) -> Member:
        """Raises NotFound."""
        return await self._member(self._found(await self.held(clinic, user)))

    async def listed(self, clinic: ClinicId, limit: int, cursor: str | None = None) -> tuple[list[Member], str | None]:
        """Those who work or worked there, the longest first, and the cursor of the next page."""
        page = await self._store.find(BY_CLINIC, (clinic, Kind.MEMBER), limit=limit, cursor=cursor)
        kept = [Held(grants.read(row), row.version, row.token) for row in page.rows]
        return list(await asyncio.gather(*(self._member(each) for each in kept))), page.cursor

    async def joining(
        self,
        clinic: ClinicId,
        user: UserId,
        roles: Sequence[StaffRole],
        now: datetime,
        invited_at: datetime | None = None,
    ) -> list[Write]:
        """Return what makes the user a member, to be written with whatever it comes from; on Conflict ask anew.

        Who is a member already gets the roles in addition. Raises LimitReached, BadInput; WrongState for whoever was
        deactivated after `invited_at`: a second letter does not undo that.
        """
        before = await self.held(clinic, user)
        known = before.value.roles if before and before.value.holds(now) else []
        if before and not known and invited_at and before.value.ends_at > invited_at:
            raise WrongState("this person was deactivated after the invitation; invite them anew")
        if not known:
            await self._check_room(user, now)
        after = Grant(
            id=grant_id(clinic, user),
            clinic=clinic,
            user=user,
            kind=Kind.MEMBER,
            roles=fit_roles([*known, *roles]),
            created_at=before.value.created_at if before else now,
            starts_at=before.value.starts_at if before else now,
        )
        return await self._writes(before, after, now)

    async def change_roles(
        self,
        actor: audit.Actor,
        clinic: ClinicId,
        user: UserId,
        roles: Sequence[StaffRole],
        now: datetime,
        expected: int | None = None,
    ) -> Member:
        """Raises NotFound, BadInput, Changed, LimitReached; WrongState for the last administrator."""
        wanted = fit_roles(roles)

        async def decide(grant: Grant) -> Grant:
            return grant if grant.roles == wanted else replace(grant, roles=wanted)

        return await self._change(actor, clinic, user, decide, now, expected)

    async def deactivate(
        self, actor: audit.Actor, clinic: ClinicId, user: UserId, now: datetime, expected: int | None = None
    ) -> Member:
        """End the membership; again is fine. Raises NotFound, Changed; WrongState for the last administrator."""

        async def decide(grant: Grant) -> Grant:
            return replace(grant, ends_at=now) if grant.holds(now) else grant

        return await self._change(actor, clinic, user, decide, now, expected)

    async def reactivate(
        self, actor: audit.Actor, clinic: ClinicId, user: UserId, now: datetime, expected: int | None = None
    ) -> Member:
        """Take the member back in the same roles; again is fine. Raises NotFound, Changed, LimitReached."""

        async def decide(grant: Grant) -> Grant:
            if grant.holds(now):
                return grant
            await self._check_room(user, now)
            return replace(grant, ends_at=FOREVER)

        return await self._change(actor, clinic, user, decide, now, expected)

    async def _change(
        self,
        actor: audit.Actor,
        clinic: ClinicId,
        user: UserId,
        decide: Callable[[Grant], Awaitable[Grant]],
        now: datetime,
        expected: int | None,
    ) -> Member:
        record = audit.record(actor, Action.MEMBER_CHANGE, now, clinic=clinic, user=user)
        for _ in range(ATTEMPTS):
            before = self._found(await self.held(clinic, user))
            if expected is not None and before.version != expected:
                raise Changed("it was changed since you read it; read it again")
            after = await decide(before.value)
            if after is before.value:
                await self._store.transact([record])
                return await self._member(before)
            writes = [*await self._writes(before, after, now), record]
            void = await self._void_letters(actor, after, now)
            room = (MAX_TRANSACT_WRITES - len(writes)) // 2 * 2  # an invitation goes with its record
            try:
                token, *_ = await self._store.transact([*writes, *void[:room]])
            except Conflict:
                continue
            if void[room:]:
                await self._withdraw_rest(actor, after, now)
            return await self._member(Held(after, before.version + 1, token))
        raise Conflict("others are changing this; try again")

    async def _void_letters(self, actor: audit.Actor, after: Grant, now: datetime) -> Sequence[Write]:
        """What withdraws the open invitations to the member, and those that the member may no longer send."""
        email = (await users.Users(self._store).get(after.user)).email
        others = [each for each in await grants.of_user(self._store, after.user, now) if each.id != after.id]
        standing = grants.standing([*others, after], now)

        def is_void(each: Invitation) -> bool:
            return each.email == email or (each.by == after.user and not invited.permits(standing, each, now))

        return await invited.withdrawing(self._store, actor, after.clinic, now, is_void)

    async def _withdraw_rest(self, actor: audit.Actor, after: Grant, now: datetime) -> None:
        """More of them than one transact holds. None of them opens anything meanwhile: who sent them may no longer."""
        for _ in range(ATTEMPTS):
            void = await self._void_letters(actor, after, now)
            if not void:
                return
            with contextlib.suppress(Conflict):
                await self._store.transact(void[: MAX_TRANSACT_WRITES // 2 * 2])

    async def _writes(self, before: Held[Grant] | None, after: Grant, now: datetime) -> list[Write]:
        """The grant first, then the roster where it changes with it."""
        made: Write = (
            Insert(grants.COLLECTION, after.id, documents.encode(after))
            if before is None
            else before.replacing(grants.COLLECTION, after.id, after)
        )
        kept = await changes.held(self._store, ROSTERS, after.clinic, _read)
        if kept is None:
            roster = _after(Roster(clinic=after.clinic), before.value if before else None, after, now)
            return [made, Insert(ROSTERS, after.clinic, documents.encode(roster))]
        roster = _after(kept.value, before.value if before else None, after, now)
        return [made] if roster == kept.value else [made, kept.replacing(ROSTERS, after.clinic, roster)]

    async def _check_room(self, user: UserId, now: datetime) -> None:
        theirs = await grants.of_user(self._store, user, now)
        if sum(each.kind is Kind.MEMBER for each in theirs) >= MAX_CLINICS:
            raise LimitReached(f"somebody works at {MAX_CLINICS} clinics at most")

    async def _member(self, held: Held[Grant]) -> Member:
        found = await changes.held(self._store, users.COLLECTION, held.value.user, users.read)
        if found is None:
            raise RuntimeError("a membership names no user")
        return Member(found.value, held.value, held.version)

    @staticmethod
    def _found(held: Held[Grant] | None) -> Held[Grant]:
        if held is None:
            raise NotFound("no such person works here")
        return held


def _read(stored: Stored) -> Roster:
    return documents.decode(Roster, stored.document, SCHEMA, {})
