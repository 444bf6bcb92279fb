"""What several people do at the door before what a test is about, by keyboard like everything else."""

import pyotp

from tests.e2e.door import ADMINISTRATOR, LINK, Door, Meet, Visitor, letter

NEW_PASSWORD = "six grey herons by the weir"


async def invited(meet: Meet, door: Door, email: str, role: str) -> Visitor:
    """Let an administrator invite this address, and return the invited at the open invitation."""
    administrator, visitor = await meet(), await meet()
    await administrator.sign_in(ADMINISTRATOR)
    await administrator.press("People")
    await administrator.press("Invite somebody")
    await administrator.type("E-mail", email)
    await administrator.type("Name", "Nina Ray")
    await administrator.tick(role)
    await administrator.press("Send the invitation")
    await administrator.sees(f"The invitation to {email} is on its way.", "Invited, not yet here")
    await visitor.open(await letter(door, email, LINK))
    await visitor.sees("invites you", email)
    return visitor


async def accept(visitor: Visitor) -> None:
    await visitor.type("New password", "short")
    await visitor.press("Accept the invitation")
    await visitor.sees("This is shorter than 12 characters.")
    await visitor.type("New password", NEW_PASSWORD)
    await visitor.press("Accept the invitation")
    await visitor.sees("Hello, Nina Ray")


async def enter(visitor: Visitor, email: str, password: str) -> None:
    """Sign in by password, as far as that goes."""
    await visitor.begin(email)
    await visitor.type("Password", password)
    await visitor.page.press("Enter")


async def enrol(visitor: Visitor) -> None:
    """Set up the authenticator app that is asked for."""
    await visitor.press("Authenticator app")
    await visitor.sees("Key to type:")
    secret = await visitor.page.evaluate("() => document.querySelector('[data-test=secret]').innerText")
    await visitor.type("Code of six digits", pyotp.TOTP(secret.replace(" ", "")).now())
    await visitor.press("Confirm")
    await visitor.sees("Keep your recovery codes")
    await visitor.press("I have kept them")


async def register(visitor: Visitor, given: str, family: str, birth_date: str) -> None:
    await visitor.open("/patients")
    await visitor.press("New patient")
    await visitor.type("First name", given)
    await visitor.type("Last name", family)
    await visitor.type_date("Birth date", birth_date)


async def recorded(desk: Visitor, given: str, family: str) -> str:
    """Make a record and return the path of its page."""
    await register(desk, given, family, "1979-02-11")
    await desk.press("Make the record")
    await desk.sees("The record is made.")
    return await desk.path()
