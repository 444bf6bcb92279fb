"""Take docs/screenshots: every page and state of the running server, at two sizes. `python -m tools.screenshots`

The people are drawn, and Chromium calls such a camera by its file's name, which is replaced; everything else is real.
"""

import asyncio
import math
import tempfile
from pathlib import Path

import av

from tests.e2e.browsers import Browsers, Camera, ChromiumPage
from tests.e2e.door import Door
from tests.e2e.door_tour import door_tour
from tests.e2e.people import People
from tests.e2e.pictures import FRAMES_PER_S
from tests.e2e.server import Server
from tests.e2e.tour import DESKTOP, PHONE, tour

FOLDER = Path(__file__).parent.parent / "docs" / "screenshots"
WIDTH, HEIGHT = 1280, 720
SHIRTS = {"clinician": (200, 138, 118), "patient": (95, 150, 108)}  # Y, Cb, Cr
WALLS = {"clinician": (170, 124, 130), "patient": (150, 118, 136)}
SKIN, HAIR, MOUTH = (165, 112, 148), (60, 124, 134), (120, 112, 162)

NAME_CAMERA = """() => document.querySelectorAll("option").forEach(option => {
    if (option.text.endsWith(".mjpeg")) option.text = "Integrated camera";
})"""

PICTURES = "() => [...document.querySelectorAll('video')].every(video => video.hidden || video.readyState > 1)"


def portrait(path: Path, role: str) -> Path:
    """Write a still camera picture of somebody before a wall."""
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuvj420p")
    for plane, part in zip(frame.planes, range(3), strict=True):
        step = 1 if part == 0 else 2
        rows, columns = range(step // 2, HEIGHT, step), range(step // 2, WIDTH, step)
        plane.update(bytes(_colour(x, y, role)[part] for y in rows for x in columns))
    with av.open(str(path), "w", format="mjpeg") as file:
        stream = file.add_stream("mjpeg", rate=FRAMES_PER_S, options={"huffman": "default", "qmin": "2", "qmax": "2"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def _colour(x: int, y: int, role: str) -> tuple[int, int, int]:
    def within(centre_x: float, centre_y: float, radius_x: float, radius_y: float) -> bool:
        return math.hypot((x - centre_x) / radius_x, (y - centre_y) / radius_y) <= 1

    if within(590, 340, 9, 11) or within(690, 340, 9, 11):
        return HAIR  # eyes
    if within(640, 400, 46, 34) and not within(640, 386, 60, 38):
        return MOUTH
    if within(640, 320, 124, 160) and not within(640, 184, 180, 68):
        return SKIN
    if within(640, 280, 152, 168) and y < 330:
        return HAIR
    if within(640, 500, 68, 80):
        return SKIN
    if within(640, 780, 340, 260):
        return SHIRTS[role]
    luma, blue, red = WALLS[role]
    return luma + (x - y) // 48, blue, red


async def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        server, browsers = Server(Path(folder)), Browsers()
        await server.start()
        clinician, patient = (
            Camera(WIDTH, HEIGHT, 15, video=portrait(Path(folder) / f"{role}.mjpeg", role)) for role in SHIRTS
        )
        for name, size in (("phone", PHONE), ("desktop", DESKTOP)):
            people = People(browsers)
            async for state, person in tour(server, people, size, (clinician, patient)):
                assert isinstance(person.page, ChromiumPage)
                await person.page.page.wait_for_function(PICTURES)
                await person.page.evaluate(NAME_CAMERA)  # the last thing before: whatever is drawn anew undoes it
                await person.page.page.screenshot(path=FOLDER / f"{state}-{name}.png", animations="disabled")
            await people.leave()
        await server.stop()
        await _door(Path(folder), browsers)
        await browsers.close()


async def _door(folder: Path, browsers: Browsers) -> None:
    """Sign-in, people, patients and records, of the demo clinic."""
    (folder / "door").mkdir()
    door = Door(folder / "door")
    await door.start()
    for name, size, family in (("phone", PHONE, "Osgood"), ("desktop", DESKTOP, "Whitlock")):
        people = People(browsers)
        async for state, visitor in door_tour(door, people, size, family):
            await visitor.chromium.screenshot(path=FOLDER / f"{state}-{name}.png", animations="disabled")
        await people.leave()
    await door.stop()


if __name__ == "__main__":
    asyncio.run(main())
