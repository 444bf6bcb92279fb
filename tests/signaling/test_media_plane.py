"""Signalling over the real media plane, with the offers of real browsers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media.plane import MediaPlane
from media.reference import ReferenceEngine
from signaling.messages import Close
from tests.signaling.stage import Stage, until

DATA = Path(__file__).resolve().parents[1] / "data"
BROWSERS = ("chromium-156", "firefox-153")


def offer(browser: str, kind: str = "join") -> str:
    return (DATA / f"{browser}-{kind}.sdp").read_bytes().decode()


@pytest.fixture
async def plane() -> AsyncIterator[MediaPlane]:
    made = MediaPlane(ReferenceEngine())
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def stage(plane: MediaPlane) -> AsyncIterator[Stage]:
    made = Stage(plane)
    await made.open()
    yield made
    await made.close()


@pytest.mark.parametrize("first", BROWSERS)
@pytest.mark.parametrize("second", BROWSERS)
async def test_two_browsers_are_answered_and_shown_to_each_other(stage: Stage, first: str, second: str) -> None:
    visit = await stage.visit()
    clinician, patient = [await stage.join(visit, seat) for seat in (0, 1)]
    for page, browser in ((clinician, first), (patient, second)):
        await page.send("offer", number=1, sdp=offer(browser))
        answer = await page.next("answer", number=1)
        assert "a=ice-lite" in answer["sdp"]
    await clinician.send("admit", seat=visit.seats[1].id)
    for page, other in ((clinician, 1), (patient, 0)):
        slots = await page.next("slots", wanted=1)
        shown = {(slot["kind"], slot["source"]) for slot in slots["slots"] if slot["seat"] == visit.seats[other].id}
        assert shown == {("audio", "person"), ("video", "person")}


async def test_whoever_waits_is_answered_and_shown_nobody(stage: Stage) -> None:
    visit = await stage.visit()
    clinician, patient = [await stage.join(visit, seat) for seat in (0, 1)]
    for page in (clinician, patient):
        await page.send("offer", number=1, sdp=offer("chromium-156"))
        await page.next("answer", number=1)
        await page.settle()
    for page in (clinician, patient):
        assert all(slot["seat"] is None for each in page.heard if each["type"] == "slots" for slot in each["slots"])


async def test_a_reload_frees_the_media_of_before(stage: Stage, plane: MediaPlane) -> None:
    visit = await stage.visit()
    pages = await stage.meet(visit)
    for page in pages:
        await page.send("offer", number=1, sdp=offer("chromium-156"))
        await page.next("answer", number=1)
    again = pages[1]
    for number in range(3):
        again = await stage.join(visit, 1)
        await again.send("offer", number=1, sdp=offer(BROWSERS[number % 2]))
        await again.next("answer", number=1)
        assert plane.counters()["peers"] == 2
    await again.send("leave")
    assert await again.over() == 1000
    await until(lambda: plane.counters()["peers"] == 1)
    await pages[0].send("end")
    assert await pages[0].over() == Close.ENDED
    await until(lambda: plane.counters()["peers"] + plane.counters()["rooms"] == 0)


@pytest.mark.parametrize("sdp", ["", "v=0", "x" * 100_000, "v=0\r\n" * 1000, "\u0000"])
async def test_hostile_offers_are_refused_with_a_sentence_of_ours(stage: Stage, sdp: str) -> None:
    visit = await stage.visit()
    page = await stage.join(visit, 0)
    await page.send("offer", number=1, sdp=sdp)
    error = await page.next("error", number=1)
    assert error["code"] == "bad-input"
    assert sdp == "" or sdp not in error["detail"]
    await page.send("offer", number=1, sdp=offer("firefox-153"))
    await page.next("answer", number=1)
