"""The shell around a session: one WebSocket, its bounds, and the way in."""

from collections.abc import Callable, Collection

from aiohttp import web

from medinova_rt.ids import SeatId
from signaling.hub import Hub


def mount(app: web.Application, hub: Hub, *, origins: Collection[str], cookie_name: Callable[[SeatId], str]) -> None:
    """Serve GET /v1/visits/{visit}/signal?seat={seat} and stop `hub` on shutdown, before aiohttp waits for handlers.

    `origins`: those of the public URL, e.g. `https://clinic.example`; a browser that comes from another gets 403.
    """
