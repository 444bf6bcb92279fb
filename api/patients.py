"""Patients of a clinic: found, made without being there twice, read, changed, merged and treated."""

import base64
import re
from datetime import date
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from api import paging
from api.call import MERGES, PATIENTS, REGISTER, Call, Instant, Reply
from api.persons import Email, Language, Name, Zone
from medinova_rt.changes import Held
from medinova_rt.errors import BadInput, NotFound
from medinova_rt.ids import ClinicId, PatientId, UserId
from medinova_rt.likeness import Reason
from medinova_rt.names import MAX_NAME
from medinova_rt.patients import (
    MAX_IDENTIFIERS,
    MAX_NUMBER,
    MAX_SYSTEM,
    MAX_VALUE,
    Details,
    Identifier,
    Patient,
    State,
)
from medinova_rt.phones import MAX_PHONE
from medinova_rt.register import MAX_CANDIDATES, MAX_FOUND, Criteria, Likely

PLAIN = r"^(?! )[^\x00-\x1f\x7f-\x9f]+(?<! )$"
MAX_ID = 40

WholeName = Annotated[str, Meta(min_length=1, max_length=2 * MAX_NAME + 1, pattern=PLAIN)]
Phone = Annotated[
    str,
    Meta(
        max_length=MAX_PHONE,
        pattern=r"^\+[1-9](?:[ ().-]{0,3}[0-9]){6,14}$",
        description="With + and the country's code; kept as E.164.",
    ),
]
Number = Annotated[str, Meta(min_length=1, max_length=MAX_NUMBER, pattern=PLAIN, description="The clinic's own.")]
Id = Annotated[str, Meta(pattern="^pat-[0-9a-z-]{1,36}$", description="Of a record.")]


class IdentifierView(Struct, frozen=True, forbid_unknown_fields=True):
    """A number that somebody else gave the patient; `system` says who, as a URI."""

    system: Annotated[str, Meta(min_length=1, max_length=MAX_SYSTEM, pattern=PLAIN)]
    value: Annotated[str, Meta(min_length=1, max_length=MAX_VALUE, pattern=PLAIN)]


Identifiers = Annotated[list[IdentifierView], Meta(max_length=MAX_IDENTIFIERS)]


class PatientBrief(Struct, frozen=True):
    """Who it is, to tell them from others. One that was merged says into which."""

    id: PatientId
    given: str
    family: str
    birth_date: date
    number: str
    state: State
    merged_into: PatientId | None


class PatientPage(Struct, frozen=True):
    """A page may be short, even empty: go on while there is a `next_cursor`."""

    items: list[PatientBrief]
    next_cursor: str | None


class PatientView(Struct, frozen=True):
    """A record. One that was merged stays as it was and says into which; `merged` are those merged into this one."""

    id: PatientId
    clinic: ClinicId
    state: State
    merged_into: PatientId | None
    merged: list[PatientId]
    created_at: Instant
    given: str
    family: str
    birth_date: date
    email: str | None
    phone: str | None
    language: str
    zone: str
    number: str
    identifiers: list[IdentifierView]
    treating: list[UserId]


class Duplicate(Struct, frozen=True):
    """A record that may be the same person's, and what speaks for it; `score` is at most 100."""

    patient: PatientBrief
    reasons: list[Reason]
    score: int


class Duplicates(Struct, frozen=True):
    """The likeliest first."""

    items: list[Duplicate]


class PatientSearch(Struct, frozen=True, forbid_unknown_fields=True):
    """At least one of them, all to be met. `name` is by beginnings of words, of three letters and more."""

    number: Number | None = None
    email: Email | None = None
    phone: Phone | None = None
    birth_date: date | None = None
    name: WholeName | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_FOUND)] = 20
    cursor: paging.Cursor | None = None


class Sought(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who may be there already; `name` is given and family name."""

    name: WholeName
    birth_date: date
    email: Email | None = None
    phone: Phone | None = None
    number: Number | None = None


class NewPatient(Struct, frozen=True, forbid_unknown_fields=True):
    """A record to be made; without a `number` one is made up. `despite` names the likely duplicates that were seen."""

    given: Name
    family: Name
    birth_date: date
    language: Language
    zone: Zone
    email: Email | None = None
    phone: Phone | None = None
    number: Number | None = None
    identifiers: Identifiers = []
    despite: Annotated[list[Id], Meta(max_length=MAX_CANDIDATES)] = []


class PatientPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be changed. A patient, or who acts for one, changes `email`, `phone`, `language` and `zone`."""

    given: Name | UnsetType = UNSET
    family: Name | UnsetType = UNSET
    birth_date: date | UnsetType = UNSET
    email: Email | UnsetType | None = UNSET
    phone: Phone | UnsetType | None = UNSET
    language: Language | UnsetType = UNSET
    zone: Zone | UnsetType = UNSET
    number: Number | UnsetType = UNSET
    identifiers: Identifiers | UnsetType | None = UNSET


class Other(Struct, frozen=True, forbid_unknown_fields=True):
    """The record to merge into this one, or to part from it."""

    other: Id


async def search(call: Call[PatientSearch]) -> Reply:
    """Find patients of a clinic. Whoever is shown has an entry in the list of who saw their record."""
    body = call.body
    criteria = Criteria(
        number=body.number, email=body.email, phone=body.phone, birth_date=body.birth_date, name=body.name
    )
    place = "" if body.cursor is None else _place(body.cursor)
    found, after = await call.app[REGISTER].find(call.principal, _clinic(call), criteria, call.now, place, body.limit)
    cursor = None if after is None else base64.urlsafe_b64encode(after.encode()).decode()
    return paging.reply(call, PatientPage([brief(each) for each in found], cursor), cursor)


async def duplicates(call: Call[Sought]) -> Reply:
    """Show who may be the same person, before a record is made."""
    body = call.body
    given, _, family = body.name.rpartition(" ")
    details = Details(
        given=given or family,
        family=family,
        birth_date=body.birth_date,
        email=body.email,
        phone=body.phone,
        number=body.number,
    )
    found = await call.app[REGISTER].duplicates(call.principal, _clinic(call), details, call.now)
    return Reply(Duplicates([_duplicate(each) for each in found]))


async def create(call: Call[NewPatient]) -> Reply:
    """Make a record of a patient. Likely duplicates have to be named in `despite`, all of them."""
    fields = structs.asdict(call.body)
    despite = fields.pop("despite")
    details = Details(**{**fields, "identifiers": _identifiers(call.body.identifiers)})
    made = await call.app[REGISTER].create(call.principal, _clinic(call), details, call.now, despite)
    return _reply(made, {"Location": f"/v1/patients/{made.value.id}"})


async def read(call: Call[None]) -> Reply:
    """Read a record. One that was merged is read as it was, and says into which."""
    return _reply(await call.app[PATIENTS].read(call.principal, _id(call), call.now))


async def change(call: Call[PatientPatch]) -> Reply:
    """Change a record."""
    said = {name: value for name, value in structs.asdict(call.body).items() if value is not UNSET}
    if "identifiers" in said:
        said["identifiers"] = _identifiers(said["identifiers"] or [])
    return _reply(await call.app[PATIENTS].change(call.principal, _id(call), said, call.now, call.expected))


async def merge(call: Call[Other]) -> Reply:
    """Merge another record of the same person into this one, which gains its relations, identifiers and who treats.
    The other stays, closed; it can be undone."""
    other = PatientId(call.body.other)
    return _reply(await call.app[MERGES].merge(call.principal, _id(call), other, call.now, call.expected))


async def unmerge(call: Call[Other]) -> Reply:
    """Part a record from this one again, with what it had brought; what this one was changed in since stays."""
    other = PatientId(call.body.other)
    return _reply(await call.app[MERGES].unmerge(call.principal, _id(call), other, call.now, call.expected))


async def treat(call: Call[None]) -> Reply:
    """Let a clinician of the clinic treat the patient. Doing it again changes nothing."""
    return _reply(await call.app[PATIENTS].treat(call.principal, _id(call), _member(call), call.now, call.expected))


async def untreat(call: Call[None]) -> Reply:
    """Let somebody treat the patient no longer. Doing it again changes nothing."""
    return _reply(await call.app[PATIENTS].untreat(call.principal, _id(call), _member(call), call.now, call.expected))


def brief(patient: Patient) -> PatientBrief:
    return PatientBrief(
        patient.id,
        patient.given,
        patient.family,
        patient.birth_date,
        patient.number,
        patient.state,
        patient.merged_into,
    )


def _duplicate(likely: Likely) -> Duplicate:
    return Duplicate(brief(likely.patient), sorted(likely.reasons), likely.score)


def _reply(held: Held[Patient], headers: dict[str, str] | None = None) -> Reply:
    patient = held.value
    view = PatientView(
        id=patient.id,
        clinic=patient.clinic,
        state=patient.state,
        merged_into=patient.merged_into,
        merged=patient.absorbed,
        created_at=patient.created_at,
        given=patient.given,
        family=patient.family,
        birth_date=patient.birth_date,
        email=patient.email,
        phone=patient.phone,
        language=patient.language,
        zone=patient.zone,
        number=patient.number,
        identifiers=[IdentifierView(each.system, each.value) for each in patient.identifiers],
        treating=patient.treating,
    )
    return Reply(view, headers or {}, etag=held.version)


def _identifiers(said: list[IdentifierView]) -> list[Identifier]:
    return [Identifier(system=each.system, value=each.value) for each in said]


def _place(cursor: str) -> str:
    try:
        place = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        place = ""
    if not re.fullmatch(rf"[A-Za-z0-9-]{{1,{MAX_ID}}} ?", place):
        raise BadInput("the cursor is not one of this list", "/cursor")
    return place


def _clinic(call: Call[Any]) -> ClinicId:
    return ClinicId(call.path["clinic"])


def _member(call: Call[Any]) -> UserId:
    """What cannot be an id is nobody's, and must not get into a record."""
    if not re.fullmatch(rf"[A-Za-z0-9-]{{1,{MAX_ID}}}", call.path["member"]):
        raise NotFound("there is no such clinician here")
    return UserId(call.path["member"])


def _id(call: Call[Any]) -> PatientId:
    return PatientId(call.path["patient"])
