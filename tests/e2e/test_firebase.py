"""Signing in at Firebase, by keyboard, before the real Auth emulator: the pages of the product, by settings alone."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.browsers import Browsers
from tests.e2e.door import CLINICIAN, CODE, FRONT_DESK, Door, Visitor, letter
from tests.e2e.people import People
from tests.e2e.polling import until
from tests.firebase import PASSWORD, AuthEmulator, address


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def elsewhere(auth_emulator: AuthEmulator, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    """The demo, whose people sign in at Firebase."""
    beside = auth_emulator.environment
    door = Door(tmp_path_factory.mktemp("firebase"), beside, IDENTITY=auth_emulator.identity)
    await door.start()
    yield door
    await door.stop()
    assert door.complaints() == []


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(elsewhere: Door, browsers: Browsers) -> AsyncIterator[Visitor]:
    people = People(browsers)
    seated = Visitor(elsewhere, await people.sit_down("visitor", "chromium", width=1280, height=800))
    yield seated
    broken = await seated.violations()
    await people.leave()
    assert broken == []


async def sign_in(visitor: Visitor, email: str) -> None:
    await visitor.begin(email)
    await visitor.type("Password", PASSWORD)
    await visitor.page.press("Enter")


async def test_a_password_at_firebase_and_out_again(visitor: Visitor, elsewhere: Door) -> None:
    await visitor.begin(FRONT_DESK.email)
    await visitor.type("Password", "not this one at all")
    await visitor.page.press("Enter")
    await visitor.sees("E-mail or password is not right.")
    await visitor.type("Password", elsewhere.password(FRONT_DESK))
    await visitor.page.press("Enter")
    await visitor.sees("Hello, ", "Front desk")
    await visitor.open("/profile")
    await visitor.sees("How you sign in", "kept by the sign-in service of your clinic")
    await visitor.sees_no("Recovery codes")
    await visitor.open("/")
    await visitor.press("Sign out")
    await visitor.sees("Your clinic’s video visits")


async def test_what_matters_most_asks_for_a_fresh_sign_in_there(visitor: Visitor, elsewhere: Door) -> None:
    await visitor.sign_in(CLINICIAN)
    await elsewhere.forget_proof(CLINICIAN.email)

    async def is_asked() -> bool:
        ask = """async () => (await (await fetch('/v1/me/email', {
            method: 'PUT', headers: {'content-type': 'application/json'}, body: '{}'})).json()).code"""
        return bool(await visitor.ask(ask) == "prove-again")

    await until(is_asked, "the sign-in is old to the server", 15)
    await visitor.open("/profile")
    await visitor.type("New address", address())
    await visitor.page.press("Enter")
    await visitor.sees("Show that it is you")
    await visitor.type("Password", "not this one at all")
    await visitor.page.press("Enter")
    await visitor.sees("That was not right. Please try again.")
    await visitor.type("Password", elsewhere.password(CLINICIAN))
    await visitor.page.press("Enter")
    await visitor.sees("Confirm the link that we have sent to ")


async def test_an_account_is_connected_once_by_a_mailed_code(
    visitor: Visitor, elsewhere: Door, auth_emulator: AuthEmulator
) -> None:
    email = address()
    await auth_emulator.sign_up(email)
    await elsewhere.employ(email, await elsewhere.clinic("Quay Clinic"), "front-desk")
    await sign_in(visitor, email)
    await visitor.sees("Your first time here", "type the code that we have just mailed to you")
    await visitor.type("Code of six digits", await letter(elsewhere, email, CODE))
    await visitor.page.press("Enter")
    await visitor.sees("Protect your account")
    await visitor.press("Later: without it, my roles do not count yet")
    await visitor.sees("Hello, Nina Ray", "Your roles at Quay Clinic count only with a second factor.")

    await auth_emulator.add_phone(email)
    await visitor.press("Sign out")
    await visitor.sees("Your clinic’s video visits")
    await sign_in(visitor, email)
    await visitor.sees("A code is sent to your telephone")
    await visitor.press("Send the code")
    await visitor.sees("Code of six digits")
    await visitor.type("Code of six digits", await auth_emulator.code())
    await visitor.page.press("Enter")
    await visitor.sees("Hello, Nina Ray", "Quay Clinic · Front desk")


async def test_a_link_by_mail(visitor: Visitor, elsewhere: Door, auth_emulator: AuthEmulator) -> None:
    email = address()
    await auth_emulator.sign_up(email, verified=False)  # the link verifies it
    await elsewhere.employ(email, await elsewhere.clinic("Pier Clinic"), "billing")
    await visitor.begin(email)
    await visitor.press("Mail me a link")
    await visitor.sees("A link is on its way to this address.")
    code = (await auth_emulator.link(email)).partition("oobCode=")[2].partition("&")[0]
    await visitor.open(f"/sign-in?mode=signIn&oobCode={code}&apiKey=x&lang=en")
    await visitor.sees("You opened the link of a mail.")
    assert await visitor.page.evaluate("() => location.search") == "", "the code stays in the address"
    await visitor.type("E-mail", email)
    await visitor.page.press("Enter")
    await visitor.sees("Your first time here")
    await visitor.type("Code of six digits", await letter(elsewhere, email, CODE))
    await visitor.page.press("Enter")
    await visitor.sees("Protect your account")
