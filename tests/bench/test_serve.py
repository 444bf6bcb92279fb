"""Who has which SSRC, and a room whose members shake hands for real."""

from bench import serve
from bench.serve import EngineSubject
from bench.subject import addresses, free_port


def test_nobody_shares_an_ssrc() -> None:
    rooms, size = 3, 8
    ups = [source.ssrc for number in range(rooms * size) for source in serve.sources(number)]
    slots = [
        serve.slot_ssrc(number, place, source)
        for number in range(rooms * size)
        for place, other in enumerate(serve.others(number, size))
        for source in serve.sources(other)
    ]
    repairs = [ssrc + 1 for ssrc in slots]
    assert len({*ups, *slots, *repairs}) == len(ups) + len(slots) + len(repairs)


def test_others_are_those_of_the_same_room() -> None:
    assert serve.others(4, 3) == [3, 5]
    assert serve.others(1, 2) == [0]


def test_handshakes_give_everybody_keys_and_a_leg() -> None:
    subject, port = EngineSubject("reference"), free_port()
    subject.start(None)
    try:
        legs = subject.connect(1, addresses(port), size=3)
        assert subject.sample().cpu_s > 0
    finally:
        subject.stop()
    assert [leg.local for leg in legs] == [("127.1.0.1", port), ("127.1.0.2", port), ("127.1.0.3", port)]
    assert len({leg.keys.up for leg in legs}) == 3
    assert [[stream.source for stream in leg.receives] for leg in legs] == [[1, 1, 2, 2], [0, 0, 2, 2], [0, 0, 1, 1]]
    assert legs[0].sends[1].kind == "video"
    subject.stop()  # once more does no harm
