"""The wire types of `/v1/visits/{id}/signal`: one union per direction, JSON objects told apart by `type`.

docs/protocol.md describes each (a test compares), /asyncapi.json is generated from here. Bounds stand in the types, so
that a decoded message needs no further checks of shape. Seat ids name people; nothing here identifies one elsewhere.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from medinova_rt.ids import ChatId, SeatId, VisitId
from medinova_rt.principals import Role
from medinova_rt.visits import State

PROTOCOL = 1
CAPABILITIES = ("resume", "codec")  # what a client may count on beyond protocol 1's messages; unknown ones mean nothing
HEARTBEAT_S = 10
MAX_TEXT = 2000

SdpText = Annotated[str, Meta(max_length=120_000)]
NetworkMark = Literal["unknown", "good", "fair", "poor"]
Phase = Literal["away", "waiting", "present"]


class ClientBase(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    pass


class ServerBase(Struct, frozen=True, tag_field="type", omit_defaults=False):
    pass


# --- client → server ----------------------------------------------------------------------------------------------


class Hello(ClientBase, frozen=True, tag="hello"):
    """First message of every socket. The cookie of the seat, or a one-time `ticket`, says who it is.

    `resume` asks for the session that a dropped socket left behind, and is itself the proof of who left it.
    """

    protocol: int
    capabilities: Annotated[list[Annotated[str, Meta(max_length=40)]], Meta(max_length=32)] = []
    ticket: Annotated[str, Meta(max_length=400)] | None = None
    resume: Annotated[str, Meta(max_length=100)] | None = None


class Offer(ClientBase, frozen=True, tag="offer"):
    """An SDP offer: at join, to restart ICE, to add slots, or to change codec.

    `number` counts up from 1 in a session; a repeated one gets the same answer.
    """

    number: Annotated[int, Meta(ge=1, le=1_000_000)]
    sdp: SdpText


class Status(ClientBase, frozen=True, tag="status"):
    """What the participant sends now; a device that is off sends nothing.

    `interrupted`: a phone call or a hidden page took the microphone.
    """

    microphone: bool
    camera: bool
    screen: bool
    interrupted: bool = False


class Network(ClientBase, frozen=True, tag="network"):
    """How good the participant's own connection is, from its own statistics; sent on change."""

    mark: NetworkMark


class Admit(ClientBase, frozen=True, tag="admit"):
    """A clinician lets somebody in who waits."""

    seat: Annotated[SeatId, Meta(max_length=40)]


class Chat(ClientBase, frozen=True, tag="chat"):
    """`key` is made by the client and comes back in the line, so that a repeat after a reconnect is not said twice."""

    key: Annotated[str, Meta(min_length=1, max_length=40)]
    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]


class End(ClientBase, frozen=True, tag="end"):
    """A clinician ends the visit for everyone."""


class Leave(ClientBase, frozen=True, tag="leave"):
    """The participant goes; the seat stays theirs."""


class Pong(ClientBase, frozen=True, tag="pong"):
    """The answer to `ping`."""


ClientMessage = Hello | Offer | Status | Network | Admit | Chat | End | Leave | Pong

# --- server → client ----------------------------------------------------------------------------------------------


class Participant(ServerBase, frozen=True, tag="participant"):
    """One seat as the others see it, whole; sent when anything in it changes. A seat nobody has taken yet is `away`."""

    seat: SeatId
    role: Role
    name: str
    phase: Phase
    microphone: bool = False
    camera: bool = False
    screen: bool = False
    interrupted: bool = False
    network: NetworkMark = "unknown"


class ChatLine(ServerBase, frozen=True, tag="chat-line"):
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


class Slots(ServerBase, frozen=True, tag="slots"):
    """All slots of this participant.

    `wanted` is how many people should be shown at once: with fewer audio slots, offer more.
    """

    slots: list[Slot]
    wanted: int


class Speakers(ServerBase, frozen=True, tag="speakers"):
    """Who speaks now, loudest first; sent on change."""

    seats: list[SeatId]


class Welcome(ServerBase, frozen=True, tag="welcome"):
    """The answer to `hello`: everything a page needs to draw itself.

    Whoever waits is shown themselves and the clinicians only, without chat, slots or speakers.
    """

    protocol: int
    capabilities: list[str]
    visit: VisitId
    state: State
    seat: SeatId
    resume: str
    resumed: bool
    heartbeat_s: int
    participants: list[Participant]
    chat: list[ChatLine]
    slots: list[Slot]
    speakers: list[SeatId]
    codec: str


class Answer(ServerBase, frozen=True, tag="answer"):
    """The SDP answer to the offer of the same number."""

    number: int
    sdp: str


class Codec(ServerBase, frozen=True, tag="codec"):
    """Send your video in this codec now: by `setParameters` where the browser can, else by a new offer."""

    codec: str


class VisitChanged(ServerBase, frozen=True, tag="visit"):
    """The visit's state changed; `ended` and `missed` are followed by close code 4410."""

    state: State


class Restarting(ServerBase, frozen=True, tag="restarting"):
    """The server is going down and comes back: reconnect after `retry_s`."""

    retry_s: float


class Error(ServerBase, frozen=True, tag="error"):
    """A message could not be done and changed nothing; `code` as in docs/protocol.md.

    `number` names the offer at fault.
    """

    code: str
    detail: str
    number: int | None = None


class Ping(ServerBase, frozen=True, tag="ping"):
    """Answer with `pong`; two unanswered end the socket."""


ServerMessage = (
    Welcome | Participant | Answer | Slots | Speakers | ChatLine | Codec | VisitChanged | Restarting | Error | Ping
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


_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
encode = msgspec.json.Encoder().encode


def decode(data: str | bytes) -> ClientMessage:
    """Return the message; raises ValueError("message is malformed") and nothing else."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeError) as error:
        raise ValueError("message is malformed") from error
