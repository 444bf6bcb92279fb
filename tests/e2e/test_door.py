"""Signing in, by keyboard alone: by every way, and what is said to who is out, too fast or too many.

Each test stands on the demo clinic and on nothing that another did; whoever is changed is somebody invited for it.
"""

import json

import playwright.async_api as playwright
import pytest

from medinova_rt.demo import Somebody
from tests.e2e.acts import enrol, enter
from tests.e2e.door import (
    ADMINISTRATOR,
    CODE,
    FRONT_DESK,
    INTERPRETER,
    LINK,
    OPERATOR,
    PATIENT,
    Door,
    Meet,
    letter,
)


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


# --- a second factor that is asked for, several clinics -----------------------------------------------------------


async def test_a_clinic_that_needs_a_second_factor_has_it_set_up_at_the_sign_in(meet: Meet, door: Door) -> None:
    clinic = await door.clinic("Harbour Clinic")
    password = await door.employ("nina.harbour@example.com", clinic, "front-desk")
    later, nina = await meet(), await meet()
    await enter(later, "nina.harbour@example.com", password)
    await later.sees("Protect your account")
    await later.is_sound()
    await later.press("Later: without it, my roles do not count yet")
    await later.sees("Hello, Nina Ray", "Your roles at Harbour Clinic count only with a second factor.")
    await later.is_sound()
    await later.open("/patients")
    await later.sees("Your roles at this clinic count only once")
    await later.is_sound()

    await enter(nina, "nina.harbour@example.com", password)
    await nina.sees("Protect your account")
    await enrol(nina)
    await nina.sees("Hello, Nina Ray", "Harbour Clinic · Front desk")
    await nina.press("Patients")
    await nina.sees("Harbour Clinic", "New patient")


async def test_whoever_works_at_two_clinics_chooses_one(meet: Meet, door: Door) -> None:
    email = "nina.both@example.com"
    first, second = await door.clinic("Alder Clinic"), await door.clinic("Birch Clinic")
    password = await door.employ(email, first, "billing")
    await door.employ(email, second, "administrator")
    nina = await meet()
    await enter(nina, email, password)
    await nina.sees("Protect your account")
    await enrol(nina)
    await nina.sees("Hello, Nina Ray")
    await nina.choose("Clinic", "A")
    await nina.sees("Alder Clinic · Billing")
    await nina.is_sound()
    await nina.open("/people")
    await nina.sees("Alder Clinic", "1 person")
    await nina.sees_no("Invite somebody")
    await nina.choose("Clinic", "B")
    await nina.sees("Birch Clinic", "Invite somebody")
    await nina.reload()
    await nina.sees("Invite somebody")


# --- too fast, too busy, not for you ------------------------------------------------------------------------------


async def test_whoever_guesses_is_told_how_long_to_wait(meet: Meet) -> None:
    visitor = await meet()
    await visitor.chromium.clock.install()
    await visitor.begin("nobody.at.all@example.com")
    await visitor.type("Password", "a guess of many words")
    for _ in range(5):
        async with visitor.chromium.expect_response("**/v1/sign-in/password"):
            await visitor.page.press("Enter")
        await visitor.sees("E-mail or password is not right.")
    await visitor.page.press("Enter")
    await visitor.sees("Too many attempts in a short time. Please wait ", "Again in ")
    await visitor.is_sound()
    await visitor.chromium.clock.fast_forward("05:00")
    await visitor.sees_no("Too many attempts")
    await visitor.sees_no("Again in ")
    await visitor.reach("Sign in")


async def test_a_busy_server_is_asked_again_and_one_that_stays_busy_is_said(meet: Meet, door: Door) -> None:
    visitor, waits = await meet(), [2, 60]

    async def busy(route: playwright.Route) -> None:
        if waits:
            headers = {"Retry-After": str(waits.pop(0)), "Content-Type": "application/problem+json"}
            await route.fulfill(status=503, headers=headers, body=json.dumps({"code": "unavailable", "status": 503}))
        else:
            await route.continue_()

    await visitor.chromium.route("**/v1/sign-in/password", busy)
    await enter(visitor, FRONT_DESK.email, door.password(FRONT_DESK))
    await visitor.sees("Busy, again in 2 s…")
    await visitor.is_sound()
    await visitor.sees("The server is very busy right now.")
    await visitor.is_sound()
    await visitor.press("Sign in")
    await visitor.sees("Hello, ")


@pytest.mark.parametrize(
    ("who", "told", "way"),
    [
        (INTERPRETER, "As an interpreter at Demo Clinic you take part in visits", "To the start page"),
        (OPERATOR, "As an operator you look after this server", "Outbox"),
        (PATIENT, "Your own record, and those of whom you act for, are on the start page.", "To the start page"),
    ],
    ids=["interpreter", "operator", "patient"],
)
async def test_whom_a_page_is_not_for_is_told_so_and_where_to_go(
    meet: Meet, who: Somebody, told: str, way: str
) -> None:
    visitor = await meet()
    await visitor.sign_in(who)
    for path in ("/people", "/patients", *(["/accesses"] if who is not PATIENT else [])):
        await visitor.open(path)
        await visitor.sees(told)
        await visitor.is_sound()
        links = await visitor.page.evaluate("() => [...document.querySelectorAll('nav a')].map(each => each.pathname)")
        assert path not in links, "the header leads to a page that is not for them"
    await visitor.press(way)
    await visitor.sees_no(told)


async def test_a_page_that_gets_no_answer_says_so_and_tries_again(meet: Meet) -> None:
    visitor = await meet()
    await visitor.sign_in(ADMINISTRATOR)
    await visitor.chromium.route("**/v1/clinics/**", lambda route: route.abort())
    await visitor.press("People")
    await visitor.sees("That did not work", "cannot be reached")
    await visitor.is_sound()
    await visitor.chromium.unroute("**/v1/clinics/**")
    await visitor.press("Try again")
    await visitor.sees("Invite somebody")
