"""Someone in front of a browser: opens a link, joins, is admitted, sees and hears, uses the buttons."""

from dataclasses import dataclass
from typing import Any

from tests.e2e.browsers import SMALL, Browsers, Camera, Context, Kind, Page
from tests.e2e.polling import until
from tests.e2e.server import Visit

# What the page receives, line by line, and whose it is; the page's own client is asked, so nothing is simulated.
RECEIVED = """async () => {
    const client = window.medinova?.client;
    if (!client?.peer) return [];
    const seats = new Map(client.slots.map(slot => [slot.mid, slot]));
    return [...(await client.peer.pc.getStats()).values()].filter(stat => stat.type === 'inbound-rtp').map(stat => ({
        mid: stat.mid, kind: stat.kind, seat: seats.get(stat.mid)?.seat ?? null,
        source: seats.get(stat.mid)?.source ?? null,
        bytes: stat.bytesReceived, packets: stat.packetsReceived, lost: stat.packetsLost,
        frames: stat.framesDecoded ?? 0, energy: stat.totalAudioEnergy ?? 0,
    }));
}"""
SENT = """async () => {
    const stats = await medinova.client.peer.pc.getStats();
    return [...stats.values()].filter(stat => stat.type === 'outbound-rtp' && stat.kind === 'video' && stat.active)
        .map(stat => stats.get(stat.codecId)?.mimeType);
}"""
SLOTS = "seat => medinova.client.slots.filter(slot => slot.seat === seat).map(slot => slot.mid)"
SHOWN = "() => document.body.innerText"


@dataclass(frozen=True)
class Line:
    """One receiving line of a page, as its own statistics have it."""

    mid: str
    kind: str
    seat: str | None
    source: str | None
    bytes: int
    packets: int
    lost: int
    frames: int
    energy: float


class Person:
    def __init__(self, context: Context, page: Page, role: str) -> None:
        self.context, self.page, self.role = context, page, role

    # --- coming and going ---------------------------------------------------------------------------------------

    async def open(self, link: str) -> None:
        """Open a join link up to the preview, devices ready."""
        await self.page.goto(link)
        await self.sees_button("Join the visit")
        await until(self.has_devices, f"{self.role} sees their own camera")

    async def join(self) -> None:
        await self.page.click("button", "Join the visit")

    async def admit(self, name: str) -> None:
        await self.page.click("button", f"Admit {name}")

    async def leave(self) -> None:
        await self.page.click("button", "Leave")
        if self.role == "clinician":  # who is asked whether it is to end for everyone
            await self.page.click("button", "Leave for now")

    async def reload(self) -> None:
        """Load the page anew; it takes its seat again by itself."""
        await self.page.reload()

    async def say(self, text: str) -> None:
        if not await self.page.offers("textbox", "Message"):
            await self.page.click("button", "Chat")
        await self.page.fill("textbox", "Message", text)
        await self.page.press("Enter")

    # --- what the page's client says of itself ------------------------------------------------------------------

    async def seat(self) -> str:
        path: str = await self.page.evaluate("() => location.pathname")
        return path.rpartition("/")[2]

    async def offer(self) -> str:
        """Return the offer in force; a new one differs."""
        sdp: str = await self.page.evaluate("() => medinova.client.peer.pc.localDescription.sdp")
        return sdp

    async def is_connected(self) -> bool:
        """Whether the path for media is up."""
        return bool(await self.page.evaluate("() => medinova.client.media === 'connected'"))

    async def has_devices(self) -> bool:
        tracks = "Object.values(window.medinova?.devices.tracks ?? {camera: null})"
        return bool(await self.page.evaluate(f"() => {tracks}.every(track => track !== null)"))

    async def knows_network(self) -> bool:
        return bool(await self.page.evaluate("() => medinova.client.quality.mark !== 'unknown'"))

    async def session_is(self, state: str) -> bool:
        return bool(await self.page.evaluate("() => medinova.client.session") == state)

    async def camera_is_free(self) -> bool:
        return bool(await self.page.evaluate("() => medinova.client.peer.lines.camera.sender.track === null"))

    # --- what is shown ------------------------------------------------------------------------------------------

    async def sees_text(self, text: str, within_s: float = 15) -> None:
        page = ""

        async def shown() -> bool:
            nonlocal page
            page = await self.page.evaluate(SHOWN)
            return text in page

        try:
            await until(shown, f"{self.role} reads “{text}”", within_s)
        except AssertionError as error:
            error.add_note(f"The page reads: {page}")
            raise

    async def sees_button(self, name: str, within_s: float = 15) -> None:
        await until(lambda: self.page.offers("button", name), f"{self.role} is offered “{name}”", within_s)

    # --- what arrives -------------------------------------------------------------------------------------------

    async def lines(self) -> list[Line]:
        return [Line(**line) for line in await self.page.evaluate(RECEIVED)]

    async def sees_and_hears(self, *seats: str, within_s: float = 15) -> None:
        """Wait until pictures of each of these seats are being decoded and sound of each has energy."""
        await self.sees(*seats, within_s=within_s)
        await self.hears(*seats, within_s=within_s)

    async def sees(self, *seats: str, source: str = "person", frames: int = 5, within_s: float = 15) -> None:
        """Wait until `frames` more pictures of each have been decoded than when asked."""
        await self._grows("video", source, seats, lambda line: line.frames, frames, within_s)

    async def hears(self, *seats: str, within_s: float = 15) -> None:
        await self._grows("audio", "person", seats, lambda line: line.energy, 1e-7, within_s)

    async def slots_of(self, seat: str) -> list[str]:
        """Return the lines in which this seat is heard and seen."""
        return sorted(await self.page.evaluate(SLOTS, seat))

    async def codecs(self) -> set[str]:
        """Return the MIME types of what the page sends as video."""
        return set(await self.page.evaluate(SENT))

    async def no_screen(self) -> bool:
        return not any(line.source == "screen" and line.seat for line in await self.lines())

    async def _grows(self, kind: str, source: str, seats: tuple[str, ...], of: Any, by: float, within_s: float) -> None:
        first: dict[str, float] = {}

        async def grown() -> bool:
            now = {
                line.seat: of(line)
                for line in await self.lines()
                if line.kind == kind and line.source == source and line.seat
            }
            for seat in now:
                first.setdefault(seat, now[seat])
            return all(seat in now and now[seat] - first[seat] >= by for seat in seats)

        await until(grown, f"{self.role} gets {kind} ({source}) of {', '.join(seats)}", within_s)


class People:
    """Everybody of one test; `leave` closes their browsers and fails if a page let an exception escape."""

    def __init__(self, browsers: Browsers) -> None:
        self._browsers = browsers
        self._all: list[Person] = []

    async def sit_down(
        self, role: str, kind: Kind = "chromium", camera: Camera = SMALL, width: int = 1280, height: int = 800
    ) -> Person:
        """Return a person with a fresh browser and an empty tab."""
        context = await self._browsers.context(kind, camera, width, height)
        return self._add(Person(context, await context.page(), role))

    async def second_tab(self, person: Person, role: str) -> Person:
        return self._add(Person(person.context, await person.context.page(), role))

    async def meet(
        self, visit: Visit, *roles: str, kinds: dict[str, Kind] | None = None, camera: Camera = SMALL
    ) -> list[Person]:
        """Bring these roles into the visit: clinician first, who admits the others."""
        clinician, *others = roles
        first = await self.sit_down(clinician, (kinds or {}).get(clinician, "chromium"), camera)
        await first.open(visit.links[clinician])
        await first.join()
        return [first, *await self.follow(visit, first, *others, kinds=kinds, camera=camera)]

    async def follow(
        self,
        visit: Visit,
        clinician: Person,
        *roles: str,
        kinds: dict[str, Kind] | None = None,
        camera: Camera = SMALL,
    ) -> list[Person]:
        """Bring these roles into a visit that the clinician is in."""
        found = []
        for role in roles:
            person = await self.sit_down(role, (kinds or {}).get(role, "chromium"), camera)
            await person.open(visit.links[role])
            await person.join()
            await clinician.admit(visit.names[role])
            await person.sees_button("People")  # in the call, whatever was said in the chat before
            found.append(person)
        return found

    async def leave(self) -> None:
        errors = [f"{person.role}: {error}" for person in self._all for error in person.page.errors]
        for context in {id(person.context): person.context for person in self._all}.values():
            await context.close()
        self._all.clear()
        assert not errors, errors

    def _add(self, person: Person) -> Person:
        self._all.append(person)
        return person
