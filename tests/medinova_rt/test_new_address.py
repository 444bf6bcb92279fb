import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from medinova_rt import new_address
from medinova_rt.errors import BadInput, NotAuthenticated, TooFast
from medinova_rt.new_address import LIFE, NewAddresses
from medinova_rt.ports import EmailCode, EmailLink, Password
from medinova_rt.principals import Person
from tests.medinova_rt.door import HOME, PASSWORD, URL, Rig, rig

OLD, NEW = "robin@example.org", "robin@elsewhere.example"


@pytest.fixture(params=["local", "sqlite"])
async def door(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(request.param, tmp_path) as made:
        yield made


@pytest.fixture
async def robin(door: Rig) -> Person:
    await door.user()
    return await door.person(await door.sign_in.first(Password(PASSWORD, OLD), HOME, door.now))


@pytest.fixture
def addresses(door: Rig) -> NewAddresses:
    return NewAddresses(door.store, URL)


async def secret(door: Rig) -> str:
    [*_, letter] = await door.letters("email-confirm")
    return letter["link"].removeprefix(f"{URL}/profile#email-")


async def test_a_confirmed_address_is_what_one_signs_in_with(door: Rig, robin: Person, addresses: NewAddresses) -> None:
    mailing = await door.identity.mailing(OLD, door.later(seconds=1))
    await door.store.transact(mailing.along)
    await addresses.ask(robin, "Robin@Elsewhere.example", door.now)
    assert (await door.users.get(robin.user)).email == OLD
    await addresses.confirm(robin, await secret(door), door.now)
    assert (await door.users.get(robin.user)).email == NEW
    assert await door.users.by_email(OLD) is None
    assert [each.id for each in await door.sessions.of_user(robin.user)] == [robin.session]
    assert len(await door.letters("email-changed")) == 1
    assert [each for each in await door.records() if each[1] == "email.change"] == [
        ("user", "email.change", "done")
    ] * 2
    for claim in (Password(PASSWORD, OLD), EmailCode(OLD, mailing.code), EmailLink(mailing.token)):
        with pytest.raises(NotAuthenticated):
            await door.sign_in.first(claim, HOME, door.now)
    assert (await door.sign_in.first(Password(PASSWORD, NEW), HOME, door.now)).user == robin.user
    with pytest.raises(BadInput):  # once
        await addresses.confirm(robin, await secret(door), door.now)


async def test_what_confirms_nothing(door: Rig, robin: Person, addresses: NewAddresses) -> None:
    other = await door.user("sam@example.org")
    with pytest.raises(BadInput):
        await addresses.ask(robin, OLD, door.now)
    await addresses.ask(robin, NEW, door.now)
    first = await secret(door)
    sam = Person(other.id, robin.session, robin.standing, strong=False, authenticated_at=door.now)
    for who, token in ((robin, "x"), (robin, ""), (sam, first)):
        with pytest.raises(BadInput):
            await addresses.confirm(who, token, door.now)
    await addresses.ask(robin, NEW, door.later(seconds=1))
    with pytest.raises(BadInput):  # the next link makes the one before worthless
        await addresses.confirm(robin, first, door.now)
    with pytest.raises(BadInput):
        await addresses.confirm(robin, await secret(door), door.now + LIFE)
    assert not await addresses.sweep(door.now + 2 * LIFE)
    assert (await door.store.find(new_address.BY_END)).rows == []


async def test_somebody_elses_address_is_answered_alike_and_sent_nothing(
    door: Rig, robin: Person, addresses: NewAddresses
) -> None:
    await door.user("sam@example.org")
    await addresses.ask(robin, "sam@example.org", door.now)
    assert await door.letters("email-confirm") == []


async def test_of_two_who_confirm_one_address_one_gets_it(door: Rig, robin: Person, addresses: NewAddresses) -> None:
    other = await door.user("sam@example.org")
    sam = Person(other.id, robin.session, robin.standing, strong=False, authenticated_at=door.now)
    tokens = []
    for who in (robin, sam):
        await addresses.ask(who, NEW, door.later(seconds=1))
        tokens.append(await secret(door))
    tries = (addresses.confirm(who, token, door.now) for who, token in zip((robin, sam), tokens, strict=True))
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["BadInput", "NoneType"]


async def test_an_address_gets_few_letters(door: Rig, robin: Person, addresses: NewAddresses) -> None:
    for _ in range(3):
        await addresses.ask(robin, NEW, door.now)
    with pytest.raises(TooFast):
        await addresses.ask(robin, NEW, door.now)
