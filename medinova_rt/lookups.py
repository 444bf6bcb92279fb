"""What patients are found by: one document for each value, under a key that does not tell the value.

A lookup leads from `index_key(clinic, kind, value)` to a patient. It is written in the transact of the patient and
deleted when the value changes. The clinic's own number has one lookup for all patients, so that to insert it twice is a
Conflict: that is what makes numbers unique.

`index_key` is the one place that knows how a value becomes a key: an HMAC under the clinic's own index key, which is in
the vault. Those of before were made with a secret of the server's; they are looked at beside the others until all of
them are known to be written anew (`settle`).
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

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


class Index(Protocol):
    async def mac(self, clinic: ClinicId, text: bytes) -> str:
        """The same for the same text of one clinic, and nothing to whoever lacks its key. Raises Unavailable."""
        ...


class SecretIndex:
    """One secret for all clinics: as keys were made before, and what tests make them with."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 32:
            raise ValueError("the index secret is shorter than 32 bytes")
        self._secret = secret

    async def mac(self, clinic: ClinicId, text: bytes) -> str:
        return hmac.digest(self._secret, text, "sha256").hex()


class Lookups:
    def __init__(self, store: Store, index: Index, before: Index | None = None) -> None:
        """`before`: what older lookups were made with, if there may be any."""
        self._store = store
        self._index = index
        self._before = before

    def settle(self) -> None:
        """No lookup of before is left."""
        self._before = None

    async def index_key(self, clinic: ClinicId, kind: Kind, value: str) -> str:
        """Return the key of a value in its normal form; equal keys mean the same value of the same clinic."""
        return await self._index.mac(clinic, _told_apart(clinic, kind, value))

    async def _keys(self, clinic: ClinicId, term: Term) -> list[str]:
        """Under which a lookup may be, the one of before first: what is written anew meanwhile is then found."""
        before = [await self._before.mac(clinic, _told_apart(clinic, *term))] if self._before else []
        return [*before, await self.index_key(clinic, *term)]

    async def adding(self, clinic: ClinicId, patient: PatientId, terms: Iterable[Term]) -> list[Write]:
        """Return what makes the patient found by the terms."""
        writes: list[Write] = []
        for term in sorted(terms):
            key = await self.index_key(clinic, *term)
            made = Lookup(id=_id(key, patient, term), clinic=clinic, key=key, patient=patient)
            writes.append(Insert(COLLECTION, made.id, documents.encode(made)))
        return writes

    async def removing(self, clinic: ClinicId, patient: PatientId, terms: Iterable[Term]) -> list[Write]:
        """Return what makes the patient no longer found by the terms; a lookup that isn't the patient's stays."""
        writes: list[Write] = []
        for term in sorted(terms):
            for key in await self._keys(clinic, term):
                stored = await self._store.get(COLLECTION, _id(key, patient, term))
                if stored is not None and _read(stored).patient == patient:
                    writes.append(Delete(COLLECTION, stored.id, stored.token))
        return writes

    async def renewing(self, clinic: ClinicId, patient: PatientId, terms: Iterable[Term]) -> list[Write]:
        """Return what puts those of before where they belong now; none, where there are none."""
        writes: list[Write] = []
        for term in sorted(terms):
            if self._before is None:
                break
            old, new = await self._keys(clinic, term)
            stored = await self._store.get(COLLECTION, _id(old, patient, term))
            if stored is None or _read(stored).patient != patient:
                continue
            writes.append(Delete(COLLECTION, stored.id, stored.token))
            if await self._store.get(COLLECTION, _id(new, patient, term)) is None:
                made = Lookup(id=_id(new, patient, term), clinic=clinic, key=new, patient=patient)
                writes.append(Insert(COLLECTION, made.id, documents.encode(made)))
        return writes

    async def of_number(self, clinic: ClinicId, number: str) -> PatientId | None:
        """Whose the clinic's number is."""
        for key in await self._keys(clinic, (Kind.NUMBER, number)):
            stored = await self._store.get(COLLECTION, derived_id("lku", key))
            if stored is not None:
                return _read(stored).patient
        return None

    async def turn(self, clinic: ClinicId, term: Term) -> Write:
        """Return a write that only one of those who read at the same time can carry out; read it before looking."""
        return await turns.turn(self._store, clinic, derived_id("lku", await self.index_key(clinic, *term)))

    async def common(
        self, clinic: ClinicId, terms: Iterable[Term], place: str, limit: int
    ) -> tuple[list[PatientId], str | None]:
        """Return the patients from `place` on that all the terms lead to, by id, and the place where to go on, if any.

        Each stream leaps to where the furthest one stands. `MAX_READS` pages are read at most, so there may be fewer
        patients than `limit`, even none, and yet more to come. The first place is "".
        """
        streams = [_Either(self._store, await self._keys(clinic, term)) for term in sorted(set(terms))]
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


def _told_apart(clinic: ClinicId, kind: Kind, value: str) -> bytes:
    return f"{clinic}\n{kind}\n{value}".encode("utf-8", "surrogatepass")


def _id(key: str, patient: PatientId, term: Term) -> str:
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


class _Either:
    """The patients of any of several keys."""

    def __init__(self, store: Store, keys: Sequence[str]) -> None:
        self._streams = [_Stream(store, key) for key in keys]

    @property
    def reads(self) -> int:
        return sum(each.reads for each in self._streams)

    async def seek(self, place: str) -> PatientId | None:
        heads = [await each.seek(place) for each in self._streams]
        return min((head for head in heads if head is not None), default=None)


def _read(stored: Stored) -> Lookup:
    return documents.decode(Lookup, stored.document, SCHEMA, {})
