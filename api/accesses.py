"""Who saw a patient's record."""

from msgspec import Struct

from api import paging
from api.call import STORE, Call, Instant, Reply
from medinova_rt.accesses import Accesses
from medinova_rt.audit import Outcome


class Who(Struct, frozen=True):
    """The role by which it was done, and the name of the clinic's or the patient's user; none for anybody else."""

    role: str
    name: str | None


class AccessView(Struct, frozen=True):
    """One act on the record, or an attempt that was refused."""

    at: Instant
    who: Who
    action: str
    outcome: Outcome
    emergency: bool


class AccessPage(Struct, frozen=True):
    """Newest first."""

    items: list[AccessView]
    next_cursor: str | None


async def read(call: Call[None]) -> Reply:
    """Read who saw or changed a patient's record, newest first."""
    found, cursor = await Accesses(call.app[STORE]).of_patient(
        call.principal, call.thing, call.now, call.query.limit, call.query.cursor
    )
    items = [
        AccessView(each.at, Who(each.role, each.name), each.action, each.outcome, each.is_emergency) for each in found
    ]
    return paging.reply(call, AccessPage(items, cursor), cursor)
