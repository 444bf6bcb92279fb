"""A clinic with its patients, over any store: what the tests of patients, register, merges and relations begin with."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from medinova_rt import audit, documents, grants, jobs, lookups, patients, relations, users
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.changes import Held
from medinova_rt.clinics import Clinic, Clinics
from medinova_rt.grants import Grant, Kind, StaffRole, Standing
from medinova_rt.ids import ClinicId, GrantId, PatientId, SessionId, UserId, new_id
from medinova_rt.lookups import Lookups, SecretIndex
from medinova_rt.merges import Merges
from medinova_rt.patients import Details, Patient, Patients
from medinova_rt.ports import MAX_PAGE, Find, Insert, Store
from medinova_rt.principals import Person, Principal, Service
from medinova_rt.register import Register
from medinova_rt.relations import Relations
from medinova_rt.users import Users

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
HERE, THERE = ClinicId("cli-here"), ClinicId("cli-there")
SERVICE = Service(HERE, "192.0.2.1")
COLLECTIONS = ("patients", "lookups", "grants", "merges", "jobs", "audit")
FINDS = (
    *map(Find, COLLECTIONS),
    *patients.FINDS,
    *lookups.FINDS,
    *relations.FINDS,
    *grants.FINDS,
    *audit.FINDS,
    *jobs.FINDS,
    *users.FINDS,
)
ANNA = Details(given="Anna", family="Nowak", birth_date=date(1990, 5, 17), email="anna@example.org", number="A-1")


def acting(role: str, user: str = "usr-staff") -> Principal:
    """Whoever acts by that role, as `access.guard` returns them."""
    return Person(UserId(user), SessionId("ses-1"), Standing(), True, NOW, role=role, grant=GrantId("gra-1"))


def make_store(kind: str, folder: Path) -> Store:
    return MemoryStore(FINDS) if kind == "local" else SqliteStore(folder / "store.db", FINDS)


class Ward:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.lookups = Lookups(store, SecretIndex(b"i" * 32))
        self.patients = Patients(store, self.lookups)
        self.register = Register(store, self.lookups)
        self.merges = Merges(store, self.lookups)
        self.relations = Relations(store)

    async def open(self) -> None:
        for clinic in (HERE, THERE):
            await Clinics(self.store).ensure(Clinic(id=clinic, clinic=clinic, name="Clinic", zone="Europe/Madrid"))

    async def patient(self, clinic: ClinicId = HERE, despite: Sequence[str] = (), **details: Any) -> Patient:
        """One of a name and a birth date of their own, unless said."""
        count = len(await self.all("patients"))
        unlike = {"given": "Given" + "xyz"[count % 3] * count, "family": "Family" + "uvw"[count % 3] * count}
        born = {"birth_date": date(1950 + count * 3, 1 + count % 12, 1 + count % 28)}
        held = await self.register.create(
            Service(clinic), clinic, Details(**{**unlike, **born, **details}), NOW, despite
        )
        return held.value

    async def user(self, name: str) -> UserId:
        user = await Users(self.store).create(f"{name}@example.org", name, "en", "UTC", NOW)
        return user.id

    async def clinician(self, clinic: ClinicId = HERE, *roles: StaffRole) -> UserId:
        user = UserId(new_id("usr", NOW))
        grant = Grant(
            id=GrantId(new_id("gra", NOW)),
            clinic=clinic,
            user=user,
            kind=Kind.MEMBER,
            roles=list(roles or (StaffRole.CLINICIAN,)),
            created_at=NOW,
            starts_at=NOW,
        )
        await self.keep(grants.COLLECTION, grant)
        return user

    async def keep(self, collection: str, value: Struct) -> None:
        await self.store.transact([Insert(collection, getattr(value, "id"), documents.encode(value))])  # noqa: B009

    async def held(self, id: PatientId) -> Held[Patient]:
        found = await self.patients.held(id)
        assert found is not None
        return found

    async def all(self, collection: str) -> dict[str, Any]:
        """Every document of one of `COLLECTIONS`, by its id."""
        page = await self.store.find(Find(collection), limit=MAX_PAGE)
        return {row.id: row.document for row in page.rows}

    async def trail(self, patient: PatientId) -> list[tuple[str, str]]:
        """(action, about) of the patient's audit records, by their names."""
        page = await self.store.find(audit.BY_PATIENT, (patient,))
        return sorted((row.document["action"], row.document["about"] or "") for row in page.rows)
