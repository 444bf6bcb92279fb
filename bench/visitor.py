"""A participant that joins a visit as Chromium does: its offer, an ICE check, a DTLS handshake. No media."""

import asyncio
import re
import secrets
import socket
from pathlib import Path

from bench.dtls import DtlsClient, Identity
from bench.host import Host
from bench.leg import Leg, Receiving
from media import stun
from media.engine import IceCredentials, Kind

OFFER = Path(__file__).parents[1] / "tests" / "data" / "chromium-156-join.sdp"
AGAIN_S = 1.0  # until a check or a flight that nothing answered is sent again
PATIENCE_S = 60.0

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
            self._socket.connect((candidate[4], int(candidate[5])))
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
        receives = tuple(
            Receiving(kind, ssrc, payload_type, source) for kind, ssrc, payload_type in _slots(self.answer)
        )
        return Leg(self._socket.getsockname(), self._socket.getpeername(), self.ice, keys, receives=receives)

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
            datagram = await self._receive()
            if datagram and datagram[0] < 4:
                return

    async def _shake_hands(self) -> None:
        while True:
            for datagram in self._dtls.due():
                self._socket.send(datagram)
            if self._dtls.keys is not None:
                return
            datagram = await self._receive()
            if datagram and 20 <= datagram[0] < 64:
                self._dtls.feed(datagram)

    async def _receive(self) -> bytes:
        """Return the next datagram; empty after a while without one."""
        try:
            return self._socket.recv(2000)
        except BlockingIOError:
            pass
        try:
            async with asyncio.timeout(AGAIN_S):
                return await asyncio.get_running_loop().sock_recv(self._socket, 2000)
        except TimeoutError:
            return b""


def _slots(answer: str) -> list[tuple[Kind, int, int]]:
    """Return kind, SSRC and first payload type of the slots in which the first other person appears."""
    found: dict[Kind, tuple[Kind, int, int]] = {}
    for section in answer.split("\r\nm=")[1:]:
        kind: Kind = "audio" if section.startswith("audio") else "video"
        ssrc = re.search(r"a=ssrc:(\d+)", section)
        if ssrc is not None:
            found.setdefault(kind, (kind, int(ssrc[1]), int(section.split()[3])))
    return list(found.values())
