"""People put in by whoever runs the server, without a letter: the first administrator, operators, a demo's people.

Each act is what it says, or nothing where it is so already; each leaves its audit record, by the system.
"""

from collections.abc import Sequence
from datetime import datetime

from medinova_rt import audit, changes, documents, grants
from medinova_rt.browsers import Browsers
from medinova_rt.changes import ATTEMPTS
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import Conflict, NotFound
from medinova_rt.grants import FOREVER, Grant, Kind, StaffRole
from medinova_rt.ids import ClinicId, GrantId, UserId, derived_id
from medinova_rt.members import Members
from medinova_rt.names import fit_name
from medinova_rt.passwords import STAFF_MINIMUM
from medinova_rt.ports import Identity, Insert, NewPassword, Store, Write
from medinova_rt.principals import System
from medinova_rt.rights import Action
from medinova_rt.sessions import Sessions
from medinova_rt.texts import known_language
from medinova_rt.users import User, Users, new_user, normal_email
from medinova_rt.zones import known_zone

SYSTEM = System()


class Staffing:
    def __init__(self, store: Store, identity: Identity) -> None:
        self._store = store
        self._identity = identity
        self._users = Users(store)
        self._members = Members(store)
        self._sessions = Sessions(store)
        self._browsers = Browsers(store)

    async def user(
        self, email: str, name: str, password: str, now: datetime, language: str = "en", zone: str = "UTC"
    ) -> tuple[User, bool]:
        """Return the user of the address, and whether they were made just now, with that password; raises BadInput."""
        email = normal_email(email)
        known = await self._users.by_email(email)
        if known is not None:
            return known, False
        made, writes = new_user(email, fit_name(name), known_language(language), known_zone(zone), now)
        writes += await self._password(made, password, now)
        writes.append(audit.record(SYSTEM, "user.create", now, clinic=PLATFORM, user=made.id))
        await self._store.transact(writes)
        return made, True

    async def set_password(self, email: str, password: str, now: datetime) -> User:
        """All their sessions end, and no browser of theirs is known any more. Raises NotFound, BadInput."""
        user = await self._users.by_email(normal_email(email))
        if user is None:
            raise NotFound("nobody has that address")
        for _ in range(ATTEMPTS):
            record = audit.record(SYSTEM, Action.PASSWORD_CHANGE, now, clinic=PLATFORM, user=user.id)
            try:
                await self._store.transact(
                    [
                        *await self._password(user, password, now),
                        *await self._sessions.ending(SYSTEM, user.id, now),
                        *await self._browsers.forgetting(user.id, but=None),
                        record,
                    ]
                )
            except Conflict:
                continue
            return user
        raise Conflict("others are changing this; try again")

    async def member(self, clinic: ClinicId, user: UserId, roles: Sequence[StaffRole], now: datetime) -> None:
        """Give the roles, besides those that there are; raises LimitReached."""
        for _ in range(ATTEMPTS):
            held = await self._members.held(clinic, user)
            if held and held.value.holds(now) and set(roles) <= set(held.value.roles):
                return
            record = audit.record(SYSTEM, Action.MEMBER_CHANGE, now, clinic=clinic, user=user)
            try:
                await self._store.transact([*await self._members.joining(clinic, user, roles, now), record])
            except Conflict:
                continue
            return
        raise Conflict("others are changing this; try again")

    async def operator(self, user: UserId, now: datetime) -> None:
        """Let the user operate the platform."""
        made = Grant(
            id=GrantId(derived_id("gra", Kind.OPERATOR, user)),
            clinic=PLATFORM,
            user=user,
            kind=Kind.OPERATOR,
            created_at=now,
            starts_at=now,
        )
        before = await changes.held(self._store, grants.COLLECTION, made.id, grants.read)
        if before and before.value.holds(now) and before.value.ends_at == FOREVER:
            return
        writing: Write = (
            before.replacing(grants.COLLECTION, made.id, made)
            if before
            else Insert(grants.COLLECTION, made.id, documents.encode(made))
        )
        await self._store.transact([writing, audit.record(SYSTEM, "operator.add", now, clinic=PLATFORM, user=user)])

    async def _password(self, user: User, password: str, now: datetime) -> Sequence[Write]:
        new = NewPassword(password, STAFF_MINIMUM, (user.name, user.email))
        return (await self._identity.enrol(user.id, new, now)).along
