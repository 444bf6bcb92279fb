"""The `medinova` command.

medinova serve           serve, with the settings in MEDINOVA_*; JSON lines on stderr
medinova demo [--https]  serve with a demo clinic and a visit to try out, and print the links
medinova outbox          print the letters of a server that has no mail server, the newest last
medinova user …          add somebody, such as the first administrator; list; set a password
medinova clinic …        add a clinic; list
medinova audit …         verify the audit trail, report from it, export it; print the key that signs its checkpoints
medinova keys …          rotate the key-encryption key; say where keys and the sealing of old data stand
"""

import argparse
import asyncio
import gc
import getpass
import io
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import segno
from aiohttp import web

from api import call
from medinova_rt import assembly, audit_command, clinics, config, demo, moving, server
from medinova_rt.adapters.outbox_notifier import OutboxNotifier
from medinova_rt.cabinet import Cabinet, office
from medinova_rt.config import SettingError, Settings
from medinova_rt.demo import Login
from medinova_rt.errors import BadInput, DomainError, Unavailable
from medinova_rt.folder import DATABASE, CannotStart
from medinova_rt.grants import StaffRole
from medinova_rt.operations import keyring, people, telemetry
from medinova_rt.operations.addresses import machine_addresses, outward_address
from medinova_rt.operations.certificate import self_signed
from medinova_rt.operations.keys import kept_key
from medinova_rt.operations.people import Office
from medinova_rt.principals import Role, Service
from medinova_rt.texts import LANGUAGES
from medinova_rt.zones import DEFAULT_ZONE

DEMO_SEATS = (
    (Role.CLINICIAN, "Dr. Amira Haddad"),
    (Role.PATIENT, "Sam Rivers"),
    (Role.CARER, "Robin Rivers"),
    (Role.INTERPRETER, "Noor Karim"),
)


def main() -> int:
    telemetry.configure("warning")
    telemetry.watch_process()
    arguments = _parser().parse_args()
    try:
        settings = config.load(os.environ)
        for name in config.SECRETS:  # so that nothing started from here inherits them
            os.environ.pop(name, None)
        if arguments.command == "demo":
            level = settings.log_level if "MEDINOVA_LOG_LEVEL" in os.environ else "warning"
            if arguments.https:
                return _run(_for_network(settings), level, _show_demo, outward_address())
            return _run(settings, level, _show_demo)
        if arguments.command == "outbox":
            return asyncio.run(_show_outbox(settings))
        if arguments.command == "audit":
            return asyncio.run(audit_command.run(settings, arguments))
        if arguments.command == "keys":
            return asyncio.run(_with_keys(settings, arguments.act))
        if arguments.command in ("user", "clinic"):
            return asyncio.run(_in_office(settings, arguments))
        if arguments.command == "store":
            return _store(arguments)
        return _run(settings, settings.log_level, _nothing)
    except (SettingError, CannotStart) as error:
        print(f"medinova cannot start: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before the server listens to signals itself
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="medinova", description="A telemedicine server in one process.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="serve, with the settings in MEDINOVA_* (docs/operations.md)")
    demo = commands.add_parser("demo", help="serve with a demo clinic and a visit to try out")
    demo.add_argument(
        "--https", action="store_true", help="on the local network, with a certificate of our own, for phones"
    )
    commands.add_parser("outbox", help="print the letters of a server that has no mail server, the newest last")
    _add_people(commands)
    store = commands.add_parser("store", help="where the documents are, while no server is running")
    acts = store.add_subparsers(dest="act", required=True, metavar="ACT")
    copy = acts.add_parser("copy", help="copy all documents and data keys; interrupted, the same command goes on")
    for name, about in (("source", "sqlite:FOLDER or firestore://PROJECT/DATABASE"), ("target", "the like, and empty")):
        copy.add_argument(name, help=about)
    acts.add_parser("indexes", help="print the indexes that a Firestore database needs")
    audit_command.add(commands)
    keys = commands.add_parser("keys", help="what patient data is sealed with, beside a running server or without one")
    acts = keys.add_subparsers(dest="act", required=True, metavar="ACT")
    acts.add_parser("rotate", help="make a new key-encryption key; the server wraps every data key anew")
    acts.add_parser("status", help="print how many data keys each version has wrapped, and what is still to be sealed")
    return parser


def _add_people(commands: Any) -> None:
    user = commands.add_parser("user", help="people, on the data folder: beside a running server or before its start")
    acts = user.add_subparsers(dest="act", required=True, metavar="ACT")
    add = acts.add_parser("add", help="let somebody sign in, with a password that is printed once")
    add.add_argument("email")
    add.add_argument("--name", required=True)
    add.add_argument("--clinic", help="the id of a clinic to work at, with --role")
    add.add_argument("--role", action="append", default=[], type=StaffRole, choices=list(StaffRole), dest="roles")
    add.add_argument("--operator", action="store_true", help="operate the platform: make clinics, see counters")
    acts.add_parser("list", help="print everybody, and what they are")
    password = acts.add_parser("password", help="set somebody's password: the one typed, or one that is printed once")
    password.add_argument("email")
    for name, about in (
        ("disable", "let somebody sign in no longer, and end their sessions"),
        ("enable", "let them sign in again"),
        ("end-operator", "let somebody operate the platform no longer"),
        ("reset-factors", "take the second factor of somebody who lost it, and end their sessions"),
    ):
        acts.add_parser(name, help=about).add_argument("email")
    clinic = commands.add_parser("clinic", help="clinics, on the data folder")
    acts = clinic.add_subparsers(dest="act", required=True, metavar="ACT")
    add = acts.add_parser("add", help="make a clinic")
    add.add_argument("name")
    add.add_argument("--zone", default=DEFAULT_ZONE, help="IANA, like Europe/Madrid")
    add.add_argument("--language", default=LANGUAGES[0], choices=LANGUAGES)
    acts.add_parser("list", help="print every clinic")


def _store(asked: argparse.Namespace) -> int:
    if asked.act == "indexes":
        print(moving.indexes(), end="")
        return 0
    try:
        asyncio.run(moving.move(asked.source, asked.target, print))
    except DomainError as error:
        print(f"medinova store copy: {error}", file=sys.stderr)
        return 1
    return 0


async def _in_office(settings: Settings, asked: argparse.Namespace) -> int:
    """Do what `medinova user …` or `medinova clinic …` says, and print what came of it."""
    try:
        async with office(settings) as opened:
            lines = await _act(opened, asked)
    except DomainError as error:
        print(f"medinova {asked.command} {asked.act}: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


async def _with_keys(settings: Settings, act: str) -> int:
    cabinet = Cabinet(settings)
    try:
        await cabinet.open()
        room = cabinet.strongroom
        if act == "rotate":
            lines = await keyring.rotate(cabinet.store, room.vault, room.keys, datetime.now(UTC))
        else:
            lines = await keyring.status(cabinet.store, room.vault, room.keys, cabinet.sealed.collections)
    except DomainError as error:
        print(f"medinova keys {act}: {error}", file=sys.stderr)
        return 1
    finally:
        await cabinet.close()
    print("\n".join(lines))
    return 0


async def _act(office: Office, asked: argparse.Namespace) -> list[str]:
    match asked.command, asked.act:
        case "user", "add":
            if bool(asked.clinic) != bool(asked.roles):
                raise BadInput("--clinic and --role go together")
            return await people.add_user(
                office, asked.email, asked.name, asked.clinic, asked.roles, operator=asked.operator
            )
        case "user", "password":
            typed = getpass.getpass("New password (none: one is made up): ") if sys.stdin.isatty() else ""
            return await people.set_password(office, asked.email, typed or None)
        case "user", "disable":
            return await people.disable(office, asked.email)
        case "user", "enable":
            return await people.enable(office, asked.email)
        case "user", "end-operator":
            return await people.end_operator(office, asked.email)
        case "user", "reset-factors":
            return await people.reset_factors(office, asked.email)
        case "user", _:
            return await people.list_users(office)
        case "clinic", "add":
            return await people.add_clinic(office, asked.name, asked.zone, asked.language)
        case _:
            return await people.list_clinics(office)


Greeting = Callable[[web.Application], Coroutine[Any, Any, None]]


def _run(settings: Settings, level: str, greet: Greeting, host: str = "localhost") -> int:
    telemetry.configure(level)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(settings, greet, host))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # where it is not built for
        return None
    return uvloop.new_event_loop


async def _serve(settings: Settings, greet: Greeting, host: str) -> int:
    """Serve until SIGTERM or SIGINT; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    telemetry.watch(loop)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with server.running(settings, host) as app:
        await greet(app)
        gc.collect()
        gc.freeze()  # what is there now stays: looking through it again would hold up every message for 30 ms at times
        await stop.wait()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
    return 0


async def _nothing(app: web.Application) -> None:
    pass


def _for_network(settings: Settings) -> Settings:
    """Listen on the network, with a certificate of our own for every address of this machine."""
    addresses = machine_addresses(loopback=False)
    data = Path(settings.data)
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        certificate, key = self_signed(data, addresses, datetime.now(UTC))
    except OSError as error:
        raise CannotStart("MEDINOVA_DATA is no folder that this user can make or use.") from error
    return msgspec.structs.replace(
        settings,
        listen_host="*",
        tls_certificate=settings.tls_certificate or str(certificate),
        tls_key=settings.tls_key or str(key),
    )


async def _show_demo(app: web.Application) -> None:
    """Make a visit and a clinic's people to try out, and say what to do with them."""
    settings, now = app[call.SETTINGS], app[call.CLOCK]()
    visit = await app[call.VISITS].create(Service(clinics.DEMO.id), DEMO_SEATS, now)
    links = {}
    for seat in visit.seats:
        link = seat.links[0]
        links[seat.role] = settings.link_url(app[call.LINKS].make_token(visit.id, seat.id, link.id, link.expires_at))
    key = kept_key(Path(settings.data) / "demo.key")
    logins = await demo.seed(app[call.STORE], app[call.IDENTITY], app[assembly.LOOKUPS], key, now)
    print(_greeting(app, links, logins), flush=True)


def _greeting(app: web.Application, links: dict[Role, str], logins: list[Login]) -> str:
    settings, health = app[call.SETTINGS], app[call.HEALTH]
    key = "MEDINOVA_SERVICE_KEY" if settings.service_key else Path(settings.data) / "service.key"
    lines = [
        "",
        f"  MediNova RT {health.version} is up at {settings.public_url}",
        "",
        "  A visit is waiting. Open these two links in two tabs, browsers or devices:",
        "",
        f"  Clinician\n{links[Role.CLINICIAN]}\n",
        f"  Patient\n{links[Role.PATIENT]}\n",
        "  Two more can join:",
        "",
        f"  Carer\n{links[Role.CARER]}\n",
        f"  Interpreter\n{links[Role.INTERPRETER]}\n",
    ]
    lines += [f"  Or sign in at {settings.public_url}/sign-in, as one of these people of the demo clinic:", ""]
    lines += [f"  {each.role:<14} {each.email:<28} {each.password}" for each in logins]
    lines += [""]
    if not settings.is_local:
        lines += ["  Scan to be the patient on a phone in the same network:", "", _qr_code(links[Role.PATIENT])]
    if settings.is_https:
        lines += ["  The certificate is this machine's own: browsers warn once; go on anyway.", ""]
    lines += [
        f"  Media: UDP port {health.media_port} of {', '.join(health.media_addresses)}",
        f"  API:   {settings.public_url}/docs, with the key in {key}",
        "  More:  README.md and docs/.  Ctrl-C stops the server.",
        "",
    ]
    return "\n".join(lines)


async def _show_outbox(settings: Settings) -> int:
    """Print the letters that are kept, beside a running server or without one."""
    database = Path(settings.data) / DATABASE
    if not settings.store and not database.is_file():
        raise CannotStart("MEDINOVA_DATA holds no database; is it the folder that the server uses?")
    cabinet = Cabinet(settings)
    await cabinet.open()
    try:
        letters, _ = await OutboxNotifier(cabinet.store).newest()
    except Unavailable as error:
        raise CannotStart("MEDINOVA_DATA: the letters cannot be read.") from error
    finally:
        await cabinet.close()
    for letter in reversed(letters):
        print(f"To: {letter.to}\nDate: {letter.at:%Y-%m-%d %H:%M:%S} UTC\nSubject: {letter.subject}\n\n{letter.text}")
        print("─" * 72)
    print(f"{len(letters)} letter{'' if len(letters) == 1 else 's'}." if letters else "There are no letters.")
    return 0


def _qr_code(text: str) -> str:
    drawn = io.StringIO()
    segno.make(text, error="l").terminal(drawn, border=2, compact=True)
    if not sys.stdout.isatty():
        return drawn.getvalue()
    # white on black, whatever the terminal's own colours: inverted, some phones don't read it
    return "".join(f"\x1b[97;40m{line}\x1b[0m\n" for line in drawn.getvalue().splitlines())


if __name__ == "__main__":
    sys.exit(main())
