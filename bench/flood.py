"""What strangers send: noise, STUN for nobody, packets that look like RTP, DTLS hellos, and what is nearly authentic.

A native thread sends them from thousands of addresses (127.2.x.y), paced, by one socket that also counts what comes
back. Every datagram is made once.
"""

import importlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.connection import check
from bench.dtls import DtlsClient
from bench.leg import Leg
from bench.subject import free_port
from media import rtp
from media.engine import Address, IceCredentials, SrtpKeys
from media.srtp import Srtp

ADDRESSES = 4096
OF_A_KIND = 16  # different datagrams


@dataclass(frozen=True, slots=True)
class Account:
    """What a flood came to, since it was made."""

    sent: int
    skipped: int  # left out: the flooder was more than 10 ms behind
    replies: int  # of any kind, to any of the addresses
    wall_s: float
    cpu_s: float

    def __add__(self, other: "Account") -> "Account":
        """Return the account of two who flooded at the same time."""
        return Account(
            self.sent + other.sent,
            self.skipped + other.skipped,
            self.replies + other.replies,
            max(self.wall_s, other.wall_s),
            self.cpu_s + other.cpu_s,
        )

    @property
    def sent_s(self) -> float:
        return self.sent / max(self.wall_s, 1e-9)


class Flood:
    """`with Flood(datagrams, remote) as flood`: sends at `rate` a second (infinity: as fast as it goes) until the end.

    Each of `run` copies of a datagram leaves at once, by UDP GSO: less work for the sender than for the receiver. It
    may be begun again. Raises ImportError where the native engine is not built.
    """

    def __init__(
        self, datagrams: Sequence[bytes], remote: Address, rate: float, run: int = 1, cpu: int | None = None
    ) -> None:
        self._rate, self._cpu = rate, cpu
        self._flood = importlib.import_module("media._engine").Flood(datagrams, remote, free_port(), ADDRESSES, run)

    def __enter__(self) -> "Flood":
        ours = os.sched_getaffinity(0)
        if self._cpu is not None:
            os.sched_setaffinity(0, {self._cpu})  # which its thread inherits
        try:
            self._flood.start(self._rate)
        finally:
            os.sched_setaffinity(0, ours)
        return self

    def __exit__(self, *_: object) -> None:
        self._flood.stop()

    def account(self) -> Account:
        return Account(**self._flood.report())


def strangers() -> list[bytes]:
    """Return noise, checks for nobody, packets that look like RTP, and DTLS hellos, in equal parts and turns."""
    found = list[bytes]()
    for number in range(OF_A_KIND):
        unknown = IceCredentials(f"nobody{number}", os.urandom(12).hex(), f"stranger{number}")
        found += [
            bytes((192 + number,)) + os.urandom(40 + 60 * number),  # of no protocol's first byte (RFC 9443)
            check(unknown),
            rtp.pack_header(0, 96, number, number, number + 1) + os.urandom(200 + 50 * number),
            DtlsClient().due()[0],
        ]
    return found


def nearly(legs: Sequence[Leg]) -> list[bytes]:
    """Return what has everything right but one thing, of participants who are there.

    Checks for them, signed with a wrong password; packets of their SSRCs with a tag that is none; packets and reports
    that are authentic, but come from where nobody is.
    """
    found = list[bytes]()
    for leg in legs[:OF_A_KIND]:
        stream = leg.sends[-1]
        header = rtp.pack_header(0, stream.payload_type, 7, 7, stream.ssrc)
        own = Srtp(_turned(leg.keys), Counter())
        authentic = own.protect(header + bytes(200))
        report = own.protect_rtcp(bytes((0x80, 201, 0, 1)) + stream.ssrc.to_bytes(4, "big"))
        assert authentic is not None
        assert report is not None
        wrong = check(replace(leg.ice, local_password="wrong"))
        found += [wrong, header + os.urandom(216), authentic, report]
    return found


def _turned(keys: SrtpKeys) -> SrtpKeys:
    """Return the participant's view of keys in the server's."""
    return SrtpKeys(keys.profile, up=keys.down, down=keys.up)
