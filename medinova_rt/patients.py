"""Patients: each a record of one clinic, with or without a login, never shared between clinics.

A patient and everything they are found by (`lookups`) are written in one transact. How they are found and how a new one
comes in is in `register`, how two records become one in `merges`. Permission was asked before (`access.guard`); here
only state, bounds, and whose which field is are checked.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from medinova_rt import audit, changes, documents, grants, jobs
from medinova_rt.access import Thing
from medinova_rt.changes import ATTEMPTS, Held
from medinova_rt.clinics import ADULTHOOD_JOB
from medinova_rt.errors import (
    BadInput,
    Changed,
    Conflict,
    Forbidden,
    LimitReached,
    NotFound,
    NumberTaken,
    WrongState,
)
from medinova_rt.grants import StaffRole
from medinova_rt.ids import ClinicId, PatientId, UserId, new_id
from medinova_rt.likeness import Traits
from medinova_rt.lookups import Kind, Lookups, Term
from medinova_rt.names import fit_name
from medinova_rt.phi import Basis, Open, Private, Sealing, Searchable
from medinova_rt.phones import normal_phone
from medinova_rt.ports import Find, Insert, Store, Stored, Write
from medinova_rt.principals import Principal
from medinova_rt.rights import Action
from medinova_rt.spelling import fold, prefixes, words
from medinova_rt.texts import LANGUAGES, known_language
from medinova_rt.users import normal_email
from medinova_rt.zones import DEFAULT_ZONE, known_zone

COLLECTION = "patients"
SCHEMA = 1
FINDS: tuple[Find, ...] = ()

# With all of it changed at once, lookups deleted and inserted still fit into one transact (tests/…/test_patients.py)
MAX_WORDS = 3  # of a given and of a family name that one is found by
MAX_IDENTIFIERS = 6

MAX_TREATING = 50
MAX_NUMBER = 40
MAX_SYSTEM = 100
MAX_VALUE = 64
LONGEST_LIFE = timedelta(days=366 * 150)


class State(StrEnum):
    ACTIVE = "active"
    MERGED = "merged"
    CLOSED = "closed"  # kept for the law alone (medinova_rt/erasures.py)


class Identifier(Struct, frozen=True, kw_only=True):
    """A number that somebody else gave the patient, e.g. a health insurance; `system` says who, as a URI."""

    system: Open[str]
    value: Searchable[str]


class Patient(Struct, frozen=True, kw_only=True):
    id: Open[PatientId]
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    state: Open[State] = State.ACTIVE
    merged_into: Open[PatientId | None] = None
    absorbed: Open[list[PatientId]] = []  # those merged into this one
    created_at: Open[datetime]
    given: Searchable[str]
    family: Searchable[str]
    birth_date: Searchable[date]
    email: Searchable[str | None] = None  # normalised
    phone: Searchable[str | None] = None  # E.164
    language: Private[str] = LANGUAGES[0]
    zone: Private[str] = DEFAULT_ZONE  # IANA
    number: Searchable[str]  # the clinic's own, unique there
    identifiers: Open[list[Identifier]] = []
    treating: Open[list[UserId]] = []

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"


CONTACT: Mapping[str, Any] = {"email": None, "phone": None, "language": LANGUAGES[0], "zone": DEFAULT_ZONE}  # empty
SEALINGS: tuple[Sealing, ...] = (
    Sealing(COLLECTION, Patient, subject="id", bases=dict.fromkeys(CONTACT, Basis.CONTACT)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What is said of a patient who is to get a record."""

    given: str
    family: str
    birth_date: date
    language: str = "en"
    zone: str = "UTC"
    email: str | None = None
    phone: str | None = None
    number: str | None = None  # None: one is made up
    identifiers: Sequence[Identifier] = ()


OWN_FIELDS = frozenset({"email", "phone", "language", "zone"})
STAFF_FIELDS = OWN_FIELDS | {"given", "family", "birth_date", "number", "identifiers"}
FIELDS: Mapping[str, frozenset[str]] = {  # which ones who may change; by the role they act by
    "patient": OWN_FIELDS,
    "service": STAFF_FIELDS,
    **dict.fromkeys(StaffRole, STAFF_FIELDS),
}


def thing(patient: Patient | None, version: int | None = None) -> Thing:
    """What `access.guard` is asked about; for a patient that was not found, a thing that nobody may know of."""
    if patient is None:
        return Thing()
    treating = frozenset(patient.treating)
    return Thing(patient.clinic, kind="patient", patient=patient.id, treating=treating, version=version)


def terms(patient: Patient) -> frozenset[Term]:
    """Everything the patient is found by."""
    found: set[Term] = {
        (Kind.NUMBER, fold(patient.number)),
        (Kind.BIRTH_DATE, patient.birth_date.isoformat()),
        *((Kind.IDENTIFIER, identifier_key(each)) for each in patient.identifiers),
    }
    for name in (patient.given, patient.family):
        found.update((Kind.NAME, prefix) for word in words(name)[:MAX_WORDS] for prefix in prefixes(word))
    if patient.email:
        found.add((Kind.EMAIL, patient.email))
    if patient.phone:
        found.add((Kind.PHONE, patient.phone))
    return frozenset(found)


def traits(patient: Patient) -> Traits:
    return Traits(patient.given, patient.family, patient.birth_date, terms(patient))


def normal(patient: Patient, now: datetime) -> Patient:
    """Return the patient with each value in its one form; raises BadInput, LimitReached."""
    if not now - LONGEST_LIFE <= datetime.combine(patient.birth_date, now.timetz()) <= now + timedelta(days=1):
        raise BadInput("nobody alive was born on that day", "/birth_date")
    if len(patient.identifiers) > MAX_IDENTIFIERS:
        raise LimitReached(f"a patient has at most {MAX_IDENTIFIERS} identifiers")
    for index, each in enumerate(patient.identifiers):
        _fit(each.system, MAX_SYSTEM, f"/identifiers/{index}/system")
        _fit(each.value, MAX_VALUE, f"/identifiers/{index}/value")
    return replace(
        patient,
        given=_name(patient.given, "/given"),
        family=_name(patient.family, "/family"),
        email=None if patient.email is None else normal_email(patient.email),
        phone=None if patient.phone is None else normal_phone(patient.phone),
        language=known_language(patient.language),
        zone=known_zone(patient.zone),
        number=_fit(patient.number, MAX_NUMBER, "/number"),
        identifiers=list({identifier_key(each): each for each in patient.identifiers}.values()),
    )


def must_be_active(patient: Patient) -> None:
    match patient.state:
        case State.MERGED:
            raise WrongState("this record was merged into another, which is the one to change")
        case State.CLOSED:
            raise WrongState("this record is closed: its patient asked to be erased")
        case State.ACTIVE:
            pass


class Patients:
    """The use cases. `principal` is whom the audit record names."""

    def __init__(self, store: Store, lookups: Lookups, wake: Callable[[], None] = lambda: None) -> None:
        """`wake` is called when a job was left (`Jobs.wake`)."""
        self._store = store
        self._lookups = lookups
        self._wake = wake

    async def get(self, id: PatientId) -> Patient:
        """The patient as they stand, for the program's own needs; leaves no record. Raises NotFound."""
        return (await self._there(id)).value

    async def held(self, id: PatientId) -> Held[Patient] | None:
        """The same, with its version."""
        return await changes.held(self._store, COLLECTION, id, read)

    async def read(
        self, principal: Principal, id: PatientId, now: datetime, action: Action = Action.PATIENT_READ
    ) -> Held[Patient]:
        """The record for somebody to see, which leaves word of it first. One that was merged reads as it was, and says
        into which. Raises NotFound."""
        found = await self._there(id)
        await self._store.transact([record(principal, action, found.value, now)])
        return found

    async def change(
        self,
        principal: Principal,
        id: PatientId,
        fields: Mapping[str, Any],
        now: datetime,
        expected: int | None = None,
    ) -> Held[Patient]:
        """Set the fields given; raises Forbidden for one that isn't the caller's to change, BadInput, NotFound,
        NumberTaken, WrongState, Changed, Conflict."""
        if not fields.keys() <= FIELDS.get(principal.kind, frozenset()):
            raise Forbidden("ask the clinic to change that")
        return await self.changing(
            principal, Action.PATIENT_CHANGE, id, lambda before: normal(replace(before, **fields), now), now, expected
        )

    async def treat(
        self, principal: Principal, id: PatientId, member: UserId, now: datetime, expected: int | None = None
    ) -> Held[Patient]:
        """Let a clinician of the clinic treat the patient; again is fine.

        Raises NotFound where the user is no clinician there, LimitReached, WrongState, Changed, Conflict.
        """
        clinic = (await self.get(id)).clinic
        holding = [each for each in await grants.of_user(self._store, member, now) if each.holds(now)]
        if not any(each.clinic == clinic and StaffRole.CLINICIAN in each.roles for each in holding):
            raise NotFound("there is no such clinician here")

        def decide(before: Patient) -> Patient:
            if member in before.treating:
                return before
            if len(before.treating) >= MAX_TREATING:
                raise LimitReached(f"at most {MAX_TREATING} treat one patient")
            return replace(before, treating=[*before.treating, member])

        return await self.changing(principal, Action.PATIENT_TREAT, id, decide, now, expected, member)

    async def untreat(
        self, principal: Principal, id: PatientId, member: UserId, now: datetime, expected: int | None = None
    ) -> Held[Patient]:
        """Let the user treat the patient no longer; again is fine. Raises as `treat`."""

        def decide(before: Patient) -> Patient:
            if member not in before.treating:
                return before
            return replace(before, treating=[each for each in before.treating if each != member])

        return await self.changing(principal, Action.PATIENT_TREAT, id, decide, now, expected, member)

    async def changing(
        self,
        principal: Principal,
        action: Action,
        id: PatientId,
        decide: Callable[[Patient], Patient],
        now: datetime,
        expected: int | None = None,
        user: UserId | None = None,
    ) -> Held[Patient]:
        """Apply `decide` to a record that is no merged one, with its lookups; `user` is for the audit record."""
        for _ in range(ATTEMPTS):
            before = await self._there(id)
            if expected is not None and before.version != expected:
                raise Changed("it was changed since you read it; read it again")
            must_be_active(before.value)
            after = decide(before.value)
            writes = [record(principal, action, after, now, user=user)]
            if after == before.value:
                await self._store.transact(writes)
                return before
            try:
                token, *_ = await self._store.transact([*await self._replacing(before, after, now), *writes])
            except Conflict:
                continue
            self._wake()
            return Held(after, before.version + 1, token)
        raise Conflict("others are changing this patient; try again")

    async def _replacing(self, before: Held[Patient], after: Patient, now: datetime) -> list[Write]:
        """Return the writes of a change, that of the patient first; raises NumberTaken."""
        old, new = terms(before.value), terms(after)
        writes: list[Write] = [before.replacing(COLLECTION, after.id, after)]
        for kind, value in new - old:
            if kind is Kind.NUMBER and await self._lookups.of_number(after.clinic, value):
                raise NumberTaken("that number belongs to another patient of the clinic")
        writes += await self._lookups.removing(after.clinic, after.id, old - new)
        writes += await self._lookups.adding(after.clinic, after.id, new - old)
        if before.value.birth_date != after.birth_date:
            writes.append(jobs.job(ADULTHOOD_JOB, now, now, clinic=after.clinic, patient=after.id))
        return writes

    async def _there(self, id: PatientId) -> Held[Patient]:
        found = await self.held(id)
        if found is None:
            raise NotFound("there is no such patient")
        return found


def read(stored: Stored) -> Patient:
    return documents.decode(Patient, stored.document, SCHEMA, {})


def record(
    principal: Principal,
    action: Action,
    patient: Patient,
    now: datetime,
    *,
    user: UserId | None = None,
    about: str | None = None,
) -> Insert:
    return audit.record(principal, action, now, clinic=patient.clinic, patient=patient.id, user=user, about=about)


def drafted(clinic: ClinicId, details: Details, now: datetime) -> Patient:
    """Raises BadInput, LimitReached."""
    draft = Patient(
        id=PatientId(new_id("pat", now)),
        clinic=clinic,
        created_at=now,
        given=details.given,
        family=details.family,
        birth_date=details.birth_date,
        email=details.email,
        phone=details.phone,
        language=details.language,
        zone=details.zone,
        number=f"{secrets.randbelow(10**8):08}" if details.number is None else details.number,
        identifiers=list(details.identifiers),
    )
    return normal(draft, now)


def identifier_key(identifier: Identifier) -> str:
    return f"{identifier.system.strip()}\n{''.join(fold(identifier.value).split())}"


def _name(text: str, pointer: str) -> str:
    name = fit_name(text, pointer)
    if not words(name):
        raise BadInput("a name has letters", pointer)
    return name


def _fit(text: str, most: int, pointer: str) -> str:
    fitting = text.strip()
    if not 1 <= len(fitting) <= most or not fitting.isprintable():
        raise BadInput(f"1 to {most} printable characters", pointer)
    return fitting
