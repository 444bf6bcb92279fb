"""Whose account at Firebase is whose here, and what happens to sessions when it no longer stands.

Tokens are signed by a key of the tests'; what stands on the real emulator is in test_firebase.py.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from msgspec.structs import replace

from medinova_rt import grants
from medinova_rt.adapters import firebase_links
from medinova_rt.adapters.embedded_identity import EmbeddedIdentity
from medinova_rt.adapters.firebase_accounts import Account
from medinova_rt.adapters.firebase_identity import FirebaseIdentity
from medinova_rt.adapters.firebase_links import CHECK_EVERY
from medinova_rt.adapters.firebase_tokens import FirebaseTokens
from medinova_rt.clinics import DEMO
from medinova_rt.errors import Conflict, NotAuthenticated, NotFound, NotLinked, TooFast, Unavailable, WrongState
from medinova_rt.factors import OwnFactors
from medinova_rt.grants import StaffRole
from medinova_rt.ids import SessionId, UserId
from medinova_rt.ports import (
    ConfirmedTotp,
    EmailCode,
    EmailLink,
    Enrolment,
    IdToken,
    NewPasskey,
    NewPassword,
    NewRecoveryCodes,
    NewTotp,
    Passkey,
    Password,
    RecoveryCode,
    Totp,
)
from medinova_rt.signin import Entered, SignIn
from medinova_rt.staffing import Staffing
from tests.google import PROJECT, claims, private, token
from tests.medinova_rt.door import ELSEWHERE, HOME, NOW, PASSWORD, URL, Rig, rig

EMAIL = "robin@example.org"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SECOND = {"sign_in_provider": "password", "sign_in_second_factor": "totp"}


class Keys:
    async def key(self, id: str, now: datetime) -> RSAPublicKey | None:
        return private(id).public_key()


class Accounts:
    """What Firebase would say."""

    def __init__(self) -> None:
        self.known: dict[str, Account] = {}
        self.made: dict[str, str] = {}
        self.down = False
        self.asked = 0

    async def look(self, uids: Sequence[str]) -> dict[str, Account]:
        self.asked += 1
        if self.down:
            raise Unavailable("the identity provider does not answer; try again")
        standing = {uid: self.known.get(uid, Account(uid, disabled=False, valid_after=LONG_AGO)) for uid in uids}
        return {uid: account for uid, account in standing.items() if account.valid_after.year < 9999}

    async def create(self, uid: str, email: str, password: str) -> bool:
        if email in self.made and self.made[email] != uid:
            return False
        self.made[email] = uid
        return True

    def disable(self, uid: str) -> None:
        self.known[uid] = Account(uid, disabled=True, valid_after=LONG_AGO)

    def revoke(self, uid: str, at: datetime) -> None:
        self.known[uid] = Account(uid, disabled=False, valid_after=at)

    def delete(self, uid: str) -> None:
        self.revoke(uid, datetime(9999, 1, 1, tzinfo=UTC))


class Town:
    """The rig of the door's tests, with Firebase at the door."""

    def __init__(self, door: Rig) -> None:
        self.door = door
        self.store = door.store
        self.accounts = Accounts()
        own = door.identity
        self.identity = FirebaseIdentity(
            door.store, door.users, own, FirebaseTokens(PROJECT, Keys()), self.accounts, []
        )
        parts = (door.store, self.identity, door.users, door.clinics, door.sessions)
        self.sign_in = SignIn(*parts, URL)
        self.factors = OwnFactors(*parts, self.sign_in, URL)

    def token(self, **change: Any) -> str:
        return token(claims(self.door.now, **change))

    async def enter(self, code: str = "", **change: Any) -> Entered:
        return await self.sign_in.first(IdToken(self.token(**change), code), HOME, self.door.now)

    async def mailed(self) -> str:
        await self.sign_in.mail_code(EMAIL, HOME, self.door.now)
        return (await self.door.letters("link-code"))[-1]["code"]

    async def linked(self, **change: Any) -> Entered:
        """Let somebody in who signs in for the first time."""
        return await self.enter(await self.mailed(), **change)

    async def sessions(self, user: UserId) -> int:
        return len(await self.door.sessions.of_user(user))


@pytest.fixture(params=["local", "sqlite"])
async def town(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Town]:
    async with rig(request.param, tmp_path) as door:
        yield Town(door)


# --- linking ---


async def test_a_verified_address_and_a_mailed_code_link_an_account_once(town: Town) -> None:
    user = await town.door.user(password=None)
    with pytest.raises(NotLinked) as asked:
        await town.enter()
    assert asked.value.proofs == ("mail",)
    first = await town.linked()
    assert (first.state, first.user) == ("signed-in", user.id)
    town.door.later(minutes=1)
    assert (await town.enter()).user == user.id
    records = await town.door.records()
    assert ("stranger", "factor.change", "done") in records, records


@pytest.mark.parametrize(
    "change",
    [
        {"email_verified": False},
        {"email_verified": None},
        {"email": None},
        {"email": "nobody@example.org"},
        {"email": "no address"},
        {"email": "ROBIN@EXAMPLE.ORG.", "email_verified": True},
        {"email": "rоbin@example.org"},
    ],
    ids=str,
)
async def test_no_other_address_takes_a_user_over(town: Town, change: dict[str, Any]) -> None:
    await town.door.user()
    code = await town.mailed()
    with pytest.raises(NotAuthenticated):
        await town.enter(code, **change)
    with pytest.raises(NotAuthenticated):
        await town.enter("", **change)


async def test_a_wrong_code_links_nothing_and_five_of_them_spend_the_right_one(town: Town) -> None:
    await town.door.user(password=None)
    code = await town.mailed()
    for _ in range(5):
        with pytest.raises(NotAuthenticated):
            await town.enter("000000" if code != "000000" else "000001")
    with pytest.raises(NotAuthenticated):
        await town.enter(code)
    assert (await town.store.find(firebase_links.BY_CHECK)).rows == []


async def test_who_has_a_second_factor_here_links_by_that_one_and_not_by_mail(town: Town) -> None:
    user = await town.door.user()
    app, codes = await town.door.with_app(
        await town.door.person(await town.door.sign_in.first(Password(PASSWORD, EMAIL), HOME, NOW))
    )
    with pytest.raises(NotLinked) as asked:
        await town.enter()
    assert asked.value.proofs == ("totp", "recovery")
    town.door.later(minutes=1)
    with pytest.raises(NotAuthenticated):
        await town.enter(await town.mailed())
    assert (await town.enter(app.at(town.door.now))).user == user.id
    assert (await town.enter(codes[0], sub="another-account-of-robins")).user == user.id


async def test_guessing_that_factor_is_slowed_down(town: Town) -> None:
    await town.door.user()
    entered = await town.door.sign_in.first(Password(PASSWORD, EMAIL), HOME, NOW)
    await town.door.with_app(await town.door.person(entered))
    raised = []
    for n in range(25):
        with pytest.raises((NotAuthenticated, TooFast)) as refused:
            await town.enter(f"{n:06}")
        raised.append(type(refused.value))
    assert raised == [NotAuthenticated] * 20 + [TooFast] * 5


async def test_an_account_is_one_users_only(town: Town) -> None:
    await town.door.user(password=None)
    await town.linked()
    other = await town.door.user("ada@example.org", password=None)
    writes = [firebase_links.linking("uid-of-robin", other.id, NOW)]
    with pytest.raises(Conflict):
        await town.store.transact(writes)


async def test_a_custom_claim_gives_nobody_a_role(town: Town) -> None:
    user = await town.door.user(password=None)
    await town.linked(role="administrator", roles=["operator"], admin=True)
    assert await grants.of_user(town.store, user.id, NOW) == []


# --- exchange ---


async def test_a_token_is_exchanged_once(town: Town) -> None:
    user = await town.door.user(password=None)
    await town.linked()
    town.door.later(seconds=20)
    shown = IdToken(town.token())
    await town.sign_in.first(shown, HOME, town.door.now)
    for later in (timedelta(), timedelta(minutes=4), timedelta(minutes=6)):
        with pytest.raises(NotAuthenticated):
            await town.sign_in.first(shown, ELSEWHERE, town.door.now + later)
    assert await town.sessions(user.id) == 2
    assert await town.identity.sweep(town.door.later(minutes=7)) is False
    assert (await town.store.find(firebase_links.BY_END)).rows == []


async def test_the_token_that_linked_is_used_up_too(town: Town) -> None:
    await town.door.user(password=None)
    shown = IdToken(town.token(), await town.mailed())
    await town.sign_in.first(shown, HOME, town.door.now)
    with pytest.raises(NotAuthenticated):
        await town.sign_in.first(IdToken(shown.token), HOME, town.door.now)


@pytest.mark.parametrize(("how", "strong"), [({"sign_in_provider": "password"}, False), (SECOND, True)])
async def test_only_a_second_factor_at_firebase_makes_a_sign_in_strong(
    town: Town, how: dict[str, str], strong: bool
) -> None:
    user = await town.door.user(password=None)
    await Staffing(town.store, town.door.identity).member(DEMO.id, user.id, [StaffRole.CLINICIAN], NOW)
    entered = await town.linked(firebase=how)
    assert (await town.door.session(entered)).strong is strong
    assert (entered.state, entered.methods) == ("signed-in" if strong else "enrol", [])


@pytest.mark.parametrize("what", ["disable", "delete", "revoke"])
async def test_an_account_that_does_not_stand_is_not_let_in(town: Town, what: str) -> None:
    await town.door.user(password=None)
    await town.linked()
    town.door.later(minutes=1)
    if what == "revoke":
        town.accounts.revoke("uid-of-robin", town.door.now)
    else:
        getattr(town.accounts, what)("uid-of-robin")
    with pytest.raises(NotAuthenticated):
        await town.enter()


async def test_a_user_disabled_here_is_not_let_in(town: Town) -> None:
    user = await town.door.user(password=None)
    await town.linked()
    await town.door.users.change(user.id, lambda before: (replace(before, disabled=True), []))
    town.door.later(minutes=1)
    with pytest.raises(NotAuthenticated):
        await town.enter()


async def test_nobody_is_let_in_while_firebase_does_not_answer(town: Town) -> None:
    await town.door.user(password=None)
    await town.linked()
    town.door.later(minutes=1)
    town.accounts.down = True
    with pytest.raises(Unavailable):
        await town.enter()
    town.accounts.down = False
    await town.enter()


async def test_showing_again_that_it_is_them(town: Town) -> None:
    await town.door.user(password=None)
    person = await town.door.person(await town.linked())
    other = await town.door.user("ada@example.org", password=None)
    await town.store.transact([firebase_links.linking("uid-of-ada", other.id, NOW)])
    town.door.later(minutes=2)
    shown = town.token(firebase=SECOND)
    await town.sign_in.prove(person, IdToken(shown), HOME, town.door.now)
    session = await town.door.sessions.get(person.session)
    assert session is not None
    assert (session.strong, session.authenticated_at) == (True, town.door.now)
    for wrong in (shown, town.token(sub="uid-of-ada"), town.token(sub="uid-of-nobody")):
        with pytest.raises(NotAuthenticated):
            await town.sign_in.prove(person, IdToken(wrong), HOME, town.door.now)


# --- the watch ---


@pytest.mark.parametrize("what", ["disable", "delete", "revoke"])
async def test_within_five_minutes_the_sessions_of_an_account_that_fell_end(town: Town, what: str) -> None:
    user = await town.door.user(password=None)
    await town.linked()
    if what == "revoke":
        town.accounts.revoke("uid-of-robin", town.door.now + timedelta(seconds=30))
    else:
        getattr(town.accounts, what)("uid-of-robin")
    await town.identity.watch(town.door.now + CHECK_EVERY - timedelta(seconds=1))
    assert await town.sessions(user.id) == 1
    await town.identity.watch(town.door.later(minutes=4, seconds=1))
    assert await town.sessions(user.id) == 0
    assert ("system", "session.revoke", "done") in await town.door.records()
    asked = town.accounts.asked
    await town.identity.watch(town.door.later(hours=24))
    assert town.accounts.asked == asked, "nobody is signed in"


async def test_those_signed_in_since_stay(town: Town) -> None:
    user = await town.door.user(password=None)
    await town.linked()
    town.accounts.revoke("uid-of-robin", town.door.later(minutes=1))
    town.door.later(minutes=1)
    await town.enter()
    await town.identity.watch(town.door.later(minutes=5))
    assert await town.sessions(user.id) == 1
    assert (await town.door.sessions.of_user(user.id))[0].authenticated_at > NOW + timedelta(minutes=1)


async def test_whoever_stands_is_asked_about_again_and_again(town: Town) -> None:
    user = await town.door.user(password=None)
    await town.linked()
    before = town.accounts.asked
    for _ in range(30):
        await town.identity.watch(town.door.later(minutes=1))
    assert town.accounts.asked - before == 7
    assert await town.sessions(user.id) == 1


async def test_an_outage_signs_nobody_out_and_is_made_up_for(town: Town) -> None:
    user = await town.door.user(password=None)
    await town.linked()
    town.accounts.disable("uid-of-robin")
    town.accounts.down = True
    for _ in range(10):
        assert await town.identity.watch(town.door.later(minutes=1)) is False
    assert await town.sessions(user.id) == 1
    town.accounts.down = False
    await town.identity.watch(town.door.later(minutes=1))
    assert await town.sessions(user.id) == 0


# --- what the provider does itself ---


@pytest.mark.parametrize(
    "claim",
    [
        Password(PASSWORD, EMAIL),
        EmailCode(EMAIL, "123456"),
        EmailLink("a token"),
        Totp("123456"),
        RecoveryCode("00000-00000"),
        Passkey({}),
    ],
)
async def test_no_other_proof_is_taken(town: Town, claim: Any) -> None:
    user = await town.door.user()
    with pytest.raises(NotAuthenticated, match="that does not prove who you are"):
        await town.identity.prove(claim, NOW, user=user.id, session=SessionId("ses-x"))


async def test_a_mailed_code_that_is_right_is_no_way_in(town: Town) -> None:
    await town.door.user()
    code = await town.mailed()
    with pytest.raises(NotAuthenticated):
        await town.sign_in.first(EmailCode(EMAIL, code), HOME, NOW)


@pytest.mark.parametrize(
    "what",
    [NewPassword(PASSWORD, 8, ()), NewTotp(EMAIL), ConfirmedTotp("123456"), NewPasskey("key", {}), NewRecoveryCodes()],
)
async def test_nothing_is_set_up_here(town: Town, what: Enrolment) -> None:
    user = await town.door.user(password=None)
    await town.linked()
    with pytest.raises(WrongState, match="kept by the identity provider"):
        await town.identity.enrol(user.id, what, NOW)
    with pytest.raises(WrongState):
        await town.identity.remove(user.id, "tot-x", NOW)
    with pytest.raises(WrongState):
        await town.identity.challenge(user.id, SessionId("ses-x"), NOW, new_for=EMAIL)
    with pytest.raises(NotFound):
        await town.identity.challenge(user.id, SessionId("ses-x"), NOW)
    have = await town.identity.factors(user.id)
    assert (have.password, have.methods, have.elsewhere) == (True, [], True)


async def test_whoever_is_put_in_gets_an_account_with_its_link(town: Town) -> None:
    made, _ = await Staffing(town.store, town.identity).user(EMAIL, "Robin Roe", "six grey herons by the weir", NOW)
    assert (await town.enter(sub=town.accounts.made[EMAIL])).user == made.id
    again = NewPassword("six grey herons by the weir", 12, (), EMAIL)
    with pytest.raises(WrongState):
        await town.identity.enrol(made.id, again, NOW)


async def test_an_account_that_is_there_already_is_left_alone(town: Town) -> None:
    town.accounts.made[EMAIL] = "an-account-of-somebody"
    made, is_theirs = await Staffing(town.store, town.identity).user(
        EMAIL, "Robin Roe", "six grey herons by the weir", NOW
    )
    assert (is_theirs, (await town.identity.factors(made.id)).password) == (False, False)
    new = NewPassword("six grey herons by the weir", 12, ())
    with pytest.raises(WrongState, match="has an account of this address already"):
        await town.identity.enrol(made.id, new, NOW)
    assert (await town.linked(sub="an-account-of-somebody")).user == made.id


async def test_this_server_itself_takes_no_token(town: Town) -> None:
    await town.door.user()
    own: EmbeddedIdentity = town.door.identity
    with pytest.raises(NotAuthenticated):
        await own.prove(IdToken(town.token(), await town.mailed()), NOW)
