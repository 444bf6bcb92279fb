"""A room over the real engine with real browsers in it: a page that posts its offers, and no signalling."""

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from aiohttp import web

from media.engine import Engine
from media.peer import Peer
from media.plane import VIDEO_CODECS, MediaPlane
from media.room import CodecWanted, Disconnected, Name, OfferError, Room, RoomEvent, SlotsChanged
from tests.e2e.bottleneck import Bottleneck
from tests.e2e.browsers import Browsers, Camera, Context, Kind, Page
from tests.e2e.polling import until

CAMERA = Camera(640, 360, 30)
HTML = Path(__file__).with_name("page.html")


class Person:
    """One page in the meeting."""

    def __init__(self, meeting: "Meeting", name: Name, context: Context, page: Page) -> None:
        self.meeting, self.name, self._context, self._page = meeting, name, context, page

    async def do(self, method: str, *arguments: Any) -> Any:
        return await self._page.evaluate(f"(...a) => window.page.{method}(...a)", *arguments)

    async def join(self, **options: Any) -> None:
        """Join and be admitted."""
        self.meeting.room.join(self.name)
        await self.do("join", self.name, options)
        self.meeting.room.admit(self.name)

    async def stats(self) -> dict[str, Any]:
        return cast(dict[str, Any], await self.do("stats"))

    def slot(self, shows: str, kind: str = "video", source: str = "person") -> str | None:
        """The mid of the slot that shows somebody."""
        for slot in self.meeting.slots[self.name].slots:
            if (slot.shows, slot.kind, slot.source) == (shows, kind, source):
                return slot.mid
        return None

    async def received(self, shows: str, what: str, kind: str = "video", source: str = "person") -> float:
        """A figure of the slot that shows somebody; 0 while there is none."""
        stats = await self.stats()
        return cast(float, stats["inbound"].get(self.slot(shows, kind, source), {}).get(what, 0))

    async def sees(self, shows: str, frames: int = 10, source: str = "person", within_s: float = 15) -> None:
        """Wait until so many more frames of somebody are decoded."""
        before = await self.received(shows, "frames", source=source)

        async def more() -> bool:
            return await self.received(shows, "frames", source=source) >= before + frames

        await until(more, f"{self.name} sees {frames} more frames of {shows}", within_s)

    async def hears(self, shows: str, within_s: float = 15) -> None:
        before = await self.received(shows, "energy", kind="audio")

        async def more() -> bool:
            return await self.received(shows, "energy", kind="audio") > before + 0.001

        await until(more, f"{self.name} hears {shows}", within_s)

    @property
    def peer(self) -> Peer:
        peer = self.meeting.room._participants[self.name].peer
        assert peer is not None
        return peer

    async def leave(self) -> None:
        self.meeting.room.leave(self.name)
        await self._context.close()


class Meeting:
    """`open` it, let people `enter`, `close` it."""

    def __init__(
        self, browsers: Browsers, engine: Callable[[Sequence[str]], Engine], codecs: Sequence[str] = VIDEO_CODECS
    ) -> None:
        self.engine = engine(_addresses())
        self.plane = MediaPlane(self.engine, codecs)
        self.room: Room = self.plane.room(self._heard)
        self.said: list[RoomEvent] = []
        self.slots: dict[Name, SlotsChanged] = {}
        self.offers: list[str] = []
        self.people: dict[Name, Person] = {}
        self.ways: dict[str, Bottleneck] = {}  # by name: what somebody's media comes through
        self._browsers = browsers

    async def open(self) -> None:
        await self.plane.open()
        application = web.Application()
        application.router.add_get("/", self._page)
        application.router.add_post("/offer/{name}", self._offer)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._url = f"http://localhost:{self._runner.addresses[0][1]}/"

    async def close(self) -> None:
        for person in self.people.values():
            await person.leave()
        for way in self.ways.values():
            way.stop()
        await self._runner.cleanup()
        await self.plane.close()

    async def enter(self, name: str, kind: Kind = "chromium", camera: Camera = CAMERA, **options: Any) -> Person:
        """Open a page, join, be admitted."""
        context = await self._browsers.context(kind, camera)
        page = await context.page()
        await page.goto(self._url)
        person = self.people[Name(name)] = Person(self, Name(name), context, page)
        await person.join(**options)
        return person

    def wanted(self) -> list[tuple[str, str]]:
        return [(event.name, event.codec) for event in self.said if isinstance(event, CodecWanted)]

    def permanent(self) -> list[Disconnected]:
        return [event for event in self.said if isinstance(event, Disconnected) and event.permanent]

    def profiles(self) -> set[str]:
        """What the handshakes of all present agreed on."""
        transports = [peer._dtls for peer in self.plane._site.peers.values()]
        return {one._ssl.get_selected_srtp_profile().decode() for one in transports if one and one._ssl}

    def speak(self, person: Person) -> None:
        """Have somebody alone heard, as the engine would say it."""
        self.room.hear([person.peer.ups["microphone"].id])

    async def narrow(self, name: str) -> Bottleneck:
        """Have all media of who enters next by this name come through a bottleneck, wide open so far."""
        way = self.ways[name] = Bottleneck(self.engine.listening()[0])
        await way.start()
        return way

    def _heard(self, event: RoomEvent) -> None:
        self.said.append(event)
        if isinstance(event, SlotsChanged):
            self.slots[event.to] = event

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(text=HTML.read_text(), content_type="text/html")

    async def _offer(self, request: web.Request) -> web.Response:
        sdp = await request.text()
        self.offers.append(sdp)
        try:
            name = request.match_info["name"]
            answer = await self.room.answer(Name(name), sdp)
            return web.Response(text=self.ways[name].lead(answer) if name in self.ways else answer)
        except OfferError as error:
            return web.Response(status=400, text=str(error))


def _addresses() -> list[str]:
    """Loopback, and the machine's address on its way out: Firefox has no candidate on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return ["127.0.0.1"]
        return list(dict.fromkeys(["127.0.0.1", probe.getsockname()[0]]))
