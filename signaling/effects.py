"""What a session wants done: each is carried out by the participant that the session belongs to."""

from dataclasses import dataclass

from medinova_rt.ids import SeatId
from medinova_rt.rights import Action
from signaling.messages import Hello, Network, ServerMessage, Status


@dataclass(frozen=True, slots=True)
class Enter:
    """Find out who it is, and feed in `entered`, or drop this session for the one to be resumed."""

    hello: Hello


@dataclass(frozen=True, slots=True)
class Send:
    message: ServerMessage


@dataclass(frozen=True, slots=True)
class Greet:
    """Send a `welcome` with all there is to know."""

    resumed: bool


@dataclass(frozen=True, slots=True)
class Negotiate:
    """Have the offer answered, and feed in `answered`."""

    number: int
    sdp: str


@dataclass(frozen=True, slots=True)
class Show:
    """Tell the others, and media where it is concerned."""

    status: Status | Network


@dataclass(frozen=True, slots=True)
class LetIn:
    seat: SeatId


@dataclass(frozen=True, slots=True)
class Say:
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class EndVisit:
    pass


@dataclass(frozen=True, slots=True)
class OpenGate:
    """Let media pass; `catch_up`: send the chat so far as well, which a waiting person was not shown."""

    catch_up: bool


@dataclass(frozen=True, slots=True)
class Appear:
    """Show the others that the participant is here, with nothing on so far."""


@dataclass(frozen=True, slots=True)
class Vanish:
    """Show the others that the participant is away."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Close the socket, if there is one."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class LetGo:
    """Let go of the media and forget the session; the seat stays."""


@dataclass(frozen=True, slots=True)
class Record:
    """Leave an audit record of an act that changes no document."""

    action: Action


Effect = (
    Enter
    | Send
    | Greet
    | Negotiate
    | Show
    | LetIn
    | Say
    | EndVisit
    | OpenGate
    | Appear
    | Vanish
    | Hang
    | LetGo
    | Record
)
