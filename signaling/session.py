"""One participant's conversation as a state machine, without a socket, a clock or a task.

Feed messages and events in and carry out, in order, the effects that come back, all of them before the next is fed in.
A session belongs to a seat, not to a socket: it begins with the greeting on a fresh one, and when that socket is lost a
later one may take the same session up again (`resumed`), with its media untouched.

What each message type needs (`ACTIONS`) is asked by whoever feeds it in; what each phase takes (`TAKES`) is checked
here. Times are monotonic seconds.
"""

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import assert_never

from medinova_rt.rights import Action
from medinova_rt.visits import State
from signaling.effects import (
    Appear,
    Effect,
    EndVisit,
    Enter,
    Greet,
    Hang,
    LetGo,
    LetIn,
    Negotiate,
    OpenGate,
    Record,
    Say,
    Send,
    Show,
    Vanish,
)
from signaling.messages import (
    PROTOCOL,
    Admit,
    Answer,
    Chat,
    ClientBase,
    ClientMessage,
    Close,
    End,
    Error,
    Hello,
    Leave,
    Network,
    Offer,
    Pong,
    Status,
    VisitChanged,
)

HOLD_S = 3.0  # a socket may be gone so long before the others are told
GRACE_S = 30.0  # and so long before the media is let go; longer while its path is up

ACTIONS: Mapping[type[ClientBase], Action] = {
    Hello: Action.VISIT_JOIN,
    Offer: Action.MEDIA_OFFER,
    Status: Action.SEAT_STATUS,
    Network: Action.SEAT_STATUS,
    Admit: Action.SEAT_ADMIT,
    Chat: Action.CHAT_SAY,
    End: Action.VISIT_END,
    Leave: Action.VISIT_LEAVE,
    Pong: Action.SOCKET_PONG,
}


class Phase(StrEnum):
    GREETING = "greeting"  # a socket that has not said who it is
    WAITING = "waiting"
    PRESENT = "present"
    OVER = "over"


class Event(StrEnum):
    SEAT = "seat"  # came in, and is still to be let in
    ADMIT = "admit"  # came in with a right to be there, or was let in
    FINISH = "finish"


TRANSITIONS: Mapping[tuple[Phase, Event], Phase] = {
    (Phase.GREETING, Event.SEAT): Phase.WAITING,
    (Phase.GREETING, Event.ADMIT): Phase.PRESENT,
    (Phase.GREETING, Event.FINISH): Phase.OVER,
    (Phase.WAITING, Event.ADMIT): Phase.PRESENT,
    (Phase.WAITING, Event.FINISH): Phase.OVER,
    (Phase.PRESENT, Event.FINISH): Phase.OVER,
}

TAKES: Mapping[Phase, frozenset[type[ClientMessage]]] = {
    Phase.GREETING: frozenset({Hello}),
    Phase.WAITING: frozenset({Offer, Status, Network, Leave, Pong}),
    Phase.PRESENT: frozenset({Offer, Status, Network, Admit, Chat, End, Leave, Pong}),
    Phase.OVER: frozenset(),
}


class Ending(Enum):
    """Why a session is over: the close code its socket gets, and a plain reason."""

    LEFT = (1000, "left")
    TAKEN = (Close.TAKEN_ELSEWHERE, "the seat was taken elsewhere")
    ENDED = (Close.ENDED, "the visit is over")
    REVOKED = (Close.REVOKED, "the link was revoked")
    FORGOTTEN = (Close.SILENT, "nobody came back")
    OVERRUN = (Close.TOO_FAST, "too much at once")
    FAILED = (Close.INTERNAL, "internal error")


class Session:
    def __init__(self) -> None:
        self.phase = Phase.GREETING
        self._answered: Answer | None = None
        self._shown: dict[type[ClientMessage], Status | Network] = {}
        self._lost_at: float | None = None  # since when there is no socket
        self._page_gone = False
        self._hidden = False

    def receive(self, message: ClientMessage) -> list[Effect]:
        """Never raises; a message that this phase does not take is answered with an error and changes nothing."""
        if type(message) not in TAKES[self.phase]:
            return self._refuse(message)
        match message:
            case Hello():
                if message.protocol != PROTOCOL:
                    detail = f"this server speaks protocol {PROTOCOL}"
                    return [Send(Error("bad-input", detail)), Hang(Close.BAD_MESSAGE, detail)]
                return [Enter(message)]
            case Offer():
                return self._offer(message)
            case Status() | Network():
                self._shown[type(message)] = message
                return [Show(message)]
            case Admit():
                return [LetIn(message.seat)]
            case Chat():
                return [Say(message.key, message.text)]
            case End():
                return [EndVisit()]
            case Leave():
                return [*self.finish(Ending.LEFT), Record(Action.VISIT_LEAVE)]
            case Pong():
                return []  # any message at all counts as a sign of life; the socket's shell keeps that count
            case _:
                assert_never(message)

    def entered(self, *, admitted: bool) -> list[Effect]:
        self._step(Event.ADMIT if admitted else Event.SEAT)
        gate: list[Effect] = [OpenGate(catch_up=False)] if admitted else []
        return [Appear(), Greet(resumed=False), *gate]

    def admitted(self) -> list[Effect]:
        """A clinician let the participant in, or had already."""
        if self.phase is not Phase.WAITING:
            return []
        self._step(Event.ADMIT)
        return [OpenGate(catch_up=True)]

    def answered(self, number: int, sdp: str) -> list[Effect]:
        self._answered = Answer(number, sdp)
        return [Send(self._answered)]

    def lost(self, now: float, *, by_page: bool) -> list[Effect]:
        """The socket is gone; from now on `waited` decides what that means.

        `by_page`: it was closed in order, as a page does that is itself going (closed or reloaded), its media with it.
        """
        self._lost_at, self._page_gone = now, by_page
        return []

    def waited(self, now: float, *, path_up: bool) -> list[Effect]:
        """Time went by. Who is still seen and heard is not away, whatever became of the socket."""
        if self.phase is Phase.OVER or self._lost_at is None or (path_up and not self._page_gone):
            return []
        if now - self._lost_at >= GRACE_S:
            return [*self.finish(Ending.FORGOTTEN), Record(Action.VISIT_LEAVE)]
        if now - self._lost_at >= HOLD_S and not self._hidden:
            self._hidden = True
            return [Vanish()]
        return []

    def resumed(self) -> list[Effect]:
        """Another socket takes the session up; whatever was sent in between is in its `welcome`."""
        if self.phase is Phase.OVER:
            return []
        self._lost_at, self._hidden = None, False
        return [Appear(), *map(Show, self._shown.values()), Greet(resumed=True)]

    def finish(self, ending: Ending, state: State | None = None) -> list[Effect]:
        """`state`: the visit's, to be told first, where that is why."""
        if self.phase is Phase.OVER:
            return []
        self._step(Event.FINISH)
        told: list[Effect] = [Send(VisitChanged(state))] if state else []
        return [*told, Hang(*ending.value), Vanish(), LetGo()]

    def _offer(self, offer: Offer) -> list[Effect]:
        if self._answered is None or offer.number > self._answered.number:
            return [Negotiate(offer.number, offer.sdp)]
        if offer.number == self._answered.number:
            return [Send(self._answered)]
        return [Send(Error("bad-input", "a later offer was answered already", offer.number))]

    def _refuse(self, message: ClientMessage) -> list[Effect]:
        match self.phase:
            case Phase.GREETING:
                return [Hang(Close.BAD_MESSAGE, "hello comes first")]
            case Phase.WAITING | Phase.PRESENT:
                number = message.number if isinstance(message, Offer) else None
                what = "you were greeted already" if isinstance(message, Hello) else "not before you are let in"
                return [Send(Error("wrong-state", what, number))]
            case Phase.OVER:
                return []

    def _step(self, event: Event) -> None:
        self.phase = TRANSITIONS[self.phase, event]  # a KeyError is our own misuse
