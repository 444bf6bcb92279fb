"""Every page and state: no serious finding of axe-core, nothing cut off, and usable by the keyboard alone."""

import pytest

from tests.e2e.faults import faults
from tests.e2e.people import People, Person
from tests.e2e.server import Server
from tests.e2e.tour import DESKTOP, PHONE, tour

FOCUSED = """() => {
    const at = document.activeElement;
    return at?.getAttribute('aria-label') ?? at?.labels?.[0]?.innerText ?? at?.innerText.trim();
}"""


@pytest.mark.timeout(300)  # all the states, each looked at by axe-core
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious_and_nothing_is_cut_off(
    server: Server, people: People, size: tuple[int, int]
) -> None:
    findings = {}
    async for name, person in tour(server, people, size):
        findings[name] = await faults(person.page)
    assert {name: found for name, found in findings.items() if found} == {}


async def test_the_keyboard_is_enough_to_join_admit_chat_and_leave(server: Server, people: People) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    clinician, patient = await people.sit_down("clinician"), await people.sit_down("patient")
    for person in (clinician, patient):
        await person.open(visit.links[person.role])
        await _press(person, "Join the visit")
    await clinician.sees_button("Admit Sam Lee")
    await _press(clinician, "Admit Sam Lee")
    await clinician.sees_and_hears(visit.seats["patient"])
    await _press(patient, "Chat")
    await _tab_to(patient, "Message")
    for key in "Hi!":
        await patient.page.press(key)
    await patient.page.press("Enter")
    await _press(clinician, "Chat, 1 unread")
    await clinician.sees_text("Hi!")
    await clinician.page.press("Escape")
    await _press(patient, "Leave")
    await patient.sees_text("You have left the visit")
    await _press(clinician, "Leave")
    await _press(clinician, "End for everyone")
    await clinician.sees_text("The visit has ended")


async def _press(person: Person, name: str) -> None:
    await person.sees_button(name)
    await _tab_to(person, name)
    await person.page.press("Enter")


async def _tab_to(person: Person, name: str, most: int = 40) -> None:
    """Move the focus on until it is on the one called `name`."""
    passed = []
    for _ in range(most):
        passed.append(await person.page.evaluate(FOCUSED))
        if passed[-1] == name:
            return
        await person.page.press("Tab")
    raise AssertionError(f"{person.role} can't reach “{name}” by Tab, only {passed}")
