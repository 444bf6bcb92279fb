"""An invitation, second factors, the profile, by keyboard alone.

Each test stands on the demo clinic and on nothing that another did; whoever is changed is somebody invited for it.
"""

import pyotp

from tests.e2e.acts import NEW_PASSWORD, accept, enter, invited
from tests.e2e.door import LINK, Door, Meet, authenticator, letter
from tests.e2e.polling import until


async def test_an_invitation_is_accepted_and_an_authenticator_app_set_up(meet: Meet, door: Door) -> None:
    nina = await invited(meet, door, "nina.app@example.com", "Billing")
    assert await nina.path() == "/invitation", "the token stays in the address"
    await accept(nina)
    await nina.press("Nina Ray")
    await nina.press("Set up: Authenticator app")
    await nina.sees("Key to type:")
    secret = await nina.page.evaluate("() => document.querySelector('[data-test=secret]').innerText")
    app = pyotp.TOTP(secret.replace(" ", ""))
    await nina.type("Code of six digits", app.now())
    await nina.press("Confirm")
    await nina.sees("Keep your recovery codes")
    codes = await nina.page.evaluate("() => [...document.querySelectorAll('.codes code')].map(each => each.innerText)")
    assert len(codes) >= 8
    await nina.press("I have kept them")
    await nina.sees("recovery codes are left")
    await nina.press("Sign out")
    await nina.sees("Your clinic’s video visits")

    await nina.begin("nina.app@example.com")
    await nina.type("Password", NEW_PASSWORD)
    await nina.page.press("Enter")
    await nina.sees("One more step")
    await nina.type("Code of six digits", "000000")
    await nina.page.press("Enter")
    await nina.sees("This code is not right.")
    await nina.press("Use a recovery code instead")
    await nina.type("Recovery code", codes[0])
    await nina.page.press("Enter")
    await nina.sees("Hello, Nina Ray")


async def test_a_passkey_is_made_and_used(meet: Meet, door: Door) -> None:
    nina = await invited(meet, door, "nina.key@example.com", "Clinician")
    async with authenticator(nina.chromium):
        await accept(nina)
        await nina.press("Nina Ray")
        await nina.press("Add a passkey")
        await nina.type("Name of this passkey", "Laptop")
        await nina.press("Make a passkey")
        await nina.sees("Keep your recovery codes")
        await nina.press("I have kept them")
        await nina.sees("Laptop")
        await nina.press("Sign out")
        await nina.sees("Your clinic’s video visits")
        await nina.begin("nina.key@example.com")
        await nina.type("Password", NEW_PASSWORD)
        await nina.page.press("Enter")
        await nina.press("Use my passkey")
        await nina.sees("Hello, Nina Ray")


async def test_a_profile_and_the_other_browser_signed_out(meet: Meet, door: Door) -> None:
    nina = await invited(meet, door, "nina.two@example.com", "Interpreter")
    await accept(nina)
    other = await meet()
    await other.begin("nina.two@example.com")
    await other.type("Password", NEW_PASSWORD)
    await other.page.press("Enter")
    await other.sees("Hello, Nina Ray")

    await nina.press("Nina Ray")
    await nina.type("Name", "Nina Ray-Ortiz")
    await nina.choose("Time zone", "Asia/Tokyo")
    await nina.press("Save")
    await nina.sees("Saved.", "Nina Ray-Ortiz", "This browser, now")
    await nina.press("Sign out everywhere else")
    await nina.sees("You are signed out everywhere else.")

    async def is_out() -> bool:
        return bool(await other.ask("async () => (await fetch('/v1/me')).status === 401"))

    await until(is_out, "the other browser is signed out", 5)
    await other.open("/profile")
    await other.sees("With the e-mail address")

    await nina.type("Present password", "not the present one")
    await nina.type("New password", "eleven swans on the canal")
    await nina.press("Change the password")
    await nina.sees("The present password is not right.")
    await nina.type("Present password", NEW_PASSWORD)
    await nina.press("Change the password")
    await nina.sees("The password is changed.")
    await nina.press("Sign out")
    await nina.sees("Your clinic’s video visits")
    await nina.begin("nina.two@example.com")
    await nina.type("Password", "eleven swans on the canal")
    await nina.page.press("Enter")
    await nina.sees("Hello, Nina Ray-Ortiz")


async def test_one_session_is_signed_out_from_another(meet: Meet, door: Door) -> None:
    nina = await invited(meet, door, "nina.three@example.com", "Billing")
    await accept(nina)
    other = await meet()
    await enter(other, "nina.three@example.com", NEW_PASSWORD)
    await other.sees("Hello, Nina Ray")
    await nina.open("/profile")
    await nina.sees("Where I am signed in", "This browser, now")
    ends = "() => [...document.querySelectorAll('[data-test=session] button')].map(each => each.ariaLabel)"
    [label] = await nina.page.evaluate(ends)  # of the other one alone
    await nina.press(label)
    await nina.sees("Signed out: ")
    assert await nina.page.evaluate(ends) == []

    async def is_out() -> bool:
        return bool(await other.ask("async () => (await fetch('/v1/me')).status === 401"))

    await until(is_out, "the other browser is signed out", 5)
    await nina.reload()
    await nina.sees("My profile")


async def test_an_address_is_changed_by_the_link_that_is_mailed_to_it(meet: Meet, door: Door) -> None:
    nina = await invited(meet, door, "nina.old@example.com", "Billing")
    await accept(nina)
    await nina.press("Nina Ray")
    await nina.type("New address", "nina.new@example.com")
    await nina.press("Send a link")
    await nina.sees("Confirm the link that we have sent to nina.new@example.com.")
    await nina.open(await letter(door, "nina.new@example.com", LINK))
    await nina.sees("You have opened the link that was sent to your new address.")
    assert await nina.path() == "/profile#address", "the token stays in the address"
    await nina.is_sound()
    await nina.press("Make this your address")
    await nina.sees("Your address is changed.", "nina.new@example.com", "Send a link")
    await letter(door, "nina.old@example.com", "no longer belongs to it")
    await nina.press("Sign out")
    await nina.sees("Your clinic’s video visits")
    await enter(nina, "nina.old@example.com", NEW_PASSWORD)
    await nina.sees_no("Hello, Nina Ray")
    await enter(nina, "nina.new@example.com", NEW_PASSWORD)
    await nina.sees("Hello, Nina Ray")


async def test_who_is_disabled_is_out_at_once_and_comes_back_when_enabled(meet: Meet, door: Door) -> None:
    nina = await invited(meet, door, "nina.out@example.com", "Billing")
    await accept(nina)
    await door.command("user", "disable", "nina.out@example.com")

    async def is_out() -> bool:
        return bool(await nina.ask("async () => (await fetch('/v1/me')).status === 401"))

    await until(is_out, "a disabled user is signed out", 5)
    await letter(door, "nina.out@example.com", "every device was signed out")
    await door.command("user", "enable", "nina.out@example.com")
    await nina.open("/")
    await enter(nina, "nina.out@example.com", NEW_PASSWORD)
    await nina.sees("Hello, Nina Ray")
