"""What arrives: in step, sharp soon, and whoever it comes from."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e import pictures
from tests.e2e.browsers import Camera
from tests.e2e.marks import in_step
from tests.e2e.people import People, Person
from tests.e2e.polling import until
from tests.e2e.server import Server

LIP_SYNC_MS = 80


@pytest.fixture(scope="session")
def flash_and_beep(tmp_path_factory: pytest.TempPathFactory) -> Camera:
    folder = tmp_path_factory.mktemp("flash-and-beep")
    video, audio = pictures.flashes(folder / "flashes.mjpeg"), pictures.beeps(folder / "beeps.wav")
    return Camera(frames_per_s=30, video=video, audio=audio)


@pytest.fixture(scope="session")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Camera:
    return Camera(640, 360, 30, video=pictures.moving(tmp_path_factory.mktemp("moving") / "moving.mjpeg"))


async def test_lips_are_in_step_also_after_a_slot_changed_its_person(
    server: Server, people: People, flash_and_beep: Camera
) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee", carer="Kim Lee")
    clinician, patient = await people.meet(visit, "clinician", "patient", camera=flash_and_beep)
    await in_step(patient, clinician, visit.seats["patient"], LIP_SYNC_MS)
    slots = await clinician.slots_of(visit.seats["patient"])
    await patient.leave()
    await clinician.sees_text("Sam Lee left")
    (carer,) = await people.follow(visit, clinician, "carer", camera=flash_and_beep)
    await clinician.sees(visit.seats["carer"])
    assert await clinician.slots_of(visit.seats["carer"]) == slots
    await in_step(carer, clinician, visit.seats["carer"], LIP_SYNC_MS)


@pytest.mark.timeout(300)
async def test_one_person_replaced_by_another_fifty_times_never_freezes(server: Server, people: People) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee", carer="Kim Lee")
    clinician, patient = await people.meet(visit, "clinician", "patient")
    await clinician.sees(visit.seats["patient"])
    slots = await clinician.slots_of(visit.seats["patient"])
    (carer,) = await people.follow(visit, clinician, "carer")
    await carer.leave()
    offer = await clinician.offer()
    for turn in range(50):
        goes, comes = (patient, carer) if turn % 2 == 0 else (carer, patient)
        await goes.leave()
        await _gone(clinician, visit.seats[goes.role])
        await comes.page.click("button", "Rejoin the visit")
        await clinician.sees(visit.seats[comes.role], within_s=10)
        assert await clinician.slots_of(visit.seats[comes.role]) == slots
    assert await clinician.offer() == offer
    assert [line.lost for line in await clinician.lines() if line.mid in slots] == [0, 0]  # the numbers made no step


async def _gone(viewer: Person, seat: str) -> None:
    async def nowhere() -> bool:
        return await viewer.slots_of(seat) == []

    await until(nowhere, "the slot is empty")


async def test_a_moving_camera_passes_a_megabit_soon_and_again_after_a_pause(
    server: Server, people: People, moving: Camera
) -> None:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    (clinician,) = await people.meet(visit, "clinician")
    (patient,) = await people.follow(visit, clinician, "patient", camera=moving)
    seat = visit.seats["patient"]
    await _passes(clinician, seat, bitrate_bps=1_000_000, within_s=5)
    await patient.page.click("button", "Stop camera")
    await clinician.sees_text("camera off")
    await patient.page.click("button", "Start camera")
    await _passes(clinician, seat, bitrate_bps=1_000_000, within_s=5)


async def _passes(person: Person, seat: str, bitrate_bps: int, within_s: float) -> None:
    """Wait until a whole second has brought this much video of `seat`."""
    loop = asyncio.get_running_loop()
    samples: list[tuple[float, int]] = []

    async def fast() -> bool:
        got = sum(line.bytes for line in await person.lines() if line.seat == seat and line.kind == "video")
        samples.append((loop.time(), got))
        now, last = samples[-1]
        return any(1 <= now - then <= 1.2 and (last - had) * 8 / (now - then) >= bitrate_bps for then, had in samples)

    await until(fast, f"{person.role} gets {bitrate_bps / 1e6:g} Mbit/s", within_s)


async def test_firefox_without_h264_is_shown_an_h264_visit(tmp_path: Path, people: People) -> None:
    server = Server(tmp_path, VIDEO_CODEC="H264")
    await server.start()
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee", carer="Kim Lee")
    clinician, _ = await people.meet(visit, "clinician", "patient")
    await clinician.sees(visit.seats["patient"])
    assert await clinician.codecs() == {"video/H264"}
    (carer,) = await people.follow(visit, clinician, "carer", kinds={"carer": "firefox"})
    await carer.sees(visit.seats["clinician"], visit.seats["patient"], frames=1, within_s=2)
    await clinician.sees_and_hears(visit.seats["carer"], visit.seats["patient"])
    assert await clinician.codecs() == {"video/VP8"}
    await people.leave()
    await server.stop()
    assert server.complaints() == []
