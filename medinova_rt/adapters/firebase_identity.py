"""Who somebody is, proven by Firebase: a fresh ID token, exchanged once, and a link that says whose the account is.

Passwords, second factors, their change and their loss are Firebase's. What is proven here is never more than that
somebody holds an account there; what they may, our memberships say.

An account becomes a user's by an address that Firebase has verified *and* a second proof that is asked for here: a code
of the second factor that the user had set up here, or a mailed code where there was none. Whoever is invited, or put in
by who runs the server, is made an account with its link at once, unless somebody has one of that address: the
invitation was read in that mailbox. An account that is there already is never changed.

Firebase is asked whether the account still stands at each exchange, and while its user is signed in every five minutes:
whoever is disabled, deleted or signed out there is signed out here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from medinova_rt import audit, passwords, tries
from medinova_rt.adapters.embedded_identity import EmbeddedIdentity, Known, Users
from medinova_rt.adapters.firebase_accounts import Account
from medinova_rt.adapters.firebase_links import CHECK_EVERY, MAX_LINKS, FirebaseLinks, Link, checking, linking, using
from medinova_rt.adapters.firebase_tokens import Said
from medinova_rt.changes import Held
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import BadInput, Conflict, NotAuthenticated, NotFound, NotLinked, Unavailable, WrongState
from medinova_rt.ids import SessionId, UserId, derived_id
from medinova_rt.ports import (
    Claim,
    EmailCode,
    Enrolled,
    Enrolment,
    Factors,
    IdToken,
    Mailing,
    NewPassword,
    Proven,
    RecoveryCode,
    Store,
    Totp,
    Write,
)
from medinova_rt.principals import Stranger, System
from medinova_rt.rights import Action
from medinova_rt.sessions import Sessions
from medinova_rt.tries import Tries
from medinova_rt.users import normal_email

WATCHED = 50  # links in one step of the watch

KEPT = "passwords and second factors are kept by the identity provider here; change them there"
THERE = "the identity provider has an account of this address already; sign in with it"


class Tokens(Protocol):
    async def read(self, text: str, now: datetime) -> Said: ...


class Accounts(Protocol):
    async def look(self, uids: Sequence[str]) -> dict[str, Account]: ...

    async def create(self, uid: str, email: str, password: str) -> bool: ...


class Part(Protocol):
    """What is opened and closed with it, and counts."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    def counters(self) -> Mapping[str, int]: ...


class FirebaseIdentity:
    def __init__(
        self,
        store: Store,
        users: Users,
        own: EmbeddedIdentity,
        tokens: Tokens,
        accounts: Accounts,
        parts: Sequence[Part],
    ) -> None:
        """`own` checks the second proofs, and is not opened: none of them is a password."""
        self._store = store
        self._users = users
        self._own = own
        self._tokens = tokens
        self._accounts = accounts
        self._parts = parts
        self._links = FirebaseLinks(store)
        self._sessions = Sessions(store)
        self._tries = Tries(store)
        self._ended = 0

    async def open(self) -> None:
        """Raises Unavailable, for good, where there is no credential to ask Firebase with."""
        for part in self._parts:
            await part.open()

    async def close(self) -> None:
        for part in self._parts:
            await part.close()

    def counters(self) -> Mapping[str, int]:
        counts = {"sessions-ended": self._ended}
        for part in self._parts:
            counts |= part.counters()
        return counts

    async def sweep(self, now: datetime) -> bool:
        """Delete some of what is past; return whether there may be more."""
        more = await self._own.sweep(now)
        return await self._links.sweep(now) or more

    # --- proof ---

    async def prove(
        self, claim: Claim, now: datetime, *, user: UserId | None = None, session: SessionId | None = None
    ) -> Proven:
        proven = await self._by_token(claim, now, user) if isinstance(claim, IdToken) else None
        if proven is None or (user is not None and proven.user != user):
            raise _refused()
        return proven

    async def _by_token(self, claim: IdToken, now: datetime, user: UserId | None) -> Proven | None:
        said = await self._tokens.read(claim.token, now)
        if await self._links.was_used(said):
            return None
        account = (await self._accounts.look([said.uid])).get(said.uid)
        if account is None or not account.lets(said.authenticated_at):
            return None
        link = await self._links.held(said.uid)
        if link is None:
            return None if user is not None else await self._tie(said, claim.code.strip(), now)
        if await self._may_sign_in(link.value.user) is None:
            return None
        along = (using(said), checking(link, now + CHECK_EVERY))
        return Proven(link.value.user, strong=said.second, along=along)

    async def _tie(self, said: Said, code: str, now: datetime) -> Proven | None:
        """The account's first sign-in here. Raises NotLinked while there is no second proof, TooFast."""
        who = await self._of_address(said)
        if who is None or len(await self._links.of_user(who.id)) >= MAX_LINKS:
            return None
        have = await self._own.factors(who.id)
        proofs = [each for each in have.methods if each != "passkey"] if have.second else ["mail"]
        if not code or not proofs:
            raise NotLinked("show once more that you are who the account says: type the code", proofs)
        claim = _second_proof(code) if have.second else EmailCode(who.email, code)
        key = tries.SECOND_ACCOUNT.of(who.id)
        await self._tries.take([key], now)
        proof = await self._own.prove(claim, now, user=who.id)
        await self._tries.give_back([key], now)
        record = audit.record(Stranger(), Action.FACTOR_CHANGE, now, clinic=PLATFORM, user=who.id)
        along = (*proof.along, using(said), linking(said.uid, who.id, now), record)
        return Proven(who.id, strong=said.second, along=along)

    async def _of_address(self, said: Said) -> Known | None:
        if not said.email_verified or not said.email:
            return None
        try:
            who = await self._users.by_email(normal_email(said.email))
        except BadInput:
            return None
        return None if who is None or who.disabled else who

    async def _may_sign_in(self, user: UserId) -> Known | None:
        try:
            who = await self._users.get(user)
        except NotFound:
            return None
        return None if who.disabled else who

    # --- what the provider does itself ---

    async def mailing(self, email: str, now: datetime) -> Mailing:
        """The code is a second proof (`NotLinked`) and no way in; so there is no link."""
        made = await self._own.mailing(email, now)
        return Mailing(made.user, made.code, "", made.along)

    async def challenge(
        self, user: UserId, session: SessionId, now: datetime, new_for: str | None = None
    ) -> Mapping[str, Any]:
        if new_for is None:
            raise NotFound("you have no passkey")
        raise WrongState(KEPT)

    async def enrol(
        self, user: UserId, what: Enrolment, now: datetime, *, session: SessionId | None = None
    ) -> Enrolled:
        """A password makes the account of a user who has none, and nothing else is set up here."""
        if not isinstance(what, NewPassword) or await self._links.of_user(user):
            raise WrongState(KEPT)
        passwords.check(what.password, what.minimum, what.near)
        email = what.email or (await self._users.get(user)).email
        uid = derived_id("fbu", email)  # by which one that was made and not linked is known again
        if await self._links.held(uid) or not await self._accounts.create(uid, email, what.password):
            raise WrongState(THERE)
        return Enrolled((linking(uid, user, now),))

    async def remove(self, user: UserId, factor: str, now: datetime) -> list[Write]:
        raise WrongState(KEPT)

    async def factors(self, user: UserId) -> Factors:
        has_account = bool(await self._links.of_user(user))
        return Factors(password=has_account, second=(), recovery_codes=0, elsewhere=True)

    # --- the watch ---

    async def watch(self, now: datetime) -> bool:
        """Ask about some who are signed in, and end what no longer stands; return whether more are due.

        While Firebase does not answer, nobody is signed out: what they may be in all, their sessions' limits say.
        """
        due = await self._links.due(now, WATCHED)
        if not due:
            return False
        try:
            accounts = await self._accounts.look([each.value.uid for each in due])
        except Unavailable:
            return False
        for link in due:
            await self._watch(link, accounts.get(link.value.uid), now)
        return len(due) == WATCHED

    async def _watch(self, link: Held[Link], account: Account | None, now: datetime) -> None:
        stands = False
        for session in await self._sessions.of_user(link.value.user):
            if now >= session.expires_at:
                continue
            if account is not None and account.lets(session.authenticated_at):
                stands = True
                continue
            await self._sessions.revoke(System(), session.id, now)
            self._ended += 1
        try:
            await self._store.transact([checking(link, now + CHECK_EVERY if stands else None)])
        except Conflict:
            return  # they have just signed in again


def _second_proof(code: str) -> Claim:
    plain = "".join(code.split())
    return Totp(plain) if plain.isdigit() else RecoveryCode(code)


def _refused() -> NotAuthenticated:
    return NotAuthenticated("that does not prove who you are")
