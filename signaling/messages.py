"""The wire types of `/v1/visits/{id}/signal`: one union per direction, JSON objects told apart by `type`.

docs/protocol.md describes each (a test compares), /asyncapi.json is generated from here. Bounds stand in the types, so
that a decoded message needs no further checks of shape. Seat ids name people; nothing here identifies a patient elsewhere.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from medinova_rt.ids import ChatId, SeatId, VisitId

PROTOCOL = 1
MAX_TEXT = 2000

Name = Annotated[str, Meta(max_length=80)]
SdpText = Annotated[str, Meta(max_length=120_000)]
NetworkMark = Literal["unknown", "good", "fair", "poor"]
Phase = Literal["away", "waiting", "present"]
VisitState = Literal["waiting", "live", "ended", "missed"]


class ClientBase(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    pass


class ServerBase(Struct, frozen=True, tag_field="type", omit_defaults=False):
    pass


# --- client → server ----------------------------------------------------------------------------------------------


class Hello(ClientBase, tag="hello"):
    """First message of every socket. The cookie of the seat, or a one-time `ticket`, says who it is.

    `resume` asks for the session that a dropped socket left behind, and is itself the proof of who left it.
    """

    protocol: int
    capabilities: Annotated[list[Annotated[str, Meta(max_length=40)]], Meta(max_length=32)] = []
    ticket: Annotated[str, Meta(max_length=400)] | None = None
    resume: Annotated[str, Meta(max_length=100)] | None = None


class Offer(ClientBase, tag="offer"):
    """An SDP offer: at join, to restart ICE, to add slots, or to change codec.

    `number` counts up from 1 in a session; a repeated one gets the same answer.
    """

    number: Annotated[int, Meta(ge=1, le=1_000_000)]
    sdp: SdpText


class Status(ClientBase, tag="status"):
    """What the participant sends now; a device that is off sends nothing.

    `interrupted`: a phone call or a hidden page took the microphone.
    """

    microphone: bool
    camera: bool
    screen: bool
    interrupted: bool = False


class Network(ClientBase, tag="network"):
    """How good the participant's own connection is, from its own statistics; sent on change."""

    mark: NetworkMark


class Admit(ClientBase, tag="admit"):
    """A clinician lets somebody in who waits."""

    seat: SeatId


class Chat(ClientBase, tag="chat"):
    """`key` is made by the client and comes back in the line, so that a repeat after a reconnect is not said twice."""

    key: Annotated[str, Meta(min_length=1, max_length=40)]
    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]


class End(ClientBase, tag="end"):
    """A clinician ends the visit for everyone."""


class Leave(ClientBase, tag="leave"):
    """The participant goes; the seat stays theirs."""


class Pong(ClientBase, tag="pong"):
    """The answer to `ping`."""


ClientMessage = Hello | Offer | Status | Network | Admit | Chat | End | Leave | Pong

# --- server → client ----------------------------------------------------------------------------------------------


class Participant(ServerBase, tag="participant"):
    """One seat as the others see it, whole; sent when anything in it changes. A seat nobody has taken yet is `away`."""

    seat: SeatId
    role: str
    name: str
    phase: Phase
    microphone: bool = False
    camera: bool = False
    screen: bool = False
    interrupted: bool = False
    network: NetworkMark = "unknown"


class ChatLine(ServerBase, tag="chat-line"):
    """A chat message, stored before it is sent. `said_at` is RFC 3339 in UTC."""

    id: ChatId
    seat: SeatId
    key: str
    text: str
    said_at: str


class Slot(Struct, frozen=True):
    """Who is in the slot with this `mid` now; `seat` is null when nobody is."""

    mid: str
    kind: Literal["audio", "video"]
    source: Literal["person", "screen"]
    seat: SeatId | None


class Slots(ServerBase, tag="slots"):
    """All slots of this participant.

    `wanted` is how many people should be shown at once: with fewer audio slots, offer more.
    """

    slots: list[Slot]
    wanted: int


class Speakers(ServerBase, tag="speakers"):
    """Who speaks now, loudest first; sent on change."""

    seats: list[SeatId]


class Welcome(ServerBase, tag="welcome"):
    """The answer to `hello`: everything a page needs to draw itself.

    Whoever waits is shown themselves and the clinicians only, without chat, slots or speakers.
    """

    protocol: int
    capabilities: list[str]
    visit: VisitId
    state: VisitState
    seat: SeatId
    resume: str
    resumed: bool
    heartbeat_s: int
    participants: list[Participant]
    chat: list[ChatLine]
    slots: list[Slot]
    speakers: list[SeatId]
    codec: str


class Answer(ServerBase, tag="answer"):
    """The SDP answer to the offer of the same number."""

    number: int
    sdp: str


class Codec(ServerBase, tag="codec"):
    """Send your video in this codec now: by `setParameters` where the browser can, else by a new offer."""

    codec: Literal["VP8", "VP9", "H264", "AV1"]


class VisitChanged(ServerBase, tag="visit"):
    """The visit's state changed; `ended` and `missed` are followed by close code 4410."""

    state: VisitState


class Gone(ServerBase, tag="gone"):
    """This seat is no longer to be shown to you."""

    seat: SeatId


class Restarting(ServerBase, tag="restarting"):
    """The server is going down and comes back: reconnect after `retry_s`."""

    retry_s: float


class Error(ServerBase, tag="error"):
    """A message could not be done and changed nothing; `code` as in docs/protocol.md.

    `number` names the offer at fault.
    """

    code: str
    detail: str
    number: int | None = None


class Ping(ServerBase, tag="ping"):
    """Answer with `pong`; two unanswered end the socket."""


ServerMessage = (
    Welcome
    | Participant
    | Gone
    | Answer
    | Slots
    | Speakers
    | ChatLine
    | Codec
    | VisitChanged
    | Restarting
    | Error
    | Ping
)


class Close:
    """WebSocket close codes of our own (RFC 6455 §7.4.2); 1012 (service restart) says that the server comes back."""

    BAD_MESSAGE = 4400
    NOT_AUTHENTICATED = 4401
    NOT_FOUND = 4404
    SLOW_READER = 4408
    TAKEN_ELSEWHERE = 4409  # the seat was taken on another device or tab: do not reconnect by yourself
    ENDED = 4410
    REVOKED = 4411
    SILENT = 4412  # heartbeat or hello missed: reconnect and resume
    TOO_FAST = 4429
    INTERNAL = 4500


_decode = msgspec.json.Decoder(ClientMessage).decode
encode = msgspec.json.Encoder().encode


def decode(data: str | bytes) -> ClientMessage:
    """Return the message; raises ValueError("message is malformed") and nothing else."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeError) as error:
        raise ValueError("message is malformed") from error
