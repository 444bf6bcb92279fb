"""What fake participants send and what became of it: the native load generator, in Python's terms.

One thread and one socket on all addresses stand for everybody. It sends SRTP that looks like cameras and microphones,
STUN checks every 5 s and RTCP reports every second, answers PLI by a key frame, tells ten times a second when packets
with transport-wide numbers arrived, as browsers do, and keeps account of what arrives. One
packet in 16 of each stream is authenticated, decrypted, and must carry the stamp of the right sender; the one-way delay
is from that stamp to the reading of the packet, so the generator's own sleep of up to `quantum_us` is in it. It asks
for nothing again.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass

from bench.connection import check
from bench.leg import Leg

DRAIN_S = 0.3


@dataclass(frozen=True, slots=True)
class Shape:
    """What each camera and microphone sends at rate 1; sizes are of payloads."""

    video_packets_s: float = 100
    audio_packets_s: float = 50
    video_bytes: int = 1000
    audio_bytes: int = 120
    frame_packets: int = 4
    burst: bool = False  # a frame leaves at once, by UDP GSO; else its packets are evenly apart, phases too
    uneven: bool = False  # the last packet of a frame is a byte longer, as Chromium splits frames
    key_frame_s: float = 10.0
    quantum_us: int = 50

    def packets_s(self, cameras: int, microphones: int) -> float:
        return cameras * self.video_packets_s + microphones * self.audio_packets_s


@dataclass(frozen=True, slots=True)
class Result:
    """What one run came to. Counts are of packets; `sent` to `cpu_s` of the run itself, the rest with the drain."""

    sent: int
    late: int  # left more than 1 ms after they were due
    skipped: int  # turns left out: the generator was more than 100 ms behind
    arrived: int
    wall_s: float
    cpu_s: float  # of the generator
    expected: int
    received: int  # duplicates apart
    duplicates: int
    reordered: int
    silent: int  # streams that were sent and of which nothing came
    other: int  # of streams nobody waits for: repairs, probes
    overflowed: int  # datagrams that the generator didn't read in time
    checked: int
    refused: int  # not authentic
    strange: int  # with another sender's stamp
    rtcp: int
    feedback_sent: int  # reports of when packets arrived
    key_frames_asked: int
    p50_s: float
    p99_s: float
    p999_s: float

    @property
    def loss(self) -> float:
        return 1 - self.received / self.expected if self.expected else 0.0

    @property
    def offered_s(self) -> float:
        return self.sent / self.wall_s

    @property
    def arrived_s(self) -> float:
        return self.arrived / self.wall_s

    @property
    def core(self) -> float:
        """Share of one core that the generator used."""
        return self.cpu_s / self.wall_s

    @property
    def cpu_us(self) -> float:
        """Of the generator, per packet that it sent or received, whichever were more."""
        return self.cpu_s / max(1, self.sent, self.arrived) * 1e6

    @property
    def late_share(self) -> float:
        return self.late / max(1, self.sent)

    @property
    def sound(self) -> bool:
        """Whether what came was what was sent, and was counted in full."""
        return self.refused == self.strange == self.overflowed == 0


class Load:
    """Everybody; their handshakes are done. The one port of their local addresses must be free again.

    Raises ImportError where the native engine is not built.
    """

    def __init__(self, legs: Sequence[Leg]) -> None:
        port = legs[0].local[1]
        assert all(leg.local[1] == port for leg in legs)
        self._generator = importlib.import_module("media._engine").Load(legs, [check(leg.ice) for leg in legs], port)

    def run(self, shape: Shape, seconds: float, rate: float = 1.0) -> None:
        """Send at `rate` times the pace of `shape`; counts go on from before."""
        self._generator.run(shape, seconds, rate)

    def reset(self) -> None:
        self._generator.reset()

    def drain(self, shape: Shape, seconds: float = DRAIN_S) -> Result:
        """Return what was counted since `reset`, after waiting for what is on its way."""
        ran = self._generator.report()
        self._generator.run(shape, seconds, 0.0)
        report = self._generator.report()
        report.update({name: ran[name] for name in ("sent", "late", "skipped", "arrived", "wall_s", "cpu_s")})
        names = Result.__dataclass_fields__
        return Result(**{name: value for name, value in report.items() if name in names})
