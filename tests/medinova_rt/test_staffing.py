"""People kept out; how they are put in is in tests/medinova_rt/operations/test_people.py."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from medinova_rt import grants
from medinova_rt.errors import NotAuthenticated, NotFound
from medinova_rt.ports import EmailCode, Password
from medinova_rt.staffing import Staffing
from tests.authenticator import Authenticator
from tests.medinova_rt.door import ELSEWHERE, HOME, NOW, PASSWORD, URL, Rig, rig

EMAIL = "robin@example.org"
RIGHT = Password(PASSWORD, EMAIL)


@pytest.fixture(params=["local", "sqlite"])
async def door(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def staffing(door: Rig) -> Staffing:
    return Staffing(door.store, door.identity)


async def test_who_is_disabled_is_out_and_stays_out(door: Rig, staffing: Staffing) -> None:
    user = await door.user()
    for where in (HOME, ELSEWHERE):
        await door.sign_in.first(RIGHT, where, door.now)
    mailing = await door.identity.mailing(EMAIL, door.later(seconds=1))
    await door.store.transact(mailing.along)
    for _ in range(2):  # again is fine
        assert (await staffing.disable(EMAIL, door.now)).id == user.id
    assert await door.sessions.of_user(user.id) == []
    for claim in (RIGHT, EmailCode(EMAIL, mailing.code)):
        with pytest.raises(NotAuthenticated):
            await door.sign_in.first(claim, HOME, door.now)
    assert (len(await door.letters("account-disabled")), len(await door.letters("account-enabled"))) == (1, 0)
    assert [each for each in await door.records() if each[1] == "user.disable"] == [("system", "user.disable", "done")]
    await staffing.enable(EMAIL, door.now)
    assert (await door.sign_in.first(RIGHT, HOME, door.later(hours=1))).state == "signed-in"
    assert len(await door.letters("account-enabled")) == 1


async def test_whose_password_is_set_is_told_without_it(door: Rig, staffing: Staffing) -> None:
    await door.user()
    await staffing.set_password(EMAIL, "blue window over nothing", door.now)
    (letter,) = await door.letters("password-reset")
    assert "blue window" not in str(letter)


async def test_who_lost_the_second_factor_sets_up_another(door: Rig, staffing: Staffing) -> None:
    user = await door.user()
    person = await door.person(await door.sign_in.first(RIGHT, HOME, door.now))
    await door.with_app(person)
    for name in ("blue", "red"):
        answer = Authenticator(URL, "visits.example.org").create(await door.factors.passkey_options(person, door.now))
        await door.factors.add_passkey(person, name, answer, door.now)
    await staffing.reset_factors(EMAIL, door.now)
    have = await door.factors.of(user.id)
    assert (have.second, have.recovery_codes, have.password) == ((), 0, True)
    assert await door.sessions.of_user(user.id) == []
    assert len(await door.letters("factors-reset")) == 1
    assert [each for each in await door.records() if each[1] == "factor.reset"] == [
        ("system", "factor.reset", "done")
    ] * 3
    assert (await door.sign_in.first(RIGHT, HOME, door.now)).state == "signed-in"
    await staffing.reset_factors(EMAIL, door.now)  # with none it ends the sessions all the same
    assert await door.sessions.of_user(user.id) == []


async def test_an_operator_is_one_no_longer(door: Rig, staffing: Staffing) -> None:
    user = await door.user()
    await staffing.operator(user.id, door.now)
    await staffing.end_operator(EMAIL, door.later(minutes=1))
    assert grants.standing(await grants.of_user(door.store, user.id, door.now), door.now).operator is None
    assert ("system", "operator.end", "done") in await door.records()
    await staffing.operator(user.id, door.now)
    assert grants.standing(await grants.of_user(door.store, user.id, door.now), door.now).operator


@pytest.mark.parametrize("act", ["disable", "enable", "end_operator", "reset_factors"])
async def test_nobody_has_that_address(staffing: Staffing, act: str) -> None:
    with pytest.raises(NotFound):
        await getattr(staffing, act)("nobody@example.org", NOW)
