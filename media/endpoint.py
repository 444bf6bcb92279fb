"""One participant as the engine sees it: a path, keys, what it sends and the slots it receives.

The endpoint reads what comes (SRTP → packets of streams; RTCP → reports, repairs, requests) and writes what is due. It
knows no other endpoint: who is shown to whom is `media.core`'s matter.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from media import rtp
from media.arrivals import INTERVAL_S as FEEDBACK_INTERVAL_S
from media.arrivals import Arrivals
from media.demux import Demux, Repair
from media.downtrack import DownTrack
from media.engine import DownEstimate, IceCredentials, PeerId, SrtpKeys
from media.ice import IceAgent, Path
from media.limit import RateLimit
from media.rtcp import (
    FullIntraRequest,
    Nack,
    Packet,
    PictureLoss,
    ReceiverReport,
    Remb,
    ReportBlock,
    SenderReport,
    SourceDescription,
    compounds,
    parse,
)
from media.srtp import Srtp
from media.uptrack import UpStream, UpTrack

FEEDBACK_SSRC = 1  # who speaks in our RTCP about what we receive
REPORT_INTERVAL_S = 1.0
MAX_BLOCKS = 31  # in a receiver report
MAX_NACKED = 256  # numbers read from the NACKs of one compound
MAX_PACKETS_S, PACKET_BURST = 3000.0, 2000.0  # RTP from one participant; a 1080p screen sends about 500
MAX_RTCP_S, RTCP_BURST = 200.0, 400.0
MAX_CHECKS_S, CHECK_BURST = 100.0, 200.0  # STUN; browsers send 2 a second and pair, more while they connect
MAX_DTLS_S, DTLS_BURST = 50.0, 200.0
MAX_HELD_DTLS = 16  # our datagrams, before a path is nominated; newest dropped, DTLS repeats its flights
RELEASES = 3  # how often "no cap any more" is said, in case it is lost
UNCAPPED_BPS = 1_000_000_000

_DEFAULT_ROUND_TRIP_S = 0.1


class Endpoint:
    """`send` puts a datagram on a path; whatever is refused is counted in `counters`."""

    def __init__(self, id: PeerId, ice: IceCredentials, send: Callable[[bytes, Path], None]) -> None:
        self.id = id
        self.agent = IceAgent(ice)
        self.ufrags: list[str] = [ice.local_ufrag]  # by which its checks are found
        self.paths: dict[Path, None] = {}  # authenticated pairs, oldest first
        self.srtp: Srtp | None = None
        self.keys: SrtpKeys | None = None  # of `srtp`
        self.demux = Demux()
        self.slots: dict[int, DownTrack] = {}  # by SSRC
        self.gate_open = False
        self.counters: Counter[str] = Counter()
        self.checks = RateLimit(MAX_CHECKS_S, CHECK_BURST)
        self.dtls = RateLimit(MAX_DTLS_S, DTLS_BURST)
        self._rtp = RateLimit(MAX_PACKETS_S, PACKET_BURST)
        self._rtcp = RateLimit(MAX_RTCP_S, RTCP_BURST)
        self._send = send
        self._held_dtls: list[bytes] = []
        self._arrivals = Arrivals()
        self._transport_id = 0  # of the transport-wide sequence extension
        self._feedback_at = self._report_at = self._estimate_at = 0.0
        self._remb_bps = 0
        self._heard = False  # something new for the next estimate
        self._octets_out = self._octets_before = 0
        self._cap_bps: int | None = None
        self._releases = 0
        self._intra_numbers: dict[int, int] = {}  # slot SSRC → the last full intra request's number
        self._nackable = 0  # numbers that the compound at hand may still ask for

    # --- sending --------------------------------------------------------------------------------------------------

    @property
    def sending(self) -> bool:
        return self.srtp is not None and self.agent.path is not None

    def send_rtp(self, packet: bytes) -> None:
        srtp, path = self.srtp, self.agent.path
        if srtp is None or path is None:
            return
        protected = srtp.protect(packet)
        if protected is not None:
            self.counters["rtp_out"] += 1
            self._octets_out += len(protected)
            self._send(protected, path)

    def send_rtcp(self, packets: Sequence[Packet]) -> None:
        srtp, path = self.srtp, self.agent.path
        if srtp is None or path is None:
            return
        for compound in compounds(packets):
            protected = srtp.protect_rtcp(compound)
            if protected is not None:
                self.counters["rtcp_out"] += 1
                self._send(protected, path)

    def send_dtls(self, datagram: bytes) -> None:
        path = self.agent.path
        if path is not None:
            self._send(datagram, path)
        elif len(self._held_dtls) < MAX_HELD_DTLS:
            self._held_dtls.append(datagram)
        else:
            self.counters["dtls_dropped"] += 1

    def flush_dtls(self) -> None:
        held, self._held_dtls = self._held_dtls, []
        for datagram in held:
            self.send_dtls(datagram)

    def send_report(self, slot: DownTrack, now: float) -> None:
        """Send the slot's sender report if its source has made one."""
        report = slot.sender_report(now) if self.sending else None
        if report is not None:
            self.send_rtcp([report, SourceDescription(((report.sender, slot.parameters.cname),))])

    def cap(self, bitrate_bps: int | None) -> None:
        self._releases = RELEASES if bitrate_bps is None and self._cap_bps is not None else 0
        self._cap_bps = bitrate_bps
        self._report_at = 0.0  # say so at once

    # --- tracks ---------------------------------------------------------------------------------------------------

    def add_up(self, track: UpTrack) -> None:
        self.demux.add(track)
        self._transport_id = track.parameters.extensions.get(rtp.TRANSPORT_SEQUENCE, self._transport_id)

    # --- receiving ------------------------------------------------------------------------------------------------

    def receive_rtp(self, datagram: bytes, now: float, arrived_s: float) -> tuple[UpStream, rtp.Packet] | None:
        """Return the packet and the stream it belongs to, RTX unwrapped; None if it is to go no further."""
        counters = self.counters
        plain = self.srtp.unprotect(datagram) if self.srtp else None
        if plain is None:
            return None
        if not self._rtp.take(now):
            counters["rtp_flood"] += 1
            return None
        try:
            packet = rtp.Packet(plain)
            elements = packet.extensions()
            found = self.demux.find(packet)
        except ValueError:
            counters["rtp_malformed"] += 1
            return None
        counters["rtp_in"] += 1
        number = elements.get(self._transport_id)
        if number is not None and len(number) == 2 and self._arrivals.note(number[0] << 8 | number[1], arrived_s):
            self._feedback_at = 0.0
        if found is None:
            counters["rtp_unknown_stream"] += 1
            return None
        repaired = isinstance(found, Repair)
        if isinstance(found, Repair):
            counters["rtx_in"] += 1
            original = found.stream.track.repaired(packet, found.stream.ssrc)
            if original is None:
                return None
            packet, found = original, found.stream
        elif packet.payload_type not in found.track.codecs:
            counters["rtp_unknown_payload_type"] += 1
            return None
        if not found.receive(packet, now, repaired=repaired):
            counters["rtp_out_of_range"] += 1
            return None
        return found, packet

    def receive_rtcp(self, datagram: bytes, now: float) -> list[UpStream]:
        """Take in a compound; return the streams whose sender reports came with it, each once."""
        plain = self.srtp.unprotect_rtcp(datagram) if self.srtp else None
        if plain is None:
            return []
        if not self._rtcp.take(now):
            self.counters["rtcp_flood"] += 1
            return []
        try:
            packets = parse(plain)
        except ValueError:
            self.counters["rtcp_malformed"] += 1
            return []
        self.counters["rtcp_in"] += 1
        reported: list[UpStream] = []
        self._nackable = MAX_NACKED
        for packet in packets:
            stream = self._on_rtcp(packet, now)
            if stream is not None and stream not in reported:
                reported.append(stream)
        return reported

    def _on_rtcp(self, packet: Packet, now: float) -> UpStream | None:
        match packet:
            case SenderReport():
                self._on_blocks(packet.reports, now)
                stream = self.demux.of_ssrc(packet.sender)
                if stream is not None:
                    stream.sender_report, stream.reported_at = packet, now
                return stream
            case ReceiverReport():
                self._on_blocks(packet.reports, now)
            case Nack():
                slot = self.slots.get(packet.media)
                if slot is not None and self.gate_open:
                    sequences = packet.sequences[: self._nackable]
                    self._nackable -= len(sequences)
                    for answer in slot.resend(sequences, now):
                        self.send_rtp(answer)
            case PictureLoss():
                self._ask_key_frame(packet.media)
            case FullIntraRequest():
                for ssrc, number in packet.requests:
                    if self._intra_numbers.get(ssrc) != number and ssrc in self.slots:
                        self._intra_numbers[ssrc] = number
                        self._ask_key_frame(ssrc)
            case Remb():
                self._remb_bps, self._heard = packet.bitrate_bps, True
            case _:
                pass
        return None

    def _on_blocks(self, blocks: Sequence[ReportBlock], now: float) -> None:
        for block in blocks:
            slot = self.slots.get(block.ssrc)
            if slot is not None:
                slot.on_report(block, now)
                self._heard = True

    def _ask_key_frame(self, ssrc: int) -> None:
        slot = self.slots.get(ssrc)
        if slot is not None and self.gate_open:
            self.counters["key_frames_wanted"] += 1
            slot.ask_key_frame()

    # --- what is due ----------------------------------------------------------------------------------------------

    def round_trip_s(self) -> float | None:
        return max((slot.round_trip_s for slot in self.slots.values() if slot.round_trip_s is not None), default=None)

    def tick(self, now: float) -> None:
        """Send the feedback and the reports that are due; call every 10 to 20 ms."""
        if not self.sending:
            return
        due: list[Packet] = []
        round_trip_s = self.round_trip_s() or _DEFAULT_ROUND_TRIP_S
        media_ssrc = 0
        for stream in self.demux.streams():
            media_ssrc = media_ssrc or stream.ssrc
            if not stream.track.video:
                continue
            if len(stream.nacks):
                missing = stream.nacks.due(now, round_trip_s)
                if missing:
                    self.counters["nacks_out"] += len(missing)
                    due.append(Nack(FEEDBACK_SSRC, stream.ssrc, tuple(seq & 0xFFFF for seq in missing)))
            if stream.sends(now) and stream.key_frames.due(now):
                self.counters["key_frames_asked"] += 1
                due.append(PictureLoss(FEEDBACK_SSRC, stream.ssrc))
        if now - self._feedback_at >= FEEDBACK_INTERVAL_S:
            self._feedback_at = now
            due += self._arrivals.report(FEEDBACK_SSRC, media_ssrc)
        if now - self._report_at >= REPORT_INTERVAL_S:
            self._report_at = now
            self._report(due, now)
        self.send_rtcp(due)
        for slot in self.slots.values():
            if slot.report_due:
                self.send_report(slot, now)

    def estimate(self, now: float) -> DownEstimate | None:
        """Return what this receiver has said, if anything new and not more often than once a second."""
        elapsed_s = now - self._estimate_at
        if not self._heard or elapsed_s < REPORT_INTERVAL_S:
            return None
        sent_bps = int((self._octets_out - self._octets_before) * 8 / elapsed_s) if self._estimate_at else 0
        self._heard, self._estimate_at, self._octets_before = False, now, self._octets_out
        recent = now - 2 * REPORT_INTERVAL_S
        slots = [slot for slot in self.slots.values() if slot.reported_at >= recent]
        # of all together: in a pause of Opus (DTX) one packet lost is a third of its slot's
        loss = sum(slot.loss * slot.expected for slot in slots) / max(1, sum(slot.expected for slot in slots))
        return DownEstimate(self.id, self._remb_bps, loss, self.round_trip_s(), sent_bps)

    def _report(self, due: list[Packet], now: float) -> None:
        streams = list(self.demux.streams())
        blocks = tuple(stream.report_block(now) for stream in streams if stream.sends(now))
        if blocks:
            due.insert(0, ReceiverReport(FEEDBACK_SSRC, blocks[:MAX_BLOCKS]))
            due.insert(1, SourceDescription(((FEEDBACK_SSRC, "medinova"),)))
        if self._cap_bps is not None or self._releases:
            self._releases = max(0, self._releases - 1)
            video = tuple(stream.ssrc for stream in streams if stream.track.video)
            due.append(Remb(FEEDBACK_SSRC, self._cap_bps or UNCAPPED_BPS, video))
