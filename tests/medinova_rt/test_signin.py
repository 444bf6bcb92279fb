import asyncio
import dataclasses
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from medinova_rt import browsers, documents, grants, tries
from medinova_rt.adapters import embedded_challenges
from medinova_rt.clinics import Clinic
from medinova_rt.errors import NotAuthenticated, TooFast
from medinova_rt.grants import Grant, Kind, StaffRole
from medinova_rt.ids import ClinicId, GrantId
from medinova_rt.ports import Claim, EmailCode, EmailLink, Insert, Passkey, Password, RecoveryCode, Totp
from medinova_rt.sessions import Stage
from medinova_rt.signin import Browser
from tests.authenticator import Authenticator
from tests.medinova_rt.door import ELSEWHERE, HOME, NOW, PASSWORD, URL, Rig, rig

EMAIL = "robin@example.org"
RIGHT, WRONG = Password(PASSWORD, EMAIL), Password("six blue dogs", EMAIL)


@pytest.fixture(params=["local", "sqlite"])
async def door(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(request.param, tmp_path) as made:
        yield made


def at(network: str) -> Browser:
    return Browser(network, network)


async def outcome(door: Rig, claim: Password | EmailCode | EmailLink, browser: Browser = HOME) -> str:
    try:
        return (await door.sign_in.first(claim, browser, door.now)).state
    except (NotAuthenticated, TooFast) as error:
        return error.code


# --- the first step ---


@pytest.mark.parametrize(
    ("claim", "what"),
    [
        (RIGHT, "signed-in"),
        (WRONG, "not-authenticated"),
        (Password("", EMAIL), "not-authenticated"),
        (Password(PASSWORD, "nobody@example.org"), "not-authenticated"),
        (EmailCode(EMAIL, "123456"), "not-authenticated"),
        (EmailLink("x" * 43), "not-authenticated"),
    ],
)
async def test_first_proofs(door: Rig, claim: Password | EmailCode | EmailLink, what: str) -> None:
    await door.user()
    assert await outcome(door, claim) == what


async def test_a_disabled_user_is_nobody(door: Rig) -> None:
    user = await door.user()
    await door.users.change(user.id, lambda each: (replace(each, disabled=True), []))
    assert await outcome(door, RIGHT) == "not-authenticated"


async def test_what_is_recorded_of_the_known_and_only_counted_of_strangers(door: Rig) -> None:
    await door.user()
    claims = [WRONG, RIGHT, Password("x", "nobody@example.org")]
    for claim in claims:
        await outcome(door, claim)
    assert sorted(await door.records()) == [("stranger", "sign-in", "denied"), ("user", "sign-in", "done")]
    assert door.sign_in.counters()["unknown"] == 1


async def test_a_code_and_a_link_of_one_letter_sign_in_once_between_them(door: Rig) -> None:
    await door.user(password=None)
    await door.sign_in.mail_code(EMAIL, HOME, door.now)
    (letter,) = await door.letters("sign-in-code")
    claims: list[EmailCode | EmailLink] = [
        EmailCode(EMAIL, letter["code"]),
        EmailLink(letter["link"].partition("#")[2]),
    ]
    assert [await outcome(door, claim) for claim in (*claims, *claims)] == ["signed-in", *["not-authenticated"] * 3]


@pytest.mark.parametrize(("minutes", "what"), [(9, "signed-in"), (10, "not-authenticated")])
@pytest.mark.parametrize("way", ["code", "link"])
async def test_letters_expire(door: Rig, minutes: int, what: str, way: str) -> None:
    await door.user()
    await door.sign_in.mail_code(EMAIL, HOME, door.now)
    (letter,) = await door.letters("sign-in-code")
    door.later(minutes=minutes)
    code, link = EmailCode(EMAIL, letter["code"]), EmailLink(letter["link"].partition("#")[2])
    assert await outcome(door, code if way == "code" else link) == what


async def test_the_next_code_makes_the_one_before_worthless_and_leaves_its_link(door: Rig) -> None:
    await door.user()
    await door.sign_in.mail_code(EMAIL, HOME, door.now)
    await door.sign_in.mail_code(EMAIL, HOME, door.later(seconds=1))
    first, second = await door.letters("sign-in-code")
    assert await outcome(door, EmailCode(EMAIL, first["code"])) == "not-authenticated"
    assert await outcome(door, EmailLink(first["link"].partition("#")[2])) == "signed-in"
    assert await outcome(door, EmailCode(EMAIL, second["code"])) == "signed-in"


async def test_an_address_that_nobody_has_gets_no_letter(door: Rig) -> None:
    await door.sign_in.mail_code("nobody@example.org", HOME, door.now)
    assert await door.letters() == []


async def test_a_code_is_guessed_five_times_also_when_all_at_once(door: Rig) -> None:
    await door.user()
    await door.sign_in.mail_code(EMAIL, HOME, door.now)
    (letter,) = await door.letters("sign-in-code")
    wrong = f"{(int(letter['code']) + 1) % 10**6:06}"
    guesses = [door.identity.prove(EmailCode(EMAIL, code), door.now) for code in [*[wrong] * 40, *[letter["code"]] * 1]]
    found = await asyncio.gather(*guesses[:40], return_exceptions=True)
    assert all(isinstance(each, NotAuthenticated) for each in found)
    with pytest.raises(NotAuthenticated):
        await guesses[40]


async def test_of_two_who_use_one_link_at_once_one_gets_in(door: Rig) -> None:
    await door.user()
    await door.sign_in.mail_code(EMAIL, HOME, door.now)
    token = (await door.letters("sign-in-code"))[0]["link"].partition("#")[2]
    found = await asyncio.gather(*(outcome(door, EmailLink(token)) for _ in range(8)))
    assert sorted(found) == [*["not-authenticated"] * 7, "signed-in"]


async def test_a_letter_tells_of_a_new_device_and_of_a_known_one_none(door: Rig) -> None:
    await door.user()
    entered = await door.sign_in.first(RIGHT, HOME, door.now)
    assert len(await door.letters("new-device")) == 1
    known = dataclasses.replace(HOME, device=entered.device)
    again = await door.sign_in.first(RIGHT, known, door.later(days=100))
    assert (again.device, len(await door.letters("new-device"))) == (entered.device, 1)
    await door.sign_in.first(RIGHT, known, door.later(days=181))  # unused for too long
    assert len(await door.letters("new-device")) == 2


# --- the second step ---


def staff(clinic: ClinicId, user: str) -> Grant:
    return Grant(
        id=GrantId("gra-1"),
        clinic=clinic,
        user=user,  # type: ignore[arg-type]
        kind=Kind.MEMBER,
        roles=[StaffRole.FRONT_DESK],
        created_at=NOW,
        starts_at=NOW,
    )


@pytest.mark.parametrize(("asks", "state"), [(True, "enrol"), (False, "signed-in")])
async def test_a_clinic_that_asks_for_a_second_factor(door: Rig, asks: bool, state: str) -> None:
    clinic = ClinicId("cli-1")
    await door.clinics.ensure(Clinic(id=clinic, clinic=clinic, name="Praxis", second_factor=asks))
    user = await door.user()
    grant = staff(clinic, user.id)
    await door.store.transact([Insert(grants.COLLECTION, grant.id, documents.encode(grant))])
    entered = await door.sign_in.first(RIGHT, HOME, door.now)
    session = await door.session(entered)
    assert (entered.state, session.stage, session.strong) == (state, Stage.FULL, False)


async def test_with_an_app_the_second_step_is_asked_for_and_a_code_is_taken_once(door: Rig) -> None:
    await door.user()
    app, _ = await door.with_app(await door.person(await door.sign_in.first(RIGHT, HOME, door.now)))
    first = await door.sign_in.first(RIGHT, HOME, door.later(minutes=1))
    half = await door.half(first)
    assert (first.state, first.methods, first.device) == ("second-factor", ["totp", "recovery"], None)
    second = await door.sign_in.second(half, Totp(app.at(door.now)), HOME, door.now)
    session = await door.session(second)
    assert (second.state, session.id, session.stage, session.strong) == ("signed-in", half.session, Stage.FULL, True)
    assert second.secret != first.secret
    other = await door.half(await door.sign_in.first(RIGHT, HOME, door.now))
    with pytest.raises(NotAuthenticated):
        await door.sign_in.second(other, Totp(app.at(door.now)), HOME, door.now)


@pytest.mark.parametrize(("ahead_s", "holds"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)], ids=str)
async def test_how_far_an_apps_clock_may_be_off(door: Rig, ahead_s: int, holds: bool) -> None:
    user = await door.user()
    app, _ = await door.with_app(await door.person(await door.sign_in.first(RIGHT, HOME, door.now)))
    door.later(minutes=5)
    claim = Totp(app.at(door.now + timedelta(seconds=ahead_s)))
    assert await proves(door, claim, user.id) is holds


async def proves(door: Rig, claim: Claim, user: object, session: object = None) -> bool:
    try:
        await door.identity.prove(claim, door.now, user=user, session=session)  # type: ignore[arg-type]
    except NotAuthenticated:
        return False
    return True


async def test_of_many_who_use_one_recovery_code_at_once_one_gets_in(door: Rig) -> None:
    await door.user()
    _, codes = await door.with_app(await door.person(await door.sign_in.first(RIGHT, HOME, door.now)))
    assert len(set(codes)) == 10
    halves = [await door.half(await door.sign_in.first(RIGHT, HOME, door.later(seconds=1))) for _ in range(4)]
    claim = RecoveryCode(codes[3].upper().replace("0", "O"))

    async def enter(number: int) -> str:
        try:
            return (await door.sign_in.second(halves[number], claim, HOME, door.now)).state
        except NotAuthenticated as error:
            return error.code

    found = await asyncio.gather(*(enter(number) for number in range(4)))
    assert sorted(found) == [*["not-authenticated"] * 3, "signed-in"]
    assert (await door.identity.factors(halves[0].user)).recovery_codes == 9


HOST = "visits.example.org"


async def test_a_passkey_takes_the_second_step(door: Rig) -> None:
    await door.user()
    key = Authenticator(URL, HOST)
    person = await door.person(await door.sign_in.first(RIGHT, HOME, door.now))
    made = await door.factors.add_passkey(
        person, "blue key", key.create(await door.factors.passkey_options(person, door.now)), door.now
    )
    assert len(made.enrolled.recovery_codes) == 10
    half = await door.half(await door.sign_in.first(RIGHT, HOME, door.later(minutes=1)))
    options = await door.sign_in.passkey_options(half.user, half.session, door.now)
    entered = await door.sign_in.second(half, Passkey(key.get(options)), HOME, door.now)
    assert entered.state == "signed-in"


SPOILT: dict[str, tuple[dict[str, Any], bool]] = {
    "right": ({}, True),
    "wrong origin": ({"origin": "https://evil.example.org"}, False),
    "wrong relying party": ({"rp_id": "evil.example.org"}, False),
    "other challenge": ({"challenge": "A" * 43}, False),
    "made instead of used": ({"type": "webauthn.create"}, False),
    "nobody present": ({"flags": 0}, False),
    "count that fell": ({"count": 1}, False),
    "tampered": ({"signature": secrets.token_bytes(70)}, False),
}


@pytest.mark.parametrize("case", SPOILT)
async def test_answers_of_passkeys(door: Rig, case: str) -> None:
    spoilt, holds = SPOILT[case]
    user = await door.user()
    key = Authenticator(URL, HOST)
    person = await door.person(await door.sign_in.first(RIGHT, HOME, door.now))
    options = await door.factors.passkey_options(person, door.now)
    await door.factors.add_passkey(person, "blue key", key.create(options), door.now)
    options = await door.identity.challenge(user.id, person.session, door.now)
    answer = Passkey(key.get(options, **spoilt))
    assert await proves(door, answer, user.id, person.session) is holds
    assert not await proves(door, answer, user.id, person.session), "a challenge is used up"


async def test_a_challenge_is_of_one_user_and_session_and_of_five_minutes(door: Rig) -> None:
    user, other = await door.user(), await door.user("ada@example.org")
    key = Authenticator(URL, HOST, counts=False)
    person = await door.person(await door.sign_in.first(RIGHT, HOME, door.now))
    created = key.create(await door.factors.passkey_options(person, door.now))
    await door.factors.add_passkey(person, "blue key", created, door.now)

    async def asked() -> Passkey:
        return Passkey(key.get(await door.identity.challenge(user.id, person.session, door.now)))

    assert not await proves(door, await asked(), other.id, person.session)
    assert not await proves(door, await asked(), user.id, "ses-other")
    late = await asked()
    door.later(minutes=5)
    assert not await proves(door, late, user.id, person.session)
    assert await proves(door, await asked(), user.id, person.session)


@pytest.mark.parametrize("credential", [{}, {"id": 1}, {"id": "x", "rawId": "%%"}, {"rawId": "A" * 9000}])
async def test_no_passkey_at_all(door: Rig, credential: dict[str, object]) -> None:
    user = await door.user()
    assert not await proves(door, Passkey(credential), user.id)


async def test_a_fresh_proof_gives_the_session_a_new_secret(door: Rig) -> None:
    await door.user()
    entered = await door.sign_in.first(RIGHT, HOME, door.now)
    person = await door.person(entered)
    secret = await door.sign_in.prove(person, Password(PASSWORD), HOME, door.later(minutes=11))
    session = await door.session(entered)
    assert secret != entered.secret
    assert (session.id, session.authenticated_at) == (person.session, door.now)
    with pytest.raises(NotAuthenticated):
        await door.sign_in.prove(person, Password("six blue dogs"), HOME, door.now)


# --- slowing down ---


async def test_hammering_one_account_from_one_network_reaches_nobody_else(door: Rig) -> None:
    await door.user()
    entered = await door.sign_in.first(RIGHT, HOME, door.now)
    found = [await outcome(door, WRONG, ELSEWHERE) for _ in range(20)]
    assert found == [*["not-authenticated"] * 5, *["too-fast"] * 15]
    assert await outcome(door, RIGHT, ELSEWHERE) == "too-fast"  # nor by chance
    assert await outcome(door, RIGHT, dataclasses.replace(HOME, device=entered.device)) == "signed-in"
    assert await outcome(door, RIGHT, at("203.0.113.5")) == "signed-in"  # a browser that nobody knows


async def test_hammering_from_everywhere_leaves_the_owner_a_known_browser_and_the_letters(door: Rig) -> None:
    await door.user()
    entered = await door.sign_in.first(RIGHT, HOME, door.now)
    found = [await outcome(door, WRONG, at(f"203.0.113.{n}")) for n in range(60)]
    assert found.count("not-authenticated") == tries.ACCOUNT.burst
    assert await outcome(door, RIGHT, at("192.0.2.200")) == "too-fast"
    assert await outcome(door, RIGHT, dataclasses.replace(HOME, device=entered.device)) == "signed-in"
    for _ in range(10):
        await door.sign_in.mail_code(EMAIL, ELSEWHERE, door.now)  # somebody uses the letters up as well
    letters = await door.letters("sign-in-code")
    assert len(letters) == tries.LETTERS.burst
    assert await outcome(door, EmailLink(letters[0]["link"].partition("#")[2]), at("192.0.2.200")) == "signed-in"


async def test_codes_asked_for_again_and_again_from_everywhere_are_guessed_seldom(door: Rig) -> None:
    await door.user()
    guesses = 0
    for hour in range(24):
        browser = at(f"203.0.113.{hour}")
        await door.sign_in.mail_code(EMAIL, browser, door.later(hours=1))
        guesses += [await outcome(door, EmailCode(EMAIL, "none"), browser) for _ in range(5)].count("not-authenticated")
    assert guesses < tries.CODE_ACCOUNT.burst + 24
    link = (await door.letters("sign-in-code"))[-1]["link"].partition("#")[2]
    assert await outcome(door, EmailLink(link), at("192.0.2.200")) == "signed-in"


async def test_a_made_up_or_borrowed_device_cookie_buys_nothing(door: Rig) -> None:
    await door.user()
    await door.user("ada@example.org")
    ada = await door.sign_in.first(Password(PASSWORD, "ada@example.org"), ELSEWHERE, door.now)
    for device in (ada.device, "x" * 43, "", "nonsense"):
        await outcome(door, WRONG, dataclasses.replace(ELSEWHERE, device=device))
    await outcome(door, WRONG, ELSEWHERE)
    assert await outcome(door, RIGHT, dataclasses.replace(ELSEWHERE, device=ada.device)) == "too-fast"


async def test_what_was_right_costs_nothing(door: Rig) -> None:
    await door.user()
    assert {await outcome(door, RIGHT, ELSEWHERE) for _ in range(20)} == {"signed-in"}


async def test_a_thousand_tries_at_once_are_no_more_than_one_after_another(door: Rig) -> None:
    await door.user()
    found = await asyncio.gather(*(outcome(door, WRONG, ELSEWHERE) for _ in range(60)))
    assert found.count("not-authenticated") <= tries.NETWORK.burst


async def test_second_factors_are_guessed_slowly(door: Rig) -> None:
    await door.user()
    await door.with_app(await door.person(await door.sign_in.first(RIGHT, HOME, door.now)))
    half = await door.half(await door.sign_in.first(RIGHT, ELSEWHERE, door.later(minutes=1)))
    found = []
    for _ in range(8):
        try:
            await door.sign_in.second(half, Totp("000000"), ELSEWHERE, door.now)
        except (NotAuthenticated, TooFast) as error:
            found.append(error.code)
    assert found == [*["not-authenticated"] * 5, *["too-fast"] * 3]


async def test_what_is_over_is_swept_up(door: Rig) -> None:
    await door.user()
    await outcome(door, WRONG)
    await door.sign_in.first(RIGHT, ELSEWHERE, door.now)
    await door.sign_in.mail_code(EMAIL, HOME, door.now)

    finds = (tries.BY_END, browsers.BY_END, embedded_challenges.BY_END)
    assert [bool((await door.store.find(find)).rows) for find in finds] == [True] * 3
    door.later(days=181)
    for sweep in (door.identity.sweep, *door.sign_in.sweeps):
        await sweep(door.now)
    assert [bool((await door.store.find(find)).rows) for find in finds] == [False] * 3


async def test_a_password_replaced_while_the_old_one_is_looked_at_opens_nothing(door: Rig) -> None:
    user = await door.user()
    owner = await door.person(await door.sign_in.first(Password(PASSWORD, user.email), HOME, door.now))
    looked, done = _halted(door)
    thief = asyncio.create_task(door.sign_in.first(Password(PASSWORD, user.email), ELSEWHERE, door.now))
    await looked.wait()
    await door.factors.set_password(owner, "seven yellow birds", None, door.now)
    done.set()
    with pytest.raises(NotAuthenticated):
        await thief
    assert [each.id for each in await door.sessions.of_user(user.id)] == [owner.session]


async def test_a_second_factor_set_up_while_a_password_is_looked_at_is_asked_for(door: Rig) -> None:
    user = await door.user()
    owner = await door.person(await door.sign_in.first(Password(PASSWORD, user.email), HOME, door.now))
    looked, done = _halted(door)
    other = asyncio.create_task(door.sign_in.first(Password(PASSWORD, user.email), ELSEWHERE, door.now))
    await looked.wait()
    await door.with_app(owner)
    done.set()
    assert (await other).state == "second-factor"


def _halted(door: Rig) -> tuple[asyncio.Event, asyncio.Event]:
    """Stop each sign-in after its proof until the second event is set; the first says that one has got there."""
    looked, done, letting_in = asyncio.Event(), asyncio.Event(), door.sign_in._letting_in

    async def wait(*given: Any, **more: Any) -> Any:
        looked.set()
        await done.wait()
        return await letting_in(*given, **more)

    door.sign_in._letting_in = wait  # type: ignore[method-assign]
    return looked, done
