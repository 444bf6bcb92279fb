"""A visit as people have it: they meet, see and hear each other, use the buttons, and part."""

import pytest

from tests.e2e.browsers import ChromiumPage, Kind
from tests.e2e.faults import faults
from tests.e2e.people import People
from tests.e2e.polling import until
from tests.e2e.server import Server


async def test_two_people_see_and_hear_each_other(server: Server, people: People) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    clinician, patient = await people.meet(visit, "clinician", "patient")
    await clinician.sees_and_hears(visit.seats["patient"])
    await patient.sees_and_hears(visit.seats["clinician"])


async def test_four_people_see_and_hear_each_other(server: Server, people: People) -> None:
    visit = await server.create(
        clinician="Dr. Ada Byrne", patient="Sam Lee", carer="Kim Lee", interpreter="Noor Haddad"
    )
    everybody = await people.meet(visit, *visit.seats)
    for person in everybody:
        await person.sees_and_hears(*(seat for role, seat in visit.seats.items() if role != person.role))


@pytest.mark.parametrize("role", ["clinician", "patient"])
async def test_firefox_and_chromium_meet_in_both_roles(server: Server, people: People, role: str) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    kinds: dict[str, Kind] = {role: "firefox"}
    clinician, patient = await people.meet(visit, "clinician", "patient", kinds=kinds)
    await clinician.sees_and_hears(visit.seats["patient"])
    await patient.sees_and_hears(visit.seats["clinician"])


async def test_whoever_waits_is_neither_seen_nor_heard(server: Server, people: People) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    clinician, patient = await people.sit_down("clinician"), await people.sit_down("patient")
    await patient.open(visit.links["patient"])
    await patient.join()
    await patient.sees_text("You are in the waiting room")
    await clinician.open(visit.links["clinician"])
    await clinician.join()
    await clinician.sees_button("Admit Sam Lee")
    await until(patient.is_connected, "the patient is connected")
    for person in (clinician, patient):
        assert [line for line in await person.lines() if line.seat or line.packets] == []
    await clinician.admit("Sam Lee")
    await clinician.sees_and_hears(visit.seats["patient"], within_s=5)


async def test_a_screen_is_seen_beside_the_camera(server: Server, people: People) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    clinician, patient = await people.meet(visit, "clinician", "patient")
    seat = visit.seats["clinician"]
    await clinician.page.click("button", "Share screen")
    await patient.sees(seat, source="screen")
    await patient.sees(seat)
    await clinician.page.click("button", "Stop sharing")
    await until(lambda: patient.no_screen(), "the screen is gone")
    await patient.sees(seat)


async def test_a_muted_microphone_is_seen_and_not_heard(server: Server, people: People) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    clinician, patient = await people.meet(visit, "clinician", "patient")
    await clinician.hears(visit.seats["patient"])
    await patient.page.click("button", "Mute")
    await clinician.sees_text("microphone off")
    await patient.page.click("button", "Unmute")
    await clinician.hears(visit.seats["patient"])


async def test_the_camera_is_let_go_and_comes_back_without_an_offer(server: Server, people: People) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    clinician, patient = await people.meet(visit, "clinician", "patient")
    await clinician.sees(visit.seats["patient"])
    offer = await patient.offer()
    await patient.page.click("button", "Stop camera")
    await clinician.sees_text("camera off")
    await until(lambda: patient.camera_is_free(), "the camera's light is out")
    await patient.page.click("button", "Start camera")
    await clinician.sees(visit.seats["patient"], within_s=5)
    assert await patient.offer() == offer


async def test_a_late_arrival_sees_at_once_what_is_so(server: Server, people: People) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee", carer="Kim Lee")
    clinician, patient = await people.meet(visit, "clinician", "patient")
    await patient.page.click("button", "Mute")
    await clinician.page.click("button", "Share screen")
    await patient.sees(visit.seats["clinician"], source="screen")
    (carer,) = await people.follow(visit, clinician, "carer")
    await carer.sees(visit.seats["clinician"], source="screen", within_s=5)
    await carer.sees_text("microphone off")


async def test_chat_reaches_everybody_and_whoever_comes_later(server: Server, people: People) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee", carer="Kim Lee")
    clinician, patient = await people.meet(visit, "clinician", "patient")
    await patient.say("Is 5 < 7 & “fine”?")
    await clinician.page.click("button", "Chat, 1 unread")
    await clinician.sees_text("Is 5 < 7 & “fine”?")
    (carer,) = await people.follow(visit, clinician, "carer")
    await carer.page.click("button", "Chat, 1 unread")
    await carer.sees_text("Is 5 < 7 & “fine”?")


async def test_leaving_keeps_the_seat_and_ending_is_for_everyone(server: Server, people: People) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    clinician, patient = await people.meet(visit, "clinician", "patient")
    await patient.leave()
    await patient.sees_text("You have left the visit")
    await patient.page.click("button", "Rejoin the visit")
    await clinician.sees_and_hears(visit.seats["patient"])
    await clinician.page.click("button", "Leave")
    await clinician.page.click("button", "End for everyone")
    for person in (clinician, patient):
        await person.sees_text("The visit has ended")
    assert (await server.request("GET", f"/v1/visits/{visit.id}"))["state"] == "ended"


async def test_a_visit_is_in_the_language_that_was_chosen(server: Server, people: People) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    patient = await people.sit_down("patient")
    await patient.open(visit.links["patient"])
    assert isinstance(patient.page, ChromiumPage)
    await patient.page.page.select_option("[data-test=language-picker]", "es")
    await patient.page.click("button", "Entrar en la visita")
    await patient.sees_text("Está en la sala de espera")
    assert await patient.page.evaluate("() => document.documentElement.lang") == "es"
    assert await faults(patient.page) == []
    await patient.page.click("button", "Salir")
    await patient.sees_text("Ha salido de la visita")
    await patient.page.goto(server.url + "/nothing")
    await patient.sees_text("No hay nada en esta dirección")
    await patient.page.goto(server.url + "/join#nonsense")
    await patient.sees_text("Este enlace no abre ninguna visita")
