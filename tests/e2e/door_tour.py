"""Every page and state at the door, one after the other: for axe, for what is cut off, and for docs/screenshots."""

from collections.abc import AsyncIterator

import pyotp

from medinova_rt.demo import Somebody
from tests.e2e.door import (
    ADMINISTRATOR,
    CLINICIAN,
    CODE,
    FRONT_DESK,
    INTERPRETER,
    LINK,
    OPERATOR,
    PATIENT,
    Door,
    Visitor,
    letter,
)
from tests.e2e.people import People

States = AsyncIterator[tuple[str, Visitor]]


async def door_tour(server: Door, people: People, size: tuple[int, int], family: str) -> States:
    """Yield the name of each state and who looks at it; `family`, of a patient, keeps one tour from the next."""
    width, height = size

    async def visitor() -> Visitor:
        return Visitor(server, await people.sit_down("visitor", width=width, height=height))

    async for state in _outside(await visitor()):
        yield state
    async for state in _hindered(await visitor(), await visitor(), f"nina.{family.lower()}@harbour.example"):
        yield state
    async for state in _barred(await visitor(), await visitor()):
        yield state
    async for state in _invited(await visitor(), await visitor(), f"nina.{family.lower()}@example.com"):
        yield state
    desk = await visitor()
    async for state in _desk(desk, await visitor(), family):
        yield state
    async for state in _records(desk, await visitor(), await visitor()):
        yield state
    async for state in _erased(desk, await visitor()):
        yield state


async def _signed_in(visitor: Visitor, who: Somebody) -> None:
    await visitor.open("/sign-in")
    await visitor.page.fill("textbox", "E-mail", who.email)
    await visitor.page.click("button", "Continue")
    await visitor.sees("Welcome back")
    await visitor.chromium.fill("[name=password]", visitor.server.password(who))
    await visitor.page.click("button", "Sign in")
    await visitor.sees("Hello, ")


async def _outside(visitor: Visitor) -> States:
    await visitor.open("/sign-in")
    await visitor.sees("With the e-mail address")
    yield "sign-in", visitor
    await visitor.page.fill("textbox", "E-mail", FRONT_DESK.email)
    await visitor.page.click("button", "Continue")
    await visitor.chromium.fill("[name=password]", "not this one at all")
    await visitor.page.click("button", "Sign in")
    await visitor.sees("E-mail or password is not right.")
    yield "sign-in-wrong", visitor
    await visitor.page.click("button", "Mail me a code")
    await visitor.sees("Look into your mail")
    yield "sign-in-code", visitor
    await visitor.open("/sign-in#nonsense")
    await visitor.sees("You opened the link of a mail.")
    yield "sign-in-link", visitor
    await visitor.open("/invitation#nonsense")
    await visitor.sees("This invitation is over")
    yield "invitation-over", visitor


async def _hindered(guesser: Visitor, nina: Visitor, email: str) -> States:
    await guesser.open("/sign-in")
    await guesser.page.fill("textbox", "E-mail", email)
    await guesser.page.click("button", "Continue")
    for _ in range(6):
        await guesser.chromium.fill("[name=password]", "a guess of many words")
        async with guesser.chromium.expect_response("**/v1/sign-in/password"):
            await guesser.page.click("button", "Sign in")
    await guesser.sees("Too many attempts")
    yield "sign-in-too-fast", guesser
    password = await nina.server.employ(email, await nina.server.clinic("Harbour Clinic"), "clinician")
    await nina.open("/sign-in")
    await nina.page.fill("textbox", "E-mail", email)
    await nina.page.click("button", "Continue")
    await nina.chromium.click("text=Mail me a code")
    await nina.page.fill("textbox", "Code of six digits", await letter(nina.server, email, CODE))
    await nina.page.click("button", "Sign in")
    await nina.sees("Protect your account")
    yield "second-factor-asked", nina
    await nina.chromium.click("[data-test=enrol-totp]")
    await nina.sees("Key to type:")
    secret = await nina.chromium.inner_text("[data-test=secret]")
    await nina.page.fill("textbox", "Code of six digits", pyotp.TOTP(secret.replace(" ", "")).now())
    await nina.page.click("button", "Confirm")
    await nina.sees("Keep your recovery codes")
    yield "recovery-codes", nina
    await nina.page.click("button", "I have kept them")
    await nina.sees("Hello, ")
    await nina.page.click("button", "Sign out")
    await nina.sees("Your clinic’s video visits")
    await nina.open("/sign-in")
    await nina.page.fill("textbox", "E-mail", email)
    await nina.page.click("button", "Continue")
    await nina.chromium.fill("[name=password]", password)
    await nina.page.click("button", "Sign in")
    await nina.sees("One more step")
    yield "second-factor", nina


async def _barred(interpreter: Visitor, operator: Visitor) -> States:
    await _signed_in(interpreter, INTERPRETER)
    yield "welcome-interpreter", interpreter
    await interpreter.open("/people")
    await interpreter.sees("you take part in visits")
    yield "not-for-interpreters", interpreter
    await _signed_in(operator, OPERATOR)
    yield "welcome-operator", operator
    await operator.chromium.route("**/v1/outbox*", lambda route: route.abort())
    await operator.open("/outbox")
    await operator.sees("cannot be reached")
    yield "no-answer", operator


async def _invited(administrator: Visitor, nina: Visitor, email: str) -> States:
    await _signed_in(administrator, ADMINISTRATOR)
    await administrator.open("/people")
    await administrator.page.click("button", "Invite somebody")
    await administrator.sees("They get a mail")
    yield "invite", administrator
    await administrator.page.fill("textbox", "E-mail", email)
    await administrator.page.fill("textbox", "Name", "Nina Ray")
    await administrator.chromium.check("dialog input[value=interpreter]")
    await administrator.page.click("button", "Send the invitation")
    await administrator.sees("is on its way", "Invited, not yet here")
    yield "people-of-clinic", administrator
    await administrator.page.click("button", f"Deactivate {CLINICIAN.name}")
    await administrator.sees("They lose their access")
    yield "deactivate", administrator
    await nina.open(await letter(nina.server, email, LINK))
    await nina.sees("invites you")
    yield "invitation", nina
    await nina.chromium.fill("[name=password]", "six grey herons by the weir")
    await nina.page.click("button", "Accept the invitation")
    await nina.sees("Hello, Nina Ray")
    await nina.open("/profile")
    await nina.page.click("button", "Set up: Authenticator app")
    await nina.sees("Key to type:")
    yield "authenticator", nina
    await nina.page.press("Escape")
    await nina.page.click("button", "Add a passkey")
    await nina.sees("Name of this passkey")
    yield "passkey", nina


async def _desk(desk: Visitor, other: Visitor, family: str) -> States:
    await _signed_in(desk, FRONT_DESK)
    yield "welcome", desk
    await desk.open("/profile")
    await desk.sees("Where I am signed in")
    yield "profile", desk
    await desk.open("/patients")
    await desk.page.fill("textbox", "Name", "Nobodyatall")
    await desk.page.click("button", "Search")
    await desk.sees("Nobody was found.")
    yield "patients-none", desk
    for given in ("Philippa", "Philipa"):
        await desk.open("/patients#new")
        await desk.sees("New patient")
        await desk.page.fill("textbox", "First name", given)
        await desk.page.fill("textbox", "Last name", family)
        await desk.chromium.fill("[name=birth_date]", "1971-03-09")
        await desk.page.click("button", "Make the record")
        await desk.sees("The record is made." if given == "Philippa" else "Is it one of these?")
        if given == "Philipa":
            yield "duplicates", desk
            await desk.page.click("button", "None of these: make the record")
            await desk.sees("The record is made.")
    await desk.sees("Change the record")
    yield "record", desk
    await desk.page.click("button", "Merge with another record")
    await desk.page.click("button", "Search")
    await desk.sees("born Mar 9, 1971")
    await desk.chromium.click("dialog [data-test=choose] >> nth=0")
    await desk.sees("Is this the same person?")
    yield "merge", desk
    await desk.page.press("Escape")

    await _signed_in(other, FRONT_DESK)
    path = await desk.path()
    for each in (desk, other):
        await each.open(path)
        await each.page.click("button", "Change the record")
    await other.page.fill("textbox", "Phone", "+12125550147")
    await other.page.click("button", "Save")
    await other.sees("Saved.")
    await desk.page.fill("textbox", "Phone", "+12125550199")
    await desk.page.click("button", "Save")
    await desk.sees("Somebody else saved this record")
    yield "meanwhile", desk
    await desk.open("/patients")
    await desk.page.fill("textbox", "Name", family)
    await desk.page.click("button", "Search")
    await desk.sees("2 patients found")
    yield "patients", desk
    await desk.open(path)
    await desk.page.click("button", "Add somebody")
    await desk.sees("They get a mail.")
    yield "relation", desk
    await desk.page.fill("textbox", "E-mail", PATIENT.email)
    await desk.chromium.click("[data-test=add-relation-submit]")
    await desk.sees("Added.")


async def _records(desk: Visitor, doctor: Visitor, patient: Visitor) -> States:
    record = await desk.path()
    await _signed_in(doctor, CLINICIAN)
    await doctor.open(record)
    await doctor.sees("You do not treat this patient")
    yield "emergency", doctor
    await doctor.page.fill("textbox", "Reason", "Unconscious, allergies unknown")
    await doctor.page.click("button", "Take emergency access")
    await doctor.sees("Emergency access until")
    yield "emergency-record", doctor
    await _signed_in(patient, PATIENT)
    yield "welcome-patient", patient
    await patient.open(record.replace("/patients", "/accesses"))
    await patient.sees("took emergency access")
    yield "accesses", patient


async def _erased(desk: Visitor, administrator: Visitor) -> States:
    record = await desk.path()
    await _signed_in(administrator, ADMINISTRATOR)
    await administrator.open(record)
    name = await administrator.chromium.inner_text("h1")
    await administrator.page.click("button", "Erase…")
    await administrator.sees("What is kept, because the law asks for it")
    yield "erase", administrator
    await administrator.page.fill("textbox", f"Type “{name}” to confirm", name)
    await administrator.page.click("button", "Erase for good")
    await administrator.sees("here is the certificate")
    yield "erased", administrator
