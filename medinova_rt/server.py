"""A whole server, from its bound port to its graceful stop; `assembly` puts its parts together."""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path

from aiohttp import web

from api import call, malformed
from medinova_rt.assembly import make
from medinova_rt.config import Settings
from medinova_rt.folder import CannotStart, keep_folder
from medinova_rt.logs import Fields, Log, Word
from medinova_rt.operations.addresses import media_addresses
from medinova_rt.operations.health import Health
from medinova_rt.operations.listening import listen
from medinova_rt.operations.telemetry import Counters

log = Log(__name__)

KEEP_ALIVE_S = 75.0  # of a connection without a whole request; load balancers let go of theirs after 60


@contextlib.asynccontextmanager
async def running(settings: Settings, host: str = "localhost") -> AsyncIterator[web.Application]:
    """Serve while entered, at `host` if no public URL is set; leaving stops gracefully, within `stop_s`.

    Raises CannotStart.
    """
    tls = _tls(settings)
    keep_folder(Path(settings.data))
    with contextlib.ExitStack() as bound, malformed.counted(counters := Counters()) as logger:
        sockets = [bound.enter_context(each) for each in _listen(settings)]
        settings = settings.on_port(sockets[0].getsockname()[1], host)
        health = Health(version("medinova-rt"), settings.public_url)
        app = make(settings, await media_addresses(settings), health, counters)
        runner = malformed.Runner(
            app,
            logger=logger,
            access_log=None,  # api.middleware writes one that is fit to be kept
            keepalive_timeout=KEEP_ALIVE_S,
            auto_decompress=False,  # no compressed body is taken, so none can swell
            shutdown_timeout=settings.stop_s / 10,  # for requests under way, spent twice
        )
        try:
            await runner.setup()
            for each in sockets:
                await web.SockSite(runner, each, ssl_context=tls).start()
            health.phase = "ready"
            log.info("ready", **_start_line(health))
            yield app
        finally:
            health.phase = "stopping"
            log.info("stopping")
            await _stop(runner, app)
            log.info("stopped")


async def _stop(runner: web.AppRunner, app: web.Application) -> None:
    """Close everything, in at most `stop_s`; each part has bounds of its own, so that this one is hardly ever met."""
    try:
        async with asyncio.timeout(app[call.SETTINGS].stop_s):
            await runner.cleanup()
    except TimeoutError:
        log.warning("the graceful stop took too long and was cut short")


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)  # TLS 1.2 and up
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise CannotStart("MEDINOVA_TLS_CERTIFICATE and MEDINOVA_TLS_KEY hold no certificate with its key.") from error
    return context


def _listen(settings: Settings) -> list[socket.socket]:
    try:
        return listen(settings.listen_host, settings.listen_port)
    except PermissionError as error:
        raise CannotStart(f"This user may not listen on TCP port {settings.listen_port}.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            taken = f"TCP port {settings.listen_port} is taken; stop whoever has it or set MEDINOVA_LISTEN_PORT."
            raise CannotStart(taken) from error
        raise CannotStart("MEDINOVA_LISTEN_HOST is no address of this machine.") from error


def _start_line(health: Health) -> Fields:
    shown = Fields(
        url=Word(health.url),
        version=Word(health.version),
        engine=Word(health.engine),
        media_port=health.media_port,
        addresses=[Word(host) for host in health.media_addresses],
    )
    return {**shown, "engine_why": Word(health.engine_why)} if health.engine_why else shown
