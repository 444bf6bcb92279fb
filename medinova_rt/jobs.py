"""Work that follows a change: a document written in the same transact as the change, done later by a runner.

This is the only durable queue and the only timer. A job is taken by compare-and-set: `due_at` moves to the end of a
lease and `fence` grows, so of two runners one wins, and a job whose runner died is simply due again. A handler has less
time than its lease lasts; it runs at least once, so it must be idempotent. What fails comes back with backoff and
jitter, and after `MAX_ATTEMPTS` rests in the dead letters, where people can see it.

Clocks of several nodes may differ by less than `LEASE - HANDLER_TIME`.
"""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from medinova_rt import documents
from medinova_rt.ids import ClinicId, JobId, new_id
from medinova_rt.phi import Open
from medinova_rt.ports import Find, Insert

COLLECTION = "jobs"
SCHEMA = 1
DUE = Find(COLLECTION, equal=("state",), ordered_by="due_at")
FINDS: tuple[Find, ...] = (DUE,)


class State(StrEnum):
    OPEN = "open"
    DEAD = "dead"


class Job(Struct, frozen=True, kw_only=True):
    id: Open[JobId]
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    kind: Open[str]
    about: Open[dict[str, str]]  # ids only
    state: Open[State] = State.OPEN
    due_at: Open[datetime]  # while a runner has it: the end of its lease
    attempts: Open[int] = 0
    fence: Open[int] = 0  # grows with each taking; a handler passes it on to what must refuse an overtaken runner
    error: Open[str | None] = None  # why the last attempt failed: the exception's type, nothing of its text


def job(kind: str, due_at: datetime, now: datetime, *, clinic: ClinicId, **about: str) -> Insert:
    """Return the write to put into the transact of the change. `about`: ids only, e.g. `visit=visit.id`."""
    made = Job(id=JobId(new_id("job", now)), clinic=clinic, kind=kind, about=about, due_at=due_at)
    return Insert(COLLECTION, made.id, documents.encode(made))
