"""RTCP packets: a compound datagram in, dataclasses out, and back (RFC 3550 §6, RFC 4585, RFC 5104, REMB, transport-cc).

Reduced-size compounds (RFC 5506) are fine. Packets of other types are kept as `Opaque`; padding is dropped. All SSRCs are
32-bit numbers; `sender` is who speaks, `media` what is spoken about.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

SR, RR, SDES, BYE, RTPFB, PSFB = 200, 201, 202, 203, 205, 206
MAX_FEEDBACK_PACKETS = 512  # statuses in one TransportFeedback that we build: about 1 kB at the worst


@dataclass(frozen=True, slots=True)
class ReportBlock:
    ssrc: int
    fraction_lost: int  # of 256, since the last report
    packets_lost: int  # total, signed 24 bits
    highest_sequence: int  # with 16 bits of cycles in front
    jitter: int  # in timestamp units
    last_sender_report: int  # middle 32 bits of its NTP time; 0: none yet
    delay: int  # since that report, in 1/65536 s


@dataclass(frozen=True, slots=True)
class SenderReport:
    sender: int
    ntp_time: int  # 64 bits: seconds since 1900 and 32 bits of fraction
    rtp_time: int
    packets: int
    octets: int
    reports: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    sender: int
    reports: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """CNAMEs only; other items are dropped."""

    cnames: tuple[tuple[int, str], ...]  # (SSRC, CNAME)


@dataclass(frozen=True, slots=True)
class Goodbye:
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Nack:
    sender: int
    media: int
    sequences: tuple[int, ...]  # 16 bits each, in the order asked for


@dataclass(frozen=True, slots=True)
class PictureLoss:
    sender: int
    media: int


@dataclass(frozen=True, slots=True)
class FullIntraRequest:
    sender: int
    requests: tuple[tuple[int, int], ...]  # (SSRC, command number: a repeated one asks for nothing new)


@dataclass(frozen=True, slots=True)
class Remb:
    """Receiver's estimate (draft-alvestrand-rmcat-remb-03): all of `ssrcs` together at most `bitrate_bps`, kept to 18 bits."""

    sender: int
    bitrate_bps: int
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """When packets of one transport arrived (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1)."""

    sender: int
    media: int
    base_sequence: int  # 16 bits
    reference_time: int  # signed 24 bits, in 64 ms
    count: int  # of feedback packets sent, 8 bits
    deltas: tuple[int | None, ...]  # per packet from base on: 250 µs since the one received before; None: not received

    def arrivals(self) -> list[tuple[int, int | None]]:
        """Return (16-bit sequence, arrival in µs on the sender's clock, or None) per packet."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Opaque:
    """A packet of a type we don't read, header included."""

    data: bytes


Packet = (
    SenderReport
    | ReceiverReport
    | SourceDescription
    | Goodbye
    | Nack
    | PictureLoss
    | FullIntraRequest
    | Remb
    | TransportFeedback
    | Opaque
)


def is_rtcp(data: bytes | bytearray | memoryview) -> bool:
    """Tell RTCP from RTP on one port by the second byte (RFC 5761 §4)."""
    return len(data) >= 8 and 192 <= data[1] <= 223


def parse(data: bytes) -> list[Packet]:
    """Return the packets of a compound datagram; raises ValueError if any is malformed."""
    raise NotImplementedError


def pack(packets: Sequence[Packet]) -> bytes:
    """Return one compound datagram, in the order given. A Nack may become several FCI entries, nothing is split."""
    raise NotImplementedError


def transport_feedback(
    sender: int, media: int, count: int, arrivals: Sequence[tuple[int, int | None]]
) -> list[TransportFeedback]:
    """Build the report of `arrivals`: (unwrapped sequence, µs or None if lost) by rising sequence; numbers left out count as lost.

    Several packets come back where one can't hold it (a delta beyond ±8.19 s, more than MAX_FEEDBACK_PACKETS); the next
    `count` is the one given plus their number. Leading losses are dropped: a report begins with a packet received.
    """
    raise NotImplementedError
