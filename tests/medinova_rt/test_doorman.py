"""When the emulator, which proves nothing, is taken: never by accident, never where others could reach it."""

import subprocess
import sys

import pytest

from api.middleware import security_headers
from medinova_rt import doorman
from medinova_rt.adapters.embedded_identity import EmbeddedIdentity
from medinova_rt.adapters.firebase_identity import FirebaseIdentity
from medinova_rt.adapters.firebase_tokens import EmulatedTokens, FirebaseTokens
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.config import Settings, load
from medinova_rt.doorman import EMULATOR
from medinova_rt.folder import FINDS, CannotStart

HOST = "127.0.0.1:9099"
REAL = "firebase://medinova-clinic?key=AIzaNoKey"
EMULATED = f"firebase://demo-medinova?key=k&emulator={HOST}"
HERE, PUBLIC = "http://localhost:8080", "https://visits.example.org"


def settings(identity: str, url: str) -> Settings:
    return load({"MEDINOVA_IDENTITY": identity, "MEDINOVA_PUBLIC_URL": url})


def made(identity: str, url: str, environ: dict[str, str]) -> doorman.Doorman:
    return doorman.identity(settings(identity, url), MemoryStore(FINDS), b"s" * 32, environ)


@pytest.mark.parametrize("environ", [{}, {EMULATOR: HOST}])
def test_by_itself_this_server_proves_it(environ: dict[str, str]) -> None:
    assert isinstance(made("", PUBLIC, environ), EmbeddedIdentity)


@pytest.mark.parametrize(
    ("identity", "url", "environ", "tokens"),
    [
        (REAL, PUBLIC, {}, FirebaseTokens),
        (REAL, HERE, {}, FirebaseTokens),
        (EMULATED, HERE, {EMULATOR: HOST}, EmulatedTokens),
    ],
)
def test_who_reads_the_tokens(identity: str, url: str, environ: dict[str, str], tokens: type) -> None:
    found = made(identity, url, environ)
    assert isinstance(found, FirebaseIdentity)
    assert type(found._tokens) is tokens


@pytest.mark.parametrize(
    ("identity", "url", "environ"),
    [
        (EMULATED, HERE, {}),
        (EMULATED, HERE, {EMULATOR: "127.0.0.1:9100"}),
        (REAL, HERE, {EMULATOR: HOST}),
        (REAL, PUBLIC, {EMULATOR: HOST}),
        (EMULATED, PUBLIC, {EMULATOR: HOST}),
        (EMULATED, "http://192.0.2.7:8080", {EMULATOR: HOST}),
        (EMULATED, "https://localhost.example.org", {EMULATOR: HOST}),
        (EMULATED.replace("demo-", "real-"), HERE, {EMULATOR: HOST}),
    ],
)
def test_the_emulator_by_halves_stops_the_start(identity: str, url: str, environ: dict[str, str]) -> None:
    with pytest.raises(CannotStart):
        made(identity, url, environ)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CannotStart, match=r"install medinova-rt\[firebase\]"):
        made(REAL, PUBLIC, {})


def test_the_sdk_is_imported_where_it_was_chosen_alone() -> None:
    script = "import sys, medinova_rt.server; print('firebase_admin' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "False\n"


@pytest.mark.parametrize(
    ("identity", "asked"),
    [
        ("", "connect-src 'self' wss://visits.example.org;"),
        (REAL, "connect-src 'self' wss://visits.example.org https://identitytoolkit.googleapis.com;"),
        (EMULATED, "connect-src 'self' wss://visits.example.org http://127.0.0.1:9099;"),
    ],
)
def test_pages_may_ask_the_host_that_was_chosen_and_no_other(identity: str, asked: str) -> None:
    assert asked in security_headers(settings(identity, PUBLIC))["Content-Security-Policy"]
