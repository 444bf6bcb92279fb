"""A narrow way to one browser: a UDP relay in front of the media port, whose answer names it instead."""

import asyncio
import re
import socket
from typing import Any

QUEUE_S = 0.3  # what doesn't fit is lost

_CANDIDATE = re.compile(r"(a=candidate:1 1 udp \d+) \S+ \d+")
_OTHERS = re.compile(r"a=candidate:(?!1 )[^\r\n]*\r\n")


class Bottleneck(asyncio.DatagramProtocol):
    """Passes datagrams both ways; to the browser at `rate_bps`, if it is given. Change it at any time."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.rate_bps: float | None = None
        self.lost = 0
        self._server = server
        self._free_at = 0.0
        self._flows: dict[Any, socket.socket] = {}  # by the browser's address

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport, _ = await self._loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))

    def stop(self) -> None:
        for flow in self._flows.values():
            self._loop.remove_reader(flow.fileno())
            flow.close()
        self._transport.close()

    def lead(self, answer: str) -> str:
        """Return the answer with this way as its only candidate."""
        host, port = self._transport.get_extra_info("sockname")
        return _OTHERS.sub("", _CANDIDATE.sub(rf"\1 {host} {port}", answer))

    def datagram_received(self, data: bytes, addr: Any) -> None:
        flow = self._flows.get(addr)
        if flow is None:
            flow = self._flows[addr] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            flow.setblocking(False)
            flow.connect(self._server)
            self._loop.add_reader(flow.fileno(), self._down, flow, addr)
        flow.send(data)

    def error_received(self, exc: Exception) -> None:
        """The browser has closed its socket."""

    def _down(self, flow: socket.socket, browser: Any) -> None:
        try:
            while data := flow.recv(2048):
                self._pass(data, browser)
        except OSError:  # empty, or the server is gone
            pass

    def _pass(self, data: bytes, browser: Any) -> None:
        now = self._loop.time()
        if self.rate_bps is None:
            self._transport.sendto(data, browser)
            return
        start = max(now, self._free_at)
        if start - now > QUEUE_S:
            self.lost += 1
            return
        self._free_at = start + len(data) * 8 / self.rate_bps
        self._loop.call_at(self._free_at, self._later, data, browser)

    def _later(self, data: bytes, browser: Any) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(data, browser)
