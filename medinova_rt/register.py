"""A clinic's register of its patients: how one is found, and how a new one comes in without being there already.

Nobody gets a second record by accident: whoever makes one is told of likely duplicates and has to name them all. Two
who make one at the same instant take turns by the birth date, so the later one sees what the earlier made;
two records of one person with different birth dates can still come in side by side. The clinic's own number is unique
whatever else happens.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from medinova_rt import audit, changes, documents
from medinova_rt.changes import ATTEMPTS, Held
from medinova_rt.errors import BadInput, Conflict, LikelyDuplicates, NumberTaken
from medinova_rt.ids import ClinicId, PatientId
from medinova_rt.likeness import LIKELY, Reason, Traits, reasons, score
from medinova_rt.lookups import Kind, Lookups, Term
from medinova_rt.patients import COLLECTION, MAX_WORDS, Details, Patient, drafted, read, record, terms, traits
from medinova_rt.phones import normal_phone
from medinova_rt.ports import Insert, Store
from medinova_rt.principals import Principal
from medinova_rt.rights import Action
from medinova_rt.spelling import LONGEST_PREFIX, begins, fold, words
from medinova_rt.users import normal_email

MAX_CANDIDATES = 50  # likely duplicates shown at once, the likeliest first
MAX_FOUND = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What is searched for, all of it together; `name` by the beginnings of its words."""

    number: str | None = None
    email: str | None = None
    phone: str | None = None
    birth_date: date | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Likely:
    patient: Patient
    reasons: frozenset[Reason]

    @property
    def score(self) -> int:
        return score(self.reasons)


class Register:
    """The use cases. `principal` is whom the audit record names."""

    def __init__(self, store: Store, lookups: Lookups) -> None:
        self._store = store
        self._lookups = lookups

    async def find(
        self, principal: Principal, clinic: ClinicId, criteria: Criteria, now: datetime, place: str, limit: int
    ) -> tuple[list[Patient], str | None]:
        """Return a page of those that fit, and where to go on, if anywhere; a page may be short, even empty.

        One that was merged is shown where the record it went into does not fit. Whoever is shown has an audit record,
        since their name and birth date were seen; a search that shows nobody has one too. Raises BadInput.
        """
        wanted = _wanted(criteria)
        if not wanted:
            raise BadInput("say at least one thing to search for")
        ids, place_after = await self._lookups.common(clinic, wanted, place, min(limit, MAX_FOUND))
        by_id = {each.id: each for each in await self._load(clinic, ids)}
        fitting = [each for each in by_id.values() if _fits(each, criteria, wanted)]
        survivors = await self._load(clinic, {each.merged_into for each in fitting if each.merged_into})
        twice = {each.id for each in survivors if _fits(each, criteria, wanted)}
        shown = [each for each in fitting if each.merged_into not in twice]
        seen = [record(principal, Action.PATIENT_FIND, each, now) for each in shown]
        await self._store.transact(seen or [audit.record(principal, Action.PATIENT_FIND, now, clinic=clinic)])
        return shown, place_after

    async def duplicates(self, principal: Principal, clinic: ClinicId, details: Details, now: datetime) -> list[Likely]:
        """Return whom somebody of these details is likely to be, the likeliest first; raises BadInput."""
        found = await self._likely(traits(drafted(clinic, details, now)), clinic)
        seen = [record(principal, Action.PATIENT_FIND, each.patient, now) for each in found]
        await self._store.transact(seen or [audit.record(principal, Action.PATIENT_FIND, now, clinic=clinic)])
        return found

    async def _likely(self, wanted: Traits, clinic: ClinicId) -> list[Likely]:
        """Those with `LIKELY` points or more; of a record that was merged, the one it went into."""
        best: dict[PatientId, Likely] = {}
        merged: dict[PatientId, frozenset[Reason]] = {}
        for each in await self._load(clinic, await self._worth_a_look(wanted, clinic)):
            why = reasons(wanted, traits(each))
            if score(why) >= LIKELY and each.merged_into:
                merged[each.merged_into] = max(why, merged.get(each.merged_into, frozenset()), key=score)
            elif score(why) >= LIKELY:
                best[each.id] = Likely(each, why)
        for each in await self._load(clinic, merged):
            here = best.get(each.id)
            if here is None or here.score < score(merged[each.id]):
                best[each.id] = Likely(each, merged[each.id])
        return sorted(best.values(), key=lambda each: (-each.score, each.patient.id))[:MAX_CANDIDATES]

    async def _worth_a_look(self, wanted: Traits, clinic: ClinicId) -> set[PatientId]:
        """Those who share a whole value, or the names as they are spelled. A bound for each: of the patients with one
        telephone number the first fifty, of those born on one day the first two hundred."""
        whole = [term for term in wanted.terms if term[0] is not Kind.NAME]
        spelled = [(Kind.NAME, words(name)[0][:LONGEST_PREFIX]) for name in (wanted.given, wanted.family)]
        searches = [([term], 4 * MAX_FOUND if term[0] is Kind.BIRTH_DATE else MAX_FOUND) for term in whole]
        searches.append((spelled, MAX_FOUND))
        pages = await asyncio.gather(*(self._lookups.common(clinic, each, "", most) for each, most in searches))
        return {each for ids, _ in pages for each in ids}

    async def _load(self, clinic: ClinicId, ids: Collection[PatientId]) -> list[Patient]:
        found = await asyncio.gather(*(changes.held(self._store, COLLECTION, each, read) for each in ids))
        return [each.value for each in found if each is not None and each.value.clinic == clinic]

    async def create(
        self,
        principal: Principal,
        clinic: ClinicId,
        details: Details,
        now: datetime,
        despite: Collection[str] = (),
    ) -> Held[Patient]:
        """Make a record; raises LikelyDuplicates unless `despite` names them all, NumberTaken, BadInput, Conflict."""
        for _ in range(ATTEMPTS):
            patient = drafted(clinic, details, now)  # with a new number, where one is made up
            turn = await self._lookups.turn(clinic, (Kind.BIRTH_DATE, patient.birth_date.isoformat()))
            if await self._lookups.of_number(clinic, fold(patient.number)):
                if details.number is None:
                    continue
                raise NumberTaken("that number belongs to another patient of the clinic")
            likely = [each.patient.id for each in await self._likely(traits(patient), clinic)]
            if set(likely) - set(despite):
                raise LikelyDuplicates("the patient may be there already; look at these first", likely)
            writes = [Insert(COLLECTION, patient.id, documents.encode(patient)), turn]
            writes += await self._lookups.adding(clinic, patient.id, terms(patient))
            try:
                token, *_ = await self._store.transact(
                    [*writes, record(principal, Action.PATIENT_CREATE, patient, now)]
                )
            except Conflict:
                continue
            return Held(patient, 1, token)
        raise Conflict("others are making patients of that birth date; try again")


def _wanted(criteria: Criteria) -> set[Term]:
    """Raises BadInput."""
    found: set[Term] = set()
    if criteria.number is not None:
        found.add((Kind.NUMBER, fold(criteria.number.strip())))
    if criteria.email is not None:
        found.add((Kind.EMAIL, normal_email(criteria.email)))
    if criteria.phone is not None:
        found.add((Kind.PHONE, normal_phone(criteria.phone)))
    if criteria.birth_date is not None:
        found.add((Kind.BIRTH_DATE, criteria.birth_date.isoformat()))
    if criteria.name is not None:
        said = words(criteria.name)
        if not said:
            raise BadInput("a name has letters", "/name")
        found.update((Kind.NAME, word[:LONGEST_PREFIX]) for word in said[: 2 * MAX_WORDS])
    return found


def _fits(patient: Patient, criteria: Criteria, wanted: set[Term]) -> bool:
    """Also by what of a name goes beyond the longest prefix."""
    whole = {term for term in wanted if term[0] is not Kind.NAME}
    return whole <= terms(patient) and (criteria.name is None or begins(criteria.name, patient.name))
