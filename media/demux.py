"""Which stream a packet belongs to: the SSRCs of one participant, latched as they are met (RFC 8843 §9.2, RFC 8853 §5).

Browsers write MID and RID beside the first packets and stop once a receiver report shows that they arrived. Later
packets are known by their SSRC alone. Without the extensions, an SSRC declared in the offer says it; without that, the
payload type, if only one line can have sent it. A line that moves on to a new SSRC never returns to an old one, so
nobody can make it flap.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from media.rtp import MID, REPAIRED_RID, RID, Packet
from media.uptrack import UpStream, UpTrack

MAX_SSRCS = 64  # known at once; as many as may pass SRTP


@dataclass(frozen=True, slots=True)
class Repair:
    """An RTX SSRC and the stream that it repairs."""

    stream: UpStream


class Demux:
    """`find` is one dict lookup for an SSRC known; None for a packet of nobody."""

    def __init__(self) -> None:
        self.tracks: list[UpTrack] = []
        self._ssrcs: dict[int, UpStream | Repair] = {}

    def add(self, track: UpTrack) -> None:
        self.tracks.append(track)

    def remove(self, track: UpTrack) -> None:
        self.tracks.remove(track)
        self._ssrcs = {
            ssrc: found
            for ssrc, found in self._ssrcs.items()
            if (found.stream if isinstance(found, Repair) else found).track is not track
        }

    def find(self, packet: Packet) -> UpStream | Repair | None:
        return self._ssrcs.get(packet.ssrc) or self._meet(packet)

    def streams(self) -> Iterable[UpStream]:
        return (stream for track in self.tracks for stream in track.streams.values())

    def of_ssrc(self, ssrc: int) -> UpStream | None:
        found = self._ssrcs.get(ssrc)
        return found if isinstance(found, UpStream) else None

    def _meet(self, packet: Packet) -> UpStream | Repair | None:
        if len(self._ssrcs) >= MAX_SSRCS:
            return None
        track = self._track_of(packet)
        if track is None:
            return None
        found: UpStream | Repair | None
        if packet.payload_type in track.parameters.rtx:
            stream = self._repaired_by(packet, track)
            found = stream and Repair(stream)
        elif packet.payload_type in track.codecs:
            rid = self._rid_of(packet, track)
            found = None if rid is None else track.latch(rid, packet.ssrc)
        else:
            found = None
        if found is not None:
            self._ssrcs[packet.ssrc] = found
        return found

    def _track_of(self, packet: Packet) -> UpTrack | None:
        elements = packet.extensions()
        for track in self.tracks:
            if elements.get(track.parameters.extensions.get(MID, 0)) == track.mid:
                return track
        if any(track.parameters.extensions.get(MID, 0) in elements for track in self.tracks):
            return None  # it names a line that we don't have
        for track in self.tracks:
            if packet.ssrc in track.parameters.ssrcs or packet.ssrc in track.parameters.rtx_ssrcs:
                return track
        fitting = [
            track
            for track in self.tracks
            if packet.payload_type in track.codecs or packet.payload_type in track.parameters.rtx
        ]
        return fitting[0] if len(fitting) == 1 else None

    def _rid_of(self, packet: Packet, track: UpTrack) -> str | None:
        parameters = track.parameters
        if not parameters.rids:
            return ""
        named = packet.extensions().get(parameters.extensions.get(RID, 0))
        if named is not None:
            rid = named.decode("ascii", "replace")
            return rid if rid in parameters.rids else None
        if packet.ssrc in parameters.ssrcs and len(parameters.ssrcs) == len(parameters.rids):
            return parameters.rids[parameters.ssrcs.index(packet.ssrc)]
        # one that can't do simulcast sends one stream: the full one
        return parameters.rids[-1] if not track.streams else None

    def _repaired_by(self, packet: Packet, track: UpTrack) -> UpStream | None:
        parameters = track.parameters
        named = packet.extensions().get(parameters.extensions.get(REPAIRED_RID, 0))
        if named is not None:
            return track.streams.get(named.decode("ascii", "replace"))
        declared = parameters.rtx_ssrcs.get(packet.ssrc)
        if declared is not None:
            return self.of_ssrc(declared)
        return next(iter(track.streams.values())) if len(track.streams) == 1 else None
