"""`medinova audit …`: what may be said on the command line, and which act of the desk it means."""

import argparse
import sys
from datetime import UTC, datetime
from typing import Any

from medinova_rt import archive
from medinova_rt.config import Settings
from medinova_rt.errors import DomainError
from medinova_rt.operations import audit_desk
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
    acts.add_parser("key", help="print the public key that the checkpoints are signed with")


def _public_key(text: str) -> VerifyingKey:
    return VerifyingKey(bytes.fromhex(text))


async def run(settings: Settings, asked: argparse.Namespace) -> int:
    """Raises CannotStart."""
    if asked.act == "key":
        print(archive.signing_key(settings).public)
        return audit_desk.Exit.INTACT
    try:
        async with archive.desk(settings, asked.copies) as desk:
            keys = archive.verifying_keys(settings, asked.key)
            return await audit_desk.verify(desk, asked.clinic, keys, datetime.now(UTC), print, _aside)
    except DomainError as error:
        _aside(f"medinova audit {asked.act}: {error}")
        return audit_desk.Exit.CANNOT


def _aside(line: str) -> None:
    print(line, file=sys.stderr)
