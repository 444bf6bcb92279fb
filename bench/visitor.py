"""A participant that joins a visit as Chromium does: its offer, an ICE check, a DTLS handshake. No media."""

import asyncio
import re
import secrets
import socket
from pathlib import Path

from bench.dtls import DtlsClient, Identity
from bench.host import Host
from bench.leg import Leg, Receiving, Sending
from media import rtp, stun
from media.engine import Address, IceCredentials, Kind

OFFER = Path(__file__).parents[1] / "tests" / "data" / "chromium-156-join.sdp"
CHECK_AGAIN_S = 0.05  # until a check that nothing answered is sent again, as Chromium does
FLIGHT_AGAIN_S = 1.0  # the same of a handshake's flight
PATIENCE_S = 60.0
SSRC = 2000  # of the microphone; the camera has the next

_CREDENTIALS = re.compile(r"a=(ice-ufrag|ice-pwd|fingerprint):[^\r\n]*")


def offer(ufrag: str, password: str, fingerprint: str) -> str:
    """Return Chromium's offer of ten lines with somebody's own credentials."""
    own = {"ice-ufrag": ufrag, "ice-pwd": password, "fingerprint": f"sha-256 {fingerprint}"}
    return _CREDENTIALS.sub(lambda found: f"a={found[1]}:{own[found[1]]}", _template())


_templates: list[str] = []


def _template() -> str:
    if not _templates:
        _templates.append(OFFER.read_bytes().decode())
    return _templates[0]


class Visitor:
    """`join`, later `leave`. Its socket is bound to `local`, an address of this machine and a port, 0 for any."""

    def __init__(
        self, host: Host, room: str, name: str, identity: Identity, local: tuple[str, int] = ("127.0.0.1", 0)
    ) -> None:
        self._host = host
        self._room = room
        self._name = name
        self._dtls = DtlsClient(identity)
        self._fingerprint = identity.fingerprint
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        if local[1]:  # with a port to be found, two would be given the same
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(local)
        self.local: Address = self._socket.getsockname()
        self._remote: Address = ("", 0)
        self.ice = IceCredentials("", "", secrets.token_hex(4))
        self.answer = ""

    async def join(self) -> None:
        """Return when both sides have keys and the server said so. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_S):
            connected = self._host.connected(self._name)
            sdp = offer(self.ice.remote_ufrag, secrets.token_hex(12), self._fingerprint)
            self.answer = await self._host.join(self._room, self._name, sdp)
            self.ice = IceCredentials(self._said("ice-ufrag"), self._said("ice-pwd"), self.ice.remote_ufrag)
            candidate = self._said("candidate").split()
            self._remote = candidate[4], int(candidate[5])
            self._socket.connect(self._remote)
            await self._check()
            await self._shake_hands()
            await connected

    async def leave(self) -> None:
        self._socket.close()
        await self._host.leave(self._room, self._name)

    def close(self) -> None:
        """Let go of the socket without a word: whoever sends from its address next has the path."""
        self._socket.close()

    def leg(self, source: int) -> Leg:
        """Return what a sender and receiver of this participant's packets must know; it is shown leg `source`."""
        keys = self._dtls.keys
        assert keys is not None, "not joined"
        sections = [_Section(text) for text in self.answer.split("\r\nm=")[1:]]
        sends = tuple(_sending(one, SSRC + at) for at, one in enumerate(sections[:2]))  # microphone and camera
        slots = {one.kind: one for one in reversed(sections) if one.ssrc}  # those of the first other person
        receives = tuple(_receiving(one, source) for one in slots.values())
        return Leg(self.local, self._remote, self.ice, keys, sends, receives)

    def _said(self, attribute: str) -> str:
        found = re.search(rf"a={attribute}:(\S[^\r\n]*)", self.answer)
        assert found is not None, f"the answer has no {attribute}"
        return found[1]

    async def _check(self) -> None:
        username = f"{self.ice.local_ufrag}:{self.ice.remote_ufrag}"
        check = stun.binding_request(
            secrets.token_bytes(12), username, self.ice.local_password, priority=1, controlling=1, use_candidate=True
        )
        while True:
            self._socket.send(check)
            datagram = await self._receive(CHECK_AGAIN_S)
            if datagram and datagram[0] < 4:
                return

    async def _shake_hands(self) -> None:
        while True:
            for datagram in self._dtls.due():
                self._socket.send(datagram)
            if self._dtls.keys is not None:
                return
            datagram = await self._receive(FLIGHT_AGAIN_S)
            if datagram and 20 <= datagram[0] < 64:
                self._dtls.feed(datagram)

    async def _receive(self, patience_s: float) -> bytes:
        """Return the next datagram; empty after a while without one."""
        try:
            return self._socket.recv(2000)
        except BlockingIOError:
            pass
        try:
            async with asyncio.timeout(patience_s):
                return await asyncio.get_running_loop().sock_recv(self._socket, 2000)
        except TimeoutError:
            return b""


class _Section:
    """A line of the answer: what it says first of each."""

    def __init__(self, text: str) -> None:
        self.kind: Kind = "audio" if text.startswith("audio") else "video"
        self.payload_type = int(text.split(maxsplit=4)[3])
        self.mid = _first(r"a=mid:(\S+)", text)
        self.ssrc = int(_first(r"a=ssrc:(\d+)", text) or 0)
        self.extensions = {uri: int(number) for number, uri in re.findall(r"a=extmap:(\d+)(?:/\w+)? (\S+)", text)}


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""


def _sending(section: _Section, ssrc: int) -> Sending:
    known = section.extensions.get
    return Sending(
        section.kind,
        ssrc,
        section.payload_type,
        section.mid,
        known(rtp.MID, 0),
        known(rtp.AUDIO_LEVEL, 0) if section.kind == "audio" else 0,
        known(rtp.ABS_SEND_TIME, 0),
        known(rtp.TRANSPORT_SEQUENCE, 0),
    )


def _receiving(section: _Section, source: int) -> Receiving:
    numbers = section.extensions.get(rtp.TRANSPORT_SEQUENCE, 0)
    return Receiving(section.kind, section.ssrc, section.payload_type, source, numbers)
