"""One seat taken: a session, the socket it has at present if any, and the one task that owns both.

Whatever happens to a participant (a message, a socket come or gone, being let in, the end) is put into its queue and
taken from there one at a time, each carried through before the next. Others never change its state; they post. A
failure in here ends this participant, with a log line that holds no content, and nobody else.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, assert_never

from media.room import Name, OfferError
from medinova_rt import access
from medinova_rt.errors import DomainError
from medinova_rt.logs import Log
from medinova_rt.operations.telemetry import Counters
from medinova_rt.ports import Store
from medinova_rt.principals import SeatHolder
from medinova_rt.visits import State, Visits
from signaling import effects, session
from signaling.messages import Admit, ClientMessage, Close, Error, Network, Offer, ServerMessage, Status
from signaling.room import LiveRoom
from signaling.session import Ending, Phase, Session
from signaling.wheel import Timer, Wheel

log = Log(__name__)

MAX_INBOX = 64  # at the bound the session ends: who lets so much pile up is not being served anyway
MAX_UNHEARD = 16  # of which messages of its own; then its socket is not read from, and TCP holds the sender back


class Socket(Protocol):
    """What a participant needs of its socket; none of it waits or raises."""

    def send(self, message: ServerMessage) -> None: ...
    def close(self, code: int, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What all participants share."""

    store: Store
    visits: Visits
    wheel: Wheel
    counters: Counters
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Heard:
    socket: Socket
    message: ClientMessage


@dataclass(frozen=True, slots=True)
class Attached:
    socket: Socket
    first: bool


@dataclass(frozen=True, slots=True)
class Detached:
    socket: Socket
    by_page: bool


@dataclass(frozen=True, slots=True)
class LetInside:
    pass


@dataclass(frozen=True, slots=True)
class Finished:
    ending: Ending
    state: State | None


@dataclass(frozen=True, slots=True)
class Waited:
    pass


Happening = Heard | Attached | Detached | LetInside | Finished | Waited


class Participant:
    def __init__(self, holder: SeatHolder, room: LiveRoom, desk: Desk, session: Session) -> None:
        self.holder = holder
        self.resume = secrets.token_urlsafe(24)
        self._room = room
        self._desk = desk
        self._session = session
        self._socket: Socket | None = None
        self._inbox: asyncio.Queue[Happening] = asyncio.Queue(MAX_INBOX)
        self._unheard = asyncio.Semaphore(MAX_UNHEARD)
        self._overrun = False
        self._timer: Timer | None = None

    # --- what others post ---

    async def hear(self, socket: Socket, message: ClientMessage) -> None:
        """Waits while too many messages are unheard."""
        await self._unheard.acquire()
        self._post(Heard(socket, message))

    def attach(self, socket: Socket, *, first: bool = False) -> None:
        """Speak with this socket from now on; the one before, if it is still there, is told that it was replaced."""
        if not self._post(Attached(socket, first)):
            socket.close(*Ending.OVERRUN.value)

    def detach(self, socket: Socket, *, by_page: bool) -> None:
        """The socket is gone; `by_page`: the page closed it in order."""
        self._post(Detached(socket, by_page))

    def let_in(self) -> None:
        self._post(LetInside())

    def finish(self, ending: Ending, state: State | None = None) -> None:
        self._post(Finished(ending, state))

    def _post(self, happening: Happening) -> bool:
        try:
            self._inbox.put_nowait(happening)
        except asyncio.QueueFull:
            self._overrun = True
            return False
        return True

    def send(self, message: ServerMessage) -> None:
        """Without a socket it is dropped: the `welcome` of the next one says it all."""
        if self._socket:
            self._socket.send(message)

    # --- the task ---

    async def run(self) -> None:
        """Until the session is over; raises nothing."""
        try:
            while self._session.phase is not Phase.OVER:
                await self._take(await self._inbox.get())
                if self._overrun:
                    self._desk.counters.add("signaling.overrun")
                    await self._perform(self._session.finish(Ending.OVERRUN))
                self._room.spread()
        except Exception:
            self._desk.counters.add("signaling.failed")
            log.exception("a session failed", visit=self.holder.visit, seat=self.holder.seat)
            if self._socket:
                self._socket.close(Close.INTERNAL, "internal error")
        finally:
            self._leave()

    async def _take(self, happening: Happening) -> None:
        match happening:
            case Heard(socket, message):
                self._unheard.release()
                # else the socket or the session was replaced, and what it says would be done to its successor
                if socket is self._socket and self._room.holds(self):
                    await self._hear(message)
            case Attached(socket, first):
                self._attach(socket)
                admitted = self._room.presence.admitted(self.holder.seat)
                wanted = self._session.entered(admitted=admitted) if first else self._session.resumed()
                await self._perform(wanted)
            case Detached(socket, by_page):
                if socket is self._socket:
                    self._socket = None
                    self._session.lost(self._desk.wheel.now, by_page=by_page)
                    self._keep_waiting()
            case LetInside():
                await self._perform(self._session.admitted())
            case Finished(ending, state):
                await self._perform(self._session.finish(ending, state))
            case Waited():
                path_up = self._room.media.connected(Name(self.holder.seat))
                await self._perform(self._session.waited(self._desk.wheel.now, path_up=path_up))
                self._keep_waiting()
            case _:
                assert_never(happening)

    async def _hear(self, message: ClientMessage) -> None:
        action = session.ACTIONS[type(message)]
        seat = message.seat if isinstance(message, Admit) else self.holder.seat
        thing = access.Thing(self.holder.clinic, self.holder.visit, seat, "visit")
        try:
            await access.guard(self._desk.store, self.holder, action, thing, self._desk.clock())
            await self._perform(self._session.receive(message))
        except DomainError as error:
            self._desk.counters.add(f"signaling.refused.{error.code}")
            self.send(Error(error.code, str(error), message.number if isinstance(message, Offer) else None))

    # --- effects ---

    async def _perform(self, wanted: list[effects.Effect]) -> None:
        for effect in wanted:
            await self._do(effect)

    async def _do(self, effect: effects.Effect) -> None:
        seat, room, desk = self.holder.seat, self._room, self._desk
        match effect:
            case effects.Send(message):
                self.send(message)
            case effects.Greet(resumed):
                room.greet(self, resumed=resumed)
            case effects.Negotiate(number, sdp):
                await self._negotiate(number, sdp)
            case effects.Show(status):
                self._show(status)
            case effects.LetIn(who):
                room.learn(await desk.visits.admit(self.holder, self.holder.visit, who, desk.clock()))
            case effects.Say(key, text):
                room.said(await desk.visits.say(self.holder, key, text, desk.clock()), self)
            case effects.EndVisit():
                room.learn((await desk.visits.end(self.holder, self.holder.visit, desk.clock())).value)
            case effects.OpenGate(catch_up):
                room.media.admit(Name(seat))
                if catch_up:
                    room.catch_up(self)
            case effects.Appear():
                room.presence.appear(seat)
            case effects.Vanish():
                if room.holds(self):
                    room.presence.vanish(seat)
            case effects.Hang(code, reason):
                if self._socket:
                    self._socket.close(code, reason)
            case effects.LetGo():
                room.unseat(self)
            case effects.Record(action):
                await desk.visits.note(self.holder, action, self.holder.visit, desk.clock())
            case effects.Enter():
                raise AssertionError("a session that has entered does not enter again")
            case _:
                assert_never(effect)

    async def _negotiate(self, number: int, sdp: str) -> None:
        name = Name(self.holder.seat)
        try:
            answer = await self._room.media.answer(name, sdp)
        except OfferError as error:
            self._desk.counters.add("signaling.bad-offer")
            self.send(Error("bad-input", str(error), number))
            return
        if not self._room.holds(self):
            self._room.media.join(name)  # else what was answered became the media of whoever took the seat over
            return
        await self._perform(self._session.answered(number, answer))

    def _show(self, status: Status | Network) -> None:
        match status:
            case Status(microphone, camera, screen, interrupted):
                self._room.presence.show(
                    self.holder.seat, microphone=microphone, camera=camera, screen=screen, interrupted=interrupted
                )
                self._room.media.status(Name(self.holder.seat), camera=camera, screen=screen)
            case Network(mark):
                self._room.presence.show(self.holder.seat, network=mark)

    def _leave(self) -> None:
        self._stop_waiting()
        if self._room.holds(self):
            self._room.presence.vanish(self.holder.seat)
            self._room.unseat(self)
            self._room.spread()
        while not self._inbox.empty():
            match self._inbox.get_nowait():
                case Attached(socket):  # came just too late: it connects again, as a fresh session
                    socket.close(*Ending.FORGOTTEN.value)
                case _:
                    pass

    # --- sockets and their absence ---

    def _attach(self, socket: Socket) -> None:
        if self._socket:
            self._socket.close(*Ending.TAKEN.value)
        self._socket = socket
        self._stop_waiting()

    def _keep_waiting(self) -> None:
        self._stop_waiting()
        if self._session.phase is not Phase.OVER and not self._socket:
            self._timer = self._desk.wheel.after(session.HOLD_S, self._wait_on)

    def _wait_on(self) -> None:
        self._post(Waited())

    def _stop_waiting(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
