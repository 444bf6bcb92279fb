"""Google's own Firestore emulator, one for a whole run of the tests: `def test_…(emulator: Emulator)`.

While it runs, FIRESTORE_EMULATOR_HOST names it, for this process and for those that it starts. Nothing is ever wiped:
whoever wants an empty database takes a project of a name that nobody had (`emulator.project()`).
The jar is that of the package google-cloud-cli-firestore-emulator, or the one that FIRESTORE_EMULATOR_JAR names.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import NoReturn

import pytest

START_S = 60
STOP_S = 10
INSTALLED = "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar"  # below the root of the Google Cloud CLI
FLAGS = ("-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.language=en")
MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"  # the jar's manifest names none


class Emulator:
    """Listens on loopback at `host`, the same after `kill` and `start`; it keeps nothing on disk."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.port = _free_port()
        self.host = f"127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def project(self) -> str:
        """Return the name of a project that has no document yet. `demo-…`: no library asks anybody for credentials."""
        return f"demo-{token_hex(6)}"

    def launch(self) -> None:
        command = ["java", *FLAGS, "-cp", str(_jar()), MAIN, "--host", "127.0.0.1", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def start(self) -> None:
        self.launch()
        deadline = time.monotonic() + START_S
        while not self.answers():
            assert self._process is not None
            assert self._process.poll() is None, f"the Firestore emulator ended at once: {self._log.read_text()}"
            assert time.monotonic() < deadline, f"the Firestore emulator does not answer: {self._log.read_text()}"
            time.sleep(0.05)
        self._warm_up()

    def _warm_up(self) -> None:
        """What it answers first takes a busy machine seconds, of which no test should know."""
        documents = f"http://{self.host}/v1/projects/{self.project()}/databases/(default)/documents"
        write = {"update": {"name": f"{documents.partition('/v1/')[2]}/warm/up", "fields": {}}}
        body = json.dumps({"writes": [write]}).encode()
        asked = urllib.request.Request(f"{documents}:commit", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=START_S) as answer:
            assert answer.status == 200

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.host}/", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """End it at once; again is fine."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_S)
            self._process = None


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Shared by all: a test that kills one has `own_emulator`."""
    with _running(tmp_path_factory.mktemp("firestore")) as emulator, pytest.MonkeyPatch.context() as environment:
        environment.setenv("FIRESTORE_EMULATOR_HOST", emulator.host)
        yield emulator


@pytest.fixture
def own_emulator(tmp_path: Path) -> Iterator[Emulator]:
    """One of the test's own, of which the environment says nothing."""
    with _running(tmp_path) as emulator:
        yield emulator


@contextmanager
def _running(folder: Path) -> Iterator[Emulator]:
    emulator = Emulator(folder / "emulator.log")
    try:
        emulator.start()
        yield emulator
    finally:
        emulator.kill()


def _jar() -> Path:
    """Return the emulator's path; without it or Java the test is skipped, and in CI it fails."""
    if shutil.which("java") is None:
        _missing("java is not installed (Debian: apt-get install default-jre-headless)")
    named = os.environ.get("FIRESTORE_EMULATOR_JAR")
    gcloud = shutil.which("gcloud")
    jar = Path(named) if named else Path(gcloud).resolve().parents[1] / INSTALLED if gcloud else None
    if jar is None or not jar.is_file():
        _missing("the Firestore emulator is not installed (package google-cloud-cli-firestore-emulator)")
    return jar


def _missing(what: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
