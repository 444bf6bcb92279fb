"""How long it takes in real Chromium from a click to the first picture of the other person.

`join.first_frame`: from the click on "Join the visit" of somebody who was admitted before: socket, offer and answer,
ICE, DTLS, the first key frame. `admit.first_frame`: from the clinician's click on "Admit", all but the last being done
already. The figure ends when the browser presents the frame. One person at a time, everything on this machine; each of
the two has a browser of their own, because two tabs of one share its fake camera, which headless Chromium now and then
stops for 2 s when a second picture begins, whoever sends it.
"""

import asyncio
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure
from tests.e2e.browsers import Browsers, Camera
from tests.e2e.people import People, Person
from tests.e2e.server import Server

CAMERA = Camera(width=640, height=360, frames_per_s=30)
WARM_UP = 2  # joins and admissions not counted: caches of browser and server are cold

# Resolves with the milliseconds between the next click and the first frame of somebody else presented.
STOPWATCH = """() => {
    window.passed = new Promise(done => addEventListener('click', () => {
        const start = performance.now();
        const look = () => {
            const far = new Set(medinova.client.peer?.pc.getReceivers().map(receiver => receiver.track));
            const video = [...document.querySelectorAll('video')].find(one => far.has(one.srcObject?.getTracks()[0]));
            if (!video) requestAnimationFrame(look);
            else video.requestVideoFrameCallback((now, frame) => done(frame.expectedDisplayTime - start));
        };
        look();
    }, {once: true, capture: true}));
}"""
PASSED = "() => window.passed"


def measure(quick: bool) -> Iterator[Figure]:
    rounds = 5 if quick else 20
    joins, admissions = asyncio.run(_run(rounds))
    for name, times_ms in (("join.first_frame", joins), ("admit.first_frame", admissions)):
        parameters: dict[str, str | int | float] = {"rounds": rounds, "browser": "chromium", "size": "640x360"}
        yield Figure(name, statistics.median(times_ms), "ms", {**parameters, "quantile": 0.5})
        yield Figure(
            name, statistics.quantiles(times_ms, n=20, method="inclusive")[-1], "ms", {**parameters, "quantile": 0.95}
        )


async def _run(rounds: int) -> tuple[list[float], list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        server, clinic, home = Server(Path(folder)), Browsers(), Browsers()
        await server.start()
        admissions = [await _admission(server, People(clinic), People(home)) for _ in range(WARM_UP + rounds)]
        joins = await _joins(server, People(clinic), WARM_UP + rounds)
        await clinic.close()
        await home.close()
        await server.stop()
    return joins[WARM_UP:], admissions[WARM_UP:]


async def _admission(server: Server, clinic: People, home: People) -> float:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    clinician = await clinic.sit_down("clinician", camera=CAMERA)
    patient = await home.sit_down("patient", camera=CAMERA)
    for person in (patient, clinician):
        await person.open(visit.links[person.role])
        await person.join()
    await clinician.sees_button("Admit Sam Lee")
    await clinician.page.evaluate(STOPWATCH)
    await clinician.admit("Sam Lee")
    passed_ms = await _read(clinician)
    await clinic.leave()
    await home.leave()
    return passed_ms


async def _joins(server: Server, people: People, rounds: int) -> list[float]:
    visit = await server.create(clinician="Dr. Ada Byrne", patient="Sam Lee")
    _, patient = await people.meet(visit, "clinician", "patient", camera=CAMERA)
    times_ms = []
    for _ in range(rounds):
        await patient.leave()
        await patient.page.reload()
        await patient.sees_button("Join the visit")
        await patient.page.evaluate(STOPWATCH)
        await patient.join()
        times_ms.append(await _read(patient))
    await people.leave()
    return times_ms


async def _read(person: Person) -> float:
    passed: float = await asyncio.wait_for(person.page.evaluate(PASSED), 30)
    return passed
