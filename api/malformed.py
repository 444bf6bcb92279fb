"""What is not HTTP at all: aiohttp answers it by itself, below every middleware, and logs it as an error of ours.

It is an error of whoever sent it, and anybody can send a lot of it: it is counted, and not logged. The answer repeats
nothing of it and says nothing of what the server is made of.
"""

import contextlib
import logging
from collections.abc import Iterator

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from medinova_rt.operations.telemetry import Counters

SERVER = "MediNova RT"  # and not the versions of what it is made of


class _Count(logging.Filter):
    def __init__(self, counters: Counters) -> None:
        super().__init__()
        self._counters = counters

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        is_malformed = isinstance(error, HttpProcessingError)
        if is_malformed:
            self._counters.add("api.malformed")
        return not is_malformed and record.levelno >= logging.WARNING


@contextlib.contextmanager
def counted(counters: Counters) -> Iterator[logging.Logger]:
    """Yield the logger to give to an aiohttp runner."""
    logger, count = logging.getLogger("api.http"), _Count(counters)
    logger.setLevel(logging.DEBUG)  # at which what looks like TLS is told
    logger.addFilter(count)
    try:
        yield logger
    finally:
        logger.removeFilter(count)


class _Handler(RequestHandler):
    __slots__ = ()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        response = super().handle_error(request, status, exc, "This is no HTTP that is understood here.")
        response.headers[hdrs.SERVER] = SERVER
        return response


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Handler(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _Server  # there is no setting for what handles a connection
        return server
