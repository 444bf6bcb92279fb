from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest

from medinova_rt import documents, grants
from medinova_rt.clinics import Clinic
from medinova_rt.errors import BadInput, LimitReached, NotAuthenticated, NotFound, ProveAgain, WrongState
from medinova_rt.grants import Grant, Kind, StaffRole, Standing
from medinova_rt.ids import ClinicId, GrantId
from medinova_rt.ports import EmailCode, EmailLink, FirstClaim, Insert, Password, RecoveryCode, Totp
from medinova_rt.principals import Person
from tests.authenticator import Authenticator
from tests.medinova_rt.door import ELSEWHERE, HOME, PASSWORD, URL, Rig, rig

EMAIL = "robin@example.org"
RIGHT = Password(PASSWORD, EMAIL)
NEW = "seven red herons on a roof"
HOST = "visits.example.org"
CLINIC = ClinicId("cli-1")


@pytest.fixture(params=["local", "sqlite"])
async def door(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(request.param, tmp_path) as made:
        yield made


async def signed_in(door: Rig) -> Person:
    return await door.person(await door.sign_in.first(RIGHT, HOME, door.now))


async def works_at(door: Rig, person: Person, *, asks: bool) -> Person:
    """Make the person the front desk of a clinic that asks for a second factor, or doesn't."""
    await door.clinics.ensure(Clinic(id=CLINIC, clinic=CLINIC, name="Praxis Süd", second_factor=asks))
    grant = Grant(
        id=GrantId("gra-1"),
        clinic=CLINIC,
        user=person.user,
        kind=Kind.MEMBER,
        roles=[StaffRole.FRONT_DESK],
        created_at=door.now,
        starts_at=door.now,
    )
    await door.store.transact([Insert(grants.COLLECTION, grant.id, documents.encode(grant))])
    return Person(
        person.user, person.session, Standing(members={CLINIC: grant}), person.strong, person.authenticated_at
    )


async def test_a_new_password_ends_all_other_sessions_and_is_told_by_mail(door: Rig) -> None:
    await door.user()
    person = await signed_in(door)
    other = await door.sign_in.first(RIGHT, ELSEWHERE, door.later(seconds=1))
    await door.factors.set_password(person, NEW, None, door.later(seconds=1))
    assert [each.id for each in await door.sessions.of_user(other.user)] == [person.session]
    assert len(await door.letters("password-changed")) == 1
    assert ("user", "password.change", "done") in await door.records()
    with pytest.raises(NotAuthenticated):
        await door.sign_in.first(RIGHT, HOME, door.now)
    await door.sign_in.first(Password(NEW, EMAIL), HOME, door.now)


@pytest.mark.parametrize(
    ("password", "staff", "fits"),
    [
        ("zq8!kfmw", False, True),
        ("zq8!kfmw", True, False),
        ("zq8!kfmw plus", True, True),
        ("RobinRoe1", False, False),
        ("robin@example.org!", False, False),
        ("praxissüd 2026", True, False),
        ("password1", False, False),
    ],
)
async def test_which_passwords_are_taken(door: Rig, password: str, staff: bool, fits: bool) -> None:
    await door.user()
    person = await signed_in(door)
    person = await works_at(door, person, asks=False) if staff else person
    if fits:
        await door.factors.set_password(person, password, None, door.now)
        return
    with pytest.raises(BadInput):
        await door.factors.set_password(person, password, None, door.now)
    await door.sign_in.first(RIGHT, HOME, door.now)  # the old one stays


async def test_an_app_counts_once_confirmed_and_the_session_is_strong_then(door: Rig) -> None:
    await door.user()
    person = await signed_in(door)
    begun = await door.factors.begin_totp(person, door.now)
    assert begun.uri.startswith("otpauth://totp/MediNova:robin%40example.org?secret=")
    with pytest.raises(BadInput):
        await door.factors.confirm_totp(person, "000000", door.now)
    assert (await door.factors.of(person.user)).methods == []
    app, codes = await door.with_app(person)
    assert (len(codes), (await door.factors.of(person.user)).methods) == (10, ["totp", "recovery"])
    (session,) = await door.sessions.of_user(person.user)
    assert session.strong
    assert len(await door.letters("factor-changed")) == 1
    with pytest.raises(NotAuthenticated):  # the code that confirmed it was a use of it
        await door.identity.prove(Totp(app.at(door.now)), door.now, user=person.user)


async def test_an_app_is_confirmed_within_ten_minutes(door: Rig) -> None:
    await door.user()
    person = await signed_in(door)
    begun = await door.factors.begin_totp(person, door.now)

    door.later(minutes=10)
    with pytest.raises(BadInput):
        await door.factors.confirm_totp(person, pyotp.TOTP(begun.secret).at(door.now), door.now)


async def test_ten_passkeys_none_twice_and_recovery_codes_with_the_first(door: Rig) -> None:
    await door.user()
    person = await signed_in(door)
    for number in range(10):
        key = Authenticator(URL, HOST)
        answer = key.create(await door.factors.passkey_options(person, door.now))
        made = await door.factors.add_passkey(person, f"key {number}", answer, door.now)
        assert bool(made.enrolled.recovery_codes) == (number == 0)
        with pytest.raises((BadInput, LimitReached)):  # its challenge is used up
            await door.factors.add_passkey(person, "again", answer, door.now)
    with pytest.raises(LimitReached):
        await door.factors.passkey_options(person, door.now)


@pytest.mark.parametrize(
    "spoilt",
    [{"origin": "https://evil.example.org"}, {"rp_id": "evil.example.org"}, {"type": "webauthn.get"}, {"flags": 64}],
)
async def test_no_passkey_made_elsewhere(door: Rig, spoilt: dict[str, object]) -> None:
    await door.user()
    person = await signed_in(door)
    answer = Authenticator(URL, HOST).create(await door.factors.passkey_options(person, door.now), **spoilt)
    with pytest.raises(BadInput):
        await door.factors.add_passkey(person, "key", answer, door.now)


@pytest.mark.parametrize("asks", [True, False])
async def test_the_last_factor_stays_where_a_clinic_asks_for_one(door: Rig, asks: bool) -> None:
    await door.user()
    person = await works_at(door, await signed_in(door), asks=asks)
    _, codes = await door.with_app(person)
    factor = await door.factors.totp(person.user)
    if asks:
        with pytest.raises(WrongState):
            await door.factors.remove(person, factor, door.now)
        return
    await door.factors.remove(person, factor, door.now)
    assert (await door.factors.of(person.user)).recovery_codes == 0
    with pytest.raises(NotAuthenticated):
        await door.identity.prove(RecoveryCode(codes[0]), door.now, user=person.user)
    with pytest.raises(NotFound):
        await door.factors.totp(person.user)


async def test_new_recovery_codes_make_the_older_ones_worthless(door: Rig) -> None:
    await door.user()
    person = await signed_in(door)
    with pytest.raises(NotFound):
        await door.factors.new_recovery_codes(person, door.now)
    _, codes = await door.with_app(person)
    new = (await door.factors.new_recovery_codes(person, door.now)).enrolled.recovery_codes
    assert not set(new) & set(codes)
    with pytest.raises(NotAuthenticated):
        await door.identity.prove(RecoveryCode(codes[0]), door.now, user=person.user)
    assert (await door.identity.prove(RecoveryCode(new[0]), door.now, user=person.user)).strong


@pytest.mark.parametrize(
    ("has_app", "second_ago", "let"),
    [(False, None, True), (True, None, False), (True, 11, False), (True, 10, True), (False, 11, True)],
)
async def test_who_has_a_second_factor_proves_it_before_a_factor_is_touched(
    door: Rig, has_app: bool, second_ago: int | None, let: bool
) -> None:
    await door.user()
    person = await signed_in(door)
    if has_app:
        await door.with_app(person)
    at = None if second_ago is None else door.now - timedelta(minutes=second_ago)
    person = replace(person, second_at=at)
    if let:
        await door.factors.require_second(person, door.now)
        return
    with pytest.raises(ProveAgain):
        await door.factors.require_second(person, door.now)


async def test_a_new_password_makes_what_was_mailed_before_worthless(door: Rig) -> None:
    await door.user()
    person = await signed_in(door)
    claims: list[FirstClaim] = []
    for _ in range(2):
        mailing = await door.identity.mailing(EMAIL, door.later(seconds=1))
        await door.store.transact(mailing.along)
        claims += [EmailCode(EMAIL, mailing.code), EmailLink(mailing.token)]
    await door.factors.set_password(person, NEW, None, door.later(seconds=1))
    for claim in claims:
        with pytest.raises(NotAuthenticated):
            await door.sign_in.first(claim, HOME, door.now)
    mailing = await door.identity.mailing(EMAIL, door.later(seconds=1))
    await door.store.transact(mailing.along)
    assert (await door.sign_in.first(EmailLink(mailing.token), HOME, door.now)).user == person.user
