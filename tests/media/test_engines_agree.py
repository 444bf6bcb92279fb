"""The same random call through both engines: the same packets to each receiver, byte for byte, and the same reports.

A call is recorded from the reference engine, bad networks and all, and played to the other one. What only one engine
has (estimates from transport feedback, padding for GSO, pacing of repairs) is not asked for here.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bench.participant import slot_parameters, up_parameters
from bench.sources import AV1, H264, VP8, VP9, Source, camera, microphone
from media import rtcp, rtp
from media.core import Core
from media.engine import DownEstimate, Event, IceCredentials, PeerId, UpId
from tests.media.replay import Heard, Recorder, play
from tests.media.twins import ENGINES, TICK_S, Person, Visit, credentials

SECONDS = 12
PROFILES = ("SRTP_AEAD_AES_128_GCM", "SRTP_AEAD_AES_256_GCM", "SRTP_AES128_CM_SHA1_80")
OTHERS = [name for name in ENGINES if name != "reference"]


class Scenario:
    """Everything that can happen in a visit, in an order that the seed decides."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.recorder: Recorder | None = None
        self.visit = Visit(self._record, seed)
        for _ in range(self.random.randint(2, 4)):
            self.join()
        for viewer, shown in zip(self.visit.people, reversed(self.visit.people), strict=True):
            self.visit.show(viewer, shown)

    def _record(self) -> Recorder:
        self.recorder = Recorder(Core())
        return self.recorder

    def run(self) -> tuple[Recorder, list[Event]]:
        acts: Sequence[Callable[[], None]] = (
            self.show, self.show, self.show, self.show, self.network, self.network, self.gate, self.mute, self.cap,
            self.ask, self.restart, self.remb, self.intra, self.dtls, self.jump, self.padding, self.leave, self.join,
            self.move, self.relatch, self.set_up_anew, self.wrap, self.change_codec, self.ask_again, self.another_slot,
            self.stop_naming, self.two_byte_extensions, self.late,
        )  # fmt: skip
        for _ in range(SECONDS * 4):
            self.visit.run(self.random.uniform(0.05, 0.45))
            self.random.choice(acts)()
        for person in self.visit.people:
            person.up_link.loss = person.down_link.loss = 0.0
        self.visit.run(1.0)
        assert self.recorder is not None
        return self.recorder, self.visit.of(object)

    # --- what can happen ------------------------------------------------------------------------------------------

    def join(self) -> None:
        number = len(self.visit.people) + 1
        if number > 5:
            return
        codec = self.random.choice((VP8, VP9, H264, AV1))
        ssrc = self.random.randrange(1, 1 << 31)
        sources: list[Source] = [microphone(ssrc=ssrc)]
        if self.random.random() < 0.3:
            layers = [camera(ssrc=ssrc + 10 * n, codec=codec, rid=rid) for n, rid in enumerate("abc", 1)]
            for layer, size in zip(layers, (200, 500, 1067), strict=True):
                layer.size, layer.packets = size, self.random.randint(1, 4)
            sources += layers
        else:
            sources.append(camera(ssrc=ssrc + 10, codec=codec))
            sources[-1].picture_bits = self.random.choice((7, 15))
            sources[-1].names_itself = self.random.random() < 0.9
        person = self.visit.add(sources, admitted=self.random.random() < 0.9, profile=self.random.choice(PROFILES))
        person.participant.asks_again = self.random.random() < 0.8

    def one(self) -> Person:
        return self.random.choice(self.visit.people)

    def show(self, viewer: Person | None = None) -> None:
        viewer, shown = viewer or self.one(), self.one()
        slot, line = self.random.choice((("a", "0"), ("v", "1"), ("v", "1")))
        up: UpId | None = shown.ups[line] if self.random.random() < 0.9 else None
        rid = self.random.choice((None, None, "a", "b", "c", "x"))
        self.visit.route(viewer, slot, up, rid)

    def network(self) -> None:
        person = self.one()
        link = self.random.choice((person.up_link, person.down_link))
        link.loss = self.random.choice((0.0, 0.01, 0.1, 0.3))
        link.jitter_s = self.random.choice((0.0, 0.02))
        link.reorder = self.random.choice((0.0, 0.05))
        link.duplicate = self.random.choice((0.0, 0.05))
        link.rate_bps = self.random.choice((None, 2e6))

    def gate(self) -> None:
        for person in self.visit.people:
            self.visit.engine.gate(person.peer, self.random.random() < 0.9, self.visit.now)

    def mute(self) -> None:
        source = self.random.choice(self.one().participant.sources)
        source.muted = not source.muted
        source.level = self.random.choice((20, 60, 127))

    def cap(self) -> None:
        self.visit.engine.cap(self.one().peer, self.random.choice((None, 300_000, 1_000_000)))

    def ask(self) -> None:
        self.visit.engine.ask_key_frame(self.one().ups["1"])

    def restart(self) -> None:
        person = self.one()
        ice: IceCredentials = credentials(person.number, self.random.randrange(1, 1000))
        self.visit.engine.restart(person.peer, ice)
        person.participant.ice = ice
        person.participant.checked = False

    def move(self) -> None:
        person = self.one()
        person.address = (person.address[0], self.random.randrange(1024, 65535))
        person.participant.checked = False

    def remb(self) -> None:
        self.one().participant.remb_bps = self.random.choice((None, 200_000, 5_000_000))

    def intra(self) -> None:
        person = self.one()
        ssrc = next(ssrc for ssrc, slot in person.participant.slots.items() if slot.mid == "v")
        request = rtcp.FullIntraRequest(1, ((ssrc, self.random.randrange(3)),))
        person.participant.send_rtcp(self.random.choice((request, rtcp.PictureLoss(1, ssrc))))

    def dtls(self) -> None:
        self.visit.engine.send_dtls(self.one().peer, b"\x16" + self.random.randbytes(20))

    def jump(self) -> None:
        source = self.random.choice(self.one().participant.sources)
        source.sequence = source.sequence + self.random.choice((3, 300, 2000, 40_000)) & 0xFFFF

    def padding(self) -> None:
        """Packets that carry nothing, as a browser's bandwidth probes may."""
        person = self.one()
        source = self.random.choice(person.participant.sources)
        for _ in range(self.random.randint(1, 3)):
            packet = bytearray(source.packet(0, bytes(7) + b"\x08", self.visit.now, 1))
            packet[0] |= 0x20
            person.participant.send_rtp(bytes(packet))

    def source(self) -> Source:
        return self.random.choice(self.one().participant.sources)

    def relatch(self) -> None:
        """A line goes on with another SSRC."""
        source = self.source()
        source.ssrc = self.random.randrange(1, 1 << 31)
        if source.rtx_ssrc:
            source.rtx_ssrc = source.ssrc + 1
        source.names_itself = self.random.random() < 0.8

    def set_up_anew(self) -> None:
        """A line is taken down and comes back under its MID."""
        person = self.one()
        mid = self.random.choice(list(person.ups))
        line = [source for source in person.participant.sources if source.mid == mid]
        self.visit.engine.remove(person.ups[mid], self.visit.now)
        person.ups[mid] = self.visit.engine.add_up(person.peer, up_parameters(*line))
        for source in line:
            source.names_itself = self.random.random() < 0.5
        self.visit.show(self.one(), person)

    def wrap(self) -> None:
        source = self.source()
        source.sequence = 65536 - self.random.randrange(1, 40)
        source.timestamp = -int(self.visit.now * source.clock) - self.random.randrange(1, 90000) & 0xFFFFFFFF

    def change_codec(self) -> None:
        source = self.source()
        if source.kind == "video":
            source.codec, source.payload_type = self.random.choice(((VP8, 96), (VP9, 98)))

    def ask_again(self) -> None:
        """For much more than was lost, several times over."""
        person = self.one()
        for ssrc, received in person.participant.received.items():
            if received.packets:
                numbers = [*received.numbers()[-90:], received.highest + 5]
                request = rtcp.Nack(1, ssrc, tuple(number & 0xFFFF for number in numbers))
                person.participant.send_rtcp(*[request] * self.random.randint(1, 3))

    def another_slot(self) -> None:
        """One more that begins just before its numbers wrap; all of them show the same person."""
        viewer, shown = self.one(), self.one()
        many = len(viewer.downs)
        if many < 5:
            ssrc = 10_000 * viewer.number + 10 * many
            near = {"first_sequence": 65500, "first_timestamp": (1 << 32) - 1000}
            self.visit.add_slot(viewer, slot_parameters("video", f"w{many}", ssrc, **near))
        for mid in viewer.downs:
            if mid != "a":
                self.visit.route(viewer, mid, shown.ups.get("1"), self.random.choice((None, "a", "b")))

    def stop_naming(self) -> None:
        for source in self.one().participant.sources:
            source.names_itself = not source.names_itself

    def two_byte_extensions(self) -> None:
        """MID, audio level, orientation, padding, and an id that nobody agreed to."""
        person = self.one()
        source = self.random.choice(person.participant.sources)
        mid = self.random.choice((b"0", b"1", b"x"))
        elements = b"\x04\x01" + mid + b"\x01\x01\x14\x0d\x01\x03\0\0\xc8\x03abc"
        elements += bytes(-len(elements) % 4)
        block = b"\x10\x05" + (len(elements) // 4).to_bytes(2, "big") + elements
        header = rtp.pack_header(0, source.payload_type, source.sequence, source.timestamp, source.ssrc, block)
        source.sequence = source.sequence + 1 & 0xFFFF
        person.participant.send_rtp(header + b"\x10\0" + bytes(20))

    def late(self) -> None:
        """At, just within and just beyond what may be late."""
        person = self.one()
        source = self.random.choice(person.participant.sources)
        newest = source.sequence
        source.sequence = newest - self.random.choice((1, 5, 500, 1023, 1024, 1025)) & 0xFFFF
        body = b"\x90\xf0\x80\x01\x01\x01\x00" + bytes(9)
        person.participant.send_rtp(source.packet(0, body, self.visit.now, 1))
        source.sequence = newest

    def leave(self) -> None:
        if len(self.visit.people) > 2:
            person = self.one()
            self.visit.people.remove(person)
            what: PeerId | UpId = self.random.choice((person.peer, person.peer, person.camera))
            self.visit.engine.remove(what, self.visit.now)


def compare(ours: Heard, theirs: Heard) -> None:
    assert theirs.rtp.keys() == ours.rtp.keys()
    for remote, packets in ours.rtp.items():
        for at, (one, other) in enumerate(zip(packets, theirs.rtp[remote], strict=False)):
            assert one == other, f"packet {at} to {remote}"
        assert len(packets) == len(theirs.rtp[remote]), remote
    assert theirs.other == ours.other
    for remote, reports in ours.reports.items():
        unmatched: list[Any] = list(theirs.reports[remote])
        for when, report in reports:
            same = next((m for m in unmatched if m[1] == report and abs(m[0] - when) <= TICK_S * 1.01), None)
            assert same is not None, f"{report} at {when} to {remote} is not in {unmatched[:5]}"
            unmatched.remove(same)
        assert not unmatched, remote


def told(events: list[Event]) -> Counter[str]:
    """Estimates are made of floats summed in some order; everything else is the same to the letter."""
    return Counter(
        f"{event.peer} {event.bitrate_bps} {event.loss:.9f} {event.sent_bps}"
        if isinstance(event, DownEstimate)
        else repr(event)
        for event in events
    )


@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize("seed", range(12))
def test_a_random_call_is_the_same(engine: str, seed: int) -> None:
    assert agree(engine, seed) > 100


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("engine", OTHERS)
def test_many_random_calls_are_the_same(engine: str) -> None:
    packets = sum(agree(engine, seed) for seed in range(100, 400))
    assert packets > 300 * 1000


def agree(engine: str, seed: int) -> int:
    """Return how many packets were compared."""
    recorder, events = Scenario(seed).run()
    heard, others = play(recorder.calls, ENGINES[engine])
    compare(recorder.heard, heard)
    assert told(others) == told(events)
    return sum(map(len, heard.rtp.values()))
