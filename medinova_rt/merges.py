"""Two records of one patient made one, and that undone.

The other record is merged into the survivor: it stays as it is, closed, and says into which. What the survivor gains
(who treats, identifiers, relations) is kept in the merge's own document, and undoing takes away just that; whatever the
survivor was changed in since stays with the survivor, and a relation that somebody ended since stays ended. A relation
of a user who has one to both stays where it is: one for each user. What was merged is no survivor and a survivor is
not merged, so there are neither chains nor circles.

Both records, the relations and the merge are one transact, each by its token: of two who merge the same record at the
same instant one wins, and the other reads again.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from medinova_rt import audit, changes, documents, grants, jobs, patients
from medinova_rt.changes import ATTEMPTS, Held
from medinova_rt.clinics import ADULTHOOD_JOB
from medinova_rt.errors import Changed, Conflict, LimitReached, NotFound, WrongState
from medinova_rt.grants import Grant, Kind
from medinova_rt.ids import ClinicId, GrantId, PatientId, UserId, derived_id
from medinova_rt.lookups import Lookups
from medinova_rt.patients import (
    MAX_IDENTIFIERS,
    MAX_TREATING,
    Identifier,
    Patient,
    State,
    must_be_active,
    terms,
)
from medinova_rt.phi import Open, Sealing
from medinova_rt.ports import Find, Insert, Store, Stored, Write
from medinova_rt.principals import Principal
from medinova_rt.relations import MAX_RELATIONS, not_ended
from medinova_rt.rights import Action

COLLECTION = "merges"
SCHEMA = 1
FINDS: tuple[Find, ...] = ()

MAX_ABSORBED = 10


class Merge(Struct, frozen=True, kw_only=True):
    """What the survivor gained by the merge now in force, or by the last one."""

    id: Open[str]  # derived from the other's
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    survivor: Open[PatientId]
    other: Open[PatientId]
    treating: Open[list[UserId]]
    identifiers: Open[list[Identifier]]
    relations: Open[list[GrantId]]
    merged_at: Open[datetime]
    undone_at: Open[datetime | None] = None


SEALINGS: tuple[Sealing, ...] = (Sealing(COLLECTION, Merge, subject="other"),)  # whose identifiers they are


class Merges:
    """The use cases. `principal` is whom the audit records name."""

    def __init__(self, store: Store, lookups: Lookups, wake: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._lookups = lookups
        self._wake = wake

    async def merge(
        self,
        principal: Principal,
        survivor: PatientId,
        other: PatientId,
        now: datetime,
        expected: int | None = None,
    ) -> Held[Patient]:
        """Close `other` and return the survivor. `expected` is the survivor's version.

        Raises NotFound (also where the other is of another clinic), WrongState, LimitReached, Changed, Conflict.
        """
        for _ in range(ATTEMPTS):
            here, there = await self._both(survivor, other, expected)
            must_be_active(here.value)
            _check_may_merge(here.value, there.value)
            moving = await self._moving(survivor, other, now)
            gained = _gained(here.value, there.value, [each.value.id for each in moving], now)
            writes = await self._merging(here, there, gained)
            writes += [_moved(each, survivor) for each in moving]
            try:
                token, *_ = await self._store.transact([*writes, *self._along(principal, gained, now, survivor)])
            except Conflict:
                continue
            self._wake()
            return Held(_united(here.value, gained), here.version + 1, token)
        raise Conflict("others are changing these patients; try again")

    async def unmerge(
        self,
        principal: Principal,
        survivor: PatientId,
        other: PatientId,
        now: datetime,
        expected: int | None = None,
    ) -> Held[Patient]:
        """Open `other` again as it was and return the survivor without what it had gained.

        Raises NotFound, WrongState where they are not merged, Changed, Conflict.
        """
        for _ in range(ATTEMPTS):
            here, there = await self._both(survivor, other, expected)
            merge = await self._held(other)
            if merge is None or there.value.merged_into != survivor:
                raise WrongState("the other record is not merged into this one")
            must_be_active(here.value)
            gained = merge.value
            after = _parted(here.value, gained)
            moving = [each for each in [await self._grant(each) for each in gained.relations] if each is not None]
            writes: list[Write] = [
                here.replacing(patients.COLLECTION, survivor, after),
                there.replacing(patients.COLLECTION, other, replace(there.value, state=State.ACTIVE, merged_into=None)),
                merge.replacing(COLLECTION, gained.id, replace(gained, undone_at=now)),
                *await self._lookups.removing(after.clinic, survivor, terms(here.value) - terms(after)),
                *(_moved(each, other) for each in moving if each.value.patient == survivor),
            ]
            try:
                token, *_ = await self._store.transact([*writes, *self._along(principal, gained, now, other)])
            except Conflict:
                continue
            self._wake()
            return Held(after, here.version + 1, token)
        raise Conflict("others are changing these patients; try again")

    async def _both(
        self, survivor: PatientId, other: PatientId, expected: int | None
    ) -> tuple[Held[Patient], Held[Patient]]:
        here = await changes.held(self._store, patients.COLLECTION, survivor, patients.read)
        there = await changes.held(self._store, patients.COLLECTION, other, patients.read)
        if here is None or there is None or here.value.clinic != there.value.clinic:
            raise NotFound("there is no such patient")
        if expected is not None and here.version != expected:
            raise Changed("it was changed since you read it; read it again")
        return here, there

    async def _moving(self, survivor: PatientId, other: PatientId, now: datetime) -> list[Held[Grant]]:
        """The other's relations that the survivor lacks."""
        present = await not_ended(self._store, survivor, now)
        theirs = await not_ended(self._store, other, now)
        selves = {each.user for each in (*present, *theirs) if each.kind is Kind.SELF}
        if len(selves) > 1:
            raise WrongState("each of the two has a login of its own; end one first")
        users = {each.user for each in present}
        found = [await self._grant(each.id) for each in theirs if each.user not in users]
        moving = [each for each in found if each is not None and each.value.patient == other]
        if len(present) + len(moving) > MAX_RELATIONS:
            raise LimitReached(f"a patient has at most {MAX_RELATIONS} relations")
        return moving

    async def _merging(self, here: Held[Patient], there: Held[Patient], gained: Merge) -> list[Write]:
        """The write of the survivor comes first."""
        after = _united(here.value, gained)
        closed = replace(there.value, state=State.MERGED, merged_into=after.id)
        before = await self._held(there.value.id)
        kept: Write = Insert(COLLECTION, gained.id, documents.encode(gained))
        if before is not None:
            kept = before.replacing(COLLECTION, gained.id, gained)
        return [
            here.replacing(patients.COLLECTION, after.id, after),
            there.replacing(patients.COLLECTION, closed.id, closed),
            kept,
            *await self._lookups.adding(after.clinic, after.id, terms(after) - terms(here.value)),
        ]

    def _along(self, principal: Principal, merge: Merge, now: datetime, moved_to: PatientId) -> list[Write]:
        """A record for each of the two, and the job that looks at the age of whom relations were moved to."""
        write = jobs.job(ADULTHOOD_JOB, now, now, clinic=merge.clinic, patient=moved_to)
        pairs = ((merge.survivor, merge.other), (merge.other, merge.survivor))
        return [write, *(_record(principal, merge.clinic, one, about, now) for one, about in pairs)]

    async def _held(self, other: PatientId) -> Held[Merge] | None:
        return await changes.held(self._store, COLLECTION, _id(other), _read)

    async def _grant(self, id: GrantId) -> Held[Grant] | None:
        return await changes.held(self._store, grants.COLLECTION, id, grants.read)


def _id(other: PatientId) -> str:
    return derived_id("mrg", other)


def _read(stored: Stored) -> Merge:
    return documents.decode(Merge, stored.document, SCHEMA, {})


def _check_may_merge(survivor: Patient, other: Patient) -> None:
    if survivor.id == other.id:
        raise WrongState("a record is not merged into itself")
    if other.state is not State.ACTIVE:
        raise WrongState("the other record was merged already")
    if other.absorbed:
        raise WrongState("others are merged into the other record; undo that first, or merge the other way round")
    if len(survivor.absorbed) >= MAX_ABSORBED:
        raise LimitReached(f"at most {MAX_ABSORBED} records are merged into one")


def _gained(survivor: Patient, other: Patient, relations: Sequence[GrantId], now: datetime) -> Merge:
    """What the survivor is to gain; raises LimitReached."""
    treating = [each for each in other.treating if each not in survivor.treating]
    known = {patients.identifier_key(each) for each in survivor.identifiers}
    identifiers = [each for each in other.identifiers if patients.identifier_key(each) not in known]
    if len(survivor.treating) + len(treating) > MAX_TREATING:
        raise LimitReached(f"at most {MAX_TREATING} treat one patient")
    if len(survivor.identifiers) + len(identifiers) > MAX_IDENTIFIERS:
        raise LimitReached(f"a patient has at most {MAX_IDENTIFIERS} identifiers")
    return Merge(
        id=_id(other.id),
        clinic=survivor.clinic,
        survivor=survivor.id,
        other=other.id,
        treating=treating,
        identifiers=identifiers,
        relations=list(relations),
        merged_at=now,
    )


def _united(survivor: Patient, merge: Merge) -> Patient:
    return replace(
        survivor,
        absorbed=[*survivor.absorbed, merge.other],
        treating=[*survivor.treating, *merge.treating],
        identifiers=[*survivor.identifiers, *merge.identifiers],
    )


def _parted(survivor: Patient, merge: Merge) -> Patient:
    moved = {patients.identifier_key(each) for each in merge.identifiers}
    return replace(
        survivor,
        absorbed=[each for each in survivor.absorbed if each != merge.other],
        treating=[each for each in survivor.treating if each not in merge.treating],
        identifiers=[each for each in survivor.identifiers if patients.identifier_key(each) not in moved],
    )


def _moved(grant: Held[Grant], patient: PatientId) -> Write:
    return grant.replacing(grants.COLLECTION, grant.value.id, replace(grant.value, patient=patient))


def _record(principal: Principal, clinic: ClinicId, patient: PatientId, about: PatientId, now: datetime) -> Write:
    return audit.record(principal, Action.PATIENT_MERGE, now, clinic=clinic, patient=patient, about=about)
