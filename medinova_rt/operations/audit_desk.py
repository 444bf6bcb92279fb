"""What `medinova audit …` does, beside a running server or without one, line by line."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from medinova_rt import clinics, strands
from medinova_rt.checkpoints import Copies
from medinova_rt.clinics import PLATFORM
from medinova_rt.ids import ClinicId
from medinova_rt.ports import MAX_PAGE, Find, Store
from medinova_rt.signing import VerifyingKey
from medinova_rt.verification import Verdict, Verification

PROGRESS_S = 5.0  # between two lines of progress

Say = Callable[[str], None]


class Exit(IntEnum):
    INTACT = 0
    CANNOT = 1  # nothing was found out
    ALTERED = 3  # 2 is the shell's own, for a command that is none


@dataclass(frozen=True, slots=True)
class Desk:
    documents: Store  # as they are stored
    copies: Copies
    check: Callable[[], Awaitable[list[str]]] | None  # what the database itself finds wrong with its file


async def verify(
    desk: Desk, clinic: str | None, keys: Sequence[VerifyingKey], now: datetime, say: Say, progress: Say
) -> Exit:
    """Look at the trail of that clinic, or of all of them. Raises Unavailable."""
    known = {key.id: key for key in keys}
    exit_, told = Exit.INTACT, Progress(progress)
    for each in [ClinicId(clinic)] if clinic else await _clinics(desk):
        told.clinic = each
        found = await Verification(desk.documents, each, known, desk.copies, now, told).run()
        for line in _lines(found):
            say(line)
        if not found.is_intact:
            exit_ = Exit.ALTERED
    for trouble in await desk.check() if desk.check else ():
        say(f"the file of the database is damaged: {trouble}")
        exit_ = Exit.ALTERED
    say("The audit trail is intact." if exit_ is Exit.INTACT else "The audit trail was ALTERED, or part of it is lost.")
    return exit_


def _lines(found: Verdict) -> list[str]:
    said = f"{found.clinic}: {_count(found.records, 'record')} in {_count(found.strands, 'strand')}"
    said += f", {_count(found.checkpoints, 'checkpoint')}, {found.since} since the last one"
    if found.unchained:
        said += f"; {found.unchained} of before there were strands, which cannot be verified"
    lines = [said, *(f"  {fault}" for fault in found.faults)]
    return [*lines, f"  and {found.more_faults} more"] if found.more_faults else lines


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class Progress:
    """Says now and then how far it is."""

    def __init__(self, say: Say) -> None:
        self.clinic = ""
        self._say = say
        self._next = time.monotonic() + PROGRESS_S

    def __call__(self, what: str, count: int) -> None:
        if not count % 1000 and time.monotonic() >= self._next:
            self._next = time.monotonic() + PROGRESS_S
            self._say(f"… {self.clinic}: {count:,} {what}")


async def _clinics(desk: Desk) -> list[ClinicId]:
    """Those there are, those that strands name, and those that were copied: one of which all the rest is gone."""
    found = {PLATFORM, *await desk.copies.clinics()}
    async for clinic in _all(desk.documents, clinics.ALL, "id"):
        found.add(clinic)
    for state in strands.State:
        async for clinic in _all(desk.documents, strands.BY_STATE, "clinic", state):
            found.add(clinic)
    return sorted(found)


async def _all(store: Store, find: Find, field: str, *equal: str) -> AsyncIterator[ClinicId]:
    cursor = None
    while True:
        page = await store.find(find, equal, limit=MAX_PAGE, cursor=cursor)
        for row in page.rows:
            yield ClinicId(row.id if field == "id" else str(row.document.get(field)))
        cursor = page.cursor
        if cursor is None:
            return
