"""Signing in: a first proof, a second where the user has one, and again whenever an act asks for a fresh one.

What is proof is the business of the `Identity` port; this is what follows from it: which session is opened, who is told
by mail, what is recorded, and how often it may be tried (`tries`). A user with a second factor is asked for it, whether
their clinic asks for one or not; a user without, of whom a clinic asks one, is let in (`enrol`), and the roles that
need it count once they have it.

A failure of somebody known leaves a record; of an address that nobody has it is only counted, and both take the same
way through the code and the store.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from medinova_rt import audit, browsers, devices, grants, mail, tries
from medinova_rt.browsers import Browsers
from medinova_rt.clinics import PLATFORM, Clinics
from medinova_rt.errors import Conflict, NotAuthenticated, NotFound, TooFast
from medinova_rt.grants import Standing
from medinova_rt.ids import SessionId, UserId
from medinova_rt.ports import (
    Claim,
    EmailCode,
    EmailLink,
    Find,
    FirstClaim,
    Identity,
    IdToken,
    Mailing,
    Method,
    Proven,
    SecondClaim,
    Store,
    Write,
)
from medinova_rt.principals import Half, Person, Stranger
from medinova_rt.rights import Action
from medinova_rt.sessions import Sessions, Stage
from medinova_rt.sweeps import Sweep
from medinova_rt.tries import Key, Tries
from medinova_rt.users import User, Users

ATTEMPTS = 4  # to write a proof down whose precondition somebody else has changed

FINDS: tuple[Find, ...] = (*tries.FINDS, *browsers.FINDS)

COUNTS = ("signed-in", "half", "failed", "unknown", "slowed", "letters", "letters-withheld")

Next = Literal["signed-in", "second-factor", "enrol"]


@dataclass(frozen=True, slots=True)
class Browser:
    """Where somebody signs in from."""

    address: str | None = None
    network: str = "unknown"  # of the address: what one household, or one attacker, has for itself
    agent: str | None = None  # User-Agent
    device: str | None = field(default=None, repr=False)  # its cookie, as it was sent


@dataclass(frozen=True, slots=True)
class Entered:
    """`secret` goes into the session's cookie, `device` into that of the browser (None: leave it)."""

    state: Next
    user: UserId
    methods: list[Method]
    secret: str = field(repr=False)
    device: str | None = field(default=None, repr=False)


class SignIn:
    def __init__(
        self, store: Store, identity: Identity, users: Users, clinics: Clinics, sessions: Sessions, public_url: str
    ) -> None:
        self._store = store
        self._identity = identity
        self._users = users
        self._clinics = clinics
        self._sessions = sessions
        self._public_url = public_url
        self._tries = Tries(store)
        self._browsers = Browsers(store)
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))

    def counters(self) -> Mapping[str, int]:
        """Totals since start by `COUNTS`; `unknown` are failures at addresses that nobody has."""
        return dict(self._counts)

    @property
    def sweeps(self) -> Sequence[Sweep]:
        return (self._tries.sweep, self._browsers.sweep)

    # --- use cases ---

    async def first(self, claim: FirstClaim, browser: Browser, now: datetime) -> Entered:
        """Raises NotAuthenticated, NotLinked, TooFast, Unavailable."""
        email = "" if isinstance(claim, EmailLink | IdToken) else claim.email
        user = await self._users.by_email(email) if email else None
        known = await self._browsers.known(user.id if user else email, browser.device, now)
        keys = _first_keys(claim, known, browser)
        await self._take(keys, now)
        actor = Stranger(browser.address)
        for _ in range(ATTEMPTS):
            proven = await self._proof(claim, keys, actor, user.id if user else None, now)
            try:
                entered = await self._enter(proven, browser, now, notify=True)
            except Conflict:
                continue
            await self._tries.give_back(keys, now)
            return entered
        raise await self._failed(keys, actor, Action.SIGN_IN, user.id if user else None, now)

    async def second(self, half: Half, claim: SecondClaim, browser: Browser, now: datetime) -> Entered:
        """Raises as `first` does."""
        known = await self._browsers.known(half.user, browser.device, now)
        keys = _second_keys(half.user, known, browser)
        await self._take(keys, now)
        for _ in range(ATTEMPTS):
            proven = await self._proof(claim, keys, half, half.user, now, half)
            device = browser.device if browser.device and browsers.is_secret(browser.device) else browsers.new_secret()
            along = [*proven.along, *await self._letting_in(half.user, browser, device, known, now, notify=True)]
            try:
                session, secret = await self._sessions.prove(
                    half.session, now, strong=True, address=browser.address, along=along
                )
            except Conflict:
                continue
            await self._tries.give_back(keys, now)
            self._counts["signed-in"] += 1
            return Entered("signed-in", session.user, [], secret, device)
        raise await self._failed(keys, half, Action.SECOND_FACTOR, half.user, now)

    async def enter(self, user: UserId, browser: Browser, now: datetime, along: Sequence[Write] = ()) -> Entered:
        """Sign in a user who proved the first factor otherwise, as by an invitation; `along` is written with it.

        Raises Conflict where the precondition of one of `along` fails.
        """
        return await self._enter(Proven(user, strong=False, along=tuple(along)), browser, now, notify=False)

    async def mail_code(self, email: str, browser: Browser, now: datetime) -> None:
        """Mail a code and a link where somebody has that address; takes the same time where nobody has."""
        user = await self._users.by_email(email)
        known = await self._browsers.known(user.id if user else email, browser.device, now)
        key = tries.LETTERS_BROWSER.of(email, browser.device or "") if known else tries.LETTERS.of(email)
        try:
            await self._tries.take([key], now)
        except TooFast:
            self._counts["letters-withheld"] += 1
            return
        mailing = await self._identity.mailing(email, now)
        writes = list(mailing.along)
        if user is not None and user.id == mailing.user:
            writes += self._code_letter(user, mailing, now)
        try:
            await self._store.transact(writes)
        except Conflict:
            return  # asked twice at once: the other one is on its way
        self._counts["letters"] += 1

    async def prove(self, person: Person, claim: Claim, browser: Browser, now: datetime) -> str:
        """Return the session's new secret. Raises as `first` does."""
        keys = [tries.PROOF.of(person.user, person.session)]
        await self._take(keys, now)
        for _ in range(ATTEMPTS):
            proven = await self._proof(claim, keys, person, person.user, now, person)
            try:
                _, secret = await self._sessions.prove(
                    person.session, now, strong=proven.strong, address=browser.address, along=proven.along
                )
            except Conflict:
                continue
            await self._tries.give_back(keys, now)
            return secret
        raise await self._failed(keys, person, Action.ME_PROVE, person.user, now)

    async def check(self, person: Person, claim: Claim, now: datetime) -> None:
        """As `prove`, for an act that itself renews the session's secret, so that this one need not."""
        keys = [tries.PROOF.of(person.user, person.session)]
        await self._take(keys, now)
        await self._proof(claim, keys, person, person.user, now, person)
        await self._tries.give_back(keys, now)

    async def passkey_options(self, user: UserId, session: SessionId, now: datetime) -> Mapping[str, Any]:
        """Return what the browser is asked for one of the user's passkeys. Raises NotFound where they have none."""
        return await self._identity.challenge(user, session, now)

    async def email_of(self, user: UserId) -> str:
        return (await self._users.get(user)).email

    # --- what they share ---

    async def _take(self, keys: Sequence[Key], now: datetime) -> None:
        try:
            await self._tries.take(keys, now)
        except TooFast:
            self._counts["slowed"] += 1
            raise

    async def _proof(
        self,
        claim: Claim,
        keys: Sequence[Key],
        actor: Stranger | Half | Person,
        user: UserId | None,
        now: datetime,
        whose: Half | Person | None = None,
    ) -> Proven:
        try:
            return await self._identity.prove(
                claim, now, user=whose.user if whose else None, session=whose.session if whose else None
            )
        except NotAuthenticated:
            action = {Half: Action.SECOND_FACTOR, Person: Action.ME_PROVE}.get(type(actor), Action.SIGN_IN)
            raise await self._failed(keys, actor, action, user, now) from None
        except Exception:  # nobody was wrong
            await self._tries.give_back(keys, now)
            raise

    async def _failed(
        self,
        keys: Sequence[Key],
        actor: Stranger | Half | Person,
        action: Action,
        user: UserId | None,
        now: datetime,
    ) -> NotAuthenticated:
        self._counts["failed" if user else "unknown"] += 1
        if user is not None:
            record = audit.record(actor, action, now, clinic=PLATFORM, user=user, outcome="denied")
            await self._store.transact([record])
        elif keys:
            await self._tries.touch(keys)
        return NotAuthenticated("that does not prove who you are")

    async def _enter(self, proven: Proven, browser: Browser, now: datetime, *, notify: bool) -> Entered:
        user = proven.user
        known = await self._browsers.known(user, browser.device, now)
        methods = [] if proven.strong else (await self._identity.factors(user)).methods
        if methods:
            _, secret = await self._sessions.open(
                user,
                stage=Stage.HALF,
                strong=False,
                now=now,
                device=browser.agent,
                address=browser.address,
                known_device=known,
                along=proven.along,
            )
            self._counts["half"] += 1
            return Entered("second-factor", user, methods, secret)
        device = browser.device if browser.device and browsers.is_secret(browser.device) else browsers.new_secret()
        along = [*proven.along, *await self._letting_in(user, browser, device, known, now, notify=notify)]
        _, secret = await self._sessions.open(
            user,
            stage=Stage.FULL,
            strong=proven.strong,
            now=now,
            device=browser.agent,
            address=browser.address,
            known_device=known,
            along=along,
        )
        self._counts["signed-in"] += 1
        standing = grants.standing(await grants.of_user(self._store, user, now), now)
        enrols = not proven.strong and await self.needs_second(standing)
        return Entered("enrol" if enrols else "signed-in", user, [], secret, device)

    async def _letting_in(
        self, user: UserId, browser: Browser, device: str, known: bool, now: datetime, *, notify: bool
    ) -> list[Write]:
        """What is written when somebody is let in: that the browser is known now, and a letter if it was not."""
        writes = await self._browsers.remembering(user, device, now)
        if known or not notify:
            return writes
        who = await self._users.get(user)
        return [*writes, *self._letter(who, browser, now)]

    def _letter(self, user: User, browser: Browser, now: datetime) -> list[Write]:
        return mail.letter(
            "new-device",
            user.email,
            user.language,
            now,
            clinic=PLATFORM,
            device=devices.label(browser.agent),
            at=mail.moment(now, user.zone),
            link=f"{self._public_url}/profile",
        )

    def _code_letter(self, user: User, mailing: Mailing, now: datetime) -> list[Write]:
        if not mailing.token:
            return mail.letter("link-code", user.email, user.language, now, clinic=PLATFORM, code=mailing.code)
        link = f"{self._public_url}/sign-in#{mailing.token}"
        return mail.letter(
            "sign-in-code", user.email, user.language, now, clinic=PLATFORM, code=mailing.code, link=link
        )

    async def needs_second(self, standing: Standing) -> bool:
        """Whether a clinic of theirs, or the platform that they operate, asks for a second factor."""
        asking = [*standing.members, *([PLATFORM] if standing.operator else [])]
        for clinic in asking:
            try:
                if (await self._clinics.get(clinic)).second_factor:
                    return True
            except NotFound:
                return True  # nobody has said that it does without
        return False


def _first_keys(claim: FirstClaim, known: bool, browser: Browser) -> list[Key]:
    """What a try is taken from; nothing for a link or a signed token, which cannot be guessed."""
    if isinstance(claim, EmailLink | IdToken):
        return []
    if known:
        return [tries.BROWSER.of(claim.email, browser.device or "")]
    if isinstance(claim, EmailCode):
        return [tries.CODE_NETWORK.of(claim.email, browser.network), tries.CODE_ACCOUNT.of(claim.email)]
    return [tries.NETWORK.of(claim.email, browser.network), tries.ACCOUNT.of(claim.email)]


def _second_keys(user: UserId, known: bool, browser: Browser) -> list[Key]:
    if known:
        return [tries.SECOND_BROWSER.of(user, browser.device or "")]
    return [tries.SECOND_NETWORK.of(user, browser.network), tries.SECOND_ACCOUNT.of(user)]
