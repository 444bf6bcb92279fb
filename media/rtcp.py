"""RTCP packets: a compound datagram in, dataclasses out, and back (RFC 3550 §6, RFC 4585, RFC 5104 and two drafts).

Reduced-size compounds (RFC 5506) are fine. Packets of other types are kept as `Opaque`; padding is dropped. All SSRCs
are 32-bit numbers; `sender` is who speaks, `media` what is spoken about.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from media import feedback
from media.feedback import TransportFeedback as TransportFeedback

Buffer = bytes | bytearray | memoryview

MAX_COMPOUND_BYTES = 1200  # a sender whose numbers jump makes us say a lot at once
SR, RR, SDES, BYE, RTPFB, PSFB = 200, 201, 202, 203, 205, 206
_CNAME = 1
_HEADER = struct.Struct("!BBH")
_PAIR = struct.Struct("!II")
_SENDER_INFO = struct.Struct("!IQIII")
_BLOCK = struct.Struct("!6I")


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
    """A receiver's estimate for all of `ssrcs` together, rounded down to 18 bits (draft-alvestrand-rmcat-remb-03)."""

    sender: int
    bitrate_bps: int
    ssrcs: tuple[int, ...]


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


def is_rtcp(data: Buffer) -> bool:
    """Tell RTCP from RTP on one port by the second byte (RFC 5761 §4)."""
    return len(data) >= 8 and 192 <= data[1] <= 223


def parse(data: bytes) -> list[Packet]:
    """Return the packets of a compound datagram; raises ValueError if any is malformed."""
    packets: list[Packet] = []
    position, end = 0, len(data)
    statuses = 0  # two bytes claim thousands of them, and a compound has room for many such pairs
    while position < end:
        if end - position < 4:
            raise ValueError("RTCP header is truncated")
        first, kind, words = _HEADER.unpack_from(data, position)
        following = position + 4 + 4 * words
        if first >> 6 != 2:
            raise ValueError("RTCP version is not 2")
        if following > end:
            raise ValueError("RTCP packet is truncated")
        body = data[position + 4 : following]
        if first & 0x20:
            body = _without_padding(body)
        read = _READERS.get((kind, first & 0x1F)) or _READERS.get((kind, None))
        packet = read(body, first & 0x1F) if read else None
        if isinstance(packet, TransportFeedback):
            statuses += len(packet.deltas)
            if statuses > feedback.MAX_STATUSES_READ:
                raise ValueError(feedback.TOO_MANY)
        packets.append(packet or Opaque(data[position:following]))
        position = following
    if not packets:
        raise ValueError("RTCP header is truncated")
    return packets


def pack(packets: Sequence[Packet]) -> bytes:
    """Return one compound datagram, in the order given. A Nack may become several FCI entries, nothing is split."""
    return b"".join(map(_pack, packets))


def compounds(packets: Sequence[Packet]) -> list[bytes]:
    """Return the packets in their order as datagrams that no network need cut, each as full as may be (RFC 5506)."""
    found: list[bytes] = []
    for packet in packets:
        data = _pack(packet)
        if found and len(found[-1]) + len(data) <= MAX_COMPOUND_BYTES:
            found[-1] += data
        else:
            found.append(data)
    return found


# --- reading ------------------------------------------------------------------------------------------------------


def _without_padding(body: bytes) -> bytes:
    if not body or not 0 < body[-1] <= len(body):  # no multiple of 4 demanded: libwebrtc pads feedback by 1 to 3
        raise ValueError("RTCP padding is malformed")
    return body[: -body[-1]]


def _need(body: bytes, size: int) -> None:
    if len(body) < size:
        raise ValueError("RTCP packet is too short for its type")


def _read_sender_report(body: bytes, count: int) -> Packet:
    _need(body, 24 + 24 * count)
    sender, ntp_time, rtp_time, packets, octets = _SENDER_INFO.unpack_from(body)
    return SenderReport(sender, ntp_time, rtp_time, packets, octets, _read_blocks(body, 24, count))


def _read_receiver_report(body: bytes, count: int) -> Packet:
    _need(body, 4 + 24 * count)
    return ReceiverReport(int.from_bytes(body[:4], "big"), _read_blocks(body, 4, count))


def _read_blocks(body: bytes, position: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for at in range(position, position + 24 * count, 24):
        ssrc, loss, highest, jitter, last, delay = _BLOCK.unpack_from(body, at)
        blocks.append(ReportBlock(ssrc, loss >> 24, _signed24(loss), highest, jitter, last, delay))
    return tuple(blocks)


def _read_source_description(body: bytes, count: int) -> Packet:
    names = []
    position = 0
    for _ in range(count):
        _need(body, position + 8)
        ssrc = int.from_bytes(body[position : position + 4], "big")
        position += 4
        while body[position]:
            kind = body[position]
            _need(body, position + 2)
            text_end = position + 2 + body[position + 1]
            _need(body, text_end + 1)
            if kind == _CNAME:
                names.append((ssrc, _text(body[position + 2 : text_end])))
            position = text_end
        position = (position + 4) & ~3  # one to four zero bytes end a chunk
    return SourceDescription(tuple(names))


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ValueError("RTCP source description is not UTF-8") from None


def _read_goodbye(body: bytes, count: int) -> Packet:
    _need(body, 4 * count)
    return Goodbye(struct.unpack_from(f"!{count}I", body))


def _read_nack(body: bytes, _: int) -> Packet:
    _need(body, 12)
    if len(body) % 4:  # padding of any size is let through
        raise ValueError("RTCP packet is too short for its type")
    sender, media = _PAIR.unpack_from(body)
    sequences = []
    for first, following in struct.iter_unpack("!HH", body[8:]):
        sequences.append(first)
        sequences += [first + offset & 0xFFFF for offset in range(1, 17) if following >> (offset - 1) & 1]
    return Nack(sender, media, tuple(sequences))


def _read_picture_loss(body: bytes, _: int) -> Packet:
    _need(body, 8)
    return PictureLoss(*_PAIR.unpack_from(body))


def _read_full_intra_request(body: bytes, _: int) -> Packet:
    _need(body, 8)
    if len(body) % 8:
        raise ValueError("RTCP packet is too short for its type")
    requests = tuple((ssrc, number >> 24) for ssrc, number in _PAIR.iter_unpack(body[8:]))
    return FullIntraRequest(int.from_bytes(body[:4], "big"), requests)


def _read_application_feedback(body: bytes, _: int) -> Packet | None:
    if body[8:12] != b"REMB":
        return None
    _need(body, 16)
    count, exponent, mantissa = body[12], body[13] >> 2, int.from_bytes(body[13:16], "big") & 0x3FFFF
    if exponent > 46:
        raise ValueError("REMB bitrate does not fit 64 bits")
    _need(body, 16 + 4 * count)
    ssrcs = struct.unpack_from(f"!{count}I", body, 16)
    return Remb(int.from_bytes(body[:4], "big"), mantissa << exponent, ssrcs)


_READERS: dict[tuple[int, int | None], Callable[[bytes, int], Packet | None]] = {
    (SR, None): _read_sender_report,
    (RR, None): _read_receiver_report,
    (SDES, None): _read_source_description,
    (BYE, None): _read_goodbye,
    (RTPFB, 1): _read_nack,
    (RTPFB, 15): lambda body, _: feedback.read(body),
    (PSFB, 1): _read_picture_loss,
    (PSFB, 4): _read_full_intra_request,
    (PSFB, 15): _read_application_feedback,
}

# --- writing ------------------------------------------------------------------------------------------------------


def _pack(packet: Packet) -> bytes:
    match packet:
        case SenderReport():
            info = _SENDER_INFO.pack(packet.sender, packet.ntp_time, packet.rtp_time, packet.packets, packet.octets)
            return _frame(SR, len(packet.reports), info + _pack_blocks(packet.reports))
        case ReceiverReport():
            return _frame(RR, len(packet.reports), packet.sender.to_bytes(4, "big") + _pack_blocks(packet.reports))
        case SourceDescription():
            return _frame(SDES, len(packet.cnames), b"".join(map(_pack_cname, packet.cnames)))
        case Goodbye():
            return _frame(BYE, len(packet.ssrcs), _pack_ssrcs(packet.ssrcs))
        case Nack():
            return _frame(RTPFB, 1, _PAIR.pack(packet.sender, packet.media) + _pack_nack(packet.sequences))
        case PictureLoss():
            return _frame(PSFB, 1, _PAIR.pack(packet.sender, packet.media))
        case FullIntraRequest():
            requests = b"".join(_PAIR.pack(ssrc, number << 24) for ssrc, number in packet.requests)
            return _frame(PSFB, 4, _PAIR.pack(packet.sender, 0) + requests)
        case Remb():
            return _frame(PSFB, 15, _pack_remb(packet))
        case TransportFeedback():
            return _frame(RTPFB, 15, feedback.write(packet))
        case Opaque():
            return packet.data
        case _:
            assert_never(packet)


def _frame(kind: int, count: int, body: bytes) -> bytes:
    padding = -len(body) % 4
    if padding:
        body += bytes(padding - 1) + bytes((padding,))
    return _HEADER.pack(0x80 | (0x20 if padding else 0) | count, kind, len(body) // 4) + body


def _pack_blocks(blocks: Sequence[ReportBlock]) -> bytes:
    return b"".join(
        _BLOCK.pack(
            block.ssrc,
            block.fraction_lost << 24 | max(-0x800000, min(block.packets_lost, 0x7FFFFF)) & 0xFFFFFF,
            block.highest_sequence,
            block.jitter,
            block.last_sender_report,
            block.delay,
        )
        for block in blocks
    )


def _pack_cname(name: tuple[int, str]) -> bytes:
    ssrc, cname = name
    text = cname.encode()
    chunk = ssrc.to_bytes(4, "big") + bytes((_CNAME, len(text))) + text
    return chunk + bytes(4 - len(chunk) % 4)


def _pack_ssrcs(ssrcs: Sequence[int]) -> bytes:
    return struct.pack(f"!{len(ssrcs)}I", *ssrcs)


def _pack_nack(sequences: Sequence[int]) -> bytes:
    entries: list[list[int]] = []
    for sequence in sequences:
        offset = sequence - entries[-1][0] & 0xFFFF if entries else 0
        if 1 <= offset <= 16:
            entries[-1][1] |= 1 << (offset - 1)
        else:
            entries.append([sequence & 0xFFFF, 0])
    return b"".join(struct.pack("!HH", first, following) for first, following in entries)


def _pack_remb(remb: Remb) -> bytes:
    exponent = max(0, remb.bitrate_bps.bit_length() - 18)
    rate = exponent << 18 | remb.bitrate_bps >> exponent
    head = _PAIR.pack(remb.sender, 0) + b"REMB" + bytes((len(remb.ssrcs),)) + rate.to_bytes(3, "big")
    return head + _pack_ssrcs(remb.ssrcs)


def _signed24(value: int) -> int:
    return ((value & 0xFFFFFF) ^ 0x800000) - 0x800000
