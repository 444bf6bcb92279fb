"""A call recorded from one core and played to another: the same commands, datagrams and ticks at the same times.

What each receiver gets is decrypted and told apart, so that two engines can be compared packet by packet.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from media import rtcp
from media.engine import Event, PeerId, SrtpKeys
from media.ice import Address, Path
from media.srtp import Srtp

COMMANDS = (
    "add_peer", "restart", "remove", "gate", "send_dtls", "set_keys", "add_up", "add_down", "route", "ask_key_frame",
    "cap", "handle", "tick",
)  # fmt: skip
Transmits = list[tuple[bytes, Path]]


class Recorder:
    """Stands where a core stands and notes what it is asked. `calls` can be played to another with `play`."""

    def __init__(self, core: Any) -> None:
        self._core = core
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.heard = Heard()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._core, name)
        if name not in COMMANDS:
            return value

        def call(*args: Any) -> Any:
            self.calls.append((name, args))
            before = len(self._core.transmits)
            result = value(*args)
            self.heard.note(name, args, result, self._core.transmits[before:])
            return result

        return call


def play(calls: list[tuple[str, tuple[Any, ...]]], make: Callable[[], Any]) -> tuple["Heard", list[Event]]:
    """Return what comes of the same calls in another engine's core."""
    core, heard = make(), Heard()
    for name, args in calls:
        result = getattr(core, name)(*args)
        heard.note(name, args, result, list(core.transmits))
        core.transmits.clear()
    return heard, core.events.take()


@dataclass
class Heard:
    """By receiver's address: plain RTP in order, and reports with the time of the call that they came from."""

    rtp: dict[Address, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    reports: dict[Address, list[tuple[float, rtcp.Packet]]] = field(default_factory=lambda: defaultdict(list))
    other: dict[Address, list[bytes]] = field(default_factory=lambda: defaultdict(list))  # STUN, DTLS
    _keys: dict[PeerId, Srtp] = field(default_factory=dict)
    _now: float = 0.0

    def note(self, name: str, args: tuple[Any, ...], result: Any, transmits: Transmits) -> None:
        if name == "set_keys":
            peer, keys = args
            self._keys[peer] = Srtp(SrtpKeys(keys.profile, up=keys.down, down=keys.up), Counter())
        self._now = next((arg for arg in reversed(args) if isinstance(arg, float) and arg > 900), self._now)
        for datagram, (_, remote) in transmits:
            self._take(datagram, remote)

    def _take(self, datagram: bytes, remote: Address) -> None:
        if not 128 <= datagram[0] < 192:
            self.other[remote].append(datagram)
            return
        for srtp in self._keys.values():
            plain = srtp.unprotect_rtcp(datagram) if rtcp.is_rtcp(datagram) else srtp.unprotect(datagram)
            if plain is None:
                continue
            if rtcp.is_rtcp(datagram):
                self.reports[remote] += [(self._now, report) for report in rtcp.parse(plain)]
            else:
                self.rtp[remote].append(plain)
            return
        raise AssertionError("a packet that no participant can decrypt")
