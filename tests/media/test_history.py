"""What is kept for a second, and what makes way."""

from media.history import MAX_BYTES, History
from media.rtp import Packet, pack_header


def packet(seq: int, at: float, size: int = 100) -> Packet:
    made = Packet(pack_header(0, 96, seq, 0, 1) + bytes(size - 12))
    made.seq, made.arrived_s = seq, at
    return made


def test_it_keeps_a_second() -> None:
    history = History()
    for seq in range(30):
        assert history.add(packet(seq, seq / 10))
    assert history.get(18) is None
    assert history.get(19) is not None
    assert history.bytes == 100 * len(history) == 1100
    history.expire(3.5)
    assert (history.get(24), len(history)) == (None, 5)
    history.expire(10.0)
    assert (len(history), history.bytes) == (0, 0)


def test_it_keeps_no_more_than_its_bytes() -> None:
    history = History()
    for seq in range(2000):
        history.add(packet(seq, 0.0, size=1200))
    assert MAX_BYTES - 1200 < history.bytes <= MAX_BYTES
    assert history.get(0) is None
    assert history.get(1999) is not None


def test_a_number_is_taken_once() -> None:
    history = History()
    assert history.add(packet(1, 0.0))
    assert not history.add(packet(1, 0.1))
    assert history.bytes == 100
