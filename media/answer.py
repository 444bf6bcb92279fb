"""The SDP answer to an offer, and what it means for the engine (RFC 9429 §5.3, RFC 8843, RFC 8853).

An offered line is accepted as an up (we receive) or as a slot (we send), or is rejected. Both kinds say what they
negotiated twice from the same fields: as lines of the answer, and as the parameters that the engine works by.

Not negotiated on purpose: `urn:3gpp:video-orientation`, because Firefox doesn't know it and would show the picture of a
telephone lying on its side; without it the sender turns the picture before it encodes. Nor the dependency descriptor.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from media.codecs import OfferedCodec
from media.engine import Address, DownParameters, Kind, UpParameters
from media.rtp import ABS_SEND_TIME, AUDIO_LEVEL, MID, REPAIRED_RID, RID, TRANSPORT_SEQUENCE
from media.sdp import Direction, Extension, Offer, Section

_UP_EXTENSIONS = (MID, RID, REPAIRED_RID, AUDIO_LEVEL, TRANSPORT_SEQUENCE)
# transport-cc only where we send the feedback: a sender that is promised it and gets none starves
_UP_FEEDBACK = ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")
# how a receiver says what it can take: by REMB, estimated from times of sending, or by telling when packets arrived
_REMB_EXTENSIONS, _REMB_FEEDBACK = (MID, AUDIO_LEVEL, ABS_SEND_TIME), ("goog-remb", "ccm fir", "nack", "nack pli")
_TOLD_EXTENSIONS = (MID, AUDIO_LEVEL, TRANSPORT_SEQUENCE)
_TOLD_FEEDBACK = ("transport-cc", "ccm fir", "nack", "nack pli")
_OPUS = "minptime=10;useinbandfec=1"
_REVERSED = {"sendrecv": "", "sendonly": "/recvonly", "recvonly": "/sendonly"}


@dataclass(frozen=True, slots=True)
class Transport:
    """Our side of the one transport. `session` and `version` go into o=; the version rises with each answer."""

    ice_ufrag: str
    ice_password: str
    fingerprint: str  # SHA-256, hexadecimal with colons
    addresses: Sequence[Address]  # announced, the best first
    session: int
    version: int = 1


@dataclass(frozen=True, slots=True)
class AcceptedUp:
    """A line by which the participant sends; all its rids are accepted, as paused or not as they were offered."""

    section: Section
    codecs: Sequence[OfferedCodec]  # as chosen by `codecs.accept_up`, not empty

    def parameters(self) -> UpParameters:
        section = self.section
        return UpParameters(
            kind=self.codecs[0].codec.kind,
            mid=section.mid,
            codecs={one.payload_type: one.codec for one in self.codecs},
            rtx={one.rtx: one.payload_type for one in self.codecs if one.rtx is not None},
            extensions={uri: one.id for uri, one in _up_extensions(section).items()},
            rids=section.rids,
            ssrcs=section.ssrcs,
            rtx_ssrcs=section.rtx_ssrcs,
            clock_rates={one.payload_type: one.clock_rate for one in self.codecs},
        )


@dataclass(frozen=True, slots=True)
class AcceptedSlot:
    """A line by which the participant receives. What it declares never changes, so that no later answer is needed."""

    section: Section
    codecs: Sequence[OfferedCodec]  # not empty
    ssrc: int
    rtx_ssrc: int | None  # None for audio
    cname: str
    stream: str  # msid: the slots of one person share it
    track: str
    estimated: bool = False  # by our engine, from transport-wide feedback where the receiver offers that

    @property
    def extensions(self) -> Mapping[str, Extension]:
        return _slot_extensions(self.section, _TOLD_EXTENSIONS if self._tells else _REMB_EXTENSIONS)

    @property
    def feedback(self) -> tuple[str, ...]:
        return _TOLD_FEEDBACK if self._tells else _REMB_FEEDBACK

    @property
    def _tells(self) -> bool:
        """Both halves are needed: numbers that nobody speaks of, or feedback about none, tell nothing."""
        numbers = TRANSPORT_SEQUENCE in _slot_extensions(self.section, _TOLD_EXTENSIONS)
        return self.estimated and numbers and all("transport-cc" in one.feedback for one in self.codecs)

    def parameters(self, first_sequence: int = 0, first_timestamp: int = 0) -> DownParameters:
        rtx = {one.payload_type: one.rtx for one in self.codecs if one.rtx is not None}
        return DownParameters(
            kind=self.codecs[0].codec.kind,
            mid=self.section.mid,
            ssrc=self.ssrc,
            rtx_ssrc=self.rtx_ssrc if rtx else None,
            cname=self.cname,
            codecs={one.codec: one.payload_type for one in reversed(self.codecs)},
            rtx=rtx,
            extensions={uri: one.id for uri, one in self.extensions.items()},
            first_sequence=first_sequence,
            first_timestamp=first_timestamp,
            clock_rate=self.codecs[0].clock_rate,
        )


Accepted = AcceptedUp | AcceptedSlot


def write(offer: Offer, accepted: Mapping[str, Accepted], transport: Transport) -> str:
    """Return the answer; `accepted` is by mid, what is not in it is rejected."""
    mids = [section.mid for section in offer.sections if section.mid in accepted]
    lines = [
        "v=0",
        f"o=- {transport.session} {transport.version} IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        *([f"a=group:BUNDLE {' '.join(mids)}"] if mids else []),
        "a=ice-lite",
        f"a=ice-ufrag:{transport.ice_ufrag}",
        f"a=ice-pwd:{transport.ice_password}",
        f"a=fingerprint:sha-256 {transport.fingerprint}",
        "a=setup:passive",
        "a=msid-semantic: WMS *",
    ]
    for section in offer.sections:
        match accepted.get(section.mid):
            case AcceptedUp() as up:
                lines += _common(section, up.codecs, _up_extensions(section), _UP_FEEDBACK)
                lines += ["a=recvonly", *_layers(section)]
            case AcceptedSlot() as slot:
                lines += _common(section, slot.codecs, slot.extensions, slot.feedback)
                lines += ["a=sendonly", *_sources(slot)]
            case None:
                lines += _rejected(section)
        if mids and section.mid == mids[0]:
            lines += _candidates(transport.addresses)
    return "\r\n".join(lines) + "\r\n"


def _common(
    section: Section, codecs: Sequence[OfferedCodec], extensions: Mapping[str, Extension], feedback: tuple[str, ...]
) -> Iterator[str]:
    payload_types = [str(number) for one in codecs for number in (one.payload_type, one.rtx) if number is not None]
    yield f"m={section.media} 9 {section.protocol} {' '.join(payload_types)}"
    yield "c=IN IP4 0.0.0.0"
    yield f"a=mid:{section.mid}"
    yield "a=rtcp-mux"
    yield "a=rtcp-rsize"
    for uri, extension in extensions.items():
        yield f"a=extmap:{extension.id}{_REVERSED[extension.direction]} {uri}"
    yield _codecs(tuple(codecs), feedback)


@lru_cache(maxsize=256)  # the least recently used out: as for codecs, twice, for ups and for slots
def _codecs(codecs: tuple[OfferedCodec, ...], feedback: tuple[str, ...]) -> str:
    return "\r\n".join(line for one in codecs for line in _codec(one, feedback))


def _codec(one: OfferedCodec, feedback: tuple[str, ...]) -> Iterator[str]:
    number = one.payload_type
    channels = f"/{one.channels}" if one.channels > 1 else ""
    yield f"a=rtpmap:{number} {one.codec.name}/{one.clock_rate}{channels}"
    parameters = _OPUS if one.codec.name == "opus" else one.parameters
    if parameters:
        yield f"a=fmtp:{number} {parameters}"
    for kind in feedback:
        if kind in one.feedback and _fits(one.codec.kind, kind):
            yield f"a=rtcp-fb:{number} {kind}"
    if one.rtx is not None:
        yield f"a=rtpmap:{one.rtx} rtx/{one.clock_rate}"
        yield f"a=fmtp:{one.rtx} apt={number}"


def _fits(kind: Kind, feedback: str) -> bool:
    """Audio is never asked for again: a late syllable is worth less than the delay that waiting for it would cost."""
    return kind == "video" or feedback == "transport-cc"


def _layers(section: Section) -> Iterator[str]:
    if section.rids:
        for rid in section.rids:
            yield f"a=rid:{rid} recv"
        # Chromium starts whatever layer the answer doesn't call paused, so what was paused must be said again
        tokens = (f"~{rid}" if rid in section.paused else rid for rid in section.rids)
        yield f"a=simulcast:recv {';'.join(tokens)}"


def _sources(slot: AcceptedSlot) -> Iterator[str]:
    yield f"a=msid:{slot.stream} {slot.track}"
    with_rtx = slot.rtx_ssrc is not None and any(one.rtx is not None for one in slot.codecs)
    if with_rtx:
        yield f"a=ssrc-group:FID {slot.ssrc} {slot.rtx_ssrc}"
    yield f"a=ssrc:{slot.ssrc} cname:{slot.cname}"
    if with_rtx:
        yield f"a=ssrc:{slot.rtx_ssrc} cname:{slot.cname}"


def _rejected(section: Section) -> Iterator[str]:
    yield f"m={section.media} 0 {section.protocol} {section.formats}"
    yield "c=IN IP4 0.0.0.0"
    if section.mid:
        yield f"a=mid:{section.mid}"
    yield "a=inactive"


def _candidates(addresses: Sequence[Address]) -> Iterator[str]:
    """One candidate per address, the first with the highest priority (RFC 8445 §5.1.2.1)."""
    for at, (host, port) in enumerate(addresses):
        priority = 126 << 24 | (65535 - at) << 8 | 255
        yield f"a=candidate:{at + 1} 1 udp {priority} {host} {port} typ host"
    yield "a=end-of-candidates"


def _up_extensions(section: Section) -> dict[str, Extension]:
    return _agreed(section, _UP_EXTENSIONS, ("sendrecv", "sendonly"))


def _slot_extensions(section: Section, wanted: Sequence[str]) -> dict[str, Extension]:
    return _agreed(section, wanted, ("sendrecv", "recvonly"))


def _agreed(section: Section, wanted: Sequence[str], directions: Sequence[Direction]) -> dict[str, Extension]:
    offered = section.extensions
    return {uri: offered[uri] for uri in wanted if uri in offered and offered[uri].direction in directions}
