"""Every page and state a person can come to, one after the other, with as few people as it takes."""

from collections.abc import AsyncIterator

from tests.e2e.browsers import SMALL, Camera
from tests.e2e.people import People, Person
from tests.e2e.polling import until
from tests.e2e.server import Server

PHONE, DESKTOP = (390, 844), (1280, 800)


async def tour(
    server: Server, people: People, size: tuple[int, int], cameras: tuple[Camera, Camera] = (SMALL, SMALL)
) -> AsyncIterator[tuple[str, Person]]:
    """Yield the name of each state and who is looking at it, as soon as it is shown whole."""
    width, height = size
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    clinician = await people.sit_down("clinician", "chromium", cameras[0], width, height)
    patient = await people.sit_down("patient", "chromium", cameras[1], width, height)

    for name, path, text in (
        ("home", "/", "MediNova"),
        ("reference", "/docs", "/v1/visits"),
        ("bad-link", "/join#nonsense", "This link does not open a visit"),
        ("lost", "/nothing", "There is nothing at this address"),
    ):
        await patient.page.goto(server.url + path)
        await patient.sees_text(text)
        yield name, patient

    await patient.open(visit.links["patient"])
    yield "preview", patient
    await patient.join()
    await until(patient.is_connected, "the patient is connected")
    yield "waiting", patient

    await clinician.open(visit.links["clinician"])
    await clinician.join()
    await clinician.sees_button("Admit Sam Lee")
    yield "knock", clinician
    await clinician.page.click("button", "People, 1 waiting")
    await clinician.sees_text("People in this visit")
    yield "people", clinician
    await clinician.page.click("button", "Close people")
    await clinician.admit("Sam Lee")
    await clinician.sees_and_hears(visit.seats["patient"])
    await until(clinician.knows_network, "the quality of the connection is known")
    yield "visit", clinician

    await patient.say("Good morning! I can hear you well.")
    await clinician.page.click("button", "Chat, 1 unread")
    await clinician.say("Good morning, Sam. How are you today?")
    await clinician.sees_text("How are you today?")
    yield "chat", clinician
    await clinician.page.click("button", "Close chat")
    await clinician.page.click("button", "Devices")
    await clinician.sees_button("Done")
    yield "devices", clinician
    await clinician.page.click("button", "Done")

    if size == DESKTOP:  # telephones share no screen
        await clinician.page.click("button", "Share screen")
        await patient.sees(visit.seats["clinician"], source="screen")
        yield "sharing", clinician
        await patient.page.click("button", "Close chat")
        yield "screen", patient
        await clinician.page.click("button", "Stop sharing")

    await clinician.page.click("button", "Leave")
    await clinician.sees_button("End for everyone")
    yield "leaving", clinician
    await clinician.page.click("button", "Stay")
    await patient.leave()
    await patient.sees_text("You have left the visit")
    yield "left", patient
    await clinician.sees_text("Nobody else is here yet")
    yield "alone", clinician

    elsewhere = await people.second_tab(clinician, "clinician")
    await elsewhere.page.goto(visit.links["clinician"])
    await elsewhere.join()
    await clinician.sees_text("You are in the visit somewhere else")
    yield "taken", clinician
    await elsewhere.page.click("button", "Leave")
    await elsewhere.page.click("button", "End for everyone")
    await elsewhere.sees_text("The visit has ended")
    yield "ended", elsewhere
