"""The door, by keyboard alone: signing in by every way, an invitation, a profile, people, patients, who saw what.

Each test stands on the demo clinic and on nothing that another did; whoever is changed is somebody invited for it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import pyotp
import pytest
import pytest_asyncio

from tests.e2e.browsers import Browsers, Kind
from tests.e2e.door import (
    ADMINISTRATOR,
    CLINICIAN,
    FRONT_DESK,
    PATIENT,
    Door,
    Visitor,
    authenticator,
    elsewhere,
    letter,
)
from tests.e2e.door_tour import door_tour
from tests.e2e.people import People
from tests.e2e.polling import until
from tests.e2e.test_pages import AXE, OVERFLOW_PX, SERIOUS
from tests.e2e.tour import DESKTOP, PHONE

Meet = Callable[..., Awaitable[Visitor]]

NEW_PASSWORD = "six grey herons by the weir"
CODE = r"(?m)^\s*(\d{6})\s*$"
LINK = r"https?://\S+(/(?:sign-in|invitation)#\S+)"


@pytest_asyncio.fixture(loop_scope="session")
async def meet(door: Door, browsers: Browsers) -> AsyncIterator[Meet]:
    """Seat somebody before a fresh browser; their pages break no security policy and let no exception escape."""
    people, met = People(browsers), list[Visitor]()

    async def seat(kind: Kind = "chromium", width: int = 1280, height: int = 800) -> Visitor:
        met.append(Visitor(door, await people.sit_down("visitor", kind, width=width, height=height)))
        return met[-1]

    yield seat
    broken = [each for visitor in met for each in await visitor.violations()]
    await people.leave()
    assert broken == []


# --- signing in ---------------------------------------------------------------------------------------------------


async def test_a_password_and_out_again(meet: Meet, door: Door) -> None:
    visitor = await meet()
    await visitor.begin(FRONT_DESK.email)
    await visitor.type("Password", "not this one at all")
    await visitor.page.press("Enter")
    await visitor.sees("E-mail or password is not right.")
    await visitor.type("Password", door.password(FRONT_DESK))
    await visitor.page.press("Enter")
    await visitor.sees("Hello, ", "Front desk")
    await visitor.press("Sign out")
    await visitor.sees("Your clinic’s video visits")
    await visitor.open("/patients")
    await visitor.sees("With the e-mail address that your clinic knows.")


async def test_who_signs_in_on_a_page_is_on_that_page(meet: Meet, door: Door) -> None:
    visitor = await meet()
    await visitor.open("/people")
    await visitor.type("E-mail", FRONT_DESK.email)
    await visitor.page.press("Enter")
    await visitor.type("Password", door.password(FRONT_DESK))
    await visitor.page.press("Enter")
    await visitor.sees("People", ADMINISTRATOR.email)
    assert await visitor.path() == "/people"


async def test_a_code_by_mail_and_its_link(meet: Meet, door: Door) -> None:
    by_code, by_link = await meet(), await meet()
    await by_code.begin(PATIENT.email)
    await by_code.press("Mail me a code")
    await by_code.sees("Look into your mail")
    await by_code.type("Code of six digits", await letter(door, PATIENT.email, CODE))
    await by_code.page.press("Enter")
    await by_code.sees("Hello, ", "Open the record")

    await by_link.begin(PATIENT.email)
    await by_link.press("Mail me a code")
    await by_link.sees("Look into your mail")
    await by_link.open(await letter(door, PATIENT.email, LINK, after=1))
    await by_link.sees("You opened the link of a mail.")
    assert await by_link.path() == "/sign-in", "the token stays in the address"
    await by_link.press("Sign in")
    await by_link.sees("Hello, ")


# --- an invitation, second factors, the profile -------------------------------------------------------------------


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


async def test_the_language_is_chosen_and_stays(meet: Meet) -> None:
    visitor = await meet()
    await visitor.open("/sign-in")
    await visitor.choose("Language", "Esp")
    await visitor.sees("Iniciar sesión")
    assert await visitor.page.evaluate("() => document.documentElement.lang") == "es"
    await visitor.open("/")
    await visitor.sees("Las visitas por vídeo de su clínica")


async def test_who_does_nothing_is_told_and_then_signed_out_without_losing_what_was_typed(
    meet: Meet, door: Door
) -> None:
    visitor = await meet()
    await visitor.chromium.clock.install()
    await visitor.sign_in(FRONT_DESK)
    await visitor.open("/patients#new")
    await visitor.type("First name", "Halfway")
    await visitor.chromium.clock.fast_forward("13:00")
    await visitor.sees("Are you still there?", "You are signed out in")
    async with visitor.chromium.expect_response("**/v1/me") as renewed:  # no minute passes before the answer is there
        await visitor.press("Stay signed in")
    await (await renewed.value).finished()
    await visitor.sees_no("Are you still there?")
    await visitor.chromium.clock.fast_forward("13:00")
    await visitor.sees("Are you still there?")
    await visitor.chromium.clock.fast_forward("01:30")
    await visitor.sees("You were signed out because nobody used this page for a while.")
    await visitor.type("E-mail", FRONT_DESK.email)
    await visitor.page.press("Enter")
    await visitor.type("Password", door.password(FRONT_DESK))
    await visitor.page.press("Enter")
    await visitor.sees("New patient")
    await visitor.reach("First name")
    assert await visitor.page.evaluate("() => document.activeElement.value") == "Halfway"


# --- people -------------------------------------------------------------------------------------------------------


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


# --- patients -----------------------------------------------------------------------------------------------------


async def register(visitor: Visitor, given: str, family: str, birth_date: str) -> None:
    await visitor.open("/patients")
    await visitor.press("New patient")
    await visitor.type("First name", given)
    await visitor.type("Last name", family)
    await visitor.type_date("Birth date", birth_date)


async def test_a_likely_duplicate_is_shown_before_a_record_is_made_and_two_are_merged_and_taken_apart(
    meet: Meet,
) -> None:
    desk = await meet()
    await desk.sign_in(FRONT_DESK)
    await register(desk, "Philippa", "Quennell", "1962-08-14")
    await desk.press("Make the record")
    await desk.sees("The record is made.", "Philippa Quennell")
    await register(desk, "Philipa", "Quennell", "1962-08-14")
    await desk.press("Make the record")
    await desk.sees("Is it one of these?", "Philippa Quennell")
    await desk.press("None of these: make the record")
    await desk.sees("The record is made.", "Philipa Quennell")

    await desk.press("Merge with another record")
    await desk.type("Name", "Philippa")
    await desk.page.press("Enter")
    await desk.sees("born Aug 14, 1962")
    choose = await desk.page.evaluate("() => document.querySelector('[data-test=choose]').getAttribute('aria-label')")
    await desk.press(choose)
    await desk.sees("Is this the same person?")
    await desk.press("Yes, merge them")
    await desk.sees("The records are merged.", "Merged into this record")
    await desk.press("Take apart again")
    await desk.sees("Take the records apart again?")
    await desk.press("Take apart again")
    await desk.sees("They are two records again.")
    await desk.sees_no("Merged into this record")


async def test_two_change_one_record_and_neither_loses_what_they_typed(meet: Meet) -> None:
    desk, other = await meet(), await meet()
    for each in (desk, other):
        await each.sign_in(FRONT_DESK)
    await register(desk, "Octavia", "Brandreth", "1958-11-30")
    await desk.press("Make the record")
    await desk.sees("The record is made.")
    path = await desk.path()
    for each in (desk, other):
        await each.open(path)
        await each.press("Change the record")
    await other.type("Phone", "+12125550147")
    await other.press("Save")
    await other.sees("Saved.", "+12125550147")
    await desk.type("E-mail", "octavia@example.com")
    await desk.press("Save")
    await desk.sees("Somebody else saved this record while you were typing", "+12125550147")
    await desk.press("Save")
    await desk.sees("Saved.", "octavia@example.com", "+12125550147")


async def test_a_patient_is_found_again_by_each_thing(meet: Meet) -> None:
    desk = await meet()
    await desk.sign_in(FRONT_DESK)
    await register(desk, "Zebedee", "Farquhar", "1944-07-21")
    await desk.type("Number", "Z-4471")
    await desk.type("E-mail", "zeb@example.com")
    await desk.press("Make the record")
    await desk.sees("The record is made.")
    for field, text in (("Name", "Farq"), ("Number", "Z-4471"), ("E-mail", "Zeb@example.com")):
        await desk.open("/patients")
        await desk.type(field, text)
        await desk.page.press("Enter")
        await desk.sees("1 patient found", "Zebedee Farquhar")
    assert await desk.path() == "/patients", "what was searched for stands in the address"


async def test_emergency_access_is_taken_and_the_patient_sees_it(meet: Meet) -> None:
    desk, doctor, patient, administrator = await meet(), await meet(), await meet(), await meet()
    await desk.sign_in(FRONT_DESK)
    await register(desk, "Leopold", "Ashworth", "1983-01-25")
    await desk.press("Make the record")
    await desk.sees("The record is made.")
    await desk.press("Add somebody")
    await desk.type("E-mail", PATIENT.email)
    await desk.press("Add")
    await desk.sees("Added.", PATIENT.email)
    record = await desk.path()

    await doctor.sign_in(CLINICIAN)
    await doctor.open(record)
    await doctor.sees("You do not treat this patient")
    await doctor.type("Reason", "Too short")
    await doctor.press("Take emergency access")
    await doctor.sees("Please give the reason in a sentence.")
    await doctor.type("Reason", "Unconscious, allergies unknown")
    await doctor.press("Take emergency access")
    await doctor.sees("Emergency access until", "minutes are left", "Birth date")

    await patient.sign_in(PATIENT)
    await patient.open(record.replace("/patients", "/accesses"))
    await patient.sees("Who saw the record", "took emergency access", CLINICIAN.name)
    await administrator.sign_in(ADMINISTRATOR)
    await administrator.press("People")
    await administrator.sees("Emergency accesses", "Unconscious, allergies unknown")


# --- browsers' rules ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
async def test_the_session_survives_the_way_in_from_elsewhere_and_serves_no_other_site(meet: Meet, kind: Kind) -> None:
    visitor = await meet(kind)
    await visitor.sign_in(FRONT_DESK)
    assert await visitor.page.evaluate("() => document.cookie") == "", "a script reads the session"
    url = visitor.server.url
    content = f"""<a href="{url}/profile">Back to the clinic</a>
        <form method="post" action="{url}/v1/sign-out"><button>Sign them out</button></form>"""
    async with elsewhere(content) as address:
        await visitor.page.goto(address)
        await visitor.page.click("link", "Back to the clinic")
        await visitor.sees("My profile", FRONT_DESK.email)
        await visitor.page.goto(address)
        await visitor.page.click("button", "Sign them out")
        await visitor.sees("cross-origin")
    # Firefox shows the refusal in a viewer of its own, and at times never says that what comes after it is complete
    await visitor.page.evaluate("url => { location.href = url; }", f"{url}/profile")
    await visitor.sees("My profile", FRONT_DESK.email)
    visitor.page.errors.clear()  # Firefox misses an icon for the refusal


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
async def test_a_form_of_ours_sends_nothing_elsewhere_and_nothing_inline_runs(
    meet: Meet, browsers: Browsers, kind: Kind
) -> None:
    visitor = await meet(kind)
    await visitor.open("/sign-in")
    await visitor.sees("Sign in")
    assert await visitor.violations() == []
    async with elsewhere("caught") as address:
        await visitor.page.evaluate(
            """address => {
                const form = Object.assign(document.createElement('form'), {action: address, method: 'post'});
                document.body.append(form);
                try { form.submit(); } catch { /* so Firefox says it */ }
                const script = document.createElement('script');
                script.textContent = 'window.ran = true';
                document.body.append(script);
            }""",
            address,
        )

        async def refused() -> bool:
            found = " ".join(await visitor.violations())
            return "form-action" in found and "script-src" in found

        await until(refused, "the form and the script are refused")
    assert await visitor.path() == "/sign-in"
    assert await visitor.page.evaluate("() => window.ran ?? false") is False
    await visitor.page.evaluate("() => { window.violations = []; }")
    visitor.page.errors.clear()  # where Firefox tells of them, too


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
async def test_the_cookie_and_the_headers(meet: Meet, kind: Kind) -> None:
    visitor = await meet(kind)
    await visitor.sign_in(FRONT_DESK)
    headers = await visitor.page.evaluate(
        "async () => Object.fromEntries((await fetch('/v1/me')).headers)",
    )
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    if kind == "chromium":
        [cookie] = [each for each in await visitor.chromium.context.cookies() if "session" in each["name"]]
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
        assert cookie["expires"] == -1, "the session outlives the browser"


async def test_a_small_phone_or_two_hundred_percent_cuts_nothing_off(meet: Meet) -> None:
    visitor = await meet(width=320, height=640)
    await visitor.sign_in(ADMINISTRATOR)
    pages = {"/": "Hello, ", "/profile": "My profile", "/people": "Invite somebody", "/patients": "Search"}
    for path, text in pages.items():
        await visitor.open(path)
        await visitor.sees(text)
        assert await visitor.page.evaluate(OVERFLOW_PX) <= 0, path


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious_and_nothing_is_cut_off(
    door: Door, people: People, size: tuple[int, int]
) -> None:
    findings: dict[str, list[str]] = {}
    async for name, visitor in door_tour(door, people, size, "Osgood" if size == PHONE else "Whitlock"):
        findings[name] = await visitor.page.evaluate(f"async () => {{ {AXE}; return await ({SERIOUS})(); }}")
        if (over := await visitor.page.evaluate(OVERFLOW_PX)) > 0:
            findings[name].append(f"{over} px wider than the page")
        findings[name] += await visitor.violations()
    assert {name: found for name, found in findings.items() if found} == {}
