"""A key server as Google's is, on loopback, and what signs the ID tokens that go with it."""

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

PROJECT = "medinova-tests"
MAX_AGE = 3600


def private(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """The key of that name, made once for the run."""
    return _made(name, bits)


@functools.cache
def _made(name: str, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def jwk(name: str, bits: int = 2048) -> dict[str, Any]:
    said = RSAAlgorithm.to_jwk(private(name, bits).public_key(), as_dict=True)
    return {**said, "kid": name, "alg": "RS256", "use": "sig"}


class KeyServer:
    """What it answers may be changed while it runs."""

    def __init__(self) -> None:
        self.keys = [jwk("monday"), jwk("tuesday")]
        self.headers = {"Cache-Control": f"public, max-age={MAX_AGE}, must-revalidate, no-transform"}
        self.status = 200
        self.body: bytes | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0
        self.url = ""

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        await self.gate.wait()
        if self.body is not None:
            return web.Response(body=self.body, status=self.status, headers=self.headers)
        return web.json_response({"keys": self.keys}, status=self.status, headers=self.headers)


@asynccontextmanager
async def key_server() -> AsyncIterator[KeyServer]:
    server, app = KeyServer(), web.Application()
    app.router.add_get("/keys", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
    try:
        yield server
    finally:
        server.gate.set()
        await runner.cleanup()


def claims(now: datetime, **change: Any) -> dict[str, Any]:
    """Of somebody who signed in ten seconds ago; None leaves a claim out."""
    at = int((now - timedelta(seconds=10)).timestamp())
    said = {
        "iss": f"https://securetoken.google.com/{PROJECT}",
        "aud": PROJECT,
        "sub": "uid-of-robin",
        "user_id": "uid-of-robin",
        "auth_time": at,
        "iat": at,
        "exp": at + 3600,
        "email": "robin@example.org",
        "email_verified": True,
        "firebase": {"identities": {"email": ["robin@example.org"]}, "sign_in_provider": "password"},
        **change,
    }
    return {name: value for name, value in said.items() if value is not None}


def token(said: dict[str, Any], key: str = "monday", **headers: Any) -> str:
    return jwt.encode(said, private(key), algorithm="RS256", headers={"kid": key, **headers})
