"""People of the clinic, by keyboard alone.

Each test stands on the demo clinic and on nothing that another did; whoever is changed is somebody invited for it.
"""

from tests.e2e.acts import NEW_PASSWORD, accept, invited
from tests.e2e.door import ADMINISTRATOR, LINK, Door, Meet, letter
from tests.e2e.polling import until


async def test_roles_are_changed_and_somebody_is_deactivated_and_comes_back(meet: Meet, door: Door) -> None:
    nina = await invited(meet, door, "nina.roles@example.com", "Billing")
    await accept(nina)
    administrator = await meet()
    await administrator.sign_in(ADMINISTRATOR)
    await administrator.press("People")
    await administrator.type("Filter by name, e-mail or role", "nina.roles")
    await administrator.press("Roles of Nina Ray")
    await administrator.tick("Front desk")
    await administrator.press("Save")
    await administrator.sees("Saved.")
    await nina.open("/patients")
    await nina.sees("New patient")
    await administrator.type("Filter by name, e-mail or role", "nina.roles")
    await administrator.press("Deactivate Nina Ray")
    await administrator.press("Deactivate")
    await administrator.sees("Deactivated.")

    async def is_out() -> bool:
        return bool(await nina.ask("async () => (await (await fetch('/v1/me')).json()).memberships.length === 0"))

    await until(is_out, "Nina has no access any more", 5)
    await nina.open("/patients")
    await nina.sees("This page is for those who work at a clinic")
    await administrator.type("Filter by name, e-mail or role", "nina.roles")
    await administrator.press("Reactivate Nina Ray")
    await administrator.press("Reactivate")
    await administrator.sees("Reactivated.")


async def test_the_last_administrator_stays(meet: Meet) -> None:
    administrator = await meet()
    await administrator.sign_in(ADMINISTRATOR)
    await administrator.press("People")
    await administrator.press(f"Deactivate {ADMINISTRATOR.name}")
    await administrator.press("Deactivate")
    await administrator.sees("A clinic needs at least one administrator.")


async def test_an_invitation_that_is_withdrawn_opens_nothing(meet: Meet, door: Door) -> None:
    email = "nina.withdrawn@example.com"
    nina = await invited(meet, door, email, "Billing")
    administrator = await meet()
    await administrator.sign_in(ADMINISTRATOR)
    await administrator.press("People")
    await administrator.press(f"Withdraw the invitation of {email}")
    await administrator.sees("Withdraw the invitation?")
    await administrator.is_sound()
    await administrator.press("Withdraw")
    await administrator.sees("The invitation is withdrawn.")
    await administrator.sees_no(email)
    await nina.type("New password", NEW_PASSWORD)
    await nina.press("Accept the invitation")
    await nina.sees("It was accepted already, withdrawn, or is too old.")
    await nina.open("/")
    await nina.open(await letter(door, email, LINK))
    await nina.sees("This invitation is over")


async def test_whoever_signed_in_long_ago_shows_again_that_it_is_them(meet: Meet, door: Door) -> None:
    email = "nina.again@example.com"
    nina = await invited(meet, door, email, "Administrator")
    await accept(nina)
    await nina.open("/people")
    await nina.sees("Invite somebody")
    await door.forget_proof(email)

    async def is_asked() -> bool:
        ask = """async () => (await (await fetch('/v1/clinics/cli-demo/invitations', {
            method: 'POST', headers: {'content-type': 'application/json'}, body: '{}'})).json()).code"""
        return bool(await nina.ask(ask) == "prove-again")

    await until(is_asked, "the sign-in is old to the server", 6)
    await nina.press("Invite somebody")
    await nina.type("E-mail", "otto.again@example.com")
    await nina.type("Name", "Otto Frei")
    await nina.tick("Billing")
    await nina.press("Send the invitation")
    await nina.sees("Show that it is you")
    await nina.is_sound()
    await nina.page.press("Escape")
    await nina.sees("Nothing was changed: first show that it is you.")
    await nina.press("Send the invitation")
    await nina.sees("Show that it is you")
    await nina.type("Password", "not this one at all")
    await nina.press("Confirm")
    await nina.sees("That was not right. Please try again.")
    await nina.type("Password", NEW_PASSWORD)
    await nina.press("Confirm")
    await nina.sees("The invitation to otto.again@example.com is on its way.")
