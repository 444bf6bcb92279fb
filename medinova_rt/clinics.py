"""The clinic: the tenant that every document belongs to."""

from msgspec import Struct

from medinova_rt import documents
from medinova_rt.errors import Conflict, NotFound
from medinova_rt.ids import ClinicId
from medinova_rt.phi import Open
from medinova_rt.ports import Insert, Store

COLLECTION = "clinics"
SCHEMA = 1

ADULTHOOD_JOB = "adulthood"  # brings the ends of relations to what birth dates and the clinic's age say by now


class Clinic(Struct, frozen=True, kw_only=True):
    id: Open[ClinicId]
    clinic: Open[ClinicId]  # itself: every document names its clinic
    schema: Open[int] = SCHEMA
    name: Open[str]  # what patients are shown
    second_factor: Open[bool] = True  # whether the roles of its staff need one
    zone: Open[str] = "UTC"  # IANA; in which its days begin
    adult_age: Open[int] = 18  # years; parents stop acting for a child then. Whoever changes it leaves an ADULTHOOD_JOB


DEMO = Clinic(id=ClinicId("cli-demo"), clinic=ClinicId("cli-demo"), name="Demo Clinic", second_factor=False)
PLATFORM = ClinicId("cli-platform")  # of what belongs to no clinic: users, their sessions, the platform's operators


class Clinics:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, id: ClinicId) -> Clinic:
        """Raises NotFound."""
        stored = await self._store.get(COLLECTION, id)
        if stored is None:
            raise NotFound("there is no such clinic")
        return documents.decode(Clinic, stored.document, SCHEMA, {})

    async def ensure(self, clinic: Clinic) -> Clinic:
        """Store the clinic unless it is there already; returns the one that is there."""
        try:
            await self._store.transact([Insert(COLLECTION, clinic.id, documents.encode(clinic))])
        except Conflict:
            return await self.get(clinic.id)
        return clinic
