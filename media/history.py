"""The packets of one up stream from the last second, kept once however many receivers may ask for them again."""

from collections import deque

from media.rtp import Packet, Seq

MAX_AGE_S = 1.0  # older, the receiver has given up on the frame
MAX_BYTES = 1 << 20  # a second at 8 Mbit/s; beyond it the oldest go earlier


class History:
    """`oldest out` at both bounds; `bytes` is what is held now."""

    __slots__ = ("_order", "_packets", "bytes")

    def __init__(self) -> None:
        self._packets: dict[Seq, Packet] = {}
        self._order: deque[Packet] = deque()  # by arrival
        self.bytes = 0

    def add(self, packet: Packet) -> bool:
        """Keep it; False if this number is held already: a repair that came twice."""
        packets, order = self._packets, self._order
        if packet.seq in packets:
            return False
        packets[packet.seq] = packet
        order.append(packet)
        self.bytes += len(packet.data)
        too_old = packet.arrived_s - MAX_AGE_S
        while self.bytes > MAX_BYTES or order[0].arrived_s < too_old:
            self._drop_oldest()
        return True

    def get(self, seq: Seq) -> Packet | None:
        return self._packets.get(seq)

    def expire(self, now: float) -> None:
        """Let go of what is too old, for a stream that has fallen silent."""
        while self._order and self._order[0].arrived_s < now - MAX_AGE_S:
            self._drop_oldest()

    def __len__(self) -> int:
        return len(self._packets)

    def _drop_oldest(self) -> None:
        packet = self._order.popleft()
        self.bytes -= len(packet.data)
        del self._packets[packet.seq]
