"""Patients: each a record of one clinic, with or without a login, never shared between clinics.

A patient and everything they are found by are written in one transact. The clinic's own number belongs to one record at
a time: whoever takes it inserts a document under an id derived from it. Permission was asked before (`access.guard`);
here only state, bounds, and which fields are whose are checked.
"""

from datetime import date, datetime
from enum import StrEnum

from msgspec import Struct

from medinova_rt import changes, documents
from medinova_rt.access import Thing
from medinova_rt.changes import Held
from medinova_rt.errors import NotFound
from medinova_rt.ids import ClinicId, PatientId, UserId
from medinova_rt.phi import Open, Private, Searchable
from medinova_rt.ports import Find, Store, Stored

COLLECTION = "patients"
SCHEMA = 1
FINDS: tuple[Find, ...] = ()

MAX_IDENTIFIERS = 10
MAX_TREATING = 50


class State(StrEnum):
    ACTIVE = "active"
    MERGED = "merged"


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
    created_at: Open[datetime]
    given: Searchable[str]
    family: Searchable[str]
    birth_date: Searchable[date]
    email: Searchable[str | None] = None  # normalised
    phone: Searchable[str | None] = None  # E.164
    language: Private[str]  # one of texts.LANGUAGES
    zone: Private[str]  # IANA
    number: Searchable[str]  # the clinic's own, unique there
    identifiers: Open[list[Identifier]] = []
    treating: Open[list[UserId]] = []

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"


def thing(patient: Patient | None, version: int | None = None) -> Thing:
    """What `access.guard` is asked about; for a patient that was not found, a thing that nobody may know of."""
    if patient is None:
        return Thing()
    treating = frozenset(patient.treating)
    return Thing(patient.clinic, kind="patient", patient=patient.id, treating=treating, version=version)


class Patients:
    """The use cases. `principal` is whom the audit record names."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, id: PatientId) -> Patient:
        """The patient as they stand, for the program's own needs; leaves no record. Raises NotFound."""
        found = await self.held(id)
        if found is None:
            raise NotFound("there is no such patient")
        return found.value

    async def held(self, id: PatientId) -> Held[Patient] | None:
        """The same, with its version."""
        return await changes.held(self._store, COLLECTION, id, read)


def read(stored: Stored) -> Patient:
    return documents.decode(Patient, stored.document, SCHEMA, {})
