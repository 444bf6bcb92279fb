"""A clinic on stage: the real hub and socket shell on a real aiohttp server, the in-process store, and a small room of
media that answers, remembers and reports, so that what signalling does to media can be seen."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web
from aiohttp.test_utils import TestServer

from media.plane import MediaPlane
from media.room import Name, OfferError, RoomEvent, Slot, SlotsChanged
from medinova_rt import audit, entrance, visits
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.entrance import Entrance
from medinova_rt.ids import ClinicId, SeatId
from medinova_rt.links import Links
from medinova_rt.operations.telemetry import Counters
from medinova_rt.principals import Role, Service
from medinova_rt.visits import Visit, Visits
from signaling import websocket
from signaling.hub import Hub

DEADLINE_S = 5.0
ORIGIN = "https://clinic.example"
SERVICE = Service(ClinicId("cli-demo"))
OFFER = "v=0 an offer"


@dataclass
class StageRoom:
    """Media for one visit: everyone admitted is shown to everyone else admitted who made an offer."""

    notify: Callable[[RoomEvent], None]
    names: set[Name] = field(default_factory=set)
    admitted: set[Name] = field(default_factory=set)
    offered: set[Name] = field(default_factory=set)
    up: set[Name] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    codec: str = "VP8"
    closed: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def join(self, name: Name) -> None:
        self.log.append(f"join {name}")
        self.names.add(name)
        self.offered.discard(name)

    async def answer(self, name: Name, sdp: str) -> str:
        async with self.turn:
            if "bug" in sdp:
                raise KeyError("a fault of ours")
            if not sdp.startswith("v=0"):
                raise OfferError("the offer is not SDP")
            self.log.append(f"answer {name}")
            self.offered.add(name)
            self._settle()
            return f"v=0 answer {len(self.log)}"

    def admit(self, name: Name) -> None:
        self.log.append(f"admit {name}")
        self.admitted.add(name)
        self._settle()

    def status(self, name: Name, *, camera: bool, screen: bool) -> None:
        self.log.append(f"status {name} camera={camera} screen={screen}")

    def leave(self, name: Name) -> None:
        self.log.append(f"leave {name}")
        self.names.discard(name)
        self.offered.discard(name)
        self.up.discard(name)
        self._settle()

    def connected(self, name: Name) -> bool:
        return name in self.up

    def close(self) -> None:
        self.closed = True

    def say(self, event: RoomEvent) -> None:
        asyncio.get_running_loop().call_soon(self.notify, event)

    def _settle(self) -> None:
        for name in sorted(self.offered & self.admitted):
            others = sorted((self.names & self.admitted) - {name})
            slots = tuple(Slot(str(3 + n), "audio", "person", other) for n, other in enumerate(others))
            self.say(SlotsChanged(name, slots, len(others)))


class StagePlane:
    def __init__(self) -> None:
        self.rooms: list[StageRoom] = []

    def room(self, notify: Callable[[RoomEvent], None]) -> StageRoom:
        self.rooms.append(StageRoom(notify))
        return self.rooms[-1]


class Closed(AssertionError):
    """The socket closed while a message was expected."""


class Page:
    """A client that answers pings and remembers what it was sent."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    async def send(self, type: str, **fields: Any) -> None:
        await self.socket.send_str(json.dumps({"type": type, **fields}))

    async def next(self, type: str, **fields: Any) -> dict[str, Any]:
        """The next message of the type with these fields; others on the way are kept in `heard`."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                frame = await self.socket.receive()
                if frame.type is not WSMsgType.TEXT:
                    raise Closed(f"closed with {self.socket.close_code} before {type}")
                message: dict[str, Any] = json.loads(frame.data)
                if message["type"] == "ping":
                    await self.send("pong")
                    continue
                self.heard.append(message)
                if message["type"] == type and message.items() >= fields.items():
                    return message

    async def over(self) -> int | None:
        """The code it is closed with; what came before is in `heard`."""
        async with asyncio.timeout(DEADLINE_S):
            while (frame := await self.socket.receive()).type is WSMsgType.TEXT:
                self.heard.append(json.loads(frame.data))
            return self.socket.close_code

    async def settle(self) -> None:
        """Wait until the server has taken everything sent so far: a round trip that changes something."""
        marks = ("good", "poor")
        last = [each for each in self.heard if each["type"] == "mark"]
        mark = marks[len(last) % 2]
        self.heard.append({"type": "mark"})
        await self.send("network", mark=mark)
        await self.next("participant", network=mark)

    def cut(self) -> None:
        """Be gone without a word, as a page is whose network is."""
        self.socket._response.close()

    def stop_reading(self) -> None:
        connection = self.socket._response.connection
        assert connection is not None
        connection.transport.pause_reading()  # type: ignore[union-attr]

    def types(self) -> list[str]:
        return [message["type"] for message in self.heard if message["type"] != "mark"]


class Stage:
    def __init__(self, plane: MediaPlane | None = None) -> None:
        self.now = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
        self.store = MemoryStore((*visits.FINDS, *entrance.FINDS, *audit.FINDS))
        self.links = Links(b"s" * 32)
        self.visits = Visits(self.store)
        self.entrance = Entrance(self.store, self.visits, self.links)
        self.plane = StagePlane()
        self.counters = Counters()
        media = plane or cast(MediaPlane, self.plane)
        self.hub = Hub(self.store, self.links, self.visits, media, self.counters, lambda: self.now)

    async def open(self) -> None:
        await self.hub.open()
        app = web.Application()
        websocket.mount(app, self.hub, origins={ORIGIN}, cookie_name=lambda seat: f"seat-{seat}")
        self.server = TestServer(app)
        await self.server.start_server()
        self.http = ClientSession()
        self.pages: list[Page] = []

    async def close(self) -> None:
        for page in self.pages:
            page.cut()
        await self.http.close()
        await self.hub.stop()
        await self.server.close()

    async def visit(self, *roles: Role) -> Visit:
        seats = [(role, role.value.title()) for role in roles or (Role.CLINICIAN, Role.PATIENT)]
        return await self.visits.create(SERVICE, seats, self.now, timedelta(hours=1))

    def cookie(self, visit: Visit, seat: int) -> str:
        held = visit.seats[seat]
        return self.links.make_cookie(visit.id, held.id, held.links[0].id, self.now)

    def ticket(self, visit: Visit, seat: int) -> str:
        held = visit.seats[seat]
        return self.links.make_ticket(visit.id, held.id, held.links[0].id, self.now)

    def url(self, visit: Visit | str, seat: SeatId) -> str:
        named = visit if isinstance(visit, str) else visit.id
        return str(self.server.make_url(f"/v1/visits/{named}/signal")) + f"?seat={seat}"

    async def socket(self, visit: Visit, seat: int, *, cookie: str | None = "own", origin: str | None = ORIGIN) -> Page:
        named = visit.seats[seat].id
        headers = {"Origin": origin} if origin else {}
        if cookie is not None:
            headers["Cookie"] = f"seat-{named}={self.cookie(visit, seat) if cookie == 'own' else cookie}"
        self.pages.append(Page(await self.http.ws_connect(self.url(visit, named), headers=headers, autoping=False)))
        return self.pages[-1]

    async def join(self, visit: Visit, seat: int, **hello: Any) -> Page:
        page = await self.socket(visit, seat)
        await page.send("hello", protocol=1, **hello)
        await page.next("welcome")
        return page

    async def meet(self, visit: Visit, *, seats: Sequence[int] = (0, 1)) -> list[Page]:
        """Everyone named joins and is let in; the first is the clinician."""
        pages = [await self.join(visit, seat) for seat in seats]
        for seat, page in list(zip(seats, pages, strict=True))[1:]:
            await pages[0].send("admit", seat=visit.seats[seat].id)
            await page.next("participant", seat=visit.seats[seat].id, phase="present")
        return pages

    def waiting(self, visit: Visit, seat: int) -> bool:
        """Whether the server has noticed that the seat's socket is gone, and waits for another."""
        room = self.hub.rooms.get(visit.id)
        return room is not None and any(
            member.holder.seat == visit.seats[seat].id and member._timer is not None  # type: ignore[attr-defined]
            for member in room.members
        )

    def room(self) -> StageRoom:
        return self.plane.rooms[-1]

    def pass_time(self, seconds: float) -> None:
        self.hub.wheel.advance(self.hub.wheel.now + seconds)

    def count(self, name: str) -> int:
        return self.counters.snapshot().get(f"signaling.{name}", 0)


def phases(participants: list[dict[str, Any]]) -> dict[str, str]:
    return {each["seat"]: each["phase"] for each in participants}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.005)
