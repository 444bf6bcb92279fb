"""Janus, where it is: everybody connects to it, and what one sends the others receive, with either libsrtp."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.dtls import Profile
from bench.janus import BUILT, Janus, missing
from bench.leg import Leg
from bench.subject import addresses, free_port
from media import rtp
from media.engine import SrtpKeys
from media.rtcp import is_rtcp
from media.srtp import Srtp

if (_MISSING := missing()) is not None:
    pytest.skip(_MISSING, allow_module_level=True)

PACKETS = 20


def _janus(openssl: bool, profile: Profile = "SRTP_AEAD_AES_128_GCM") -> Iterator[Janus]:
    janus = Janus(openssl=openssl, profile=profile)
    janus.start(None)
    yield janus
    janus.stop()


@pytest.fixture
def janus() -> Iterator[Janus]:
    yield from _janus(openssl=True)


@pytest.fixture
def debian() -> Iterator[Janus]:
    yield from _janus(openssl=False)


def _pass_media(legs: list[Leg]) -> Counter[tuple[int, int, int]]:
    """Let every leg send; return how many authentic packets of (leg, SSRC, payload type) came, each once."""
    counters: Counter[str] = Counter()
    came: Counter[tuple[int, int, int]] = Counter()
    with ExitStack() as stack:
        wires = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in legs]
        for wire, leg in zip(wires, legs, strict=True):
            wire.bind(leg.local)
            wire.connect(leg.remote)
            wire.setblocking(False)
        sessions = [Srtp(SrtpKeys(leg.keys.profile, up=leg.keys.down, down=leg.keys.up), counters) for leg in legs]
        for sequence in range(PACKETS):
            for wire, leg, srtp in zip(wires, legs, sessions, strict=True):
                for stream in leg.sends:
                    header = rtp.pack_header(0, stream.payload_type, sequence, 0, stream.ssrc, b"")
                    protected = srtp.protect(header + bytes((0x90, 0, 0, 0)) + bytes(100))
                    assert protected is not None
                    wire.send(protected)
        wanted = PACKETS * sum(len(leg.receives) for leg in legs)
        deadline = time.monotonic() + 10
        while came.total() < wanted and time.monotonic() < deadline:
            for at, (wire, srtp) in enumerate(zip(wires, sessions, strict=True)):
                try:
                    datagram = wire.recv(2000)
                except (BlockingIOError, ConnectionRefusedError):
                    continue
                plain = None if datagram[0] < 128 or is_rtcp(datagram) else srtp.unprotect(datagram)
                if plain is not None:
                    packet = rtp.Packet(plain)
                    came[at, packet.ssrc, packet.payload_type] += 1
    assert not counters
    return came


def _wanted(legs: list[Leg]) -> Counter[tuple[int, int, int]]:
    return Counter(
        {(at, stream.ssrc, stream.payload_type): PACKETS for at, leg in enumerate(legs) for stream in leg.receives}
    )


@pytest.mark.parametrize("profile", ["SRTP_AES128_CM_SHA1_80", "SRTP_AEAD_AES_128_GCM"])
@pytest.mark.parametrize("openssl", [True, False])
def test_pairs_receive_each_other(openssl: bool, profile: Profile) -> None:
    for janus in _janus(openssl, profile):
        legs = janus.connect(2, addresses(free_port()))
        assert [len(leg.sends) for leg in legs] == [2, 0] * 4
        assert [{stream.source for stream in leg.receives} for leg in legs[1::2]] == [{2}, {0}, {6}, {4}]
        assert {leg.keys.profile for leg in legs} == {profile}
        assert _pass_media(legs) == _wanted(legs)
        assert janus.sample().cpu_s > 0


def test_a_room_of_three(janus: Janus) -> None:
    legs = janus.connect(1, addresses(free_port()), size=3)
    assert [sorted(stream.source for stream in leg.receives) for leg in legs[1::2]] == [
        [2, 2, 4, 4],
        [0, 0, 4, 4],
        [0, 0, 2, 2],
    ]
    assert _pass_media(legs) == _wanted(legs)


def test_nobody_receives_in_a_room_of_one(janus: Janus) -> None:
    with pytest.raises(ValueError, match="room of one"):
        janus.connect(1, addresses(free_port()), size=1)


def _libraries(janus: Janus) -> set[str]:
    assert janus._process is not None
    maps = Path(f"/proc/{janus._process.pid}/maps").read_text()
    return {line.split()[-1] for line in maps.splitlines() if "libsrtp" in line}


def test_the_libsrtp_is_the_one_it_says(janus: Janus, debian: Janus) -> None:
    own = {str((BUILT / "libsrtp-openssl" / "libsrtp2.so.1").resolve())}
    assert _libraries(janus) == own
    assert _libraries(debian)
    assert _libraries(debian).isdisjoint(own)
    assert janus.parameters["libsrtp"] == debian.parameters["libsrtp"]
    assert str(janus.parameters["crypto"]).startswith("OpenSSL 3.")
    assert str(debian.parameters["crypto"]).startswith("NSS ")


def test_it_leaves_nothing(janus: Janus) -> None:
    assert janus._process is not None
    assert janus._folder is not None
    process, folder = janus._process, janus._folder
    janus.stop()
    janus.stop()
    assert process.returncode == -signal.SIGKILL
    assert not folder.exists()


def test_it_ends_with_who_started_it() -> None:
    script = (
        "from bench.janus import Janus; import os; janus = Janus(); janus.start(None);"
        "print(janus._process.pid, janus._folder, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    pid, folder = done.stdout.split()
    deadline = time.monotonic() + 5
    while _runs(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _runs(int(pid))
    subprocess.run(["rm", "-r", folder], check=True)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_it_says_when_it_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "janus").write_text("#!/bin/sh\necho the reason\nexit 1\n")
    (tmp_path / "janus").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(RuntimeError, match="the reason"):
        Janus().start(None)
