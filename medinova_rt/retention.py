"""What the law has a clinic keep of a patient who wants to be erased, and until when.

The record of somebody who was cared for is kept for years after the last care (GDPR, Art. 17(3)(c) with 9(2)(h)), a
child's for as long after it came of age; how many years, the clinic sets. Somebody no clinician ever saw was not cared
for: of them nothing is kept. Who saw the record is kept for at least six years (HIPAA, 164.316(b)(2)): the trail is the
clinic's, a chain that nothing is taken out of, and has no more of the patient than an id that leads to nobody any more.
How to reach somebody, and what they consented to, the law keeps for nobody.
"""

from datetime import datetime

from medinova_rt import audit
from medinova_rt.clinics import Clinic
from medinova_rt.grants import StaffRole
from medinova_rt.patients import Patient
from medinova_rt.phi import Basis
from medinova_rt.ports import MAX_PAGE, Store
from medinova_rt.relations import comes_of_age

TRAIL_YEARS = 6
MAX_LOOKED = 40  # pages of the trail; whoever was seen by so many was cared for

ALWAYS_GOES = (Basis.CONTACT, Basis.CONSENT)
GOES_IN_TIME = (Basis.CARE,)


async def kept_until(store: Store, patient: Patient, clinic: Clinic, now: datetime) -> dict[Basis, datetime]:
    """What of the patient's is kept, and until when."""
    kept = {Basis.SECURITY: years_after(now, TRAIL_YEARS)}
    last = await _last_care(store, patient, now)
    if last is not None:
        until = years_after(max(last, comes_of_age(patient, clinic)), clinic.record_years)
        if until > now:
            kept[Basis.CARE] = until
    return kept


async def _last_care(store: Store, patient: Patient, now: datetime) -> datetime | None:
    """When a clinician last read or changed the record, or one of those that were merged into it."""
    if patient.treating:
        return now
    found = [await _last_seen(store, each, now) for each in (patient.id, *patient.absorbed)]
    return max((each for each in found if each is not None), default=None)


async def _last_seen(store: Store, patient: str, now: datetime) -> datetime | None:
    cursor: str | None = None
    for _ in range(MAX_LOOKED):
        page = await store.find(audit.BY_PATIENT, (patient,), limit=MAX_PAGE, cursor=cursor)
        for record in map(audit.read, page.rows):
            if record.actor_kind == StaffRole.CLINICIAN and record.outcome != "denied":
                return record.at
        if (cursor := page.cursor) is None:
            return None
    return now


def years_after(instant: datetime, years: int) -> datetime:
    """Of a 29th of February, in other years the 1st of March."""
    try:
        return instant.replace(year=instant.year + years)
    except ValueError:
        return instant.replace(year=instant.year + years, month=3, day=1)
