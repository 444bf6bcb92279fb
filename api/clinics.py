"""Clinics: what each has set for itself, and how the operator of the platform makes one."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from api import paging
from api.call import CLINICS, INVITATIONS, Call, Reply
from api.paging import Paging
from api.persons import Email, Language, Name, Zone
from medinova_rt.clinics import (
    DEFAULT_ADULT_AGE,
    DEFAULT_RECORD_YEARS,
    MAX_ADULT_AGE,
    MAX_RECORD_YEARS,
    MIN_ADULT_AGE,
    MIN_RECORD_YEARS,
    PLATFORM,
    Clinic,
    Settings,
)
from medinova_rt.errors import NotFound
from medinova_rt.ids import ClinicId
from medinova_rt.principals import Person
from medinova_rt.zones import DEFAULT_ZONE

AdultAge = Annotated[
    int, Meta(ge=MIN_ADULT_AGE, le=MAX_ADULT_AGE, description="In years; parents stop acting for a child then.")
]
RecordYears = Annotated[
    int,
    Meta(
        ge=MIN_RECORD_YEARS,
        le=MAX_RECORD_YEARS,
        description="How many years the law where it is keeps records after the last care.",
    ),
]
SecondFactor = Annotated[bool, Meta(description="Whether the roles of its staff need a second factor.")]


class ClinicView(Struct, frozen=True):
    """A clinic."""

    id: ClinicId
    name: str
    language: str
    zone: str
    adult_age: int
    second_factor: bool
    record_years: int


class ClinicPage(Struct, frozen=True):
    """Clinics."""

    items: list[ClinicView]
    next_cursor: str | None


class Administrator(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is invited as the clinic's first administrator."""

    email: Email
    name: Name


class NewClinic(Struct, frozen=True, forbid_unknown_fields=True):
    """A clinic to be."""

    name: Name
    administrator: Administrator
    language: Language = "en"
    zone: Zone = DEFAULT_ZONE
    adult_age: AdultAge = DEFAULT_ADULT_AGE
    second_factor: SecondFactor = True
    record_years: RecordYears = DEFAULT_RECORD_YEARS


class ClinicChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be another."""

    name: Name | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    zone: Zone | UnsetType = UNSET
    adult_age: AdultAge | UnsetType = UNSET
    second_factor: SecondFactor | UnsetType = UNSET
    record_years: RecordYears | UnsetType = UNSET


async def listed(call: Call[None]) -> Reply:
    """List the clinics where one works; all of them for the operator of the platform."""
    person, query = call.principal, call.query
    assert isinstance(person, Person)
    assert isinstance(query, Paging)
    if person.standing.operator and person.counts(PLATFORM):
        found, cursor = await call.app[CLINICS].listed(query.limit, query.cursor)
    else:
        known = sorted(each for each in person.standing.members if each > (query.cursor or ""))
        found = [await call.app[CLINICS].get(each) for each in known[: query.limit]]
        cursor = known[query.limit - 1] if len(known) > query.limit else None
    return paging.reply(call, ClinicPage([view(each) for each in found], cursor), cursor)


async def create(call: Call[NewClinic]) -> Reply:
    """Make a clinic, and mail an invitation to its first administrator."""
    body = call.body
    settings = Settings(
        name=body.name,
        language=body.language,
        zone=body.zone,
        adult_age=body.adult_age,
        second_factor=body.second_factor,
        record_years=body.record_years,
    )
    clinic = await call.app[INVITATIONS].open_clinic(
        call.principal, settings, body.administrator.email, body.administrator.name, call.now
    )
    return Reply(view(clinic), {"Location": f"/v1/clinics/{clinic.id}"}, etag=1)


async def read(call: Call[None]) -> Reply:
    """Read what a clinic has set for itself."""
    held = await call.app[CLINICS].held(clinic_of(call))
    if held is None:
        raise NotFound("there is no such clinic")
    return Reply(view(held.value), etag=held.version)


async def change(call: Call[ClinicChange]) -> Reply:
    """Change what a clinic has set for itself."""
    body = call.body
    settings = Settings(
        name=body.name,
        language=body.language,
        zone=body.zone,
        adult_age=body.adult_age,
        second_factor=body.second_factor,
        record_years=body.record_years,
    )
    held = await call.app[CLINICS].change(call.principal, clinic_of(call), settings, call.now, call.expected)
    return Reply(view(held.value), etag=held.version)


def view(clinic: Clinic) -> ClinicView:
    return ClinicView(
        clinic.id,
        clinic.name,
        clinic.language,
        clinic.zone,
        clinic.adult_age,
        clinic.second_factor,
        clinic.record_years,
    )


def clinic_of(call: Call[Any]) -> ClinicId:
    return ClinicId(call.path["clinic"])
