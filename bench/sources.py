"""Cameras and microphones that send what Chromium was measured to send, without pictures or sound in it.

A frame is so many packets of so many bytes, the payload begins with a real VP8, VP9, H.264 or AV1 descriptor, and
numbers start anywhere, as in a browser.
"""

import random
import struct
from dataclasses import dataclass, field

from media import rtp
from media.engine import Codec, Kind

VP8, VP9 = Codec("video", "VP8"), Codec("video", "VP9", "0")
H264, AV1 = Codec("video", "H264", "42e0/1"), Codec("video", "AV1", "0")
OPUS = Codec("audio", "opus")
EXTENSIONS = {
    rtp.AUDIO_LEVEL: 1,
    rtp.ABS_SEND_TIME: 2,
    rtp.TRANSPORT_SEQUENCE: 3,
    rtp.MID: 4,
    rtp.RID: 10,
    rtp.REPAIRED_RID: 11,
    rtp.ORIENTATION: 13,
}
HISTORY = 512  # packets kept for RTX


def video_payload(codec: str, picture_id: int, *, key: bool, first: bool, bits: int, size: int) -> bytes:
    """Return one packet's payload with a descriptor as libwebrtc writes it; `bits` is the width of a VP8 picture id."""
    low = picture_id & 0xFF
    if codec == "VP8":
        identity = struct.pack("!H", 0x8000 | picture_id & 0x7FFF) if bits == 15 else bytes((picture_id & 0x7F,))
        head = bytes((0x90 if first else 0x80, 0xF0)) + identity + bytes((low, picture_id & 0x1F))
        head += bytes((0x00 if key else 0x01,)) if first else b"\xaa"
    elif codec == "VP9":
        flags = 0xA0 | (0 if key else 0x40) | (8 if first else 0)
        head = bytes((flags,)) + struct.pack("!H", 0x8000 | picture_id & 0x7FFF) + bytes((0, low))
    elif codec == "H264":
        head = bytes((0x67,)) if key and first else bytes((0x41,))
    else:
        head = bytes((0x18, 0x0A)) if key and first else bytes((0x10, 0x32))
    return head.ljust(size, b"\0")


@dataclass
class Source:
    """What is sent on one line, or for one rid of it: every `frame_s` a frame of `packets` packets of `size` bytes."""

    kind: Kind
    mid: str
    ssrc: int
    payload_type: int
    codec: Codec
    rtx_ssrc: int | None = None
    rtx_payload_type: int | None = None
    rid: str | None = None
    frame_s: float = 1 / 24
    packets: int = 6
    size: int = 1067
    clock: int = 90000
    level: int = 30  # -dBov
    picture_bits: int = 15
    names_itself: bool = True  # with MID and RID, as until the first receiver report
    muted: bool = False
    wants_key: bool = True
    sequence: int = field(default_factory=lambda: random.randrange(1 << 16))
    timestamp: int = field(default_factory=lambda: random.randrange(1 << 32))  # at now = 0
    picture_id: int = field(default_factory=lambda: random.randrange(1 << 15))
    next_at: float | None = None
    rtx_sequence: int = 1
    packets_sent: int = 0
    octets_sent: int = 0
    key_frames: int = 0
    also: dict[int, Codec] = field(default_factory=dict)  # payload types that the line may change to
    sent: dict[int, bytes] = field(default_factory=dict)  # 16-bit sequence → packet, the newest HISTORY

    def due(self, now: float) -> list[list[tuple[int, bytes]]]:
        """Return the frames due by `now`, each a list of (marker, payload)."""
        if self.next_at is None:
            self.next_at = now
        frames = []
        while self.next_at <= now:
            self.next_at += self.frame_s
            if not self.muted:
                frames.append(self.frame())
        return frames

    def frame(self) -> list[tuple[int, bytes]]:
        """Make the next one, whether it is due or not."""
        if self.kind == "audio":
            return [(0, bytes(self.size))]
        key, self.wants_key = self.wants_key, False
        self.key_frames += key
        self.picture_id = self.picture_id + 1 & 0x7FFF
        last = self.packets - 1
        return [
            (
                int(at == last),
                video_payload(
                    self.codec.name,
                    self.picture_id,
                    key=key,
                    first=at == 0,
                    bits=self.picture_bits,
                    size=self.size,
                ),
            )
            for at in range(self.packets)
        ]

    def packet(self, marker: int, body: bytes, now: float, transport_sequence: int) -> bytes:
        """Return the next RTP packet, and keep it for RTX."""
        elements = rtp.pack_element(EXTENSIONS[rtp.TRANSPORT_SEQUENCE], transport_sequence.to_bytes(2, "big"))
        if self.names_itself:
            elements += rtp.pack_element(EXTENSIONS[rtp.MID], self.mid.encode())
            if self.rid:
                elements += rtp.pack_element(EXTENSIONS[rtp.RID], self.rid.encode())
        if self.kind == "audio":
            elements += rtp.pack_element(EXTENSIONS[rtp.AUDIO_LEVEL], bytes((self.level & 0x7F,)))
        timestamp = self.timestamp + int(now * self.clock)
        header = rtp.pack_header(
            marker, self.payload_type, self.sequence, timestamp, self.ssrc, rtp.pack_extensions(elements)
        )
        packet = header + body
        if self.kind == "video":
            self.sent[self.sequence] = packet
            if len(self.sent) > HISTORY:
                del self.sent[next(iter(self.sent))]
        self.sequence = self.sequence + 1 & 0xFFFF
        self.packets_sent += 1
        self.octets_sent += len(body)
        return packet

    def repair(self, sequence: int, transport_sequence: int) -> bytes | None:
        """Return the RTX packet for `sequence`, if it is still held."""
        data = self.sent.get(sequence)
        if data is None or self.rtx_ssrc is None or self.rtx_payload_type is None:
            return None
        packet = rtp.Packet(data)
        elements = rtp.pack_element(EXTENSIONS[rtp.TRANSPORT_SEQUENCE], transport_sequence.to_bytes(2, "big"))
        elements += rtp.pack_element(EXTENSIONS[rtp.MID], self.mid.encode())
        if self.rid:
            elements += rtp.pack_element(EXTENSIONS[rtp.REPAIRED_RID], self.rid.encode())
        header = rtp.pack_header(
            packet.marker,
            self.rtx_payload_type,
            self.rtx_sequence,
            packet.timestamp,
            self.rtx_ssrc,
            rtp.pack_extensions(elements),
        )
        self.rtx_sequence += 1
        return header + sequence.to_bytes(2, "big") + packet.payload


def camera(mid: str = "1", ssrc: int = 1000, codec: Codec = VP8, rid: str | None = None) -> Source:
    """Moving noise at 720p: 1.2 Mbit/s in 24 frames a second of 6 packets."""
    return Source("video", mid, ssrc, 96, codec, ssrc + 1, 97, rid)


def microphone(mid: str = "0", ssrc: int = 2000) -> Source:
    """Opus at 20 ms."""
    return Source("audio", mid, ssrc, 111, OPUS, frame_s=0.02, packets=1, size=78, clock=48000)
