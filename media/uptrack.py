"""What a participant sends on one line: its streams (one, or one per rid), with their statistics and their repair.

A stream is one SSRC. The newest packets are kept in its history while somebody is shown it, and every packet, RTX-
repaired ones included, leaves `receive` with its unwrapped number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from media import payload, rtp
from media.engine import Codec, PeerId, UpId, UpParameters
from media.history import History
from media.keyframe import KeyFrameRequests
from media.nack import NackList
from media.rtcp import ReportBlock, SenderReport
from media.rtp import Packet, Seq, seq_diff

if TYPE_CHECKING:
    from media.downtrack import DownTrack

LOST_S = 2.0  # without a packet, a video source is lost
MAX_DISORDER = 1024  # a number further from the newest is a restart of the sender, if the next one confirms it
_DEFAULT_CLOCK = {"audio": 48000, "video": 90000}


class UpStream:
    """`highest` is the newest number received, -1 before the first packet; `sender_report` came at `reported_at`."""

    def __init__(self, track: UpTrack, rid: str, ssrc: int) -> None:
        self.track = track
        self.rid = rid
        self.ssrc = ssrc
        self.history = History()
        self.nacks = NackList()
        self.key_frames = KeyFrameRequests()
        self.highest: Seq = -1
        self.last_at = float("-inf")
        self.shown = False  # the slots have been told that it is there
        self.sender_report: SenderReport | None = None
        self.reported_at = 0.0
        self._first: Seq = 0
        self._received = 0
        self._jitter = 0.0  # timestamp units
        self._transit = 0.0
        self._confirming = -1  # the number that would prove a restart
        self._expected_before = self._received_before = 0  # at the last report block
        self._counted = Counter[str]()  # but for packets and losses since the sender last began anew

    def receive(self, packet: Packet, now: float, *, repaired: bool) -> bool:
        """Number the packet and take it in; False if its number is out of all bounds and it is to be dropped."""
        seq = self._number(packet.sequence, repaired)
        if seq is None:
            return False
        packet.seq = seq
        packet.arrived_s = now
        video = self.track.video
        if video and self.track.slots and not self.nacks.received(seq, self.highest, now):
            self.key_frames.ask()
        if repaired:
            self._counted["repaired"] += 1
        else:
            self._measure(packet, now)
        if seq > self.highest:
            self.highest = seq
        if video and self.key_frames.wanted and self.starts_key_frame(packet):
            self.key_frames.seen()
        return True

    def sends(self, now: float) -> bool:
        return now - self.last_at < LOST_S

    def starts_key_frame(self, packet: Packet) -> bool:
        """Read once per packet, and only when somebody waits for one. Malformed payloads start nothing."""
        if packet.key_frame is None:
            codec = self.track.codecs.get(packet.payload_type)
            try:
                packet.key_frame = codec is not None and payload.starts_key_frame(codec.name, packet.payload)
            except ValueError:
                packet.key_frame = False
        return packet.key_frame

    def counts(self) -> Counter[str]:
        """Return what has come so far; see `media.engine.Engine.track_counters`."""
        counts = Counter(self._counted)
        counts["packets"] += self._received
        counts["lost"] += max(0, self._expected() - self._received)  # some may have come twice
        return counts

    def report_block(self, now: float) -> ReportBlock:
        """Return what a receiver report says of this stream since the last one (RFC 3550 §6.4.1, A.3)."""
        expected = self._expected()
        expected_now = expected - self._expected_before
        lost_now = expected_now - (self._received - self._received_before)
        self._expected_before, self._received_before = expected, self._received
        report = self.sender_report
        return ReportBlock(
            self.ssrc,
            max(0, min(255, (lost_now << 8) // expected_now)) if expected_now > 0 else 0,
            max(-0x800000, min(0x7FFFFF, expected - self._received)),
            self.highest - 0x10000 & 0xFFFFFFFF,
            min(0xFFFFFFFF, int(self._jitter)),
            report.ntp_time >> 16 & 0xFFFFFFFF if report else 0,
            min(0xFFFFFFFF, int((now - self.reported_at) * 65536)) if report else 0,
        )

    def _expected(self) -> int:
        """Return how many were sent since it began, or began anew, as their numbers tell."""
        return 0 if self.highest < 0 else self.highest - self._first + 1

    def _number(self, sequence: int, repaired: bool) -> Seq | None:
        if self.highest < 0:
            if repaired:
                return None
            self._first = 0x10000 + sequence  # far from zero, so that what came before the first stays positive
            self.highest = self._first - 1
            return self._first
        step = seq_diff(sequence, self.highest & 0xFFFF)
        if -MAX_DISORDER < step <= MAX_DISORDER:
            self._confirming = -1
            return self.highest + step
        if repaired:
            return None
        if sequence != self._confirming:
            self._confirming = sequence + 1 & 0xFFFF
            return None
        self._confirming = -1
        return self._restart(sequence)

    def _restart(self, sequence: int) -> Seq:
        """The sender began anew somewhere else: go on above everything seen, with fresh statistics."""
        seq = self.highest + (sequence - self.highest & 0xFFFF)
        self.history, self.nacks = History(), NackList()
        self._counted = self.counts()
        self._first, self.highest = seq, seq - 1
        self._received = self._expected_before = self._received_before = 0
        return seq

    def _measure(self, packet: Packet, now: float) -> None:
        self._received += 1
        self._counted["octets"] += packet.end - packet.payload_at
        self.last_at = now
        transit = now * self.track.clock_rate(packet.payload_type) - packet.timestamp
        if self._received > 1:
            step = abs(transit - self._transit)
            if step < 1e6:  # a wrapped or jumped timestamp says nothing of the network
                self._jitter += (step - self._jitter) / 16
        self._transit = transit


class UpTrack:
    """One send line. `slots` are the down tracks that show it or wait to."""

    def __init__(self, id: UpId, peer: PeerId, parameters: UpParameters) -> None:
        self.id = id
        self.peer = peer
        self.parameters = parameters
        self.video = parameters.kind == "video"
        self.codecs: Mapping[int, Codec] = parameters.codecs
        self.slots: list[DownTrack] = []
        self.streams: dict[str, UpStream] = {}  # by rid, "" without
        self.ever: list[UpStream] = []  # those given up included: late packets and repairs still find them
        self.lost = False
        self.tapped = False  # what comes is copied for a recorder
        self.level_id = parameters.extensions.get(rtp.AUDIO_LEVEL, 0)
        self.mid = parameters.mid.encode()

    def clock_rate(self, payload_type: int) -> int:
        return self.parameters.clock_rates.get(payload_type) or _DEFAULT_CLOCK[self.parameters.kind]

    def latch(self, rid: str, ssrc: int) -> UpStream:
        """Begin the stream of `rid` with this SSRC; one it had before is over."""
        stream = self.streams[rid] = UpStream(self, rid, ssrc)
        self.ever.append(stream)
        return stream

    def repaired(self, packet: Packet, ssrc: int) -> Packet | None:
        """Return the packet that an RTX packet of this line carries; None for a probe. Raises ValueError."""
        payload_type = self.parameters.rtx.get(packet.payload_type)
        data = None if payload_type is None else rtp.repaired(packet, ssrc, payload_type)
        return None if data is None else Packet(data)

    def choose(self, rid: str | None, now: float) -> UpStream | None:
        """Return the stream of `rid`; for None the highest one that sends, else the highest there is."""
        if rid is not None:
            return self.streams.get(rid)
        there = [self.streams[name] for name in (*self.parameters.rids, "") if name in self.streams]
        sending = [stream for stream in there if stream.sends(now)]
        return sending[-1] if sending else there[-1] if there else None

    def counts(self) -> Counter[str]:
        counts = Counter(packets=0, octets=0, lost=0, repaired=0)
        for stream in self.ever:
            counts.update(stream.counts())
        return counts

    def last_at(self) -> float:
        return max((stream.last_at for stream in self.streams.values()), default=float("-inf"))
