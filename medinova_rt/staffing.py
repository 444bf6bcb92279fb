"""People put in, and kept out, by whoever runs the server: the first administrator, operators, a demo's people.

Each act is what it says, or nothing where it is so already; each leaves its audit record, by the system.
"""

import contextlib
from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from medinova_rt import audit, changes, documents, grants, mail, users
from medinova_rt.browsers import Browsers
from medinova_rt.changes import ATTEMPTS
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import Conflict, NotFound, WrongState
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
MOST_FACTORS = 20  # more than anybody can have

_DISABLING: tuple[str, mail.Template] = ("user.disable", "account-disabled")
_ENABLING: tuple[str, mail.Template] = ("user.enable", "account-enabled")


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
        """Return the user of the address, and whether that password is theirs, who are new then; raises BadInput.

        It is not where an identity provider keeps passwords, and has an account of that address already.
        """
        email = normal_email(email)
        known = await self._users.by_email(email)
        if known is not None:
            return known, False
        made, writes = new_user(email, fit_name(name), known_language(language), known_zone(zone), now)
        writes.append(audit.record(SYSTEM, "user.create", now, clinic=PLATFORM, user=made.id))
        try:
            writes += await self._password(made, password, now)
        except WrongState:
            await self._store.transact(writes)
            return made, False
        await self._store.transact(writes)
        return made, True

    async def set_password(self, email: str, password: str, now: datetime) -> User:
        """All their sessions end, and no browser of theirs is known any more. Raises NotFound, BadInput."""
        user = await self._known(email)
        for _ in range(ATTEMPTS):
            record = audit.record(SYSTEM, Action.PASSWORD_CHANGE, now, clinic=PLATFORM, user=user.id)
            try:
                await self._store.transact(
                    [
                        *await self._password(user, password, now),
                        *await self._sessions.ending(SYSTEM, user.id, now),
                        *await self._browsers.forgetting(user.id, but=None),
                        *_letter("password-reset", user, now),
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
            id=_operators(user),
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

    async def end_operator(self, email: str, now: datetime) -> User:
        """Let the user no longer operate the platform. Raises NotFound, also where they do not."""
        user = await self._known(email)
        record = audit.record(SYSTEM, "operator.end", now, clinic=PLATFORM, user=user.id)

        def decide(grant: Grant) -> tuple[Grant, list[Write]]:
            return (replace(grant, ends_at=now), [record]) if grant.holds(now) else (grant, [])

        await changes.change(self._store, grants.COLLECTION, _operators(user.id), grants.read, decide)
        return user

    async def disable(self, email: str, now: datetime) -> User:
        """Let the user sign in no longer, nor act by whatever they have: `signed_in` refuses what comes after, too."""
        return await self._set_disabled(email, now, disabled=True)

    async def enable(self, email: str, now: datetime) -> User:
        return await self._set_disabled(email, now, disabled=False)

    async def reset_factors(self, email: str, now: datetime) -> User:
        """Take every second factor and the recovery codes away, from somebody who lost them. All sessions end with the
        last of them, so that none is left that one of them had opened. Raises NotFound."""
        user = await self._known(email)
        for _ in range(MOST_FACTORS * ATTEMPTS):
            have = (await self._identity.factors(user.id)).second
            writes: list[Write] = []
            if have:
                writes += await self._identity.remove(user.id, have[0].id, now)
                writes.append(self._record("factor.reset", user, now, have[0].id))
            if len(have) < 2:
                writes += [*await self._sessions.ending(SYSTEM, user.id, now), *_letter("factors-reset", user, now)]
            try:
                await self._store.transact(writes)
            except Conflict:
                continue
            if len(have) < 2:
                return user
        raise Conflict("others are changing this; try again")

    async def _set_disabled(self, email: str, now: datetime, *, disabled: bool) -> User:
        user = await self._known(email)
        for _ in range(ATTEMPTS):
            held = await self._users.held(user.id)
            if held is None or held.value.disabled == disabled:
                return user
            action, template = _DISABLING if disabled else _ENABLING
            after = replace(held.value, disabled=disabled)
            writes = [
                held.replacing(users.COLLECTION, user.id, after),
                *await self._sessions.ending(SYSTEM, user.id, now),
                self._record(action, user, now),
                *_letter(template, user, now),
            ]
            with contextlib.suppress(Conflict):
                await self._store.transact(writes)
                return after
        raise Conflict("others are changing this; try again")

    async def _known(self, email: str) -> User:
        user = await self._users.by_email(normal_email(email))
        if user is None:
            raise NotFound("nobody has that address")
        return user

    @staticmethod
    def _record(action: str, user: User, now: datetime, about: str | None = None) -> Insert:
        return audit.record(SYSTEM, action, now, clinic=PLATFORM, user=user.id, about=about)

    async def _password(self, user: User, password: str, now: datetime) -> Sequence[Write]:
        new = NewPassword(password, STAFF_MINIMUM, (user.name, user.email), user.email)
        return (await self._identity.enrol(user.id, new, now)).along


def _operators(user: UserId) -> GrantId:
    return GrantId(derived_id("gra", Kind.OPERATOR, user))


def _letter(template: mail.Template, user: User, now: datetime) -> Sequence[Write]:
    return mail.letter(template, user.email, user.language, now, clinic=PLATFORM, at=mail.moment(now, user.zone))
