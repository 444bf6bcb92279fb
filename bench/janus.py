"""Janus with its videoroom as a server under test: as Debian ships it, or with the same libsrtp built on OpenSSL.

It runs at its best on one core: one event loop, ICE-lite, nothing but the videoroom, no log of what happens. Its
participants agree to neither NACK nor transport-wide feedback nor any header extension, so that it keeps no packets for
retransmission and has no extension to read or write: that favours it, and so does SRTP by AES-GCM, with either libsrtp
the cheaper for it. `make peers` installs and builds what it needs.
"""

import os
import resource
import shutil
import string
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.dtls import Profile
from bench.leg import Leg
from bench.subject import Sample, sample
from bench.videoroom import Videoroom
from media.engine import Address

TEMPLATES = Path(__file__).parent / "peers"
BUILT = Path(__file__).parents[1] / "build" / "peers"
START_S = 20.0
# its socket transport starts a thread before it sets the flag that this thread ends without; then all of Janus ends
START_TRIES = 20
FILES = 20_000  # that it may have open, if we may say so: each PeerConnection has some


def missing() -> str | None:
    """Say what is missing to run Janus with either libsrtp; None: nothing."""
    if shutil.which("janus") is None or not (BUILT / "libsrtp-openssl" / "VERSION").exists():
        return "Janus or a libsrtp built on OpenSSL is missing: make peers"
    return None


def _files() -> int:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return FILES if most == resource.RLIM_INFINITY else min(FILES, most)


def _version(package: str) -> str:
    command = ["dpkg-query", "--show", "--showformat", "${Version}", package]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


class Janus:
    def __init__(
        self, *, openssl: bool = True, profile: Profile = "SRTP_AEAD_AES_128_GCM", event_loops: int = 1
    ) -> None:
        """`event_loops` 0: a thread for each PeerConnection, as Janus does unless told otherwise."""
        self.name = "janus-openssl" if openssl else "janus"
        self.parameters: dict[str, str | int | float] = {}  # of the figures: versions, known from `start` on
        self._openssl, self._profile, self._event_loops = openssl, profile, event_loops
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._videoroom: Videoroom | None = None

    def start(self, cpu: int | None) -> None:
        """Raises RuntimeError, with the end of its log, when it does not answer."""
        self._folder = folder = Path(tempfile.mkdtemp(prefix="janus-"))
        installed = next(Path("/usr/lib").glob("*/janus"))
        for kind, name in (("plugins", "libjanus_videoroom.so"), ("transports", "libjanus_pfunix.so")):
            (folder / kind).mkdir()
            (folder / kind / name).symlink_to(installed / kind / name)
        for template in TEMPLATES.glob("*.jcfg"):
            text = string.Template(template.read_text())
            (folder / template.name).write_text(text.substitute(folder=folder, event_loops=self._event_loops))
        deadline = time.monotonic() + START_S
        for _ in range(START_TRIES):
            self._process = self._launch(folder, cpu)
            self._videoroom = self._reach(folder, deadline)
            if self._videoroom is not None:
                break
        else:
            log = (folder / "log").read_text(errors="replace")
            self.stop()
            raise RuntimeError(f"Janus does not answer: {log[-2000:]}")
        crypto = f"OpenSSL {_version('libssl3')}" if self._openssl else f"NSS {_version('libnss3')}"
        versions = self._videoroom.versions()
        self.parameters = {**versions, "crypto": crypto, "srtp": self._profile, "event_loops": self._event_loops}

    def connect(self, rooms: int, addresses: Iterator[Address], size: int = 2) -> list[Leg]:
        """Two legs for each participant: the even ones send, the odd ones receive."""
        if self._videoroom is None:
            raise RuntimeError("Janus is not started")
        return self._videoroom.connect(rooms, addresses, size, self._profile)

    def sample(self) -> Sample:
        if self._process is None:
            raise RuntimeError("Janus is not started")
        return sample(self._process.pid)

    def stop(self) -> None:
        if self._videoroom is not None:
            self._videoroom.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._videoroom = self._process = self._folder = None

    def _launch(self, folder: Path, cpu: int | None) -> subprocess.Popen[bytes]:
        # it ends with whoever started it, whatever becomes of them
        command = ["setpriv", "--pdeathsig", "KILL", "prlimit", f"--nofile={_files()}"]
        if cpu is not None:
            command += ["taskset", "--cpu-list", str(cpu)]
        environment = {**os.environ, "LD_PRELOAD": str(BUILT / "loopback.so")}
        if self._openssl:
            environment["LD_LIBRARY_PATH"] = str(BUILT / "libsrtp-openssl")
        with (folder / "log").open("wb") as log:
            return subprocess.Popen(
                [*command, "janus", "--configs-folder", str(folder)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _reach(self, folder: Path, deadline: float) -> Videoroom | None:
        """Wait for its API; None when it has ended, or is to be ended, without."""
        assert self._process is not None
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                return Videoroom(folder / "api")
            except (FileNotFoundError, ConnectionError):
                time.sleep(0.02)
        self._process.kill()
        self._process.wait()
        return None
