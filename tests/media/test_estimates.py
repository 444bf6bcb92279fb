"""What a receiver can take, end to end: its network, its feedback, the estimate, the cap, the sender that obeys.

Over the reference engine the receiver says REMB as browsers do, over the native one it tells when packets arrived.
"""

import itertools

import pytest

from bench.participant import numbered, slot_parameters
from bench.sources import EXTENSIONS, Source
from media.cap import SenderCap
from media.engine import DownEstimate
from media.rtp import TRANSPORT_SEQUENCE
from tests.media.twins import ENGINES, Visit

STEP_S = 0.1
FULL_BPS = 1_230_000  # what the camera sends
BOTTLENECK_BPS = 500_000


class Call:
    """A sender that obeys what it is told, and its one receiver; `caps` is what it was told, step by step."""

    def __init__(self, engine: str, seed: int = 1) -> None:
        self.visit = Visit(ENGINES[engine], seed)
        self.sender = self.visit.add()
        slots = [slot_parameters("audio", "a", 202), slot_parameters("video", "v", 204)]
        told = engine == "native"
        self.receiver = self.visit.add(slots=[numbered(slot) for slot in slots] if told else slots)
        self.visit.show(self.receiver, self.sender)
        self.says_remb = not told
        self.caps: list[int | None] = []
        self.estimates: list[int] = []
        self.full_size = self.source.size
        self._rule = SenderCap()
        self._read = self._bytes = self._lost = 0

    @property
    def source(self) -> Source:
        return self.sender.source("1")

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.visit.run(STEP_S)
            self._decide()
            self._obey()
            if self.says_remb and len(self.caps) % 10 == 0:
                self._say_remb()

    def received_bps(self, seconds: float) -> float:
        """Of video, lately."""
        since = self.visit.now - seconds
        packets = [packet for packet in self.receiver.packets("v") if (packet.arrived_s or 0) >= since]
        return sum(len(packet.data) for packet in packets) * 8 / seconds

    def lately(self, seconds: float) -> list[int | None]:
        return self.caps[-round(seconds / STEP_S) :]

    def _decide(self) -> None:
        before = self.caps[-1] if self.caps else None
        reports = [one for one in self.visit.of(DownEstimate) if one.peer == self.receiver.peer]
        cap = self._rule.at(self.visit.now)
        for report in reports[self._read :]:
            self.estimates.append(report.bitrate_bps)
            cap = self._rule.update(report, self.visit.now)
        self._read = len(reports)
        self.caps.append(cap)
        if cap != before:
            self.visit.engine.cap(self.sender.peer, cap)

    def _obey(self) -> None:
        rembs = self.sender.participant.rembs
        allowed = rembs[-1][1] if rembs else 2 * FULL_BPS
        share = min(1.0, (allowed - 85_000) / FULL_BPS)  # the rest is for voice and headers
        self.source.size = max(20, round(self.full_size * share))

    def _say_remb(self) -> None:
        """As a browser's estimate: below what arrives where packets are lost, else a little up, to 1.5 of it."""
        link, participant = self.receiver.down_link, self.receiver.participant
        got = sum(len(packet.data) for packet in self.receiver.packets("v")) + 8000
        rate_bps, self._bytes = (got - self._bytes) * 8, got
        lost, self._lost = link.lost - self._lost, link.lost
        before = participant.remb_bps or rate_bps
        rises = max(before, min(before * 1.08, rate_bps * 1.5))
        participant.remb_bps = int(min(before, rate_bps * 0.85) if lost else rises)


@pytest.fixture(params=ENGINES)
def call(request: pytest.FixtureRequest) -> Call:
    return Call(request.param)


@pytest.fixture
def told() -> Call:
    """Over the engine that reads transport-wide feedback."""
    return Call("native")


def test_a_bottleneck_caps_the_sender_near_its_rate_and_lets_go_when_it_is_gone(call: Call) -> None:
    call.run(15)
    assert call.lately(10) == [None] * 100
    call.receiver.down_link.rate_bps = BOTTLENECK_BPS
    call.run(10)
    call.run(30)
    assert all(cap and 0.5 * BOTTLENECK_BPS < cap < 1.4 * BOTTLENECK_BPS for cap in call.lately(30)), call.caps
    assert call.received_bps(30) > 0.7 * BOTTLENECK_BPS
    call.receiver.down_link.rate_bps = None
    call.run(40)
    assert call.lately(5) == [None] * 50
    assert call.received_bps(5) > 0.95 * FULL_BPS


def test_the_queue_of_a_bottleneck_stays_short(told: Call) -> None:
    told.run(5)
    link = told.receiver.down_link
    link.rate_bps, link.queue_s = BOTTLENECK_BPS, 1.0
    told.run(10)
    waits = []
    for _ in range(300):
        told.run(STEP_S)
        waits.append(max(0.0, link.free_at - told.visit.now))
    waits.sort()
    assert waits[len(waits) // 2] < 0.1
    assert waits[len(waits) * 95 // 100] < 0.4


def test_a_still_picture_locks_nothing(call: Call) -> None:
    call.full_size = call.source.size = 20  # 23 kbit/s
    call.run(15)
    call.receiver.down_link.loss, call.receiver.down_link.delay_s = 0.1, 0.2
    call.run(10)
    call.receiver.down_link.loss, call.receiver.down_link.delay_s = 0.0, 0.01
    call.run(2)
    call.full_size = call.source.size = 1067
    call.run(15)
    assert call.caps == [None] * len(call.caps)
    assert call.received_bps(10) > 0.95 * FULL_BPS


@pytest.mark.parametrize("loss", [0.01, 0.03])
def test_some_random_loss_costs_the_sender_nothing(told: Call, loss: float) -> None:
    told.run(5)
    told.receiver.down_link.loss = loss
    told.run(30)
    assert all(cap is None or cap > 0.95 * FULL_BPS for cap in told.caps), told.caps
    assert told.received_bps(10) > 0.95 * FULL_BPS


def test_jitter_costs_the_sender_nothing(told: Call) -> None:
    told.run(5)
    told.receiver.down_link.jitter_s = 0.02
    told.run(30)
    assert all(cap is None or cap > 0.95 * FULL_BPS for cap in told.caps), told.caps
    assert told.received_bps(10) > 0.95 * FULL_BPS


def test_all_that_a_receiver_gets_is_numbered_in_one_row(told: Call) -> None:
    told.receiver.down_link.loss = 0.05
    told.run(3)
    told.receiver.down_link.loss = 0.0
    told.run(1)
    received = [told.receiver.received(mid) for mid in "av"]
    packets = [packet for one in received for packet in one.packets if packet.seq not in one.repaired]
    packets += [repair for one in received for repair in one.rtx]
    since = told.visit.now - 0.9
    lately = [packet for packet in packets if (packet.arrived_s or 0) > since]
    numbers = sorted(int.from_bytes(packet.extensions()[EXTENSIONS[TRANSPORT_SEQUENCE]], "big") for packet in lately)
    assert len(received[1].rtx) > 5  # they are numbered too
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_repairs_are_paced_and_media_is_not_delayed(told: Call) -> None:
    told.run(5)
    link = told.receiver.down_link
    link.down = True
    told.visit.run(0.35)
    link.down = False
    since = told.visit.now
    told.visit.run(1.5)
    received = told.receiver.received("v")
    repairs = [packet.arrived_s for packet in received.rtx if packet.arrived_s and packet.arrived_s > since]
    assert len(repairs) >= 40
    apart = [later - sooner for sooner, later in itertools.pairwise(repairs)]
    assert max(repairs) - min(repairs) > 0.05
    assert sum(gap < 0.001 for gap in apart) < 0.9 * len(apart)
    straight = [packet for packet in received.packets if packet.seq not in received.repaired]
    frames = sorted({packet.arrived_s for packet in straight if packet.arrived_s and packet.arrived_s > since})
    steps = [later - sooner for sooner, later in itertools.pairwise(frames)]
    assert max(steps) < told.source.frame_s + 0.006


@pytest.mark.parametrize("told", [True, False], ids=["feedback", "remb"])
def test_where_the_estimate_comes_from(told: bool) -> None:
    slot = slot_parameters("video", "v", 204)
    visit = Visit(ENGINES["native"])
    sender, receiver = visit.add(), visit.add(slots=[numbered(slot) if told else slot])
    assert (TRANSPORT_SEQUENCE in receiver.participant.slots[204].extensions) is told
    visit.route(receiver, "v", sender.camera)
    receiver.participant.remb_bps = 777_000
    visit.run(5)
    said = [one.bitrate_bps for one in visit.of(DownEstimate) if one.peer == receiver.peer]
    assert (777_000 in said[-2:]) is not told
    assert said[-1] > 700_000
