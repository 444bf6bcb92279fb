"""The clinic: the tenant that every document belongs to, and what it can set for itself."""

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from medinova_rt import audit, changes, documents, jobs
from medinova_rt.changes import Held
from medinova_rt.errors import BadInput, Conflict, NotFound
from medinova_rt.ids import ClinicId, new_id
from medinova_rt.names import fit_name
from medinova_rt.phi import Open
from medinova_rt.ports import Find, Insert, Store, Stored, Write
from medinova_rt.texts import LANGUAGES, known_language
from medinova_rt.zones import DEFAULT_ZONE, known_zone

COLLECTION = "clinics"
SCHEMA = 1
ALL = Find(COLLECTION)
FINDS: tuple[Find, ...] = (ALL,)

ADULTHOOD_JOB = "adulthood"  # brings the ends of relations to what birth dates and the clinic's age say by now
MIN_ADULT_AGE, MAX_ADULT_AGE = 12, 25
DEFAULT_ADULT_AGE = 18
MIN_RECORD_YEARS, MAX_RECORD_YEARS = 0, 50
DEFAULT_RECORD_YEARS = 10

CREATE, CHANGE = "clinic.create", "clinic.change"  # as rights.Action says, which stands above


class Clinic(Struct, frozen=True, kw_only=True):
    id: Open[ClinicId]
    clinic: Open[ClinicId]  # itself: every document names its clinic
    schema: Open[int] = SCHEMA
    name: Open[str]  # what patients are shown
    second_factor: Open[bool] = True  # whether the roles of its staff need one
    language: Open[str] = LANGUAGES[0]  # of letters to people who have not said theirs
    zone: Open[str] = DEFAULT_ZONE  # IANA; in which its days begin
    adult_age: Open[int] = (
        DEFAULT_ADULT_AGE  # years; parents stop acting for a child then. Whoever changes it leaves an ADULTHOOD_JOB
    )
    record_years: Open[int] = DEFAULT_RECORD_YEARS  # that the law where it is keeps records after the last care


class Settings(Struct, frozen=True, kw_only=True):
    """What is to be set, and nothing else."""

    name: Open[str | UnsetType] = UNSET
    second_factor: Open[bool | UnsetType] = UNSET
    language: Open[str | UnsetType] = UNSET
    zone: Open[str | UnsetType] = UNSET
    adult_age: Open[int | UnsetType] = UNSET
    record_years: Open[int | UnsetType] = UNSET


DEMO = Clinic(id=ClinicId("cli-demo"), clinic=ClinicId("cli-demo"), name="Demo Clinic", second_factor=False)
PLATFORM = ClinicId("cli-platform")  # of what belongs to no clinic: users, their sessions, the platform's operators


class Clinics:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, id: ClinicId) -> Clinic:
        """Raises NotFound."""
        found = await self.held(id)
        if found is None:
            raise NotFound("there is no such clinic")
        return found.value

    async def held(self, id: ClinicId) -> Held[Clinic] | None:
        return await changes.held(self._store, COLLECTION, id, read)

    async def listed(self, limit: int, cursor: str | None = None) -> tuple[list[Clinic], str | None]:
        """Every clinic of the server, the oldest first, and the cursor of the next page."""
        page = await self._store.find(ALL, limit=limit, cursor=cursor)
        return [read(row) for row in page.rows if row.id != PLATFORM], page.cursor

    async def ensure(self, clinic: Clinic) -> Clinic:
        """Store the clinic unless it is there already; returns the one that is there."""
        try:
            await self._store.transact([Insert(COLLECTION, clinic.id, documents.encode(clinic))])
        except Conflict:
            return await self.get(clinic.id)
        return clinic

    async def change(
        self, actor: audit.Actor, id: ClinicId, settings: Settings, now: datetime, expected: int | None = None
    ) -> Held[Clinic]:
        """Raises NotFound, BadInput, Changed, Conflict."""

        def decide(clinic: Clinic) -> tuple[Clinic, list[Write]]:
            after = with_settings(clinic, settings)
            along: list[Write] = [audit.record(actor, CHANGE, now, clinic=id)]
            if after.adult_age != clinic.adult_age:
                along.append(jobs.job(ADULTHOOD_JOB, now, now, clinic=id))
            return (clinic if after == clinic else after), along

        return await changes.change(self._store, COLLECTION, id, read, decide, expected)


def new_clinic(actor: audit.Actor, settings: Settings, now: datetime) -> tuple[Clinic, list[Write]]:
    """Return the clinic and the writes that make it; raises BadInput."""
    made = ClinicId(new_id("cli", now))
    clinic = with_settings(Clinic(id=made, clinic=made, name=""), settings)
    fit_name(clinic.name)
    record = audit.record(actor, CREATE, now, clinic=PLATFORM, about=made)
    return clinic, [Insert(COLLECTION, made, documents.encode(clinic)), record]


def with_settings(clinic: Clinic, settings: Settings) -> Clinic:
    """Raises BadInput, with the pointer of the setting at fault."""
    if settings.name is not UNSET:
        clinic = replace(clinic, name=fit_name(settings.name))
    if settings.second_factor is not UNSET:
        clinic = replace(clinic, second_factor=settings.second_factor)
    if settings.language is not UNSET:
        clinic = replace(clinic, language=known_language(settings.language))
    if settings.zone is not UNSET:
        clinic = replace(clinic, zone=known_zone(settings.zone))
    if settings.adult_age is not UNSET:
        if not MIN_ADULT_AGE <= settings.adult_age <= MAX_ADULT_AGE:
            raise BadInput(f"people come of age between {MIN_ADULT_AGE} and {MAX_ADULT_AGE}", "/adult_age")
        clinic = replace(clinic, adult_age=settings.adult_age)
    if settings.record_years is not UNSET:
        if not MIN_RECORD_YEARS <= settings.record_years <= MAX_RECORD_YEARS:
            raise BadInput(f"records are kept for up to {MAX_RECORD_YEARS} years", "/record_years")
        clinic = replace(clinic, record_years=settings.record_years)
    return clinic


def read(stored: Stored) -> Clinic:
    return documents.decode(Clinic, stored.document, SCHEMA, {})
