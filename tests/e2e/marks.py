"""When a page shows a flash and when it sounds a beep: how far apart picture and sound are, as a person gets them."""

import statistics
from typing import Any

from tests.e2e.people import Person
from tests.e2e.pictures import PERIOD_S
from tests.e2e.polling import until

MARKS = 8  # of each kind

# The picture is taken from the element that the page shows, at the time the browser presents it; the sound from the
# track beside it. Both instants are on the page's own clock, in ms.
WATCH = """(seat) => {
    const client = medinova.client, marks = {flashes: [], beeps: []};
    const mid = kind => client.slots.find(s => s.seat === seat && s.kind === kind && s.source === 'person').mid;
    const [picture, sound] = seat === null
        ? [client.peer.lines.camera.sender.track, client.peer.lines.microphone.sender.track]
        : [client.peer.track(mid('video')), client.peer.track(mid('audio'))];

    const video = [...document.querySelectorAll('video')].find(v => v.srcObject?.getTracks().includes(picture));
    const sheet = new OffscreenCanvas(8, 8).getContext('2d', {willReadFrequently: true});
    let bright = true;
    const look = (now, frame) => {
        sheet.drawImage(video, 0, 0, 8, 8);
        const luma = sheet.getImageData(0, 0, 8, 8).data.reduce((sum, value) => sum + value, 0) / 256;
        if (luma > 160 && !bright) marks.flashes.push(frame.expectedDisplayTime);
        bright = luma > 160;
        video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);

    const context = new AudioContext(), ear = context.createAnalyser(), heard = new Float32Array(2048);
    ear.fftSize = heard.length;
    context.createMediaStreamSource(new MediaStream([sound])).connect(ear);
    let quiet = false;
    setInterval(() => {
        ear.getFloatTimeDomainData(heard);
        const now = performance.now(), at = heard.findIndex(sample => Math.abs(sample) > 0.05);
        if (at >= 0 && quiet) marks.beeps.push(now - (heard.length - at) / context.sampleRate * 1000);
        quiet = at < 0;
    }, 5);
    window.marks = marks;
}"""


async def lag_ms(person: Person, seat: str | None) -> float:
    """Return how much later `person` hears the beep than they see the flash of `seat` (None: of their own devices)."""
    await person.page.evaluate(WATCH, seat)

    async def enough() -> dict[str, list[float]] | None:
        marks: dict[str, list[float]] = await person.page.evaluate("() => window.marks")
        return marks if min(len(times) for times in marks.values()) >= MARKS else None

    marks: Any = await until(enough, f"{person.role} gets {MARKS} flashes and beeps", (MARKS + 4) * PERIOD_S)
    lags: list[float] = [min((beep - flash for beep in marks["beeps"]), key=abs) for flash in marks["flashes"][1:]]
    return statistics.median(lags)
