"""A canary in every secret, through a start, a failure, a day's work and a crash: none is shown anywhere."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import pytest

from medinova_rt import config
from tests.canary.tokens import hits, letters
from tests.e2e.server import Server, free_port

CANARIES: Mapping[str, str] = {name: letters(name, 40) for name in sorted(config.SECRETS)}


def values(port: int) -> dict[str, str]:
    """What each is set to, without `MEDINOVA_`; the mail server of the address is not there."""
    urls = {"MEDINOVA_MAIL_URL": f"smtp://clinic:{CANARIES['MEDINOVA_MAIL_URL']}@localhost:{port}"}
    return {name.removeprefix("MEDINOVA_"): urls.get(name, token) for name, token in CANARIES.items()}


def files(folder: Path) -> dict[str, str]:
    """The same, each as the path of a file."""
    given = {}
    for name, value in values(free_port()).items():
        file = folder / f"{name.lower()}.secret"
        file.write_text(value + "\n")
        given[f"{name}_FILE"] = str(file)
    return given


@pytest.mark.parametrize("given", ["in the environment", "as files"])
async def test_no_secret_is_shown(tmp_path: Path, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
    secrets = files(tmp_path) if given == "as files" else values(free_port())
    folder = tmp_path / "server"
    folder.mkdir()
    settings = {"SERVICE_KEY": "", "LOG_LEVEL": "debug", "MAIL_FROM": "a@example.org", **secrets}
    server = Server(folder, "serve", None, **{**settings, "DATA": str(folder / "var")})
    await server.start()
    places: dict[str, bytes] = {}
    try:
        async with aiohttp.ClientSession() as client:
            for method, path, headers in (
                ("GET", "/readyz", {}),
                ("GET", "/metrics", {"Authorization": f"Bearer {CANARIES['MEDINOVA_SERVICE_KEY']}"}),
                ("GET", "/metrics", {"Authorization": "Bearer wrong"}),
                ("POST", "/v1/visits", {"Authorization": f"Bearer {CANARIES['MEDINOVA_SERVICE_KEY']}"}),
                ("GET", "/openapi.json", {}),
                ("GET", "/.well-known/jwks.json", {}),
            ):
                async with client.request(method, server.url + path, headers=headers) as answer:
                    places[f"{method} {path} {answer.status}"] = await answer.read() + repr(answer.raw_headers).encode()
            letter = {
                "email": "robin@example.org"
            }  # of nobody; and a mail server that is not there is met at its check
            async with client.post(server.url + "/v1/sign-in/code", json=letter) as answer:
                places["letter"] = await answer.read()
        process = Path(f"/proc/{server._process.pid}")
        places["cmdline"] = (process / "cmdline").read_bytes()
        if given == "as files":  # one that is in the environment stays readable there: that is what files are for
            places["environ"] = (process / "environ").read_bytes()
    finally:
        await server.stop(signal.SIGABRT)
    assert b"Fatal Python error" in server.log.read_bytes()
    places |= {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert len(places) > 10
    assert hits(CANARIES, places) == {}


WRONG = [
    ("serve", {"LOG_LEVEL": "loud"}),
    ("user list", {"NO_SUCH": "x"}),
    ("serve", {"DATA": "/proc/none"}),
    ("serve", {"TLS_CERTIFICATE": "/none", "TLS_KEY": "/none"}),
    ("outbox", {"SECRET": "{short}"}),
    ("serve", {"SERVICE_KEY": "{short}", "MAIL_URL": "https://x:{short}@y"}),
]


@pytest.mark.parametrize(
    ("command", "wrong"), WRONG, ids=lambda each: each if isinstance(each, str) else "-".join(each)
)
async def test_a_start_that_fails_repeats_none(tmp_path: Path, command: str, wrong: dict[str, str]) -> None:
    short = letters("short", 12)
    given = {"DATA": str(tmp_path / "var"), "MAIL_FROM": "a@example.org", **values(free_port())}
    given |= {name: value.format(short=short) for name, value in wrong.items()}
    code, said = await run(["-m", "medinova_rt", *command.split()], given)
    assert code == 1
    assert said.startswith(b"medinova cannot start: MEDINOVA_")
    assert hits({**CANARIES, "short": short}, {"said": said}) == {}


async def test_a_process_that_falls_over_repeats_none(tmp_path: Path) -> None:
    """Whatever is raised, with whatever in it, and wherever nobody catches it."""
    fall = (
        "import sys; from medinova_rt import __main__ as m, server\n"
        "def fall(settings, *given): raise RuntimeError(settings.secret.reveal(), settings.mail_url, settings)\n"
        "server.running = fall; sys.argv = ['medinova', 'serve']; sys.exit(m.main())"
    )
    code, said = await run(["-c", fall], {"DATA": str(tmp_path), "MAIL_FROM": "a@example.org", **values(free_port())})
    assert code == 1
    assert b"something was raised that nobody caught" in said
    assert hits(CANARIES, {"said": said}) == {}


async def test_what_is_started_from_here_inherits_none(tmp_path: Path) -> None:
    look = (
        "import os, sys; from medinova_rt import __main__ as m\n"
        "m._run = lambda *given: print([name for name in os.environ if name.startswith('MEDINOVA_')]) or 0\n"
        "sys.argv = ['medinova', 'serve']; sys.exit(m.main())"
    )
    code, said = await run(["-c", look], {"DATA": str(tmp_path), "MAIL_FROM": "a@example.org", **values(free_port())})
    assert code == 0
    assert not [name for name in CANARIES if name.encode() in said]


async def run(arguments: list[str], given: Mapping[str, str]) -> tuple[int, bytes]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        env={**os.environ, **{f"MEDINOVA_{name}": value for name, value in given.items()}},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    return await process.wait(), said
