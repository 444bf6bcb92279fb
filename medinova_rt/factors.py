"""What somebody proves with who they are, looked after by themselves: password, authenticator app, passkeys.

Every change needs a fresh proof of identity (`rights.FRESH`), leaves a record, is told to the user by mail, and gives
their session a new secret. Who has a second factor proves that one: a password that was guessed, or a letter that was
read, takes no factor away. A new password ends the user's other sessions and makes other browsers unknown. The last
second factor stays where a clinic asks for one.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from medinova_rt import access, audit, mail
from medinova_rt.browsers import Browsers
from medinova_rt.clinics import PLATFORM, Clinics
from medinova_rt.errors import Conflict, NotFound, ProveAgain, WrongState
from medinova_rt.ids import UserId
from medinova_rt.passwords import MINIMUM, STAFF_MINIMUM
from medinova_rt.ports import (
    ConfirmedTotp,
    Enrolled,
    Enrolment,
    Factors,
    Identity,
    NewPasskey,
    NewPassword,
    NewRecoveryCodes,
    NewTotp,
    Store,
    Write,
)
from medinova_rt.principals import Person
from medinova_rt.rights import Action
from medinova_rt.sessions import Sessions
from medinova_rt.signin import SignIn
from medinova_rt.users import User, Users

ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Changed:
    """`secret` goes into the session's cookie; the rest is shown this once."""

    enrolled: Enrolled
    secret: str = field(repr=False)


class OwnFactors:
    def __init__(
        self,
        store: Store,
        identity: Identity,
        users: Users,
        clinics: Clinics,
        sessions: Sessions,
        sign_in: SignIn,
        public_url: str,
    ) -> None:
        self._store = store
        self._identity = identity
        self._users = users
        self._clinics = clinics
        self._sessions = sessions
        self._sign_in = sign_in
        self._browsers = Browsers(store)
        self._public_url = public_url

    async def of(self, user: UserId) -> Factors:
        return await self._identity.factors(user)

    async def require_second(self, person: Person, now: datetime) -> None:
        """Raise ProveAgain where the user has a second factor and has not used it of late: `rights.FRESH_SECOND`."""
        if not access.is_fresh(person.second_at, now) and (await self._identity.factors(person.user)).second:
            raise ProveAgain("show again that it is you, by your second factor")

    async def set_password(self, person: Person, password: str, device: str | None, now: datetime) -> str:
        """Return the session's new secret. Raises BadInput for a password that is none.

        Who has had the old one is out: all other sessions end in the same transact.
        """
        user = await self._users.get(person.user)
        minimum = STAFF_MINIMUM if person.standing.members or person.standing.operator else MINIMUM
        new = NewPassword(password, minimum, await self._near(user, person))

        async def writes(enrolled: Enrolled) -> list[Write]:
            return [
                *enrolled.along,
                *await self._sessions.ending(person, person.user, now, but=person.session),
                *await self._browsers.forgetting(person.user, but=device),
                audit.record(person, Action.PASSWORD_CHANGE, now, clinic=PLATFORM, user=person.user),
                *self._letter("password-changed", user, now),
            ]

        return (await self._change(person, new, now, writes, strong=False)).secret

    async def begin_totp(self, person: Person, now: datetime) -> Enrolled:
        """Return the secret of a new app, which counts once it is confirmed."""
        user = await self._users.get(person.user)
        enrolled = await self._identity.enrol(person.user, NewTotp(user.email), now)
        await self._store.transact(enrolled.along)
        return enrolled

    async def confirm_totp(self, person: Person, code: str, now: datetime) -> Changed:
        """The app takes the place of one there was. Raises BadInput for a code that it does not show now."""
        return await self._add(person, ConfirmedTotp(code), now)

    async def passkey_options(self, person: Person, now: datetime) -> Mapping[str, Any]:
        """Raises LimitReached."""
        user = await self._users.get(person.user)
        return await self._identity.challenge(person.user, person.session, now, new_for=user.email)

    async def add_passkey(self, person: Person, name: str, credential: Mapping[str, Any], now: datetime) -> Changed:
        """Raises BadInput for what is no new passkey for what was asked, LimitReached."""
        return await self._add(person, NewPasskey(name, credential), now)

    async def new_recovery_codes(self, person: Person, now: datetime) -> Changed:
        """Raises NotFound where there is no second factor that they could stand in for."""
        return await self._add(person, NewRecoveryCodes(), now)

    async def remove(self, person: Person, factor: str, now: datetime) -> None:
        """Raises NotFound, WrongState where it is the last and a clinic asks for one."""
        user = await self._users.get(person.user)
        for _ in range(ATTEMPTS):
            have = await self._identity.factors(person.user)
            writes = await self._identity.remove(person.user, factor, now)
            if len(have.second) == 1 and await self._sign_in.needs_second(person.standing):
                raise WrongState("your clinic asks for a second factor; add another one first")
            record = audit.record(person, Action.FACTOR_CHANGE, now, clinic=PLATFORM, user=person.user, about=factor)
            try:
                await self._store.transact([*writes, record, *self._letter("factor-changed", user, now)])
            except Conflict:
                continue
            return
        raise Conflict("others are changing this; try again")

    async def totp(self, user: UserId) -> str:
        """Return the id of the user's app; raises NotFound."""
        for factor in (await self._identity.factors(user)).second:
            if factor.kind == "totp":
                return factor.id
        raise NotFound("you have no authenticator app")

    async def _add(self, person: Person, what: Enrolment, now: datetime) -> Changed:
        user = await self._users.get(person.user)

        async def writes(enrolled: Enrolled) -> list[Write]:
            about = enrolled.factor.id if enrolled.factor else None
            return [
                *enrolled.along,
                audit.record(person, Action.FACTOR_CHANGE, now, clinic=PLATFORM, user=person.user, about=about),
                *self._letter("factor-changed", user, now),
            ]

        strong = not isinstance(what, NewRecoveryCodes)  # whoever adds a factor has just used it
        return await self._change(person, what, now, writes, strong=strong)

    async def _change(
        self,
        person: Person,
        what: Enrolment,
        now: datetime,
        writes: Callable[[Enrolled], Awaitable[list[Write]]],
        *,
        strong: bool,
    ) -> Changed:
        for _ in range(ATTEMPTS):
            enrolled = await self._identity.enrol(person.user, what, now, session=person.session)
            along = await writes(enrolled)
            try:
                _, secret = await self._sessions.prove(
                    person.session, now, strong=strong, address=person.address, along=along
                )
            except Conflict:
                continue
            return Changed(enrolled, secret)
        raise Conflict("others are changing this; try again")

    async def _near(self, user: User, person: Person) -> tuple[str, ...]:
        names = []
        for clinic in person.standing.members:
            try:
                names.append((await self._clinics.get(clinic)).name)
            except NotFound:
                continue
        return (user.name, user.email, *names)

    def _letter(self, template: mail.Template, user: User, now: datetime) -> list[Write]:
        at, link = mail.moment(now, user.zone), f"{self._public_url}/profile"
        return mail.letter(template, user.email, user.language, now, clinic=PLATFORM, at=at, link=link)
