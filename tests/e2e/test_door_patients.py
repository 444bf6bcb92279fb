"""Patients and who saw what of them, by keyboard alone.

Each test stands on the demo clinic and on nothing that another did; whoever is changed is somebody invited for it.
"""

from tests.e2e.acts import accept, invited, recorded, register
from tests.e2e.door import ADMINISTRATOR, CLINICIAN, FRONT_DESK, LINK, PATIENT, Door, Meet, letter


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


async def test_an_emergency_access_is_known_after_a_reload_and_ended_by_an_administrator(
    meet: Meet, door: Door
) -> None:
    doctor = await invited(meet, door, "nina.emergency@example.com", "Clinician")
    await accept(doctor)
    desk, administrator = await meet(), await meet()
    await desk.sign_in(FRONT_DESK)
    record = await recorded(desk, "Ludmila", "Vantongeren")
    await doctor.open(record)
    await doctor.sees("You do not treat this patient")
    await doctor.type("Reason", "Unconscious, allergies unknown")
    await doctor.press("Take emergency access")
    await doctor.sees("Emergency access until", "60 minutes are left")
    await doctor.reload()
    await doctor.sees("Emergency access until", "minutes are left", "Birth date")
    await doctor.is_sound()

    await administrator.sign_in(ADMINISTRATOR)
    await administrator.press("People")
    await administrator.sees("Emergency accesses")
    await administrator.is_sound()
    await administrator.press("End the emergency access of Nina Ray")
    await administrator.sees("The emergency access is ended.")
    await doctor.reload()
    await doctor.sees("You do not treat this patient")
    await doctor.sees_no("Birth date")


async def test_a_clinician_is_named_as_treating_and_is_so_no_longer(meet: Meet) -> None:
    desk, doctor = await meet(), await meet()
    await desk.sign_in(FRONT_DESK)
    record = await recorded(desk, "Thaddeus", "Okonjo")
    await desk.choose("Clinician", "Dr")
    await desk.press("Add")
    await desk.sees("Saved.")
    await desk.sees_no("Nobody is named yet.")
    await desk.is_sound()
    await doctor.sign_in(CLINICIAN)
    await doctor.open(record)
    await doctor.sees("Birth date")
    await doctor.sees_no("Emergency access")
    await desk.press(f"Remove {CLINICIAN.name}")
    await desk.sees("Nobody is named yet.")
    await doctor.reload()
    await doctor.sees("You do not treat this patient")


async def test_a_patient_without_an_account_is_invited_comes_and_loses_the_record_again(meet: Meet, door: Door) -> None:
    email = "wilhelmina@example.com"
    desk, patient = await meet(), await meet()
    await desk.sign_in(FRONT_DESK)
    record = await recorded(desk, "Wilhelmina", "Abernathy")
    await desk.press("Add somebody")
    await desk.type("E-mail", email)
    await desk.press("Add")
    await desk.sees(f"The invitation to {email} is on its way.", "Invited, has not accepted yet")
    lost = await letter(door, email, LINK)
    await desk.press("Withdraw the invitation of Wilhelmina Abernathy")
    await desk.sees("Withdraw the invitation?")
    await desk.press("Withdraw")
    await desk.sees("The invitation is withdrawn.", "Nobody has a login for this record.")
    await patient.open(lost)
    await patient.sees("It was accepted already, withdrawn, or is too old.")
    await desk.press("Add somebody")
    await desk.type("E-mail", email)
    await desk.press("Add")
    await desk.sees(f"The invitation to {email} is on its way.")

    await patient.open(await letter(door, email, LINK, after=1))
    await patient.sees("invites you", "To the clinic’s video visits and your records", "You can leave it empty")
    await patient.is_sound()
    await patient.type("Name", "Wilhelmina Abernathy")
    await patient.press("Accept the invitation")
    await patient.sees("Hello, Wilhelmina Abernathy", "Open the record")
    await patient.is_sound()
    await patient.press("Open the record")
    await patient.sees("Birth date", "Change the record")

    await desk.reload()
    await desk.press("End: Wilhelmina Abernathy")
    await desk.sees("End it for Wilhelmina Abernathy?")
    await desk.is_sound()
    await desk.press("End")
    await desk.sees("Ended.", "Nobody has a login for this record.")
    await patient.open("/")
    await patient.sees("Hello, Wilhelmina Abernathy")
    await patient.sees_no("Open the record")
    await patient.open(record)
    await patient.sees("There is nothing here, or nothing that you may see.")
    await patient.is_sound()
