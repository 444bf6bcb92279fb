"""The composition root: with `folder` and `cabinet`, all that knows every adapter.

`make` puts the parts together; the `cleanup_ctx` generators open them in order (store, jobs, media, signalling) and
close them in reverse.
"""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from aiohttp import web

from api import call, forwarded, limits, routes
from media.engine import Address, Engine, StaleEngine
from media.plane import VIDEO_CODECS, MediaPlane
from media.reference import ReferenceEngine
from medinova_rt import archive, clinics, doorman, logs
from medinova_rt.accounts import Accounts
from medinova_rt.adapters.folder_copies import FolderCopies
from medinova_rt.adapters.outbox_notifier import OutboxNotifier
from medinova_rt.adapters.smtp_notifier import SmtpNotifier
from medinova_rt.assertions import Assertions
from medinova_rt.cabinet import Cabinet
from medinova_rt.checkpoints import CHECKPOINT_JOB, Checkpoints
from medinova_rt.clinics import ADULTHOOD_JOB, Clinics
from medinova_rt.config import Settings
from medinova_rt.doorman import WATCH_EVERY, WATCH_JOB, Doorman
from medinova_rt.entrance import Entrance
from medinova_rt.erasures import ERASE_JOB, Erasures
from medinova_rt.errors import Unavailable
from medinova_rt.exports import Exports
from medinova_rt.factors import OwnFactors
from medinova_rt.folder import CannotStart, fields_of_patients, key
from medinova_rt.ids import VisitId
from medinova_rt.invitations import Invitations
from medinova_rt.jobs import Job, Jobs
from medinova_rt.links import Links
from medinova_rt.logs import Log
from medinova_rt.lookups import Lookups, SecretIndex
from medinova_rt.mail import MAIL_JOB, Mail
from medinova_rt.merges import Merges
from medinova_rt.new_address import NewAddresses
from medinova_rt.operations.addresses import MediaAddresses
from medinova_rt.operations.health import Health
from medinova_rt.operations.keyring import REWRAP_JOB, Rewrapping
from medinova_rt.operations.telemetry import Counters
from medinova_rt.patients import Patients
from medinova_rt.register import Register
from medinova_rt.relations import Relations
from medinova_rt.repeats import Repeats
from medinova_rt.resealing import RESEAL_JOB, Resealing
from medinova_rt.sessions import Sessions
from medinova_rt.signed_in import SignedIn
from medinova_rt.signin import SignIn
from medinova_rt.sweeps import SWEEP_JOB, Sweeps
from medinova_rt.tokens import Tokens
from medinova_rt.users import Users
from medinova_rt.visits import EXPIRE_JOB, Visits
from signaling import asyncapi, websocket
from signaling.hub import Hub
from signaling.messages import PROTOCOL

log = Log(__name__)

WEB = Path(__file__).resolve().parents[1] / "web"
CABINET = web.AppKey("cabinet", Cabinet)
JOBS = web.AppKey("jobs", Jobs)
PLANE = web.AppKey("plane", MediaPlane)
ENGINE = web.AppKey("engine", Engine)
HUB = web.AppKey("hub", Hub)
MAIL = web.AppKey("mail", Mail)
LOOKUPS = web.AppKey("lookups", Lookups)
DOORMAN = web.AppKey[Doorman]("doorman")
SWEEPS = web.AppKey("sweeps", Sweeps)
WATCH = web.AppKey("watch", Sweeps)
COPIES = web.AppKey("copies", FolderCopies)
CHECKPOINTS = web.AppKey("checkpoints", Checkpoints)
NOTIFIER = web.AppKey[SmtpNotifier | OutboxNotifier]("notifier")


def make(settings: Settings, addresses: MediaAddresses, health: Health, counters: Counters) -> web.Application:
    """Return the application, its parts made and not yet opened, its keys made if this is the first start.

    `settings.on_port` was applied. Raises CannotStart.
    """
    data = Path(settings.data)
    cabinet = Cabinet(settings)
    store = cabinet.store
    work = Jobs(store, utc_now)
    secret = (settings.secret.reveal() or key(data / "secret.key")).encode()
    old_secret = settings.old_secret.reveal().encode() or None
    links = Links(secret, old_secret)
    engine, health.engine_why = _engine(settings, addresses)
    plane = MediaPlane(engine, _preference(settings.video_codec), _announced(settings, addresses))
    held = Visits(store, work.wake)
    vault, old_index = cabinet.strongroom.vault, data / "index.key"
    index = Lookups(store, vault, SecretIndex(key(old_index).encode()) if old_index.exists() else None)
    hub = Hub(store, links, held, plane, counters, utc_now)

    app = routes.make_app(settings)
    app[LOOKUPS] = index
    app[call.SETTINGS] = settings
    app[call.SERVICE_KEY] = settings.service_key.reveal() or key(data / "service.key")
    app[call.SERVICE_CLINIC] = clinics.DEMO.id
    app[COPIES] = archive.copies(settings)
    signing = archive.signing_key(settings)
    app[CHECKPOINTS] = Checkpoints(store, signing, app[COPIES])
    app[CABINET], app[call.STORE], app[call.REPEATS] = cabinet, store, Repeats(store)
    app[call.CLINICS] = Clinics(store)
    app[call.SESSIONS] = Sessions(store)
    app[call.SIGNED_IN] = SignedIn(store)
    app[call.TOKENS] = Tokens(secret, settings.public_url, old_secret)
    app[call.ACCOUNTS] = Accounts(store)
    app[call.ASSERTIONS] = Assertions(store, app[call.ACCOUNTS], f"{settings.public_url}/oauth/token")
    cabinet.watched.watch(app[call.SIGNED_IN].watched, app[call.SIGNED_IN].forget_all)
    cabinet.watched.watch(app[call.ACCOUNTS].watched, app[call.ACCOUNTS].forget_all)
    everybody = Users(store)
    identity = doorman.identity(settings, store, secret, os.environ)
    app[DOORMAN] = app[call.IDENTITY] = identity
    app[call.SIGN_IN] = SignIn(store, identity, everybody, app[call.CLINICS], app[call.SESSIONS], settings.public_url)
    app[call.USERS] = everybody
    app[call.INVITATIONS] = Invitations(store, identity, app[call.SIGN_IN], settings.public_url)
    app[call.FACTORS] = OwnFactors(
        store, identity, everybody, app[call.CLINICS], app[call.SESSIONS], app[call.SIGN_IN], settings.public_url
    )
    app[call.VISITS] = held
    app[call.PATIENTS] = Patients(store, index, work.wake)
    app[call.REGISTER] = Register(store, index)
    app[call.MERGES] = Merges(store, index, work.wake)
    app[call.ERASURES] = Erasures(store, cabinet.strongroom.vault, index, signing, fields_of_patients(), work.wake)
    app[call.EXPORTS] = Exports(store, app[call.PATIENTS], signing)
    app[call.RELATIONS] = Relations(store)
    app[call.ENTRANCE] = Entrance(store, held, links)
    app[call.LINKS] = links
    app[call.ROOMS] = hub.rooms
    app[call.HEALTH] = health
    app[call.COUNTERS] = counters
    app[call.CLOCK] = utc_now
    app[call.PROTOCOL] = PROTOCOL
    app[call.WEB] = WEB
    app[JOBS], app[ENGINE], app[PLANE], app[HUB] = work, engine, plane, hub
    if settings.mail_url:
        app[NOTIFIER] = SmtpNotifier(settings.mail_url.reveal(), settings.mail_from)
    else:
        app[NOTIFIER] = app[call.OUTBOX] = OutboxNotifier(store)
    app[MAIL] = Mail(store, app[NOTIFIER])
    swept = (
        NewAddresses(store, settings.public_url),
        app[MAIL],
        app[call.REPEATS],
        app[call.SESSIONS],
        app[call.ASSERTIONS],
        identity,
        app[call.INVITATIONS],
    )
    outbox = [app[call.OUTBOX].sweep] if call.OUTBOX in app else []
    app[SWEEPS] = Sweeps(store, [*(each.sweep for each in swept), *app[call.SIGN_IN].sweeps, *outbox])
    app[WATCH] = Sweeps(store, [identity.watch], WATCH_JOB, WATCH_EVERY)

    websocket.mount(
        app, hub, origins={settings.public_url}, cookie_name=settings.cookie_name, address=forwarded.address
    )
    app.router.add_get("/asyncapi.json", _asyncapi)
    counters.include("media", plane.counters)
    counters.include("log", logs.counters)
    counters.include("store", cabinet.counters)
    counters.include("keys", cabinet.key_counters)
    counters.include("audit", cabinet.strands.counters)
    counters.include("checkpoints", app[CHECKPOINTS].counters)
    counters.include("jobs", work.counters)
    counters.include("mail", app[MAIL].counters)
    counters.include("firebase" if settings.firebase else "passwords", identity.counters)
    counters.include("sign-in", app[call.SIGN_IN].counters)
    counters.include("limits", app[limits.LIMITS].counters)
    app.cleanup_ctx.extend([open_store, open_identity, open_mail, run_jobs, open_media, open_signalling])
    return app


async def open_store(app: web.Application) -> AsyncIterator[None]:
    cabinet = app[CABINET]
    await cabinet.open()
    try:
        await app[COPIES].open()
    except Unavailable as error:
        raise CannotStart("MEDINOVA_AUDIT_COPIES is no folder that this user can make or use.") from error
    app[call.HEALTH].add("store", lambda: cabinet.store.get(clinics.COLLECTION, clinics.DEMO.id))
    await app[call.CLINICS].ensure(clinics.DEMO)
    yield
    try:
        async with asyncio.timeout(app[call.SETTINGS].stop_s / 5):
            await app[CHECKPOINTS].write(app[call.CLOCK]())  # of all that was done, since nothing is done any more
    except (Unavailable, TimeoutError):
        log.warning("the last checkpoint of the audit trail was not made; the next start makes it")
    await cabinet.close()


async def open_identity(app: web.Application) -> AsyncIterator[None]:
    try:
        await app[DOORMAN].open()
    except Unavailable as error:
        raise CannotStart("MEDINOVA_IDENTITY: there is no credential to ask Firebase with.") from error
    yield
    await app[DOORMAN].close()


async def open_mail(app: web.Application) -> AsyncIterator[None]:
    notifier = app[NOTIFIER]
    await notifier.open()
    app[call.HEALTH].add("mail", notifier.check, spared=True)
    yield
    await notifier.close()


async def run_jobs(app: web.Application) -> AsyncIterator[None]:
    async def expire(job: Job, now: datetime) -> None:
        visit = VisitId(job.about["visit"])
        await app[call.VISITS].expire(visit, now)
        await app[call.ROOMS].close(visit, "expired")
        await app[call.ENTRANCE].forget(visit)

    async def check() -> None:
        if runner.done():
            raise Unavailable("the job runner has ended")

    cabinet, now = app[CABINET], app[call.CLOCK]()
    resealing = Resealing(app[call.STORE], cabinet.sealed, app[LOOKUPS], app[JOBS].wake)
    await app[SWEEPS].plan(now)
    await resealing.plan(now)
    if app[call.SETTINGS].firebase:
        await app[WATCH].plan(now)
    await app[CHECKPOINTS].plan(now)
    stop = asyncio.Event()
    handlers = {
        ADULTHOOD_JOB: app[call.RELATIONS].bring_to_age,
        ERASE_JOB: app[call.ERASURES].carry_out,
        EXPIRE_JOB: expire,
        RESEAL_JOB: resealing.run,
        REWRAP_JOB: Rewrapping(app[call.STORE], cabinet.strongroom.vault, app[JOBS].wake).run,
        MAIL_JOB: app[MAIL].deliver,
        SWEEP_JOB: app[SWEEPS].run,
        WATCH_JOB: app[WATCH].run,
        CHECKPOINT_JOB: app[CHECKPOINTS].run,
    }
    runner = asyncio.create_task(app[JOBS].run(handlers, stop))
    app[call.HEALTH].add("jobs", check)
    yield
    stop.set()
    try:
        await asyncio.wait_for(runner, app[call.SETTINGS].stop_s / 5)
    except TimeoutError:
        log.warning("jobs were left unfinished; they fall due again")


async def open_media(app: web.Application) -> AsyncIterator[None]:
    health, plane, engine = app[call.HEALTH], app[PLANE], app[ENGINE]
    try:
        await plane.open()
    except OSError as error:
        port, is_taken = app[call.SETTINGS].media_port, error.errno == errno.EADDRINUSE
        why = "is taken; stop whoever has it" if is_taken else "cannot be had by this user here; look at the addresses"
        raise CannotStart(f"UDP port {port} {why} or set MEDINOVA_MEDIA_PORT.") from error
    health.engine = engine.name
    health.media_port = engine.listening()[0][1]
    health.media_addresses = tuple(dict.fromkeys(host for host, _ in plane.addresses))
    health.add("media", lambda: _bound(engine))
    yield
    await plane.close()


async def open_signalling(app: web.Application) -> AsyncIterator[None]:
    await app[HUB].open()
    yield
    await app[HUB].stop()


async def _asyncapi(request: web.Request) -> web.Response:
    document = asyncapi.document(request.app[call.HEALTH].version, request.app[call.SETTINGS].public_url)
    return web.Response(body=msgspec.json.encode(document), content_type="application/json", charset="utf-8")


def utc_now() -> datetime:
    return datetime.now(UTC)


def _engine(settings: Settings, addresses: MediaAddresses) -> tuple[Engine, str]:
    """Return the engine, and why it is the reference engine if nobody asked for that."""
    why = ""
    if settings.engine != "reference":
        try:
            from media.native import NativeEngine

            return NativeEngine(addresses.bound, settings.media_port), why
        except ModuleNotFoundError:
            why = "the native engine was not built along"
        except StaleEngine as error:
            why = str(error)
        except ImportError:
            why = "the native engine does not load here"
        if settings.engine == "native":
            raise CannotStart(f"MEDINOVA_ENGINE: {why}; docs/operations.md says how to get it.")
    return ReferenceEngine(addresses.bound, settings.media_port), why


def _preference(first: str) -> tuple[str, ...]:
    return (first, *(codec for codec in VIDEO_CODECS if codec != first))


def _announced(settings: Settings, addresses: MediaAddresses) -> list[Address] | None:
    """Return the candidates, or None for those that the engine binds."""
    if addresses.announced == addresses.bound:
        return None
    if not settings.media_port:
        raise CannotStart("MEDINOVA_MEDIA_ADDRESSES names addresses outside this machine: set MEDINOVA_MEDIA_PORT too.")
    return [(host, settings.media_port) for host in addresses.announced]


async def _bound(engine: Engine) -> None:
    if not engine.listening():
        raise Unavailable("the media port is not bound, or the engine has failed")
