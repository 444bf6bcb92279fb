"""What a route acts on: found by the deepest parameter of its path, before anybody asks whether it may be seen.

A loader answers `Thing()` where there is no such thing, and for whatever its path says that isn't so (a seat of another
visit): to the caller that is the same as a thing they may not know of, on the same way through the code. It leaves no
record. Its `version` is what `If-Match` is compared with.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from aiohttp import web

from api.call import (
    ACCOUNTS,
    CLINICS,
    ERASURES,
    IDENTITY,
    INVITATIONS,
    PATIENTS,
    RELATIONS,
    SESSIONS,
    STORE,
    USERS,
    VISITS,
)
from medinova_rt import accounts, emergency, erasures, invited, members, patients, visits
from medinova_rt.access import NOWHERE, Thing
from medinova_rt.emergency import Emergencies
from medinova_rt.ids import (
    AccountId,
    ClinicId,
    EmergencyId,
    ErasureId,
    GrantId,
    InvitationId,
    LinkId,
    PatientId,
    SeatId,
    SessionId,
    UserId,
    VisitId,
)
from medinova_rt.members import Members
from medinova_rt.principals import Half, Person, Principal, SeatHolder, Service

Loader = Callable[[web.Request, Principal], Awaitable[Thing]]


async def load(request: web.Request, principal: Principal, name: str) -> Thing:
    """Return the thing by the loader of that name."""
    return await LOADERS[name](request, principal)


async def _me(request: web.Request, principal: Principal) -> Thing:
    """The caller, or the clinic whose system calls."""
    match principal:
        case Person(user=user) | Half(user=user):
            return Thing(kind="user", user=user)
        case Service(clinic=clinic):
            return Thing(clinic, kind="clinic")
        case SeatHolder(clinic=clinic, visit=visit, seat=seat):
            return Thing(clinic, visit, seat, "visit")
        case _:
            return NOWHERE


async def _profile(request: web.Request, principal: Principal) -> Thing:
    """The caller's own profile; of who is no user, as `_me`."""
    if not isinstance(principal, Person):
        return await _me(request, principal)
    found = await request.app[USERS].held(principal.user)
    return NOWHERE if found is None else Thing(kind="user", user=principal.user, version=found.version)


async def _nowhere(request: web.Request, principal: Principal) -> Thing:
    return NOWHERE


async def _visit(request: web.Request, principal: Principal) -> Thing:
    found = await request.app[VISITS].held(VisitId(request.match_info["visit"]))
    return NOWHERE if found is None else visits.thing(found.value, version=found.version)


async def _seat(request: web.Request, principal: Principal) -> Thing:
    found = await request.app[VISITS].held(VisitId(request.match_info["visit"]))
    seat = SeatId(request.match_info["seat"])
    if found is None or not any(each.id == seat for each in found.value.seats):
        return NOWHERE
    return visits.thing(found.value, seat, found.version)


async def _link(request: web.Request, principal: Principal) -> Thing:
    found = await request.app[VISITS].held(VisitId(request.match_info["visit"]))
    link = LinkId(request.match_info["link"])
    for seat in found.value.seats if found else ():
        if found and any(each.id == link for each in seat.links):
            return visits.thing(found.value, seat.id, found.version)
    return NOWHERE


async def _clinic(request: web.Request, principal: Principal) -> Thing:
    found = await request.app[CLINICS].held(ClinicId(request.match_info["clinic"]))
    return NOWHERE if found is None else Thing(found.value.id, kind="clinic", version=found.version)


async def _member(request: web.Request, principal: Principal) -> Thing:
    where, who = ClinicId(request.match_info["clinic"]), UserId(request.match_info["member"])
    found = await Members(request.app[STORE]).held(where, who)
    return NOWHERE if found is None else members.thing(found.value, found.version)


async def _invitation(request: web.Request, principal: Principal) -> Thing:
    where, which = ClinicId(request.match_info["clinic"]), request.match_info["invitation"]
    found = await request.app[INVITATIONS].held(where, InvitationId(which))
    return NOWHERE if found is None else invited.thing(found.value, found.version)


async def _patient(request: web.Request, principal: Principal) -> Thing:
    found = await request.app[PATIENTS].held(PatientId(request.match_info["patient"]))
    return NOWHERE if found is None else patients.thing(found.value, found.version)


async def _relation(request: web.Request, principal: Principal) -> Thing:
    patient = PatientId(request.match_info["patient"])
    found = await request.app[RELATIONS].held(patient, GrantId(request.match_info["relation"]))
    held = await request.app[PATIENTS].held(patient)  # also where there is none, so that it takes as long
    if found is None or held is None:
        return NOWHERE
    return replace(patients.thing(held.value, found.version), kind="relation", about=found.value.id)


async def _invited(request: web.Request, principal: Principal) -> Thing:
    """An invitation to act for a patient: to be known of by whoever may know of the patient's relations."""
    patient = PatientId(request.match_info["patient"])
    found = await request.app[INVITATIONS].held_of(patient, InvitationId(request.match_info["invited"]))
    held = await request.app[PATIENTS].held(patient)  # also where there is none, so that it takes as long
    if found is None or held is None:
        return NOWHERE
    return replace(patients.thing(held.value, found.version), kind="relation", about=found.value.id)


async def _emergency(request: web.Request, principal: Principal) -> Thing:
    found = await Emergencies(request.app[STORE]).held(EmergencyId(request.match_info["emergency"]))
    if found is None or found.value.clinic != request.match_info["clinic"]:
        return NOWHERE
    return emergency.thing(found.value, found.version)


async def _erasure(request: web.Request, principal: Principal) -> Thing:
    found = await request.app[ERASURES].held(ErasureId(request.match_info["erasure"]))
    if found is None or found.value.clinic != request.match_info["clinic"]:
        return NOWHERE
    return erasures.thing(found.value, found.version)


async def _account(request: web.Request, principal: Principal) -> Thing:
    found = await request.app[ACCOUNTS].held(AccountId(request.match_info["account"]))
    if found is None or found.value.clinic != request.match_info["clinic"]:
        return NOWHERE
    return accounts.thing(found)


async def _session(request: web.Request, principal: Principal) -> Thing:
    found = await request.app[SESSIONS].get(SessionId(request.match_info["session"]))
    return NOWHERE if found is None else Thing(kind="session", user=found.user, about=found.id)


async def _passkey(request: web.Request, principal: Principal) -> Thing:
    """One of the caller's own; everybody else's are as if there were none."""
    if not isinstance(principal, Person):
        return NOWHERE
    said = request.match_info["passkey"]
    have = await request.app[IDENTITY].factors(principal.user)
    if not any(each.id == said and each.kind == "passkey" for each in have.second):
        return NOWHERE
    return Thing(kind="factor", user=principal.user, about=said)


LOADERS: Mapping[str, Loader] = {
    "me": _me,
    "profile": _profile,
    "nowhere": _nowhere,
    "visit": _visit,
    "seat": _seat,
    "link": _link,
    "clinic": _clinic,
    "member": _member,
    "invitation": _invitation,
    "patient": _patient,
    "relation": _relation,
    "invited": _invited,
    "emergency": _emergency,
    "erasure": _erasure,
    "account": _account,
    "session": _session,
    "passkey": _passkey,
}
