"""One's own profile, and what one is at which clinic and for which patient."""

import asyncio
from typing import Annotated, Any

from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from api.call import CLINICS, SETTINGS, STORE, USERS, Call, Instant, Reply
from api.persons import Email, Language, Name, Zone
from medinova_rt import audit, changes, patients, sessions
from medinova_rt.clinics import PLATFORM, Clinic
from medinova_rt.errors import NotFound
from medinova_rt.grants import FOREVER, RELATIONS, Grant, Kind, Scope, StaffRole
from medinova_rt.ids import ClinicId, PatientId, UserId
from medinova_rt.new_address import NewAddresses
from medinova_rt.patients import Patient
from medinova_rt.principals import Person
from medinova_rt.users import Profile, User


class Membership(Struct, frozen=True):
    """`second_factor_needed`: the roles count only in a session in which one was shown, and this is none."""

    clinic: ClinicId
    name: str
    roles: list[StaffRole]
    second_factor_needed: bool


class ActsFor(Struct, frozen=True):
    """A patient that the user is (`self`), or acts for within `scope`; `ends_at` null: without an end."""

    patient: PatientId
    clinic: ClinicId
    clinic_name: str
    kind: Kind
    name: str
    scope: list[Scope]
    ends_at: Instant | None


class EmergencyAccess(Struct, frozen=True):
    """A patient whose record is open to the user until `ends_at`, by emergency access."""

    patient: PatientId
    clinic: ClinicId
    ends_at: Instant


class Me(Struct, frozen=True):
    """Whoever is signed in; `strong`: a second factor was shown in this session, which ends after
    `idle_s` seconds without use."""

    id: UserId
    email: str
    name: str
    language: str
    zone: str
    strong: bool
    idle_s: int
    operator: bool
    memberships: list[Membership]
    acts_for: list[ActsFor]
    emergencies: list[EmergencyAccess]


class ProfileChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be another."""

    name: Name | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    zone: Zone | UnsetType = UNSET


class EmailChange(Struct, frozen=True, forbid_unknown_fields=True):
    """The address that one is to sign in with."""

    email: Email


class EmailConfirmation(Struct, frozen=True, forbid_unknown_fields=True):
    """What follows `#email-` in the link that was mailed there."""

    token: Annotated[str, Meta(min_length=1, max_length=100)]


async def ask_email(call: Call[EmailChange]) -> Reply:
    """Ask for another e-mail address: it is mailed a link, to be confirmed within an hour. Till then nothing changes.

    The answer is the same where the address is another account's, which is sent nothing.
    """
    await _addresses(call).ask(_person(call), call.body.email, call.now)
    return Reply()


async def confirm_email(call: Call[EmailConfirmation]) -> Reply:
    """Confirm the address. One signs in with it from now on; the one before is told."""
    await _addresses(call).confirm(_person(call), call.body.token, call.now)
    return Reply()


def _addresses(call: Call[Any]) -> NewAddresses:
    return NewAddresses(call.app[STORE], call.app[SETTINGS].public_url)


async def read(call: Call[None]) -> Reply:
    """Read one's profile, memberships, whom one acts for, and to whose record one has emergency access."""
    held = await call.app[USERS].held(_person(call).user)
    if held is None:
        raise NotFound("there is no such user")
    return Reply(await _view(call, held.value), etag=held.version)


async def change(call: Call[ProfileChange]) -> Reply:
    """Change one's name, language or zone."""
    person, body = _person(call), call.body
    profile = Profile(name=body.name, language=body.language, zone=body.zone)
    held = await call.app[USERS].set_profile(person, person.user, profile, call.now, call.expected)
    return Reply(await _view(call, held.value), etag=held.version)


async def _view(call: Call[Any], user: User) -> Me:
    person = _person(call)
    standing = person.standing
    relations = [grant for grant in standing.patients.values() if grant.kind in RELATIONS]
    known = await _clinics(call.app, {*standing.members, *(grant.clinic for grant in relations)})
    return Me(
        id=user.id,
        email=user.email,
        name=user.name,
        language=user.language,
        zone=user.zone,
        strong=person.strong,
        idle_s=int(sessions.limits_of(standing).idle.total_seconds()),
        operator=standing.operator is not None and person.counts(PLATFORM),
        memberships=[
            Membership(clinic, known[clinic].name, grant.roles, not person.counts(clinic))
            for clinic, grant in standing.members.items()
        ],
        acts_for=await _acts_for(call, relations, known),
        emergencies=[
            EmergencyAccess(patient, grant.clinic, grant.ends_at)
            for patient, grant in standing.emergencies.items()
            if person.counts(grant.clinic)
        ],
    )


async def _clinics(app: web.Application, ids: set[ClinicId]) -> dict[ClinicId, Clinic]:
    found = await asyncio.gather(*(app[CLINICS].get(each) for each in ids))
    return {clinic.id: clinic for clinic in found}


async def _acts_for(call: Call[Any], relations: list[Grant], known: dict[ClinicId, Clinic]) -> list[ActsFor]:
    """Their names are theirs, so that they are shown leaves a record with each."""
    shown = []
    for grant in relations:
        assert grant.patient is not None
        patient = await _patient(call.app, grant.patient)
        ends_at = None if grant.ends_at == FOREVER else grant.ends_at
        clinic = known[grant.clinic]
        shown.append(ActsFor(patient.id, clinic.id, clinic.name, grant.kind, patient.name, grant.scope, ends_at))
    if shown:
        await call.app[STORE].transact(
            [
                audit.record(call.principal, "me.read", call.now, clinic=each.clinic, patient=each.patient)
                for each in shown
            ]
        )
    return shown


async def _patient(app: web.Application, id: PatientId) -> Patient:
    held = await changes.held(app[STORE], patients.COLLECTION, id, patients.read)
    if held is None:
        raise RuntimeError("a relation names no patient")
    return held.value


def _person(call: Call[Any]) -> Person:
    assert isinstance(call.principal, Person)
    return call.principal
