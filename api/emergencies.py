"""Emergency access to a patient's record, and the clinic's list of it."""

from typing import Annotated

from msgspec import Meta, Struct

from api import paging
from api.call import SETTINGS, STORE, Call, Instant, Reply
from medinova_rt.emergency import LONGEST_REASON, SHORTEST_REASON, Emergencies
from medinova_rt.ids import ClinicId, EmergencyId, PatientId, UserId
from medinova_rt.principals import Person

Reason = Annotated[
    str,
    Meta(
        min_length=SHORTEST_REASON,
        max_length=LONGEST_REASON,
        pattern=r"^(?! )[^\x00-\x1f\x7f]+(?<! )$",
        description="Why it cannot wait; no control characters, no space at either end.",
    ),
]


class NewEmergency(Struct, frozen=True, forbid_unknown_fields=True):
    """Why the record is needed."""

    reason: Reason


class EmergencyTaken(Struct, frozen=True):
    """Until when the record is open to who asked."""

    ends_at: Instant


class EmergencyView(Struct, frozen=True):
    """Who took emergency access to whose record, when and why; over at `ends_at`."""

    id: EmergencyId
    user: UserId
    patient: PatientId
    reason: str
    taken_at: Instant
    ends_at: Instant


class EmergencyPage(Struct, frozen=True):
    """Newest first."""

    items: list[EmergencyView]
    next_cursor: str | None


async def take(call: Call[NewEmergency]) -> Reply:
    """Open the record of a patient whom one does not treat, for an hour. The administrators are told at once."""
    assert isinstance(call.principal, Person)
    link = f"{call.app[SETTINGS].public_url}/people"
    taken = await Emergencies(call.app[STORE]).take(call.principal, call.thing, call.body.reason, call.now, link)
    return Reply(EmergencyTaken(taken.ends_at), {"Location": f"/v1/patients/{taken.patient}"})


async def list_(call: Call[None]) -> Reply:
    """List the emergencies of a clinic, newest first, those that are over included."""
    assert isinstance(call.principal, Person)
    clinic, query = ClinicId(call.path["clinic"]), call.query
    emergencies = Emergencies(call.app[STORE])
    found, cursor = await emergencies.of_clinic(call.principal, clinic, call.now, query.limit, query.cursor)
    items = [
        EmergencyView(each.id, each.user, each.patient, each.reason, each.taken_at, each.ends_at)
        for each in (held.value for held in found)
    ]
    return paging.reply(call, EmergencyPage(items, cursor), cursor)


async def end(call: Call[None]) -> Reply:
    """End an emergency before its hour is over. Doing it again changes nothing."""
    assert isinstance(call.principal, Person)
    emergency = EmergencyId(call.path["emergency"])
    await Emergencies(call.app[STORE]).end(call.principal, emergency, call.now, call.expected)
    return Reply()
