"""When a page shows a flash and sounds a beep: whether picture and sound are in step, as a person gets them."""

import statistics

from tests.e2e.people import Person
from tests.e2e.polling import until

LATEST = 5  # marks of each kind are looked at
SETTLES_S = 30  # a browser moves sound towards picture step by step, one a second

MARKS = "() => window.marks"

# The picture is taken from the element that the page shows, at the time the browser presents it; the sound from the
# track beside it. All instants are on the machine's clock, in ms.
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
        if (luma > 160 && !bright) marks.flashes.push(performance.timeOrigin + frame.expectedDisplayTime);
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
        const now = performance.timeOrigin + performance.now(), at = heard.findIndex(sample => Math.abs(sample) > 0.05);
        if (at >= 0 && quiet) marks.beeps.push(now - (heard.length - at) / context.sampleRate * 1000);
        quiet = at < 0;
    }, 5);
    window.marks = marks;
}"""


async def in_step(speaker: Person, listener: Person, seat: str, within_ms: float) -> None:
    """Wait until sound takes as long as pictures from `speaker` to `listener`, give or take `within_ms`.

    Each mark is followed from one page to the other, so it does not matter that the fake devices do not start together.
    """
    await speaker.page.evaluate(WATCH, None)
    await listener.page.evaluate(WATCH, seat)

    async def step_ms() -> float | None:
        sent, got = await speaker.page.evaluate(MARKS), await listener.page.evaluate(MARKS)
        takes = [_takes_ms(sent[kind], got[kind])[-LATEST:] for kind in ("flashes", "beeps")]
        if min(map(len, takes)) < LATEST:
            return None
        pictures_ms, sound_ms = map(statistics.median, takes)
        return sound_ms - pictures_ms

    steps: list[float | None] = []

    async def close() -> bool:
        steps.append(step := await step_ms())
        return step is not None and abs(step) <= within_ms

    try:
        await until(close, f"{listener.role} hears {speaker.role} in step", SETTLES_S)
    except AssertionError as error:
        error.add_note(f"Sound was {steps[-1]} ms later than pictures.")
        raise


def _takes_ms(sent: list[float], got: list[float]) -> list[float]:
    """Return how long each mark got was under way: since the last one sent before it."""
    return [at - max(before) for at in got if (before := [mark for mark in sent if mark <= at])]
