"""The Firebase Auth emulator: a process on a free port of loopback, started once for a run, when first asked for.

`tools/test` installs it. Each test makes accounts of its own, with addresses of its own, so none needs clearing away.
"""

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

TOOL = Path(__file__).parents[1] / "tools" / "firebase"
PROJECT = "demo-medinova"  # by its first letters it is nobody's: no tool of Firebase asks anything real for it
KEY = "no-key-of-anybody"
PASSWORD = "seven patient otters"
PHONE = "+34600111222"
START_S = 100  # five where nothing else runs: it reads some thousand files


class AuthEmulator:
    """What Firebase is to a project, and what its owner may do there."""

    def __init__(self, port: int) -> None:
        self._last: dict[str, str] = {}
        self.host = f"127.0.0.1:{port}"
        self.identity = f"firebase://{PROJECT}?key={KEY}&emulator={self.host}"  # MEDINOVA_IDENTITY
        self.environment = {"FIREBASE_AUTH_EMULATOR_HOST": self.host}

    async def ask(self, method: str, **body: Any) -> dict[str, Any]:
        """Call a method of Identity Toolkit, e.g. `accounts:signUp`, as a page does; raises aiohttp's errors."""
        return await self._send("POST", f"/identitytoolkit.googleapis.com/v1/{method}?key={KEY}", body)

    async def owner(self, method: str, **body: Any) -> dict[str, Any]:
        """Call a method of the project's, e.g. `accounts:update`, as its owner."""
        path = f"/identitytoolkit.googleapis.com/v1/projects/{PROJECT}/{method}"
        return await self._send("POST", path, body, {"Authorization": "Bearer owner"})

    async def sign_up(self, email: str, *, verified: bool = True, password: str = PASSWORD) -> str:
        """Make an account; return its uid."""
        made = await self.ask("accounts:signUp", email=email, password=password, returnSecureToken=True)
        if verified:
            await self.owner("accounts:update", localId=made["localId"], emailVerified=True)
        return str(made["localId"])

    async def sign_in(self, email: str, password: str = PASSWORD) -> str:
        """Return an ID token; with a second factor, which is taken too.

        Two sign-ins of one second are one token, of which the server takes the first; so it is another than the last.
        """
        body = {"email": email, "password": password, "returnSecureToken": True}
        while True:
            found = await self.ask("accounts:signInWithPassword", **body)
            token = str(found["idToken"]) if "idToken" in found else await self._second(found)
            if token != self._last.get(email):
                self._last[email] = token
                return token
            await asyncio.sleep(0.1)

    async def add_phone(self, email: str, number: str = PHONE) -> None:
        """Give the account a second factor: codes to a telephone."""
        await self.owner_config(mfa={"state": "ENABLED", "enabledProviders": ["PHONE_SMS"]})
        token = await self.sign_in(email)
        path = "accounts/mfaEnrollment"
        begun = await self._v2(f"{path}:start", idToken=token, phoneEnrollmentInfo={"phoneNumber": number})
        session = begun["phoneSessionInfo"]["sessionInfo"]
        shown = {"sessionInfo": session, "code": await self.code(number)}
        await self._v2(f"{path}:finalize", idToken=token, phoneVerificationInfo=shown)

    async def code(self, number: str = PHONE) -> str:
        """The code that was sent there last."""
        sent = await self._send("GET", f"/emulator/v1/projects/{PROJECT}/verificationCodes")
        return str([each["code"] for each in sent["verificationCodes"] if each["phoneNumber"] == number][-1])

    async def link(self, email: str) -> str:
        """The address in the letter that was sent there last."""
        sent = await self._send("GET", f"/emulator/v1/projects/{PROJECT}/oobCodes")
        return str([each["oobLink"] for each in sent["oobCodes"] if each["email"] == email][-1])

    async def disable(self, uid: str) -> None:
        await self.owner("accounts:update", localId=uid, disableUser=True)

    async def revoke(self, uid: str, at: float | None = None) -> None:
        """Make whatever was signed in before `at` worthless; None: now."""
        await self.owner("accounts:update", localId=uid, validSince=str(int(time.time() if at is None else at)))

    async def owner_config(self, **change: Any) -> None:
        path = f"/identitytoolkit.googleapis.com/v2/projects/{PROJECT}/config?updateMask={','.join(change)}"
        await self._send("PATCH", path, change, {"Authorization": "Bearer owner"})

    async def _second(self, pending: dict[str, Any]) -> str:
        credential, factor = pending["mfaPendingCredential"], pending["mfaInfo"][0]["mfaEnrollmentId"]
        begun = await self._v2(
            "accounts/mfaSignIn:start", mfaPendingCredential=credential, mfaEnrollmentId=factor, phoneSignInInfo={}
        )
        shown = {"sessionInfo": begun["phoneResponseInfo"]["sessionInfo"], "code": await self.code()}
        path = "accounts/mfaSignIn:finalize"
        done = await self._v2(path, mfaPendingCredential=credential, phoneVerificationInfo=shown)
        return str(done["idToken"])

    async def _v2(self, method: str, **body: Any) -> dict[str, Any]:
        return await self._send("POST", f"/identitytoolkit.googleapis.com/v2/{method}?key={KEY}", body)

    async def _send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.request(method, f"http://{self.host}{path}", json=body, headers=headers) as response,
        ):
            return cast(dict[str, Any], await response.json())


def address() -> str:
    """An e-mail address that no other test has."""
    return f"otter-{secrets.token_hex(6)}@example.org"


@pytest.fixture(scope="session")
def auth_emulator() -> Iterator[AuthEmulator]:
    """Started once; without it the test is skipped, and in CI it fails."""
    node = shutil.which("node")
    if node is None or not (TOOL / "node_modules" / "firebase-tools").is_dir():
        missing = "the Auth emulator is not installed (npm ci --ignore-scripts --prefix tools/firebase; needs Node 20)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [node, "start.js", str(port), PROJECT]
    process = subprocess.Popen(
        command, cwd=TOOL, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await(process, port)
        yield AuthEmulator(port)
    finally:
        process.kill()
        process.communicate()


def _await(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.fail("the Auth emulator did not start")
