"""What an SFU must know of a video payload: where a key frame starts, and the picture numbers that must not jump.

Nothing is decoded. A receiver may be switched to another source only at a packet for which `starts_key_frame` is true.
VP8 and VP9 also number their pictures in the payload descriptor, and these numbers have to go on without a step when a
slot changes its source, written at the width that the sender chose.
"""

from collections.abc import Callable
from dataclasses import dataclass

Buffer = bytes | bytearray | memoryview


def starts_key_frame(codec: str, payload: Buffer) -> bool:
    """Whether this payload is the first packet of a frame that needs no other; `codec` is spelled as in SDP.

    Audio and unknown codecs: always true. Raises ValueError where the payload is malformed.
    """
    check = _KEY_FRAME.get(codec)
    return True if check is None else check(payload)


@dataclass(frozen=True, slots=True)
class Vp8:
    """A VP8 payload descriptor (RFC 7741 §4.2). Places count from the payload's start; what is not there is None."""

    size: int  # of the descriptor, bytes
    frame_start: bool  # S bit with partition 0
    key_frame: bool  # known only at the start of a frame
    picture_id: int | None
    picture_id_bits: int  # 7, 15, or 0 without a picture id
    picture_id_at: int
    tl0picidx: int | None
    tl0picidx_at: int
    temporal_id: int | None
    layer_sync: bool
    keyidx: int | None
    keyidx_at: int

    def rewrite(self, packet: bytearray | memoryview, at: int, picture_id: int, tl0picidx: int, keyidx: int) -> None:
        """Write the numbers, cut to their widths, into a packet whose payload begins `at`; absent ones stay absent."""
        _write_picture_id(packet, at + self.picture_id_at, self.picture_id_bits, picture_id)
        if self.tl0picidx is not None:
            packet[at + self.tl0picidx_at] = tl0picidx & 0xFF
        if self.keyidx is not None:
            packet[at + self.keyidx_at] = packet[at + self.keyidx_at] & 0xE0 | keyidx & 0x1F


@dataclass(frozen=True, slots=True)
class Vp9:
    """A VP9 payload descriptor (RFC 9628 §4.2); TL0PICIDX is there in non-flexible mode only."""

    frame_start: bool  # B bit of the lowest spatial layer
    key_frame: bool  # a frame of the lowest spatial layer that predicts from no other picture
    picture_id: int | None
    picture_id_bits: int
    picture_id_at: int
    tl0picidx: int | None
    tl0picidx_at: int
    temporal_id: int | None
    spatial_id: int | None

    def rewrite(self, packet: bytearray | memoryview, at: int, picture_id: int, tl0picidx: int) -> None:
        """As `Vp8.rewrite`."""
        _write_picture_id(packet, at + self.picture_id_at, self.picture_id_bits, picture_id)
        if self.tl0picidx is not None:
            packet[at + self.tl0picidx_at] = tl0picidx & 0xFF


def parse_vp8(payload: Buffer) -> Vp8:
    """Raises ValueError where the descriptor or the payload header behind it is truncated."""
    try:
        return _parse_vp8(payload)
    except IndexError:
        raise ValueError("VP8 payload is truncated") from None


def parse_vp9(payload: Buffer) -> Vp9:
    """Raises ValueError where the part of the descriptor up to TL0PICIDX is truncated."""
    try:
        return _parse_vp9(payload)
    except IndexError:
        raise ValueError("VP9 payload is truncated") from None


def _parse_vp8(payload: Buffer) -> Vp8:
    first = payload[0]
    position = 1
    picture_id = tl0picidx = temporal_id = keyidx = None
    bits = picture_id_at = tl0picidx_at = keyidx_at = 0
    layer_sync = False
    if first & 0x80:
        flags = payload[position]
        position += 1
        if flags & 0x80:
            picture_id_at = position
            picture_id, bits, position = _read_picture_id(payload, position)
        if flags & 0x40:
            tl0picidx_at = position
            tl0picidx = payload[position]
            position += 1
        if flags & 0x30:
            octet = payload[position]
            if flags & 0x20:
                temporal_id, layer_sync = octet >> 6, bool(octet & 0x20)
            if flags & 0x10:
                keyidx, keyidx_at = octet & 0x1F, position
            position += 1
    frame_start = bool(first & 0x10) and not first & 0x07
    # bit 0 of the VP8 frame header is the *inverse* key frame flag (RFC 7741 §4.3)
    key_frame = not payload[position] & 0x01 if frame_start else False
    return Vp8(
        position,
        frame_start,
        key_frame,
        picture_id,
        bits,
        picture_id_at,
        tl0picidx,
        tl0picidx_at,
        temporal_id,
        layer_sync,
        keyidx,
        keyidx_at,
    )


def _parse_vp9(payload: Buffer) -> Vp9:
    first = payload[0]
    position = 1
    picture_id = tl0picidx = temporal_id = spatial_id = None
    bits = picture_id_at = tl0picidx_at = 0
    if first & 0x80:
        picture_id_at = position
        picture_id, bits, position = _read_picture_id(payload, position)
    if first & 0x20:
        layer = payload[position]
        temporal_id, spatial_id = layer >> 5, layer >> 1 & 0x07
        position += 1
        if not first & 0x10:
            tl0picidx_at = position
            tl0picidx = payload[position]
    frame_start = bool(first & 0x08) and not spatial_id
    key_frame = frame_start and not first & 0x40
    return Vp9(
        frame_start, key_frame, picture_id, bits, picture_id_at, tl0picidx, tl0picidx_at, temporal_id, spatial_id
    )


def _read_picture_id(payload: Buffer, position: int) -> tuple[int, int, int]:
    """Return (picture id, its bits, the position behind it)."""
    octet = payload[position]
    if octet & 0x80:
        return (octet & 0x7F) << 8 | payload[position + 1], 15, position + 2
    return octet, 7, position + 1


def _write_picture_id(packet: bytearray | memoryview, at: int, bits: int, picture_id: int) -> None:
    if bits == 15:
        packet[at] = 0x80 | picture_id >> 8 & 0x7F
        packet[at + 1] = picture_id & 0xFF
    elif bits == 7:
        packet[at] = picture_id & 0x7F


def _vp8_starts(payload: Buffer) -> bool:
    return parse_vp8(payload).key_frame


def _vp9_starts(payload: Buffer) -> bool:
    return parse_vp9(payload).key_frame


_SPS, _STAP_A, _FU_A = 7, 24, 28


def _h264_starts(payload: Buffer) -> bool:
    """A sequence parameter set, alone, in an aggregate or as a first fragment (RFC 6184 §5.6 to 5.8).

    Not the IDR slice behind it: whoever is switched to the stream there has no parameter sets to decode it with, and
    every browser repeats them before each IDR.
    """
    if not payload:
        raise ValueError("H.264 payload is truncated")
    nal_type = payload[0] & 0x1F
    if nal_type == _STAP_A:
        return _SPS in _aggregated(payload)
    if nal_type == _FU_A:
        if len(payload) < 2:
            raise ValueError("H.264 payload is truncated")
        return bool(payload[1] & 0x80) and payload[1] & 0x1F == _SPS
    return nal_type == _SPS


def _aggregated(payload: Buffer) -> list[int]:
    """Return the NAL unit types in a STAP-A."""
    types = []
    position = 1
    while position < len(payload):
        size = int.from_bytes(payload[position : position + 2], "big")
        if not size or position + 2 + size > len(payload):
            raise ValueError("H.264 aggregation packet is malformed")
        types.append(payload[position + 2] & 0x1F)
        position += 2 + size
    return types


def _av1_starts(payload: Buffer) -> bool:
    """N: the first packet of a coded video sequence, with the sequence header as first OBU (AV1 RTP §4.4)."""
    if not payload:
        raise ValueError("AV1 payload is truncated")
    continues, count, new_sequence = payload[0] & 0x80, payload[0] >> 4 & 0x03, payload[0] & 0x08
    if not new_sequence or continues:
        return False
    position = 1
    if count != 1:  # the first element carries its length (leb128) unless it is the only one
        while True:
            if position >= len(payload) or position > 8:
                raise ValueError("AV1 payload is truncated")
            position += 1
            if not payload[position - 1] & 0x80:
                break
    if position >= len(payload):
        raise ValueError("AV1 payload is truncated")
    return payload[position] >> 3 & 0x0F == 1  # OBU_SEQUENCE_HEADER


_KEY_FRAME: dict[str, Callable[[Buffer], bool]] = {
    "VP8": _vp8_starts,
    "VP9": _vp9_starts,
    "H264": _h264_starts,
    "AV1": _av1_starts,
}
