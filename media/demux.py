"""Which stream a packet belongs to: the SSRCs of one participant, latched as they are met (RFC 8843 §9.2, RFC 8853 §5).

Browsers write MID and RID beside the first packets and stop once a receiver report shows that they arrived. Later
packets are known by their SSRC alone, also when the line itself was taken down and set up anew under its MID. Without
the extensions, an SSRC declared in the offer says it; without that, the payload type, if only one line can have sent
it. A line that moves on to a new SSRC never returns to an old one, so nobody can make it flap.
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


@dataclass(frozen=True, slots=True)
class _Name:
    """What an SSRC once was; it stays true when its line is set up anew."""

    mid: bytes
    rid: str  # of the stream it is, or repairs


class Demux:
    """`find` is one dict lookup for an SSRC known; None for a packet of nobody."""

    def __init__(self) -> None:
        self.tracks: list[UpTrack] = []
        self._ssrcs: dict[int, UpStream | Repair] = {}
        self._names: dict[int, _Name] = {}

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
        """Return the stream, or what the packet repairs. Raises ValueError if its extensions are malformed."""
        return self._ssrcs.get(packet.ssrc) or self._meet(packet)

    def streams(self) -> Iterable[UpStream]:
        return (stream for track in self.tracks for stream in track.streams.values())

    def of_ssrc(self, ssrc: int) -> UpStream | None:
        found = self._ssrcs.get(ssrc)
        return found if isinstance(found, UpStream) else None

    def _meet(self, packet: Packet) -> UpStream | Repair | None:
        ssrc = packet.ssrc
        if len(self._names) >= MAX_SSRCS and ssrc not in self._names:
            return None
        track = self._track_of(packet)
        if track is None:
            return None
        stream: UpStream | None = None
        found: UpStream | Repair | None = None
        if packet.payload_type in track.parameters.rtx:
            stream = self._repaired_by(packet, track)
            found = stream and Repair(stream)
        elif packet.payload_type in track.codecs:
            rid = self._rid_of(packet, track)
            found = stream = None if rid is None else track.latch(rid, ssrc)
        if found is not None and stream is not None:
            self._ssrcs[ssrc] = found
            self._names[ssrc] = _Name(track.mid, stream.rid)
        return found

    def _track_of(self, packet: Packet) -> UpTrack | None:
        """By MID, by what the SSRC was before, by declaration, by payload type."""
        elements, name = packet.extensions(), self._names.get(packet.ssrc)
        mids = {elements.get(track.parameters.extensions.get(MID, 0)) for track in self.tracks} - {None}
        if name is not None and not mids:
            mids = {name.mid}
        if mids:
            return next((track for track in self.tracks if track.mid in mids), None)
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
        parameters, name = track.parameters, self._names.get(packet.ssrc)
        if not parameters.rids:
            return ""
        named = packet.extensions().get(parameters.extensions.get(RID, 0))
        rid = named.decode("ascii", "replace") if named is not None else name.rid if name is not None else None
        if rid is not None:
            return rid if rid in parameters.rids else None
        if packet.ssrc in parameters.ssrcs and len(parameters.ssrcs) == len(parameters.rids):
            return parameters.rids[parameters.ssrcs.index(packet.ssrc)]
        # one that can't do simulcast sends one stream: the full one
        return parameters.rids[-1] if not track.streams else None

    def _repaired_by(self, packet: Packet, track: UpTrack) -> UpStream | None:
        parameters, name = track.parameters, self._names.get(packet.ssrc)
        named = packet.extensions().get(parameters.extensions.get(REPAIRED_RID, 0))
        if named is not None:
            return track.streams.get(named.decode("ascii", "replace"))
        if name is not None:
            return track.streams.get(name.rid)
        declared = parameters.rtx_ssrcs.get(packet.ssrc)
        if declared is not None:
            return self.of_ssrc(declared)
        return next(iter(track.streams.values())) if len(track.streams) == 1 else None
