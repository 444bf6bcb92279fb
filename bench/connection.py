"""Connecting fake participants: a real ICE check and a real DTLS handshake each, on a socket that is closed afterwards.

The load generator's socket on all addresses then gets what comes to these.
"""

import os
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.dtls import DtlsClient, Identity
from media import stun
from media.engine import Address, IceCredentials, SrtpKeys

PATIENCE_S = 30.0
AGAIN_MS = 500  # until a check or a flight that nothing answered is sent again
IN_FLIGHT = 32


@dataclass(frozen=True, slots=True)
class Pair:
    """From where to where, and the credentials as the server sees them.

    `password` is ours, where the server checks us too, as one that is no lite agent does, and Janus even when it is
    one: it hears DTLS only from its first indication on.
    """

    local: Address
    remote: Address
    ice: IceCredentials
    password: str | None = None


class Connection:
    """`advance` until there are `keys`."""

    def __init__(self, pair: Pair, identity: Identity) -> None:
        self._pair = pair
        self._dtls = DtlsClient(identity)
        self._checked = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setblocking(False)
        self.socket.bind(pair.local)
        self.socket.connect(pair.remote)

    @property
    def keys(self) -> SrtpKeys | None:
        """In the server's view."""
        return self._dtls.keys

    def advance(self, again: bool = False) -> None:
        """Send what is due: for the first time or, with `again`, because nothing has come for a while."""
        if self._checked:
            for datagram in self._dtls.due():
                self.socket.send(datagram)
        elif again:
            self.socket.send(check(self._pair.ice))

    def read(self) -> None:
        try:
            while datagram := self.socket.recv(2000):
                if 20 <= datagram[0] < 64:
                    self._dtls.feed(datagram)
                elif datagram[0] < 4:
                    self._hear(stun.parse(datagram))
        except BlockingIOError:
            return

    def _hear(self, message: stun.Message) -> None:
        pair = self._pair
        if message.kind is stun.Kind.REQUEST and pair.password is not None:
            self.socket.send(stun.binding_success(message.transaction, pair.local, pair.password))
        elif message.kind is (stun.Kind.SUCCESS if pair.password is None else stun.Kind.INDICATION):
            self._checked = True


def connect(pairs: Sequence[Pair], identity: Identity) -> list[SrtpKeys]:
    """Return everybody's keys, in the server's view; raises TimeoutError when one does not get through."""
    waiting = list(enumerate(pairs))[::-1]
    under_way: dict[int, tuple[int, Connection]] = {}
    keys: dict[int, SrtpKeys] = {}
    poll, deadline = select.poll(), time.monotonic() + PATIENCE_S
    try:
        while waiting or under_way:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(pairs) - len(keys)} of {len(pairs)} did not get through")
            while waiting and len(under_way) < IN_FLIGHT:
                number, pair = waiting.pop()
                one = Connection(pair, identity)
                under_way[one.socket.fileno()] = number, one
                poll.register(one.socket, select.POLLIN)
                one.advance(again=True)
            ready = [file for file, _ in poll.poll(AGAIN_MS)]
            for file in ready or list(under_way):
                number, one = under_way[file]
                one.read()
                one.advance(again=not ready)
                if one.keys is not None:
                    keys[number] = one.keys
                    poll.unregister(file)
                    under_way.pop(file)[1].socket.close()
    finally:
        for _, one in under_way.values():
            one.socket.close()
    return [keys[number] for number in range(len(pairs))]


def check(ice: IceCredentials) -> bytes:
    """Return a connectivity check as a controlling agent sends it; `ice` is as the server sees it."""
    username = f"{ice.local_ufrag}:{ice.remote_ufrag}"
    return stun.binding_request(
        os.urandom(12), username, ice.local_password, priority=1, controlling=1, use_candidate=True
    )
