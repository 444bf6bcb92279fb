"""The seam between deciding and moving: Python decides (SDP, DTLS, slots, codecs, speakers), an engine moves packets.

Every call comes from the event loop and returns at once. Ids come
from one sequence for all kinds and are never reused. Every event carries the id of its peer and,
where paths are concerned, the generation of its ICE credentials, so that one that arrives late harms nothing.

Times are monotonic floats in seconds, rates are bit/s, `up` is participant → server, `down` is server → participant.

There are two engines. `media.reference` is the executable specification, `media.native` the fast one (Rust, a thread of
its own), and what they send is the same byte for byte, in order, but for what only the native one has:

- its own estimate of what a receiver can take, from transport-wide feedback: in `DownEstimate`, in place of REMB where
  the receiver sends such feedback, and repairs are paced by it;
- grouping: packets of a batch leave by receiver, each receiver's in order, as runs that the kernel cuts (UDP GSO). For
  that, packets of a frame that are one byte shorter than the longest get one byte of RTP padding. What is kept for
  repair, tapped and counted is without that byte, and so are repairs;
- commands and events cross between threads: a command takes effect a moment after its call, in order with the other
  calls; counters are as of now, gauges as of the last tick, at most 15 ms ago.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NewType, Protocol

PeerId = NewType("PeerId", int)
UpId = NewType("UpId", int)
DownId = NewType("DownId", int)
Generation = NewType("Generation", int)  # 0 at `add_peer`, +1 at each `restart`

Kind = Literal["audio", "video"]
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """One generation's username fragments and passwords; ICE-lite needs the remote ones only to check USERNAME."""

    local_ufrag: str
    local_password: str
    remote_ufrag: str


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """What the DTLS handshake yields (RFC 5764 §4.2); key and salt are concatenated for each direction."""

    profile: Literal["SRTP_AEAD_AES_128_GCM", "SRTP_AEAD_AES_256_GCM", "SRTP_AES128_CM_SHA1_80"]
    up: bytes
    down: bytes


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec as its identity, without the payload number that each peer gives it.

    `variant` is what must be equal for a packet to pass untranscoded: H.264 "profile/packetization-mode" (`42e0/1`),
    VP9 and AV1 profile (`0`), else empty.
    """

    kind: Kind
    name: str  # "opus", "VP8", "H264", "VP9", "AV1": spelled as in SDP
    variant: str = ""


@dataclass(frozen=True, slots=True)
class UpParameters:
    """One send line of a participant's offer, as the answer accepted it."""

    kind: Kind
    mid: str
    codecs: Mapping[int, Codec]  # payload type → codec
    rtx: Mapping[int, int]  # RTX payload type → payload type it repairs
    extensions: Mapping[str, int]  # URI → id
    rids: tuple[str, ...] = ()  # as offered, lowest first; empty without simulcast
    ssrcs: tuple[int, ...] = ()  # declared; then found by SSRC even without extensions
    rtx_ssrcs: Mapping[int, int] = field(default_factory=dict)  # RTX SSRC → SSRC it repairs
    clock_rates: Mapping[int, int] = field(default_factory=dict)  # payload type → Hz


@dataclass(frozen=True, slots=True)
class DownParameters:
    """One slot: a receive line of a participant's offer. Its SSRCs never change; who is heard or seen in it does."""

    kind: Kind
    mid: str
    ssrc: int
    rtx_ssrc: int | None
    cname: str
    codecs: Mapping[Codec, int]  # codec → this receiver's payload type
    rtx: Mapping[int, int]  # payload type → RTX payload type
    extensions: Mapping[str, int]
    first_sequence: int = 0  # chosen by Python, so that two engines give the same bytes
    first_timestamp: int = 0
    clock_rate: int = 90000


# --- events -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DtlsReceived:
    peer: PeerId
    datagram: bytes


@dataclass(frozen=True, slots=True)
class PathUp:
    """A pair was nominated by an authenticated check; media and DTLS now leave by it."""

    peer: PeerId
    generation: Generation


@dataclass(frozen=True, slots=True)
class PathDown:
    """No authenticated check for 15 s (RFC 7675 for a lite agent); nothing more is sent until one comes."""

    peer: PeerId
    generation: Generation


@dataclass(frozen=True, slots=True)
class Speakers:
    """The ups heard speaking now, loudest first; sent when the list changes."""

    ups: tuple[UpId, ...]


@dataclass(frozen=True, slots=True)
class SourceLost:
    """A video up that somebody is shown has sent nothing for 2 s, or (`lost=False`) sends again."""

    up: UpId
    lost: bool


@dataclass(frozen=True, slots=True)
class DownEstimate:
    """What a receiver can take, by REMB or by its feedback, and what it loses; at most one a second and peer."""

    peer: PeerId
    bitrate_bps: int  # 0: it has not said yet
    loss: float  # fraction 0…1 of what we sent, over the last report interval, in all slots together
    round_trip_s: float | None
    sent_bps: int = 0  # what left for this receiver since the last estimate


@dataclass(frozen=True, slots=True)
class Overrun:
    """Events were dropped at the bound of the queue; `count` of them since the last time this was said."""

    count: int


@dataclass(frozen=True, slots=True)
class Tapped:
    """A packet as its sender sent it: plain RTP without padding, repairs put back. A number may come twice."""

    up: UpId
    rid: str  # empty without simulcast
    sequence: int  # unwrapped, only ever growing with the sender's; a repair comes after younger ones
    arrived_s: float
    packet: bytes


class EngineBusy(Exception):
    """The engine is behind with what it was asked; a moment later it may not be."""


class StaleEngine(ImportError):
    """The native engine does not fit what calls it."""


Event = DtlsReceived | PathUp | PathDown | Speakers | SourceLost | DownEstimate | Overrun

Counters = Mapping[str, int]


class Engine(Protocol):
    """Moves packets. An id unknown to `add_up`, `add_down`, `set_keys` … is our misuse and raises `KeyError`."""

    name: str
    estimates: bool  # it reads transport-wide feedback about what it sends: slots that agree to that may be added

    async def open(self) -> None:
        """Bind the media port; raises OSError when it is taken."""
        ...

    async def close(self) -> None: ...

    def listening(self) -> list[Address]:
        """The local addresses bound, one port for all; none when the engine is closed or has failed."""
        ...

    def wake(self, callback: Callable[[], None]) -> None:
        """Have `callback` called on the loop whenever `events()` has something, once per filling."""
        ...

    def events(self) -> list[Event]:
        """Take what has happened since the last call, in order; bounded, `Overrun` says what was dropped."""
        ...

    def add_peer(self, ice: IceCredentials) -> PeerId:
        """Raises EngineBusy while the engine can't take anybody new."""
        ...

    def restart(self, peer: PeerId, ice: IceCredentials) -> Generation:
        """Open a second generation beside the first; the first ends 5 s after the second nominates."""
        ...

    def remove(self, what: PeerId | UpId | DownId) -> None:
        """Idempotent; a peer takes its ups and downs along."""
        ...

    def gate(self, peer: PeerId, open: bool) -> None:
        """Closed (as it begins), the peer is connected and nothing of it or to it is forwarded: a waiting room."""
        ...

    def send_dtls(self, peer: PeerId, datagram: bytes) -> None: ...

    def set_keys(self, peer: PeerId, keys: SrtpKeys) -> None: ...

    def add_up(self, peer: PeerId, track: UpParameters) -> UpId: ...

    def add_down(self, peer: PeerId, slot: DownParameters) -> DownId: ...

    def route(self, down: DownId, up: UpId | None, rid: str | None = None) -> None:
        """Show `up` in the slot from its next key frame on (audio: its next packet); None empties the slot at once."""
        ...

    def ask_key_frame(self, up: UpId) -> None:
        """Ask for one that nobody is known to wait for; slots get those that they wait for by themselves."""
        ...

    def cap(self, peer: PeerId, bitrate_bps: int | None) -> None:
        """Ask the sender to stay below (REMB, repeated each second); None lets it go."""
        ...

    def tap(self, up: UpId, on: bool) -> None:
        """Copy what comes on a line from now on while its sender's gate is open, for `tapped`; or stop that."""
        ...

    def tapped(self) -> list[Tapped]:
        """Take what was copied since the last call, in order of arrival; nothing of lines removed meanwhile.

        Bounded: fetch it several times a second, or the newest is dropped and counted (`tap_dropped`).
        """
        ...

    def counters(self) -> Counters:
        """Totals since start by name; see docs/architecture.md for the list."""
        ...

    def peer_counters(self, peer: PeerId) -> Counters: ...

    def track_counters(self, id: UpId | DownId) -> Counters:
        """What one line or slot has moved since it was added: `packets`, `octets` of their payloads, and `repaired`.

        Of an up, `packets` are those that came other than as repairs, all rids together, `repaired` the repairs (RTX)
        that came, and `lost` the packets that its numbers tell of and that never came other than so. Of a down,
        `packets` are those sent without repairs, `repaired` the repairs sent. A reading is up to a second old while the
        participant has keys and a path, and is not renewed while it has none.
        """
        ...
