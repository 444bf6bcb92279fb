"""What patients are found by: one document for each value, under a key that does not tell the value.

A lookup leads from `index_key(clinic, kind, value)` to a patient. It is written in the transact of the patient and
deleted when the value changes. The clinic's own number has one lookup for all patients, so that to insert it twice is a
Conflict: that is what makes numbers unique.

`index_key` is the one place that knows how a value becomes a key. The secret is this server's own (`var/index.key`),
apart from the one that signs, since to change it means to write every lookup anew.
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from msgspec import Struct

from medinova_rt import documents, turns
from medinova_rt.ids import ClinicId, PatientId, derived_id
from medinova_rt.phi import Open
from medinova_rt.ports import Delete, Find, Insert, Store, Stored, Write

COLLECTION = "lookups"
SCHEMA = 1
BY_KEY = Find(COLLECTION, equal=("key",), ordered_by="patient")
FINDS: tuple[Find, ...] = (BY_KEY,)

PAGE = 100  # lookups read at once
MAX_READS = 20  # pages of one search; what is left has a cursor


class Kind(StrEnum):
    NUMBER = "number"
    EMAIL = "email"
    PHONE = "phone"
    BIRTH_DATE = "birth-date"
    NAME = "name"  # a prefix of a word
    IDENTIFIER = "identifier"


Term = tuple[Kind, str]  # what kind of value, and the value in its normal form


class Lookup(Struct, frozen=True, kw_only=True):
    id: Open[str]
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    key: Open[str]
    patient: Open[PatientId]


class Lookups:
    def __init__(self, store: Store, secret: bytes) -> None:
        if len(secret) < 32:
            raise ValueError("the index secret is shorter than 32 bytes")
        self._store = store
        self._secret = secret

    def index_key(self, clinic: ClinicId, kind: Kind, value: str) -> str:
        """Return the key of a value in its normal form; equal keys mean the same value of the same clinic."""
        told_apart = f"{clinic}\n{kind}\n{value}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._secret, told_apart, "sha256").hex()

    def adding(self, clinic: ClinicId, patient: PatientId, terms: Iterable[Term]) -> list[Write]:
        """Return what makes the patient found by the terms."""
        made = [
            Lookup(
                id=self._id(clinic, patient, term), clinic=clinic, key=self.index_key(clinic, *term), patient=patient
            )
            for term in sorted(terms)
        ]
        return [Insert(COLLECTION, each.id, documents.encode(each)) for each in made]

    async def removing(self, clinic: ClinicId, patient: PatientId, terms: Iterable[Term]) -> list[Write]:
        """Return what makes the patient no longer found by the terms; a lookup that isn't the patient's stays."""
        writes: list[Write] = []
        for term in sorted(terms):
            stored = await self._store.get(COLLECTION, self._id(clinic, patient, term))
            if stored is not None and _read(stored).patient == patient:
                writes.append(Delete(COLLECTION, stored.id, stored.token))
        return writes

    async def of_number(self, clinic: ClinicId, number: str) -> PatientId | None:
        """Whose the clinic's number is."""
        key = self.index_key(clinic, Kind.NUMBER, number)
        stored = await self._store.get(COLLECTION, derived_id("lku", key))
        return None if stored is None else _read(stored).patient

    async def turn(self, clinic: ClinicId, term: Term) -> Write:
        """Return a write that only one of those who read at the same time can carry out; read it before looking."""
        return await turns.turn(self._store, clinic, derived_id("lku", self.index_key(clinic, *term)))

    async def common(
        self, clinic: ClinicId, terms: Iterable[Term], place: str, limit: int
    ) -> tuple[list[PatientId], str | None]:
        """Return the patients from `place` on that all the terms lead to, by id, and the place where to go on, if any.

        Each stream leaps to where the furthest one stands. `MAX_READS` pages are read at most, so there may be fewer
        patients than `limit`, even none, and yet more to come. The first place is "".
        """
        streams = [_Stream(self._store, self.index_key(clinic, *term)) for term in sorted(set(terms))]
        found: list[PatientId] = []
        while streams and sum(stream.reads for stream in streams) < MAX_READS:
            heads = [await stream.seek(place) for stream in streams]
            present = [head for head in heads if head is not None]
            if len(present) < len(heads):
                return found, None
            furthest = max(present)
            if min(present) < furthest:
                place = furthest
            elif len(found) == limit:
                return found, furthest
            else:
                found.append(furthest)
                place = f"{furthest} "  # no id has a blank in it, so this is before the next one
        return found, place if streams else None

    def _id(self, clinic: ClinicId, patient: PatientId, term: Term) -> str:
        key = self.index_key(clinic, *term)
        return derived_id("lku", key) if term[0] is Kind.NUMBER else derived_id("lku", key, patient)


@dataclass(slots=True)
class _Stream:
    """The patients of one key in order, read by pages from where they are asked for."""

    store: Store
    key: str
    rows: Sequence[PatientId] = ()
    next: int = 0
    is_last: bool = False
    reads: int = field(default=0)

    async def seek(self, place: str) -> PatientId | None:
        """The first at or after `place`, which only ever moves on."""
        while self.next < len(self.rows) and self.rows[self.next] < place:
            self.next += 1
        if self.next == len(self.rows) and not self.is_last:
            page = await self.store.find(BY_KEY, (self.key,), at_least=place, limit=PAGE)
            self.rows, self.next, self.is_last = [_read(row).patient for row in page.rows], 0, page.cursor is None
            self.reads += 1
        return self.rows[self.next] if self.next < len(self.rows) else None


def _read(stored: Stored) -> Lookup:
    return documents.decode(Lookup, stored.document, SCHEMA, {})
