"""One source's time in a slot: how its packets are renumbered, from its first key frame until another took over.

A slot looks like one endless stream to its receiver. Each stint adds a constant to the timestamps, to the VP8 or VP9
picture numbers, and (through `numbering`) to the sequence numbers, chosen at its start so that all go on without a
step. A late packet of the source before still gets the numbers of *its* stint.
"""

from collections.abc import Callable

from media import payload
from media.engine import Codec
from media.numbering import Numbering
from media.payload import Vp8, Vp9
from media.rtp import Packet, Seq
from media.uptrack import UpStream

Picture = tuple[int, int, int]  # picture id, TL0PICIDX, KEYIDX; as counted in the slot, not yet cut to their widths

_PARSERS: dict[str, Callable[[bytes], Vp8 | Vp9]] = {"VP8": payload.parse_vp8, "VP9": payload.parse_vp9}
_UNMOVED = (0, 0, 0)


class Stint:
    """It begins with `first`, which goes out as number `seq` at `timestamp`, one picture behind `after`."""

    __slots__ = (
        "_newest",
        "_parse",
        "_shift",
        "closed_at",
        "first_seq",
        "numbering",
        "payload_type",
        "rtx_payload_type",
        "source_payload_type",
        "stream",
        "timestamp_offset",
    )

    def __init__(
        self,
        stream: UpStream,
        first: Packet,
        codec: Codec,
        payload_types: tuple[int, int | None],
        seq: Seq,
        timestamp: int,
        after: Picture | None,
    ) -> None:
        self.stream = stream
        self.source_payload_type = first.payload_type
        self.payload_type, self.rtx_payload_type = payload_types
        self.numbering = Numbering(first.seq, seq)
        self.first_seq = seq
        self.timestamp_offset = timestamp - first.timestamp
        self.closed_at: float | None = None
        self._parse = _PARSERS.get(codec.name)
        self._newest = first
        self._shift: Picture = _UNMOVED
        begins = self._picture_in(first)
        if after is not None and begins is not None:
            self._shift = (after[0] + 1 - begins[0], after[1] + 1 - begins[1], after[2] + 1 - begins[2])

    def covers(self, packet: Packet, stream: UpStream) -> bool:
        return (
            stream is self.stream
            and packet.payload_type == self.source_payload_type
            and packet.seq >= self.numbering.first
        )

    def close(self, now: float) -> None:
        self.numbering.close()
        self.closed_at = now

    def noted(self, packet: Packet) -> None:
        """`packet` is the newest one that went out."""
        self._newest = packet

    def picture(self) -> Picture | None:
        """Return the numbers that the newest packet went out with; None for a codec without them."""
        newest, shift = self._picture_in(self._newest), self._shift
        return newest and (newest[0] + shift[0], newest[1] + shift[1], newest[2] + shift[2])

    def payload(self, packet: Packet) -> bytes:
        """Return the payload as it goes out, its picture numbers moved."""
        shift = self._shift
        found = None if shift == _UNMOVED else self._descriptor(packet)
        if found is None:
            return packet.payload
        body = bytearray(packet.payload)
        picture_id, tl0picidx = (found.picture_id or 0) + shift[0], (found.tl0picidx or 0) + shift[1]
        if isinstance(found, Vp8):
            found.rewrite(body, 0, picture_id, tl0picidx, (found.keyidx or 0) + shift[2])
        else:
            found.rewrite(body, 0, picture_id, tl0picidx)
        return bytes(body)

    def _descriptor(self, packet: Packet) -> Vp8 | Vp9 | None:
        """Parse once per packet, however many slots show it; a malformed payload has none and passes as it is."""
        if packet.descriptor is None and self._parse is not None:
            try:
                packet.descriptor = self._parse(packet.payload)
            except ValueError:
                return None
        return packet.descriptor

    def _picture_in(self, packet: Packet) -> Picture | None:
        found = self._descriptor(packet)
        if found is None:
            return None
        keyidx = found.keyidx if isinstance(found, Vp8) else None
        return found.picture_id or 0, found.tl0picidx or 0, keyidx or 0
