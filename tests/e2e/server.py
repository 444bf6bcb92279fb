"""The server as it ships: a process of its own, spoken to over REST with its service key."""

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import aiohttp

from tests.e2e.polling import until

SERVICE_KEY = "e2e-service-key-0123456789abcdef0123456789"
START_S = 30
STOP_S = 15


def free_port() -> int:
    """Return a TCP port that nobody listens on; somebody else may take it, which a test then says."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


class Visit:
    """A visit as its creation answered it, with one join link a role."""

    def __init__(self, view: dict[str, Any], names: dict[str, str]) -> None:
        self.id: str = view["id"]
        self.names = names
        self.seats: dict[str, str] = {seat["role"]: seat["id"] for seat in view["seats"]}
        self.links: dict[str, str] = {seat["role"]: seat["links"][0]["url"] for seat in view["seats"]}
        self.link_ids: dict[str, str] = {seat["role"]: seat["links"][0]["id"] for seat in view["seats"]}


class Server:
    """Listens on loopback only; `data` outlives restarts, and so does the port."""

    url = ""
    store: ClassVar[Callable[[], str]] = staticmethod(lambda: "")  # MEDINOVA_STORE of the next one

    def __init__(
        self, data: Path, command: str = "serve", beside: Mapping[str, str] | None = None, **settings: str
    ) -> None:
        """`beside`: what else is in the environment, for the libraries of vendors."""
        self.log, self.printed = data / "server.log", data / "printed.txt"
        self._command = command
        self._beside = dict(beside or {})
        self._settings = {
            "DATA": str(data),
            "LISTEN_PORT": "0",
            "MEDIA_PORT": "0",
            "MEDIA_ADDRESSES": "127.0.0.1",
            "SERVICE_KEY": SERVICE_KEY,
            "STORE": Server.store(),
            **settings,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The settings, as every `medinova` command reads them."""
        return {**self._beside, **{f"MEDINOVA_{name}": value for name, value in self._settings.items()}}

    async def start(self) -> None:
        began = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log, self.printed.open("wb") as printed:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-W", "error", "-m", "medinova_rt", self._command),
                env={**os.environ, **self.environment},
                stdout=printed,
                stderr=log,
            )

        async def announced() -> str | None:
            assert self._process.returncode is None, f"the server ended at once: {self.log.read_text()[began:]}"
            lines = self.log.read_bytes()[began:].splitlines()
            return next((line["url"] for line in map(json.loads, lines) if "url" in line), None)

        self.url = await until(announced, "the start line of the server", START_S)
        if self._settings["LISTEN_PORT"] == "0":
            self._settings["LISTEN_PORT"] = self.url.rpartition(":")[2]

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process; a graceful stop that takes too long is a failure."""
        if self._process.returncode is None:
            self._process.send_signal(how)
            await asyncio.wait_for(self._process.wait(), STOP_S)

    def complaints(self) -> list[str]:
        """The log lines that no test provokes."""
        lines = self.log.read_text().splitlines()
        return [line for line in lines if json.loads(line)["level"] in ("warning", "error", "critical")]

    async def request(self, method: str, path: str, body: object = None, *, key: str | None = SERVICE_KEY) -> Any:
        """Return the JSON answer, or None where there is none; raises aiohttp.ClientResponseError from 400 on."""
        headers = {"Idempotency-Key": secrets.token_hex(16), "If-Match": "*"}
        headers |= {"Authorization": f"Bearer {key}"} if key else {}
        async with (
            aiohttp.ClientSession(headers=headers, raise_for_status=True) as session,
            session.request(method, self.url + path, json=body) as response,
        ):
            return None if response.status == 204 else await response.json()

    async def create(self, **names: str) -> Visit:
        """Create a visit with a seat for each role=name."""
        seats = [{"role": role, "name": name} for role, name in names.items()]
        return Visit(await self.request("POST", "/v1/visits", {"seats": seats}), names)
