"""The engine without socket and clock: datagrams and `now` go in, transmits and events come out.

Everything here is a pure function of its inputs, so a whole call replays in virtual time. Datagrams are told apart by
their first byte (RFC 9443): STUN finds its participant by username fragment, everything else by the pair of addresses
that an authenticated check came by. What nobody authenticated gets no answer at all.
"""

from collections import Counter

from media import rtcp, rtp, stun
from media.downtrack import DownTrack
from media.endpoint import Endpoint
from media.engine import (
    DownId,
    DownParameters,
    DtlsReceived,
    Generation,
    IceCredentials,
    PathDown,
    PathUp,
    PeerId,
    SourceLost,
    Speakers,
    SrtpKeys,
    Tapped,
    UpId,
    UpParameters,
)
from media.events import Events
from media.ice import Address, Path
from media.speaker import INTERVAL_S as SPEAKER_INTERVAL_S
from media.speaker import SpeakerDetector
from media.srtp import Srtp
from media.tap import Taps
from media.uptrack import LOST_S, UpStream, UpTrack

SETTLE_INTERVAL_S = 0.25  # how often slots look again at which stream to show
MAX_PATHS = 16  # authenticated pairs of one participant; oldest out


class Core:
    """`transmits` fills with (datagram, path); whoever calls empties it after each call."""

    def __init__(self) -> None:
        self.events = Events()
        self.taps = Taps()
        self.transmits: list[tuple[bytes, Path]] = []
        self._counters: Counter[str] = Counter()
        self._ids = 0
        self._endpoints: dict[PeerId, Endpoint] = {}
        self._ups: dict[UpId, UpTrack] = {}
        self._downs: dict[DownId, DownTrack] = {}
        self._by_ufrag: dict[str, Endpoint] = {}
        self._by_path: dict[Path, Endpoint] = {}
        self._speakers = SpeakerDetector()
        self._look_at = self._settle_at = 0.0

    # --- commands (see media.engine.Engine) -----------------------------------------------------------------------

    def add_peer(self, ice: IceCredentials) -> PeerId:
        peer = PeerId(self._next_id())
        endpoint = self._endpoints[peer] = Endpoint(peer, ice, self._transmit)
        self._by_ufrag[ice.local_ufrag] = endpoint
        return peer

    def restart(self, peer: PeerId, ice: IceCredentials) -> Generation:
        endpoint = self._endpoints[peer]
        generation = endpoint.agent.restart(ice)
        self._forget_ufrags(endpoint)
        self._by_ufrag[ice.local_ufrag] = endpoint
        return generation

    def remove(self, what: PeerId | UpId | DownId, now: float) -> None:
        number = int(what)
        if number in self._endpoints:
            self._remove_peer(PeerId(number), now)
        elif number in self._ups:
            self._remove_up(UpId(number), now)
        elif number in self._downs:
            self._remove_down(DownId(number))

    def gate(self, peer: PeerId, open: bool, now: float) -> None:
        endpoint = self._endpoints.get(peer)
        if endpoint is None or endpoint.gate_open == open:
            return
        endpoint.gate_open = open
        self._renew(endpoint, now)

    def send_dtls(self, peer: PeerId, datagram: bytes) -> None:
        endpoint = self._endpoints.get(peer)
        if endpoint is not None:
            endpoint.send_dtls(datagram)

    def set_keys(self, peer: PeerId, keys: SrtpKeys) -> None:
        endpoint = self._endpoints[peer]
        if endpoint.keys != keys:
            # counting anew under one key would use numbers twice, and let replays in
            endpoint.srtp, endpoint.keys = Srtp(keys, endpoint.counters), keys
        self._settle_at = float("-inf")  # its slots need key frames now, not at the next look

    def add_up(self, peer: PeerId, track: UpParameters) -> UpId:
        endpoint = self._endpoints[peer]
        up = UpId(self._next_id())
        self._ups[up] = UpTrack(up, peer, track)
        endpoint.add_up(self._ups[up])
        return up

    def add_down(self, peer: PeerId, slot: DownParameters) -> DownId:
        endpoint = self._endpoints[peer]
        down = DownId(self._next_id())
        self._downs[down] = endpoint.slots[slot.ssrc] = DownTrack(down, peer, slot, endpoint.counters)
        return down

    def route(self, down: DownId, up: UpId | None, rid: str | None, now: float) -> None:
        slot = self._downs.get(down)
        if slot is not None:
            slot.route(None if up is None else self._ups.get(up), rid, now)
            self._attend(slot)

    def ask_key_frame(self, up: UpId) -> None:
        track = self._ups.get(up)
        if track is None or not any(self._endpoints[slot.peer].sending for slot in track.slots):
            return  # it would be spent on nobody, and a slot that can be shown something a moment later had to wait
        for stream in track.streams.values():
            stream.key_frames.ask()

    def cap(self, peer: PeerId, bitrate_bps: int | None) -> None:
        endpoint = self._endpoints.get(peer)
        if endpoint is not None:
            endpoint.cap(bitrate_bps)

    def tap(self, up: UpId, on: bool) -> None:
        track = self._ups.get(up)
        if track is not None:
            track.tapped = on

    def tapped(self) -> list[Tapped]:
        return [tapped for tapped in self.taps.take() if tapped.up in self._ups]

    def counters(self) -> Counter[str]:
        """Of everyone present and of what belongs to nobody; those of who has left are kept in the sum."""
        total = Counter(self._counters)
        for endpoint in self._endpoints.values():
            total.update(endpoint.counters)
        total["events_dropped"] = self.events.dropped
        total["tap_dropped"] = self.taps.dropped
        total["peers"], total["ups"], total["downs"] = len(self._endpoints), len(self._ups), len(self._downs)
        total["ufrags"], total["paths"] = len(self._by_ufrag), len(self._by_path)
        total["voices"] = self._speakers.voices
        return total

    def peer_counters(self, peer: PeerId) -> Counter[str]:
        return Counter(self._endpoints[peer].counters)

    def track_counters(self, id: UpId | DownId) -> Counter[str]:
        up = self._ups.get(UpId(id))
        return self._downs[DownId(id)].counts() if up is None else up.counts()

    # --- datagrams ------------------------------------------------------------------------------------------------

    def handle(
        self, datagram: bytes, local: Address, remote: Address, now: float, arrived_s: float | None = None
    ) -> None:
        """Take in one datagram that came from `remote` to `local`; never raises for what is in it.

        `arrived_s`, if better known than `now`, is when the machine got it: feedback to senders tells that.
        """
        first = datagram[0] if datagram else 0xFF
        path = local, remote
        if first < 4:
            self._on_stun(datagram, path, now)
            return
        endpoint = self._by_path.get(path)
        if endpoint is None:
            self._counters["unknown_address"] += 1
        elif 128 <= first < 192:
            if rtcp.is_rtcp(datagram):
                self._on_rtcp(endpoint, datagram, now)
            else:
                self._on_rtp(endpoint, datagram, now, now if arrived_s is None else arrived_s)
        elif 20 <= first < 64:
            self._on_dtls(endpoint, datagram, now)
        else:
            endpoint.counters["unknown_protocol"] += 1

    def _on_stun(self, datagram: bytes, path: Path, now: float) -> None:
        username = stun.username_of(datagram) or ""
        endpoint = self._by_ufrag.get(username.partition(":")[0])
        if endpoint is None:
            self._counters["stun_unknown_ufrag"] += 1
            return
        owner = self._by_path.get(path)
        if owner is not None and owner is not endpoint and owner.agent.path == path:
            # media to and from a participant's living path is not to be drawn away by another's forged source
            endpoint.counters["stun_pair_taken"] += 1
            return
        if not endpoint.checks.take(now):
            endpoint.counters["stun_flood"] += 1
            return
        try:
            message = stun.parse(datagram)
        except ValueError:
            endpoint.counters["stun_malformed"] += 1
            return
        was_down = endpoint.agent.path is None
        answer = endpoint.agent.on_check(message, path, now)
        if answer is None:
            endpoint.counters["stun_not_authentic"] += 1
            return
        self._transmit(answer.reply, path)
        if answer.authenticated:
            self._authenticated(endpoint, path)
        if answer.path_up is not None:
            endpoint.flush_dtls()
            if was_down:
                self._renew(endpoint, now)
            self.events.put(PathUp(endpoint.id, answer.path_up))

    def _on_dtls(self, endpoint: Endpoint, datagram: bytes, now: float) -> None:
        if len(datagram) > rtp.MAX_BYTES or not endpoint.dtls.take(now):
            endpoint.counters["dtls_flood"] += 1
            return
        self.events.put(DtlsReceived(endpoint.id, datagram))

    def _on_rtp(self, endpoint: Endpoint, datagram: bytes, now: float, arrived_s: float) -> None:
        received = endpoint.receive_rtp(datagram, now, arrived_s)
        if received is None:
            return
        stream, packet = received
        track = stream.track
        if track.lost:
            track.lost = False
            self.events.put(SourceLost(track.id, False))
        if not endpoint.gate_open:
            return
        if track.tapped:
            self._tap(stream, packet, arrived_s)
        if not track.video:
            level = packet.extensions().get(track.level_id)
            if level:
                self._speakers.heard(track.id, level[0], now)
        if not track.slots:
            return
        if not stream.shown:
            stream.shown = True
            for slot in list(track.slots):
                self._resettle(slot, now)
        if track.video and not stream.history.add(packet):
            return
        endpoints = self._endpoints
        for slot in track.slots:
            receiver = endpoints[slot.peer]
            if receiver.gate_open and receiver.sending:
                out = slot.forward(packet, stream, now)
                if out is not None:
                    receiver.send_rtp(out)
                    if slot.overtaken:
                        for behind in slot.catch_up(now):
                            receiver.send_rtp(behind)

    def _tap(self, stream: UpStream, packet: rtp.Packet, arrived_s: float) -> None:
        plain = bytes((packet.data[0] & ~rtp.PADDING,)) + packet.data[1 : packet.end]
        self.taps.put(Tapped(stream.track.id, stream.rid, packet.seq, arrived_s, plain))

    def _on_rtcp(self, endpoint: Endpoint, datagram: bytes, now: float) -> None:
        for stream in endpoint.receive_rtcp(datagram, now):
            for slot in stream.track.slots:
                if slot.stream is stream:
                    self._endpoints[slot.peer].send_report(slot, now)

    # --- time -----------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Do what is due; call every 10 to 20 ms."""
        for endpoint in self._endpoints.values():
            down = endpoint.agent.tick(now)
            if down is not None:
                endpoint.counters["paths_down"] += 1
                self.events.put(PathDown(endpoint.id, down))
            endpoint.tick(now)
            estimate = endpoint.estimate(now)
            if estimate is not None:
                self.events.put(estimate)
        if now - self._settle_at >= SETTLE_INTERVAL_S:
            self._settle_at = now
            self._settle(now)
        if now - self._look_at >= SPEAKER_INTERVAL_S:
            self._look_at = now
            speakers = self._speakers.look(now)
            if speakers is not None:
                self.events.put(Speakers(speakers))

    def _settle(self, now: float) -> None:
        for endpoint in self._endpoints.values():
            self._forget_ufrags(endpoint)
        for slot in self._downs.values():
            self._resettle(slot, now)
        for track in self._ups.values():
            for stream in track.ever:
                stream.history.expire(now)
            shown = track.video and any(slot.stream and slot.stream.track is track for slot in track.slots)
            if shown and not track.lost and now - track.last_at() >= LOST_S:
                track.lost = True
                self.events.put(SourceLost(track.id, True))

    # --- inside ---------------------------------------------------------------------------------------------------

    def _next_id(self) -> int:
        self._ids += 1
        return self._ids

    def _transmit(self, datagram: bytes, path: Path) -> None:
        self.transmits.append((datagram, path))

    def _authenticated(self, endpoint: Endpoint, path: Path) -> None:
        """Whatever else comes by this pair of addresses is this participant's from now on."""
        owner = self._by_path.get(path)
        if owner is endpoint:
            return
        if owner is not None:
            owner.paths.pop(path, None)
        self._by_path[path] = endpoint
        endpoint.paths[path] = None
        if len(endpoint.paths) > MAX_PATHS:
            oldest = next(pair for pair in endpoint.paths if pair != endpoint.agent.path)
            del endpoint.paths[oldest], self._by_path[oldest]

    def _forget_ufrags(self, endpoint: Endpoint) -> None:
        good = endpoint.agent.ufrags()
        for ufrag in [u for u in endpoint.ufrags if u not in good]:
            self._by_ufrag.pop(ufrag, None)
        endpoint.ufrags = good

    def _renew(self, endpoint: Endpoint, now: float) -> None:
        """Its packets, or those to it, were held back until now or are from now on."""
        slots = set(endpoint.slots.values())
        slots.update(slot for track in endpoint.demux.tracks for slot in track.slots)
        for slot in slots:
            slot.renew(now)
            self._attend(slot)

    def _resettle(self, slot: DownTrack, now: float) -> None:
        slot.settle(now)
        self._attend(slot)

    def _attend(self, slot: DownTrack) -> None:
        """Have each source's list of slots agree with the slot's own view, and get the key frame that it waits for."""
        waited_for = slot.switching
        if slot.video and waited_for is not None:
            sender, receiver = self._endpoints[waited_for.track.peer], self._endpoints[slot.peer]
            if sender.gate_open and receiver.gate_open and receiver.sending:
                waited_for.key_frames.ask()
        sources = slot.sources()
        for track in slot.listed - sources:
            track.slots.remove(slot)
        for track in sources - slot.listed:
            track.slots.append(slot)
        slot.listed = sources

    def _remove_peer(self, peer: PeerId, now: float) -> None:
        endpoint = self._endpoints[peer]
        for track in list(endpoint.demux.tracks):
            self._remove_up(track.id, now)
        for slot in list(endpoint.slots.values()):
            self._remove_down(slot.id)
        for path in endpoint.paths:
            del self._by_path[path]
        for ufrag in endpoint.ufrags:
            self._by_ufrag.pop(ufrag, None)
        del self._endpoints[peer]
        self._counters.update(endpoint.counters)

    def _remove_up(self, up: UpId, now: float) -> None:
        track = self._ups.pop(up)
        self._endpoints[track.peer].demux.remove(track)
        self._speakers.forget(up)
        for slot in list(track.slots):
            slot.leave(track, now)
            self._attend(slot)

    def _remove_down(self, down: DownId) -> None:
        slot = self._downs.pop(down)
        for track in slot.listed:
            track.slots.remove(slot)
        del self._endpoints[slot.peer].slots[slot.parameters.ssrc]
