"""Whether the server lives and is ready, and what it counts."""

from typing import Literal

from aiohttp import web
from msgspec import Struct

from api.call import COUNTERS, HEALTH, Call, Reply
from medinova_rt.operations.telemetry import prometheus


class Alive(Struct, frozen=True):
    """Said by any server that still answers."""

    status: Literal["alive"] = "alive"


async def healthz(call: Call[None]) -> Reply:
    """Say that the process answers; restart it if it doesn't."""
    return Reply(Alive())


async def readyz(call: Call[None]) -> Reply:
    """Say whether to send visits here: 503 while starting, stopping, or while a part does not answer."""
    readiness = await call.app[HEALTH].readiness()
    return Reply(readiness, status=200 if readiness.status == "ready" else 503)


async def metrics(call: Call[None]) -> web.Response:
    """Totals since start, in Prometheus' text format."""
    return web.Response(text=prometheus(call.app[COUNTERS].snapshot()), content_type="text/plain", charset="utf-8")
