"""A patient's own data, by keyboard alone: taken along, and erased.

Each test stands on the demo clinic and on nothing that another did; whoever is erased has a record made for it.
"""

import io
import json
import zipfile
from hashlib import sha256
from typing import Any

from tests.e2e.acts import enrol, enter, recorded
from tests.e2e.door import ADMINISTRATOR, CLINICIAN, FRONT_DESK, PATIENT, Door, Meet, Visitor
from tests.e2e.polling import until


async def saved(visitor: Visitor, button: str) -> tuple[str, bytes]:
    """Press what saves a file; return the file's name and content."""
    await visitor.reach(button)
    async with visitor.chromium.expect_download() as coming:
        await visitor.page.press("Enter")
    download = await coming.value
    return download.suggested_filename, (await download.path()).read_bytes()


def whole(archive: bytes) -> dict[str, Any]:
    """Return what the manifest of an export says, once each file is as it says."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        contents = {name: opened.read(name) for name in opened.namelist()}
    said: dict[str, Any] = json.loads(json.loads(contents.pop("manifest.json"))["statement"])
    assert {each["name"]: (each["bytes"], each["sha256"]) for each in said["files"]} == {
        name: (len(body), sha256(body).hexdigest()) for name, body in contents.items()
    }
    return said


async def test_an_administrator_saves_all_that_there_is_of_a_patient(meet: Meet) -> None:
    desk, administrator = await meet(), await meet()
    await desk.sign_in(FRONT_DESK)
    record = await recorded(desk, "Clementine", "Audley")
    await administrator.sign_in(ADMINISTRATOR)
    await administrator.open(record)
    name, archive = await saved(administrator, "Take the data along")
    patient = record.partition("#")[2]
    assert (name, whole(archive)["patient"]) == (f"{patient}.zip", patient)
    await administrator.sees(f"Saved as {name}.")
    await administrator.is_sound()
    await administrator.press("Who saw this record")
    await administrator.sees("took along all that the clinic has of the patient")
    await desk.reload()
    await desk.sees("Change the record")
    await desk.sees_no("Take the data along")
    await desk.sees_no("Erase…")


async def test_a_patient_takes_their_own_data_along_once_they_have_shown_that_it_is_them(
    meet: Meet, door: Door
) -> None:
    desk, patient = await meet(), await meet(width=360, height=740)
    await desk.sign_in(FRONT_DESK)
    record = await recorded(desk, "Sam", "Ellery")
    await desk.press("Add somebody")
    await desk.type("E-mail", PATIENT.email)
    await desk.press("Add")
    await desk.sees("Added.")
    await patient.sign_in(PATIENT)
    await patient.open(record.replace("/patients", "/accesses"))
    await patient.sees("Take my data along", "made the record")
    await patient.is_sound()
    await door.forget_proof(PATIENT.email)
    path = f"/v1/patients/{record.partition('#')[2]}/export"

    async def is_asked() -> bool:
        ask = f"async () => (await (await fetch('{path}', {{method: 'POST'}})).json().catch(() => ({{}}))).code"
        return bool(await patient.ask(ask) == "prove-again")

    await until(is_asked, "the sign-in is old to the server", 6)
    await patient.press("Take my data along")
    await patient.sees("Show that it is you")
    await patient.page.press("Escape")
    await patient.sees("Nothing was saved: first show that it is you.")
    await patient.is_sound()
    await patient.press("Take my data along")
    await patient.sees("Show that it is you")
    await patient.type("Password", door.password(PATIENT))
    _, archive = await saved(patient, "Confirm")
    assert whole(archive)["patient"] == record.partition("#")[2]


async def test_a_patient_is_erased_to_the_certificate_and_what_the_law_keeps_is_closed(meet: Meet) -> None:
    desk, doctor, administrator = await meet(), await meet(), await meet()
    await desk.sign_in(FRONT_DESK)
    record = await recorded(desk, "Rosalind", "Penhallow")
    await desk.choose("Clinician", "Dr")
    await desk.press("Add")
    await desk.sees("Saved.")
    await doctor.sign_in(CLINICIAN)
    await doctor.open(record)
    await doctor.sees("Birth date")

    await administrator.sign_in(ADMINISTRATOR)
    await administrator.open(record)
    await administrator.press("Erase…")
    await administrator.sees("Erase Rosalind Penhallow?", "10 years from the last time", "Who saw the record: at least")
    await administrator.is_sound()
    await administrator.type("Type “Rosalind Penhallow” to confirm", "Rosalind")
    await administrator.press("Erase for good")
    await administrator.sees("This is not the name of the patient.")
    await administrator.is_sound()
    await administrator.type("Type “Rosalind Penhallow” to confirm", "rosalind penhallow")
    await administrator.press("Erase for good")
    await administrator.sees("It is done, and here is the certificate.", "The record of care", "The last backup")
    await administrator.is_sound()
    name, certificate = await saved(administrator, "Save the certificate")
    assert name.startswith("era-")
    assert json.loads(json.loads(certificate)["statement"])["patient"] == record.partition("#")[2]
    await administrator.press("Close")
    await administrator.sees("Erasures", f"Record {record.partition('#')[2]}", "Gone, except what is kept")
    await administrator.press("What is gone, what is kept")
    await administrator.sees("GDPR, Art. 17(3)(c)")
    await administrator.is_sound()

    await administrator.open(record)
    await administrator.sees("This record is closed", "Rosalind", "Who saw this record")
    for offered in ("Change the record", "Merge with another record", "Erase…", "Add somebody", "Treated by"):
        await administrator.sees_no(offered)
    await administrator.is_sound()
    await administrator.press("Who saw this record")
    await administrator.sees("erased the record", "looked at how far the erasure is", "This server")
    await desk.open("/patients")
    await desk.type("Name", "Penhallow")
    await desk.page.press("Enter")
    await desk.sees("Nobody was found.")


async def test_of_whom_nobody_cared_for_nothing_is_left(meet: Meet) -> None:
    desk, administrator = await meet(), await meet(width=360, height=740)
    await desk.sign_in(FRONT_DESK)
    record = await recorded(desk, "Ignatius", "Tremayne")
    await administrator.sign_in(ADMINISTRATOR)
    await administrator.open(record)
    await administrator.press("Erase…")
    await administrator.is_sound()
    await administrator.type("Type “Ignatius Tremayne” to confirm", "Ignatius Tremayne")
    await administrator.press("Erase for good")
    await administrator.sees("It is done, and here is the certificate.", "The record of care")
    await administrator.is_sound()
    await administrator.page.press("Escape")
    await administrator.sees(f"Record {record.partition('#')[2]}")
    await administrator.is_sound()
    await desk.reload()
    await desk.sees("There is nothing here, or nothing that you may see.")


async def test_a_clinic_where_nobody_has_asked_says_so(meet: Meet, door: Door) -> None:
    email = "nina.quiet@example.com"
    nina = await meet()
    password = await door.employ(email, await door.clinic("Quiet Clinic"), "administrator")
    await enter(nina, email, password)
    await nina.sees("Protect your account")
    await enrol(nina)
    await nina.sees("Hello, ")
    await nina.press("Patients")
    await nina.press("Erasures")
    await nina.sees("No patient has asked to be erased.")
    await nina.is_sound()
    await nina.press("Back to the search")
    await nina.sees("The first three letters")


async def test_older_accesses_are_shown_and_an_emergency_is_marked(meet: Meet) -> None:
    desk, doctor, administrator = await meet(), await meet(), await meet()
    await desk.sign_in(FRONT_DESK)
    record = await recorded(desk, "Barnaby", "Quill")
    await doctor.sign_in(CLINICIAN)
    await doctor.open(record)
    await doctor.type("Reason", "Unconscious, allergies unknown")
    await doctor.press("Take emergency access")
    await doctor.sees("Emergency access until")
    path = f"/v1/patients/{record.partition('#')[2]}"
    await desk.ask(f"async () => {{ for (let n = 0; n < 60; n += 1) await fetch('{path}'); }}")
    await administrator.sign_in(ADMINISTRATOR)
    await administrator.open(record.replace("/patients", "/accesses"))
    await administrator.sees("The newest 50 accesses")
    await administrator.sees_no("took emergency access")
    await administrator.press("Show older ones")
    await administrator.sees("took emergency access", "made the record")
    await administrator.sees_no("The newest")
    marked = "() => [...document.querySelectorAll('.marked')].map(row => row.innerText)"
    rows = await administrator.page.evaluate(marked)
    assert [sum(words in row for row in rows) for words in ("took emergency access", "read the record")] == [1, 1]
    assert all(CLINICIAN.name in row and "Emergency access" in row for row in rows)
    await administrator.is_sound()
