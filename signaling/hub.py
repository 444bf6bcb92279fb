"""Everyone connected to this process: the way in, and the tasks and the wheel behind sessions and rooms."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from media.plane import MediaPlane
from medinova_rt import access
from medinova_rt.entrance import Entrance, holder
from medinova_rt.errors import DomainError, NotAuthenticated, NotFound
from medinova_rt.ids import SeatId, VisitId
from medinova_rt.links import Grant, Links
from medinova_rt.logs import Log
from medinova_rt.operations.limit import Limit
from medinova_rt.operations.network import network
from medinova_rt.operations.telemetry import Counters
from medinova_rt.ports import Store
from medinova_rt.principals import SeatHolder
from medinova_rt.visits import OVER, Visits, still_on
from signaling import effects, participant, session
from signaling.messages import ClientMessage, Close, Error, Hello, Restarting, VisitChanged
from signaling.participant import Desk, Participant
from signaling.room import LiveRoom
from signaling.rooms import LiveRooms
from signaling.session import Ending, Session
from signaling.wheel import Wheel

log = Log(__name__)

MAX_SOCKETS = 20_000
MAX_STRANGERS = 1000  # sockets of one network that have not been greeted; nobody alone is to take all there are
ENTRIES = (30, 2.0)  # of one seat: at once, then one each so many seconds; each brings a fresh allowance of messages
STOP_S = 3.0  # for the last messages and close frames; then sockets are cut
RETRY_S = 1.0  # what clients are told to wait for a restart

TRY_AGAIN_LATER = 1013  # IANA WebSocket close code registry
CLOSE_CODES = {  # of an error while coming in; every other one: try again later
    "bad-input": Close.BAD_MESSAGE,
    "not-authenticated": Close.NOT_AUTHENTICATED,
    "link-revoked": Close.REVOKED,
    "forbidden": Close.NOT_AUTHENTICATED,
    "not-found": Close.NOT_FOUND,
    "wrong-state": Close.ENDED,
    "too-fast": Close.TOO_FAST,
}


@dataclass(frozen=True, slots=True)
class Knock:
    """What the upgrade request said: which seat of which visit, the cookie of that seat, and where it came from."""

    visit: VisitId
    seat: SeatId
    cookie: str | None
    address: str | None


class Socket(participant.Socket, Protocol):
    def cut(self) -> None:
        """Drop the connection without a word."""
        ...


class Hub:
    """Made once by the composition root; `rooms` is what the REST side and the jobs see of it (ports.Rooms)."""

    def __init__(
        self,
        store: Store,
        links: Links,
        visits: Visits,
        plane: MediaPlane,
        counters: Counters,
        clock: Callable[[], datetime],
    ) -> None:
        """`plane` is open before `open` is called and closed after `stop`."""
        self.rooms = LiveRooms(visits, plane, counters)
        self.counters = counters
        self.wheel = Wheel(0.0)
        self._desk = Desk(store, visits, self.wheel, counters, clock)
        self._entrance = Entrance(store, visits, links)
        self._links = links
        self._entries = Limit(*ENTRIES)
        self._sockets: set[Socket] = set()
        self._strangers: dict[Socket, str] = {}  # not greeted so far, and their networks
        self._crowds: Counter[str] = Counter()  # how many strangers each network has
        self._gone = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._stopping = False

    # --- life ---

    async def open(self) -> None:
        """Start the timer wheel."""
        self.wheel.start(asyncio.get_running_loop().time())
        ready = asyncio.Event()
        self._running = asyncio.create_task(self._run(ready))  # awaited in `stop`
        await ready.wait()

    async def _run(self, ready: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as self._tasks:
            ready.set()
            await self.wheel.run()

    async def stop(self) -> None:
        """Tell everyone that the server goes and comes back, close their sockets, let go of media.

        Takes hardly more than `STOP_S`. Idempotent.
        """
        self._stopping = True
        for socket in list(self._sockets):
            socket.send(Restarting(RETRY_S))
            socket.close(1012, "the server restarts")
        if self._sockets:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await self._gone.wait()
        for socket in list(self._sockets):
            socket.cut()
        if self._running:
            self._running.cancel()
            await asyncio.wait([self._running])
            self._running = None

    # --- sockets ---

    def is_full(self, address: str | None) -> bool:
        """No further socket is taken from there: a bound is reached, or the server is stopping."""
        is_crowded = self._crowds[network(address)] >= MAX_STRANGERS
        return self._stopping or is_crowded or len(self._sockets) >= MAX_SOCKETS

    def opened(self, socket: Socket, address: str | None) -> None:
        self._sockets.add(socket)
        crowd = self._strangers[socket] = network(address)
        self._crowds[crowd] += 1

    def closed(self, socket: Socket) -> None:
        self._sockets.discard(socket)
        self._know(socket)
        if self._stopping and not self._sockets:
            self._gone.set()

    def _know(self, socket: Socket) -> None:
        crowd = self._strangers.pop(socket, None)
        if crowd is None:
            return
        self._crowds[crowd] -= 1
        if not self._crowds[crowd]:
            del self._crowds[crowd]

    # --- the way in ---

    async def greet(self, socket: Socket, knock: Knock, message: ClientMessage) -> Participant | None:
        """Take the first message of a socket; None when it was turned away, and told why."""
        fresh = Session()
        for effect in fresh.receive(message):
            match effect:
                case effects.Enter(hello):
                    try:
                        entered = await self._enter(socket, knock, hello, fresh)
                        if entered:
                            self._know(socket)
                        return entered
                    except DomainError as error:
                        self.counters.add(f"signaling.refused.{error.code}")
                        socket.send(Error(error.code, str(error)))
                        socket.close(CLOSE_CODES.get(error.code, TRY_AGAIN_LATER), error.code)
                case effects.Send(answer):
                    socket.send(answer)
                case effects.Hang(code, reason):
                    socket.close(code, reason)
                case _:
                    raise AssertionError("a session begins with its greeting")
        return None

    async def _enter(self, socket: Socket, knock: Knock, hello: Hello, fresh: Session) -> Participant | None:
        action = session.ACTIONS[Hello]
        room = self.rooms.get(knock.visit)
        if room and hello.resume:
            if left := room.find(knock.seat, hello.resume):
                assert isinstance(left, Participant)
                access.require(left.holder, action, _own_seat(left.holder), self._desk.clock())
                self._entries.take(left.holder.seat, self.wheel.now)
                left.attach(socket)
                self.counters.add("signaling.resumed")
                return left
            if room.superseded(hello.resume):
                socket.close(*Ending.TAKEN.value)
                return None
        desk = self._desk
        who = await self._who(socket, knock, hello)
        self._entries.take(who.seat, self.wheel.now)
        await access.guard(desk.store, who, action, _own_seat(who), desk.clock())
        await desk.visits.note(who, action, who.visit, desk.clock())

        def take_seat(room: LiveRoom) -> Participant:
            entered = Participant(who, room, desk, fresh)
            entered.attach(socket, first=True)
            return entered

        room, entered = await self.rooms.seat(knock.visit, take_seat)
        self._tasks.create_task(self._live(entered, room))
        self.counters.add("signaling.joined")
        return entered

    async def _live(self, participant: Participant, room: LiveRoom) -> None:
        """Raises nothing, since that would end everyone's tasks."""
        try:
            try:
                await participant.run()
            finally:
                self.rooms.tidy(room)
        except Exception:
            self.counters.add("signaling.failed")
            log.exception("a session's end failed", visit=room.id, seat=participant.holder.seat)

    async def _who(self, socket: Socket, knock: Knock, hello: Hello) -> SeatHolder:
        """By ticket, which is used up, or by cookie, as the visit stands now; raises DomainError."""
        now = self._desk.clock()
        if hello.ticket is not None:
            _fits(self._links.read_ticket(hello.ticket, now), knock)
            _, bearer = await self._entrance.redeem(hello.ticket, now, knock.address)
            return bearer
        if knock.cookie is None:
            raise NotAuthenticated("sign in or open your link first")
        grant = self._links.read_cookie(knock.cookie, now)
        _fits(grant, knock)
        visit = await self._desk.visits.find(knock.visit)
        if visit is None:
            raise NotFound("there is no such visit")
        bearer = holder(visit, grant, knock.address)
        if visit.state in OVER:
            socket.send(VisitChanged(visit.state))  # whether it took place
        still_on(visit)
        return bearer


def _own_seat(who: SeatHolder) -> access.Thing:
    return access.Thing(who.clinic, who.visit, who.seat, "visit")


def _fits(grant: Grant, knock: Knock) -> None:
    if (grant.visit, grant.seat) != (knock.visit, knock.seat):
        raise NotAuthenticated("this seat is not yours")
