"""`medinova audit …`: what may be said on the command line, and which act of the desk it means."""

import argparse
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

from medinova_rt import archive, balp, breach
from medinova_rt.breach import Question
from medinova_rt.config import DEFAULT_PORT, Settings
from medinova_rt.errors import DomainError
from medinova_rt.ids import ClinicId
from medinova_rt.operations import audit_desk, breach_report
from medinova_rt.signing import VerifyingKey


def add(commands: Any) -> None:
    audit = commands.add_parser("audit", help="the audit trail: beside a running server or without one")
    acts = audit.add_subparsers(dest="act", required=True, metavar="ACT")
    verify = acts.add_parser("verify", help="look whether it is what was written: 0 it is, 3 it is not, 1 nobody knows")
    verify.add_argument("--clinic", help="the id of one clinic; else all")
    verify.add_argument("--copies", default="", metavar="FOLDER", help="copies of the checkpoints, else the server's")
    verify.add_argument(
        "--key", action="append", default=[], type=_public_key, help="a public key as `medinova audit key` prints it"
    )
    report = acts.add_parser("report", help="print who saw what, and which patients are affected: for a breach")
    _add_question(report)
    whose = report.add_mutually_exclusive_group()
    whose.add_argument("--user", help="the id of a user, a service account or a seat")
    whose.add_argument("--session", help="the id of a session")
    whose.add_argument("--address", help="an IP address")
    report.add_argument("--format", default="text", choices=("text", "csv", "json"))
    export = acts.add_parser("export", help="print records as FHIR AuditEvents (IHE BALP), a line of JSON for each")
    _add_question(export)
    acts.add_parser("key", help="print the public key that the checkpoints are signed with")


def _add_question(act: Any) -> None:
    act.add_argument("--clinic", required=True)
    act.add_argument("--from", dest="start", required=True, type=_instant, help="2026-11-24 or 2026-11-24T10:00:00Z")
    act.add_argument("--to", dest="end", required=True, type=_instant, help="the like; itself not within")
    act.add_argument("--patient", help="the id of a patient")


def _instant(text: str) -> datetime:
    said = datetime.fromisoformat(text)
    return said if said.tzinfo else said.replace(tzinfo=UTC)


def _public_key(text: str) -> VerifyingKey:
    return VerifyingKey(bytes.fromhex(text))


async def run(settings: Settings, asked: argparse.Namespace) -> int:
    """Raises CannotStart."""
    if asked.act == "key":
        print(archive.signing_key(settings).public)
        return audit_desk.Exit.INTACT
    try:
        if asked.act in ("report", "export"):
            return await _answer(settings, asked)
        async with archive.desk(settings, asked.copies) as desk:
            keys = archive.verifying_keys(settings, asked.key)
            return await audit_desk.verify(desk, asked.clinic, keys, datetime.now(UTC), print, _aside)
    except DomainError as error:
        _aside(f"medinova audit {asked.act}: {error}")
        return audit_desk.Exit.CANNOT


async def _answer(settings: Settings, asked: argparse.Namespace) -> int:
    said = {name: vars(asked).get(name) for name in ("user", "session", "address", "patient")}
    question = Question(clinic=ClinicId(asked.clinic), start=asked.start, end=asked.end, **said)
    async with archive.reading_room(settings) as store:
        acts = breach.acts(store, question)
        if asked.act == "report":
            await breach_report.tell(question, acts, asked.format, print)
        else:
            url = settings.on_port(settings.listen_port or DEFAULT_PORT).public_url
            async for record in acts:
                print(msgspec.json.encode(balp.event(record, url)).decode())
    return 0


def _aside(line: str) -> None:
    print(line, file=sys.stderr)
