"""A slot: one endless stream to one receiver, whoever is shown in it.

Its SSRC never changes. A new source comes in at a key frame (audio: at its next packet), with sequence, timestamp and
picture numbers going on without a step; until then the old one stays. Lost packets are answered from the source's
history as RTX, because a plain resend would spoil the receiver's loss count (RFC 4588 §3).
"""

from collections import Counter, deque
from collections.abc import Sequence

from media import rtp
from media.engine import DownId, DownParameters, PeerId
from media.repair import RepairLimit
from media.rtcp import ReportBlock, SenderReport
from media.rtp import Packet, Seq
from media.stint import Picture, Stint
from media.uptrack import MAX_DISORDER, UpStream, UpTrack

MAX_STINTS = 8  # oldest out
STINT_KEPT_S = 2.0  # after its end, for late packets and repair
ON_ITS_WAY = 0.8  # of a round trip since it left: nobody can have missed it yet
MIN_STEP_S = 0.02  # between the timestamps of two sources


class DownTrack:
    """`forward` and `resend` return plain RTP packets; whoever owns the keys protects and sends them."""

    def __init__(self, id: DownId, peer: PeerId, parameters: DownParameters, counters: Counter[str]) -> None:
        self.id = id
        self.peer = peer
        self.parameters = parameters
        self.video = parameters.kind == "video"
        self.wanted: UpTrack | None = None
        self.switching: UpStream | None = None  # comes in with its next key frame
        self.report_due = False  # the source has changed: a sender report is to go out at once
        self.overtaken = False  # it came in at a late packet: `catch_up`
        self.reported_at = float("-inf")  # when the receiver last spoke of this slot
        self.loss = 0.0  # fraction of what we sent, over the receiver's last report interval
        self.expected = 0  # packets in that interval
        self.round_trip_s: float | None = None
        self.packets = self.octets = self.repaired = 0
        self.listed: set[UpTrack] = set()  # the tracks that have this slot in their list
        self._rid: str | None = None
        self._stint: Stint | None = None
        self._past: deque[Stint] = deque(maxlen=MAX_STINTS)
        self._picture: Picture | None = None  # where the last stint with picture numbers ended
        self._highest: Seq = 0x10000 + parameters.first_sequence - 1
        self._timestamp = parameters.first_timestamp  # of the packet with the highest number
        self._sent_at: float | None = None
        self._holes = 0  # numbers passed over because the source's packet never came
        self._rtx_sequence = parameters.first_sequence
        self._limit = RepairLimit()
        self._reported: deque[tuple[int, float]] = deque(maxlen=8)  # (middle of the NTP time, sent at)
        self._last_block: ReportBlock | None = None
        self._holes_before = 0  # at that block
        self._counters = counters
        ids = parameters.extensions
        mid, self._send_time_id = ids.get(rtp.MID), ids.get(rtp.ABS_SEND_TIME)
        self._mid = rtp.pack_element(mid, parameters.mid.encode()) if mid else b""
        self._copied: list[tuple[int, int]] = []  # (the source's id, ours)

    @property
    def stream(self) -> UpStream | None:
        """Who is in the slot now."""
        return self._stint.stream if self._stint else None

    def sources(self) -> set[UpTrack]:
        """The tracks whose packets the slot has to see: shown, waited for, or only just gone."""
        tracks = {stint.stream.track for stint in self._past}
        if self._stint is not None:
            tracks.add(self._stint.stream.track)
        if self.wanted is not None:
            tracks.add(self.wanted)
        return tracks

    # --- who is shown ---------------------------------------------------------------------------------------------

    def route(self, track: UpTrack | None, rid: str | None, now: float) -> None:
        """Show `track` from its next key frame on; None empties the slot at once, late packets and repairs included."""
        self.wanted, self._rid = track, rid
        if track is None:
            self._close(now)
            self._past.clear()
        self.settle(now)

    def leave(self, track: UpTrack, now: float) -> None:
        """`track` is no more."""
        if self.wanted is track:
            self.route(None, None, now)
            return
        if self.stream and self.stream.track is track:
            self._close(now)
        self._past = deque((past for past in self._past if past.stream.track is not track), MAX_STINTS)

    def settle(self, now: float) -> None:
        """Look again at which stream is to be shown, and let go of stints long over."""
        while self._past and now - (self._past[0].closed_at or 0.0) > STINT_KEPT_S:
            self._past.popleft()
        chosen = self.wanted.choose(self._rid, now) if self.wanted else None
        self.switching = chosen if chosen is not self.stream else None

    def renew(self, now: float) -> None:
        """Nothing went out for a while, or may any more: go on from the next key frame, without a gap."""
        self._close(now)
        self._past.clear()
        self.settle(now)

    def ask_key_frame(self) -> None:
        """The receiver can't decode what it has."""
        for stream in (self.stream, self.switching):
            if stream:
                stream.key_frames.ask()

    # --- packets --------------------------------------------------------------------------------------------------

    def forward(self, packet: Packet, stream: UpStream, now: float) -> bytes | None:
        """Return what to send for a packet of a source shown, or waited for; None to send nothing."""
        stint = self._stint
        if (
            stint is None
            or stream is not stint.stream
            or packet.payload_type != stint.source_payload_type
            or packet.seq < stint.numbering.first
            or not -MAX_DISORDER < packet.seq - stint.numbering.highest <= MAX_DISORDER
        ):
            stint = self._find_stint(packet, stream, now)
            if stint is None:
                return None
        if packet.payload_at == packet.end:
            seq = stint.numbering.drop(packet.seq)
        else:
            seq = stint.numbering.forward(packet.seq)
        if seq is None:
            return None
        body = stint.payload(packet)
        timestamp = packet.timestamp + stint.timestamp_offset & 0xFFFFFFFF
        if seq > self._highest:
            self._holes += seq - self._highest - 1
            self._highest, self._timestamp, self._sent_at = seq, timestamp, now
            stint.noted(packet)
        else:
            self._holes -= 1
        self.packets += 1
        self.octets += len(body)
        self._limit.earn(len(body))
        header = rtp.pack_header(
            packet.marker, stint.payload_type, seq, timestamp, self.parameters.ssrc, self._extensions(packet, now)
        )
        return header + body

    def catch_up(self, now: float) -> list[bytes]:
        """Return what had come of the new source before its key frame's first packet, which was late or repaired."""
        self.overtaken = False
        stint = self._stint
        if stint is None:
            return []
        stream = stint.stream
        held = map(stream.history.get, range(stint.numbering.first + 1, stream.highest + 1))
        forwarded = [self.forward(packet, stream, now) for packet in held if packet is not None]
        return [out for out in forwarded if out is not None]

    def resend(self, sequences: Sequence[int], now: float) -> list[bytes]:
        """Return the RTX packets that answer a NACK, as far as history and limits allow."""
        rtx_ssrc = self.parameters.rtx_ssrc
        answers: list[bytes] = []
        if rtx_ssrc is None:
            return answers
        for sequence in sequences:
            seq = rtp.unwrap(sequence, self._highest)
            stint = self._stint_of(seq)
            source = stint.numbering.source_of(seq) if stint else None
            packet = stint.stream.history.get(source) if stint and source is not None else None
            if stint is None or packet is None or stint.rtx_payload_type is None:
                self._counters["nack_not_held"] += 1
            elif now - packet.arrived_s < ON_ITS_WAY * (self.round_trip_s or 0.0) or not self._limit.spend(
                seq, packet.end - packet.payload_at, now, self.round_trip_s
            ):
                self._counters["nack_limited"] += 1
            else:
                self._counters["rtx_sent"] += 1
                timestamp = packet.timestamp + stint.timestamp_offset
                header = rtp.pack_header(
                    packet.marker,
                    stint.rtx_payload_type,
                    self._rtx_sequence,
                    timestamp,
                    rtx_ssrc,
                    self._extensions(packet, now),
                )
                self._rtx_sequence += 1
                self.repaired += 1
                answers.append(header + (seq & 0xFFFF).to_bytes(2, "big") + stint.payload(packet))
        return answers

    # --- reports --------------------------------------------------------------------------------------------------

    def sender_report(self, now: float) -> SenderReport | None:
        """Return the source's last report in the slot's terms, told forward to now; None while it has made none.

        The NTP time stays on the source's clock, so that its microphone and its camera are shown in step.
        """
        stint = self._stint
        report = stint.stream.sender_report if stint else None
        if stint is None or report is None:
            return None
        elapsed_s = now - stint.stream.reported_at
        ntp_time = report.ntp_time + int(elapsed_s * (1 << 32)) & 0xFFFFFFFFFFFFFFFF
        rtp_time = report.rtp_time + int(elapsed_s * self.parameters.clock_rate) + stint.timestamp_offset & 0xFFFFFFFF
        self._reported.append((ntp_time >> 16 & 0xFFFFFFFF, now))
        self.report_due = False
        return SenderReport(
            self.parameters.ssrc, ntp_time, rtp_time, self.packets & 0xFFFFFFFF, self.octets & 0xFFFFFFFF
        )

    def counts(self) -> Counter[str]:
        """Return what went out so far; see `media.engine.Engine.track_counters`."""
        return Counter(packets=self.packets, octets=self.octets, repaired=self.repaired)

    def on_report(self, block: ReportBlock, now: float) -> None:
        """Take in what the receiver says of this slot. What never reached us is not counted as its loss."""
        for middle, sent_at in self._reported:
            if middle == block.last_sender_report:
                self.round_trip_s = max(0.0, now - sent_at - block.delay / 65536)
        self.reported_at = now
        before, self._last_block = self._last_block, block
        holes_before, self._holes_before = self._holes_before, self._holes
        if before is None:
            return
        expected = block.highest_sequence - before.highest_sequence & 0xFFFFFFFF
        self.expected = expected if expected < 0x80000000 else 0
        lost = block.packets_lost - before.packets_lost - (self._holes - holes_before)
        self.loss = max(0.0, min(1.0, lost / self.expected)) if self.expected else 0.0

    # --- inside ---------------------------------------------------------------------------------------------------

    def _find_stint(self, packet: Packet, stream: UpStream, now: float) -> Stint | None:
        """For a packet that doesn't simply continue: a new source or codec, a sender that began anew, or a late one."""
        stint = self._stint
        if stint is not None and stream is stint.stream and packet.seq > stint.numbering.highest:
            # another codec, or a gap too wide to be repaired: nothing of the past helps to decode it
            if self.switching is not None:
                return None
            self._close(now)
            self.settle(now)
            stream.key_frames.ask()
        # a key frame may be late or repaired; a late word begins nothing, but may belong to an earlier stint
        late_at_most = MAX_DISORDER if self.video else 1
        if stream is self.switching and packet.end > packet.payload_at and packet.seq > stream.highest - late_at_most:
            if not self.video or stream.starts_key_frame(packet):
                return self._begin(packet, stream, now)
            return None
        for past in reversed(self._past):
            if past.covers(packet, stream):
                return past
        return None

    def _begin(self, packet: Packet, stream: UpStream, now: float) -> Stint | None:
        codec = stream.track.codecs[packet.payload_type]
        payload_type = self.parameters.codecs.get(codec)
        if payload_type is None:
            self._counters["slot_codec_unknown"] += 1
            return None
        self._close(now)
        timestamp = self.parameters.first_timestamp
        if self._sent_at is not None:
            timestamp = self._timestamp + int(max(now - self._sent_at, MIN_STEP_S) * self.parameters.clock_rate)
        payload_types = payload_type, self.parameters.rtx.get(payload_type)
        self._stint = Stint(stream, packet, codec, payload_types, self._highest + 1, timestamp, self._picture)
        theirs, ours = stream.track.parameters.extensions, self.parameters.extensions
        self._copied = [
            (theirs[uri], ours[uri]) for uri in (rtp.AUDIO_LEVEL, rtp.ORIENTATION) if uri in theirs and uri in ours
        ]
        self.switching = None
        self.report_due = True
        self.overtaken = packet.seq < stream.highest
        return self._stint

    def _close(self, now: float) -> None:
        stint = self._stint
        if stint is None:
            return
        stint.close(now)
        self._past.append(stint)
        self._picture = stint.picture() or self._picture
        self._stint = None

    def _stint_of(self, seq: Seq) -> Stint | None:
        if self._stint is not None and seq >= self._stint.first_seq:
            return self._stint
        return next((past for past in reversed(self._past) if seq >= past.first_seq), None)

    def _extensions(self, packet: Packet, now: float) -> bytes:
        elements = self._mid
        if self._send_time_id:
            elements += rtp.pack_element(self._send_time_id, rtp.abs_send_time(now))
        if self._copied:
            received = packet.extensions()
            for theirs, ours in self._copied:
                value = received.get(theirs)
                if value is not None:
                    elements += rtp.pack_element(ours, value)
        return rtp.pack_extensions(elements)
