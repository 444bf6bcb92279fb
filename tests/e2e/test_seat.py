"""A seat, not a connection: reload, dropped socket, restarted server, second tab, second device."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.people import People
from tests.e2e.polling import until
from tests.e2e.relay import Relay
from tests.e2e.server import Server, free_port


@pytest_asyncio.fixture(loop_scope="session")
async def relay() -> AsyncIterator[Relay]:
    relay = Relay()
    await relay.start()
    yield relay
    await relay.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def own_server(tmp_path: Path, relay: Relay) -> AsyncIterator[Server]:
    """A server of the test's own, reached through the relay."""
    relay.port = free_port()
    server = Server(tmp_path, PUBLIC_URL=relay.url, LISTEN_PORT=str(relay.port))
    await server.start()
    yield server
    await server.stop()
    assert server.complaints() == []


async def test_a_reload_returns_to_the_seat(server: Server, people: People) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    clinician, patient = await people.meet(visit, "clinician", "patient")
    await clinician.sees_and_hears(visit.seats["patient"])
    await patient.reload()
    await clinician.sees_and_hears(visit.seats["patient"])
    await patient.sees_and_hears(visit.seats["clinician"])
    await clinician.reload()
    await patient.sees_and_hears(visit.seats["clinician"])


async def test_a_dropped_socket_resumes_while_media_runs(own_server: Server, relay: Relay, people: People) -> None:
    visit = await own_server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    clinician, patient = await people.meet(visit, "clinician", "patient")
    await patient.sees_and_hears(visit.seats["clinician"])
    offer = await patient.offer()
    relay.cut()
    await until(lambda: patient.session_is("down"), "the page has lost its socket")
    await patient.sees_and_hears(visit.seats["clinician"], within_s=5)  # media does not go through the relay
    relay.mend()
    await until(lambda: patient.session_is("open"), "the session is resumed")
    await patient.page.click("button", "Mute")
    await clinician.sees_text("microphone off")
    assert await patient.offer() == offer


async def test_a_restarted_server_is_rejoined_by_both(own_server: Server, people: People) -> None:
    visit = await own_server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    clinician, patient = await people.meet(visit, "clinician", "patient")
    await patient.sees_and_hears(visit.seats["clinician"])
    await own_server.stop()
    await own_server.start()
    await patient.sees_and_hears(visit.seats["clinician"], within_s=30)
    await clinician.sees_and_hears(visit.seats["patient"], within_s=30)


async def test_two_links_in_two_tabs_stay_two_people(server: Server, people: People) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    clinician = await people.sit_down("clinician")
    patient = await people.second_tab(clinician, "patient")
    for person in (clinician, patient):
        await person.open(visit.links[person.role])
        await person.join()
    await clinician.admit("Sam Lee")
    await clinician.sees_and_hears(visit.seats["patient"])
    for person in (patient, clinician):
        await person.reload()
        assert await person.seat() == visit.seats[person.role]
    await clinician.sees_and_hears(visit.seats["patient"])
    await patient.sees_and_hears(visit.seats["clinician"])


async def test_a_second_device_takes_the_seat_over(server: Server, people: People) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    clinician, laptop = await people.meet(visit, "clinician", "patient")
    phone = await people.sit_down("patient", width=390, height=844)
    await phone.open(visit.links["patient"])
    await phone.join()
    await laptop.sees_text("You are in the visit somewhere else")
    await phone.sees_and_hears(visit.seats["clinician"])
    await clinician.sees_and_hears(visit.seats["patient"])


async def test_a_revoked_link_opens_nothing_and_cuts_whoever_came_by_it(server: Server, people: People) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    _, patient = await people.meet(visit, "clinician", "patient")
    await server.request("DELETE", f"/v1/visits/{visit.id}/links/{visit.link_ids['patient']}")
    await patient.sees_text("Your link was withdrawn")
    late = await people.sit_down("patient")
    await late.page.goto(visit.links["patient"])
    await late.sees_text("Your link was withdrawn")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_a_mail_scanner_does_changes_nothing(server: Server, people: People, method: str) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    before = await server.request("GET", f"/v1/visits/{visit.id}")
    link = visit.links["patient"]
    token = link.partition("#")[2]
    async with aiohttp.ClientSession() as scanner:
        for url in (link, f"{server.url}/v1/links/exchange", f"{server.url}/join?token={token}"):
            async with scanner.request(method, url) as response:
                assert "Set-Cookie" not in response.headers
    assert await server.request("GET", f"/v1/visits/{visit.id}") == before
    patient = await people.sit_down("patient")
    await patient.open(link)
