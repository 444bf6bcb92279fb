"""A fake participant: the browser's half of a visit's media, without a socket, a clock, a camera or a codec.

It checks the path as a controlling ICE agent, sends what its sources make, answers NACKs by RTX and picture loss by a
key frame, and keeps account of what its slots receive. `feed` it datagrams, send what `due` returns. Tests drive it in
virtual time with keys made up on the spot, the bench in real time behind a real DTLS handshake.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bench.sources import AV1, EXTENSIONS, H264, OPUS, VP8, VP9, Source
from media import rtcp, rtp, stun
from media.arrivals import Arrivals
from media.engine import DownParameters, IceCredentials, SrtpKeys, UpParameters
from media.feedback import TransportFeedback
from media.srtp import Srtp

NTP_AT_ZERO = 3_900_000_000  # seconds since 1900 at now = 0
CHECK_INTERVAL_S = 2.5
REPORT_INTERVAL_S = 1.0
NACK_INTERVAL_S = 0.05
FEEDBACK_INTERVAL_S = 0.1


def up_parameters(*sources: Source) -> UpParameters:
    """Describe the line that these sources (one, or one per rid) send on, as an answer would have accepted it."""
    first = sources[0]
    return UpParameters(
        first.kind,
        first.mid,
        {first.payload_type: first.codec, **first.also},
        {first.rtx_payload_type: first.payload_type} if first.rtx_payload_type else {},
        EXTENSIONS,
        tuple(source.rid for source in sources if source.rid),
        clock_rates={first.payload_type: first.clock},
    )


def slot_parameters(kind: str, mid: str, ssrc: int, **changes: object) -> DownParameters:
    """Describe a receive line; without changes, with the payload types that `bench.sources` uses."""
    video = kind == "video"
    values: dict[str, object] = {
        "kind": kind,
        "mid": mid,
        "ssrc": ssrc,
        "rtx_ssrc": ssrc + 1 if video else None,
        "cname": "person",
        "codecs": {VP8: 96, VP9: 98, H264: 102, AV1: 45} if video else {OPUS: 111},
        "rtx": {96: 97, 98: 99, 102: 103, 45: 46} if video else {},
        "extensions": {uri: number for uri, number in EXTENSIONS.items() if uri != rtp.TRANSPORT_SEQUENCE},
        "clock_rate": 90000 if video else 48000,
    }
    return DownParameters(**{**values, **changes})  # type: ignore[arg-type]  # a table of defaults, overridden by name


def numbered(slot: DownParameters) -> DownParameters:
    """Return the slot as one that transport-wide feedback is given about, where the engine reads that."""
    extensions = {uri: number for uri, number in EXTENSIONS.items() if uri != rtp.ABS_SEND_TIME}
    return replace(slot, extensions=extensions)


def make_keys(profile: str = "SRTP_AEAD_AES_128_GCM") -> SrtpKeys:
    size = {"SRTP_AEAD_AES_128_GCM": 28, "SRTP_AEAD_AES_256_GCM": 44, "SRTP_AES128_CM_SHA1_80": 30}[profile]
    return SrtpKeys(profile, os.urandom(size), os.urandom(size))  # type: ignore[arg-type]  # the table above admits its three only


@dataclass
class Received:
    """What came in for one slot, RTX put back in place."""

    packets: list[rtp.Packet] = field(default_factory=list)  # in the order of arrival, `seq` unwrapped
    reports: list[tuple[float, rtcp.SenderReport]] = field(default_factory=list)  # with the time each came
    repaired: set[int] = field(default_factory=set)  # unwrapped numbers that came as RTX
    rtx: list[rtp.Packet] = field(default_factory=list)  # the repairs, as they came
    octets: int = 0
    highest: int = -1
    missing: dict[int, tuple[int, float]] = field(default_factory=dict)  # number → (times asked, last time)

    def numbers(self) -> list[int]:
        return [packet.seq for packet in self.packets]


class Participant:
    """`ice` as the server sees it: its local side is the server's. `slots` by SSRC."""

    def __init__(self, ice: IceCredentials, keys: SrtpKeys | None, sources: Sequence[Source] = ()) -> None:
        self.ice = ice
        self.sources = list(sources)
        self.slots: dict[int, DownParameters] = {}
        self.received: dict[int, Received] = {}
        self.feedback: list[tuple[float, TransportFeedback]] = []
        self.rembs: list[tuple[float, int]] = []
        self.counters: Counter[str] = Counter()
        self.nominates = True
        self.asks_again = True  # NACK for holes in video
        self.remb_bps: int | None = None  # said once a second
        self.other: list[bytes] = []  # datagrams that are neither STUN nor SRTP: DTLS
        self.checked = False  # one of our checks was answered
        self.srtp: Srtp | None = None
        self._transport_sequence = 0
        self._arrivals = Arrivals()
        self._check_at = self._report_at = self._nack_at = self._feedback_at = float("-inf")
        self._out: list[bytes] = []
        if keys is not None:
            self.set_keys(keys)

    def set_keys(self, keys: SrtpKeys) -> None:
        """Take the server's view of the keys: what goes up there is what we send."""
        self.srtp = Srtp(SrtpKeys(keys.profile, up=keys.down, down=keys.up), self.counters)

    def add_slot(self, slot: DownParameters) -> None:
        self.slots[slot.ssrc] = slot
        self.received[slot.ssrc] = Received()

    # --- out ------------------------------------------------------------------------------------------------------

    def check(self) -> bytes:
        return stun.binding_request(
            os.urandom(12),
            f"{self.ice.local_ufrag}:{self.ice.remote_ufrag}",
            self.ice.local_password,
            priority=1,
            controlling=1,
            use_candidate=self.nominates,
        )

    def due(self, now: float) -> list[bytes]:
        """Return what there is to send: checks, media once a check was answered, reports and requests for repair."""
        if now - self._check_at >= CHECK_INTERVAL_S or not self.checked:
            self._check_at = now
            self._out.append(self.check())
        if self.checked and self.srtp is not None:
            for source in self.sources:
                for frame in source.due(now):
                    for marker, body in frame:
                        self.send_rtp(source.packet(marker, body, now, self._next_transport_sequence()))
            if now - self._report_at >= REPORT_INTERVAL_S:
                self._report_at = now
                self._report(now)
            if self.asks_again and now - self._nack_at >= NACK_INTERVAL_S:
                self._nack_at = now
                self._ask_again(now)
            if now - self._feedback_at >= FEEDBACK_INTERVAL_S:
                self._feedback_at = now
                self.send_rtcp(*self._arrivals.report(1, next(iter(self.slots), 0)))
        out, self._out = self._out, []
        return out

    def send_rtp(self, packet: bytes) -> None:
        assert self.srtp is not None
        protected = self.srtp.protect(packet)
        if protected is not None:
            self._out.append(protected)

    def send_rtcp(self, *packets: rtcp.Packet) -> None:
        assert self.srtp is not None
        if not packets:
            return
        protected = self.srtp.protect_rtcp(rtcp.pack(packets))
        if protected is not None:
            self._out.append(protected)

    def ask_key_frame(self, slot_ssrc: int) -> None:
        self.send_rtcp(rtcp.PictureLoss(1, slot_ssrc))

    def ntp_time(self, now: float) -> int:
        return int((NTP_AT_ZERO + now) * (1 << 32))

    # --- in -------------------------------------------------------------------------------------------------------

    def feed(self, datagram: bytes, now: float) -> None:
        if datagram[0] < 4:
            self.checked = self.checked or stun.parse(datagram).kind is stun.Kind.SUCCESS
            self.counters["stun_in"] += 1
        elif not 128 <= datagram[0] < 192 or self.srtp is None:
            self.other.append(datagram)
        elif rtcp.is_rtcp(datagram):
            plain = self.srtp.unprotect_rtcp(datagram)
            for report in rtcp.parse(plain) if plain else ():
                self._on_rtcp(report, now)
        else:
            plain = self.srtp.unprotect(datagram)
            if plain is not None:
                self._on_rtp(rtp.Packet(plain), now)

    def _on_rtp(self, packet: rtp.Packet, now: float) -> None:
        self.counters["rtp_in"] += 1
        packet.arrived_s = now
        self._note_arrival(packet, now)
        received = self.received.get(packet.ssrc)
        if received is not None:
            self._note(received, packet, now)
            return
        for slot in self.slots.values():
            if slot.rtx_ssrc == packet.ssrc:
                received = self.received[slot.ssrc]
                received.rtx.append(packet)
                back = next(original for original, rtx in slot.rtx.items() if rtx == packet.payload_type)
                data = rtp.repaired(packet, slot.ssrc, back)
                if data is not None:
                    original = rtp.Packet(data)
                    original.arrived_s = now
                    self._note(received, original, now, repaired=True)

    def _note_arrival(self, packet: rtp.Packet, now: float) -> None:
        """Have the next feedback tell when a packet came, if its slot has transport-wide numbers."""
        slot = next((slot for slot in self.slots.values() if packet.ssrc in (slot.ssrc, slot.rtx_ssrc)), None)
        number = packet.extensions().get(slot.extensions.get(rtp.TRANSPORT_SEQUENCE, 0)) if slot else None
        if number is not None:
            self._arrivals.note(int.from_bytes(number, "big"), now)

    def _note(self, received: Received, packet: rtp.Packet, now: float, *, repaired: bool = False) -> None:
        if received.highest < 0:
            received.highest = 0x10000 + packet.sequence - 1
        packet.seq = rtp.unwrap(packet.sequence, received.highest)
        for missing in range(received.highest + 1, packet.seq):
            received.missing[missing] = (0, now)
        received.missing.pop(packet.seq, None)
        received.highest = max(received.highest, packet.seq)
        received.octets += len(packet.payload)
        received.packets.append(packet)
        if repaired:
            received.repaired.add(packet.seq)

    def _on_rtcp(self, packet: rtcp.Packet, now: float) -> None:
        sources = {source.ssrc: source for source in self.sources}
        match packet:
            case rtcp.SenderReport():
                if packet.sender in self.received:
                    self.received[packet.sender].reports.append((now, packet))
            case rtcp.Nack():
                self.counters["nacked"] += len(packet.sequences)
                for sequence in packet.sequences if packet.media in sources else ():
                    repair = sources[packet.media].repair(sequence, self._next_transport_sequence())
                    if repair is not None:
                        self.send_rtp(repair)
            case rtcp.PictureLoss():
                self.counters["key_frames_asked"] += 1
                if packet.media in sources:
                    sources[packet.media].wants_key = True
            case rtcp.Remb():
                self.rembs.append((now, packet.bitrate_bps))
            case TransportFeedback():
                self.feedback.append((now, packet))
            case _:
                pass

    # --- reports --------------------------------------------------------------------------------------------------

    def _next_transport_sequence(self) -> int:
        self._transport_sequence = self._transport_sequence + 1 & 0xFFFF
        return self._transport_sequence

    def _report(self, now: float) -> None:
        for source in self.sources:
            if source.packets_sent:
                rtp_time = source.timestamp + int(now * source.clock) & 0xFFFFFFFF
                self.send_rtcp(
                    rtcp.SenderReport(
                        source.ssrc, self.ntp_time(now), rtp_time, source.packets_sent, source.octets_sent
                    )
                )
        blocks = [self._block(ssrc, received, now) for ssrc, received in self.received.items() if received.packets]
        if blocks:
            self.send_rtcp(rtcp.ReceiverReport(1, tuple(blocks)))
        if self.remb_bps is not None:
            self.send_rtcp(rtcp.Remb(1, self.remb_bps, tuple(self.slots)))

    def _block(self, ssrc: int, received: Received, now: float) -> rtcp.ReportBlock:
        first = received.packets[0].seq
        straight = len(received.packets) - len(received.repaired)
        lost = received.highest - first + 1 - straight
        last = delay = 0
        if received.reports:
            came_at, report = received.reports[-1]
            last, delay = report.ntp_time >> 16 & 0xFFFFFFFF, int((now - came_at) * 65536)
        return rtcp.ReportBlock(ssrc, 0, lost, received.highest - 0x10000, 0, last, delay)

    def _ask_again(self, now: float) -> None:
        for ssrc, received in self.received.items():
            if self.slots[ssrc].kind != "video":
                continue
            asked = []
            for missing, (times, last) in list(received.missing.items()):
                if times >= 10:
                    del received.missing[missing]
                elif now - last >= NACK_INTERVAL_S:
                    received.missing[missing] = (times + 1, now)
                    asked.append(missing & 0xFFFF)
            if asked:
                self.send_rtcp(rtcp.Nack(1, ssrc, tuple(asked)))
