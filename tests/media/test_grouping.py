"""What only the native engine does: a batch leaves by receiver, and frames get the padding that UDP GSO wants."""

from typing import Any

import pytest

from media.rtp import Packet
from tests.media.engines import native
from tests.media.twins import SERVER, Person, Visit


class Batch:
    """A visit through the native core, which seals what it has to send only when it is told to."""

    def __init__(self, *, group: bool) -> None:
        self.visit = Visit(lambda: native().NativeCore(group=group))
        self.people = self.visit.pair()
        self.visit.run(2.0)
        self.core: Any = self.visit.engine

    def send(self, sizes: dict[int, tuple[int, ...]]) -> list[tuple[Person, bytes]]:
        """Have each sender's frame of payloads so long arrive in turns, in one batch; return who got what."""
        frames = {number: self._frame(self.people[number], lengths) for number, lengths in sizes.items()}
        for packets in zip(*frames.values(), strict=True):
            for number, packet in zip(frames, packets, strict=True):
                self.core._core.handle(packet, SERVER, self.people[number].address, self.visit.now, self.visit.now)
        self.core._seal()
        by_address = {person.address: person for person in self.people}
        sent = [(by_address[remote], datagram) for datagram, (_, remote) in self.core.transmits]
        self.core.transmits.clear()
        return sent

    def _frame(self, person: Person, lengths: tuple[int, ...]) -> list[bytes]:
        source, participant = person.source("1"), person.participant
        packets = []
        for at, length in enumerate(lengths):
            body = source.frame()[-1 if at else 0][1][:10].ljust(length, b"\x55")
            assert participant.srtp is not None
            packet = participant.srtp.protect(source.packet(int(at == len(lengths) - 1), body, self.visit.now, at))
            assert packet is not None
            packets.append(packet)
        return packets


def test_a_batch_leaves_by_receiver_each_receivers_in_order() -> None:
    batch = Batch(group=True)
    one, other = batch.people
    sent = batch.send({0: (300, 300, 300), 1: (500, 500, 500)})
    assert [person for person, _ in sent] in ([one] * 3 + [other] * 3, [other] * 3 + [one] * 3)
    for person, size in ((one, 500), (other, 300)):
        for receiver, datagram in sent:
            if receiver is person:
                person.participant.feed(datagram, batch.visit.now)
        came: list[Packet] = person.packets("v")[-3:]
        assert [len(packet.payload) for packet in came] == [size] * 3
        assert came[2].seq == came[0].seq + 2


@pytest.mark.parametrize(("group", "sizes", "padded"), [(True, 1, 2), (False, 2, 0)])
def test_packets_a_byte_shorter_are_padded_for_the_kernel_and_for_nobody_else(
    group: bool, sizes: int, padded: int
) -> None:
    batch = Batch(group=group)
    other = batch.people[1]
    before = batch.core.counters()["rtp_padded"]
    sent = batch.send({0: (700, 700, 701)})
    assert len({len(datagram) for _, datagram in sent}) == sizes
    assert batch.core.counters()["rtp_padded"] - before == padded
    for _, datagram in sent:
        other.participant.feed(datagram, batch.visit.now)
    assert [len(packet.payload) for packet in other.packets("v")[-3:]] == [700, 700, 701]
