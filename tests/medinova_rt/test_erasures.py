"""What is left of a patient who was erased, over sealed stores with a real vault."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from medinova_rt import audit, erasures, folder, grants, patients, vault
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.adapters.local_keys import LocalKeys
from medinova_rt.adapters.sealed_store import SealedStore
from medinova_rt.adapters.sqlite_store import SqliteStore
from medinova_rt.attested import holds
from medinova_rt.changes import Held
from medinova_rt.clinics import Clinics, Settings
from medinova_rt.emergency import Emergencies
from medinova_rt.erasures import ERASE_JOB, KEY_BACKUPS, Erasure, Erasures, Stage, Statement
from medinova_rt.errors import BadInput, Changed, Conflict, DomainError, NotFound, Unavailable, WrongState
from medinova_rt.grants import Kind, Scope, Standing
from medinova_rt.ids import JobId, PatientId, SessionId, UserId
from medinova_rt.jobs import Job
from medinova_rt.layered import LayeredStore
from medinova_rt.patients import Patient, State
from medinova_rt.phi import Basis
from medinova_rt.ports import Find, Store, Token, Write
from medinova_rt.principals import Person
from medinova_rt.register import Criteria
from medinova_rt.relations import not_ended
from medinova_rt.retention import TRAIL_YEARS, years_after
from medinova_rt.rights import Action
from medinova_rt.signing import SigningKey
from medinova_rt.vault import Vault
from tests.medinova_rt.ward import HERE, NOW, SERVICE, Ward, acting

ADMIN = acting("administrator", "usr-admin")
KEY = SigningKey("A" * 43)
FINDS = (*folder.FINDS, *map(Find, ("patients", "lookups", "grants", "merges", "jobs", "audit")))


class Breaking(LayeredStore):
    """Loses the connection at the `left`-th transact from now, before or after it was written."""

    left = -1
    is_written = False

    async def transact(self, writes: Sequence[Write]) -> list[Token]:
        self.left -= 1
        if self.left == 0:
            if self.is_written:
                await super().transact(writes)
            raise Unavailable("the store does not answer")
        return await super().transact(writes)


class Clinic(Ward):
    def __init__(self, below: Store, held: Vault) -> None:
        self.breaking = Breaking(SealedStore(below, held, folder.SEALINGS))
        super().__init__(self.breaking)
        self.below = below
        self.vault = held
        self.erasures = Erasures(self.store, held, self.lookups, KEY, folder.fields_of_patients())

    async def erased(self, patient: Patient, now: datetime = NOW) -> Erasure:
        await self.erasures.order(ADMIN, patient.id, now.date(), now)
        return await self.worked(patient, now)

    async def worked(self, patient: Patient, now: datetime = NOW) -> Erasure:
        id_ = erasures.erasure_id(patient.id)
        await self.erasures.carry_out(
            Job(id=JobId("job-1"), clinic=HERE, kind=ERASE_JOB, about={"erasure": id_}, due_at=now), now
        )
        return (await self.there(patient)).value

    async def there(self, patient: Patient) -> Held[Erasure]:
        found = await self.erasures.held(erasures.erasure_id(patient.id))
        assert found is not None
        return found

    async def seen(self, patient: Patient, role: str = "clinician", at: datetime = NOW) -> None:
        record = audit.record(acting(role), Action.PATIENT_READ, at, clinic=HERE, patient=patient.id)
        await self.store.transact([record])

    async def found(self, **criteria: str) -> list[PatientId]:
        found, _ = await self.register.find(SERVICE, HERE, Criteria(**criteria), NOW, "", 20)  # type: ignore[arg-type]
        return [each.id for each in found]


@asynccontextmanager
async def opened(kind: str, place: Path) -> AsyncIterator[Clinic]:
    below = MemoryStore(FINDS) if kind == "local" else SqliteStore(place / "store.db", FINDS)
    kept, keys = MemoryStore(vault.FINDS), LocalKeys(place / "kek.json")
    await below.open()
    await kept.open()
    await keys.open()
    held = Vault(kept, keys, lambda: NOW)
    await held.open()
    clinic = Clinic(below, held)
    await clinic.open()
    yield clinic
    await held.close()
    await below.close()


@pytest.fixture(params=["local", "sqlite"])
async def clinic(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Clinic]:
    async with opened(request.param, tmp_path) as made:
        yield made


# --- what goes and what is kept -----------------------------------------------------------------------------------


async def test_of_somebody_never_cared_for_nothing_is_left(clinic: Clinic) -> None:
    patient = await clinic.patient(email="anna@example.org", given="Annabel")
    await clinic.seen(patient, "front-desk")
    erasure = await clinic.erased(patient)
    assert {each.basis for each in erasure.gone} == {Basis.CONTACT, Basis.CONSENT, Basis.CARE}
    assert {each.basis for each in erasure.kept} == {Basis.SECURITY}
    assert await clinic.patients.held(patient.id) is None
    assert await clinic.found(name="Annabel") == await clinic.found(email="anna@example.org") == []
    under = await clinic.below.get("patients", patient.id)
    assert under is not None
    assert "given" not in under.document


async def test_the_record_of_care_is_kept_and_closed(clinic: Clinic) -> None:
    patient = await clinic.patient(email="anna@example.org", given="Annabel", birth_date=date(1980, 1, 2))
    await clinic.seen(patient)
    erasure = await clinic.erased(patient)
    kept = {each.basis: each.until for each in erasure.kept}
    assert erasure.stage is Stage.KEPT
    assert kept == {Basis.CARE: years_after(NOW, 10), Basis.SECURITY: years_after(NOW, TRAIL_YEARS)}
    left = await clinic.patients.get(patient.id)
    assert (left.state, left.given, left.email, left.zone) == (State.CLOSED, "Annabel", None, "UTC")
    assert await clinic.found(name="Annabel") == await clinic.found(email="anna@example.org") == []
    with pytest.raises(WrongState, match="closed"):
        await clinic.patients.change(SERVICE, patient.id, {"given": "Bea"}, NOW)


@pytest.mark.parametrize(
    ("born", "years", "seen", "until"),
    [
        (date(1980, 1, 2), 10, NOW, years_after(NOW, 10)),
        (date(1980, 1, 2), 3, NOW - timedelta(days=30), years_after(NOW - timedelta(days=30), 3)),
        (date(1980, 1, 2), 3, NOW - timedelta(days=4 * 365), None),  # the years are over
        (date(2020, 1, 2), 10, NOW, datetime.fromisoformat("2048-01-01T23:00Z")),  # of age first, in Madrid
    ],
)
async def test_how_long_a_record_is_kept(
    clinic: Clinic, born: date, years: int, seen: datetime, until: datetime | None
) -> None:
    await Clinics(clinic.store).change(SERVICE, HERE, Settings(record_years=years), NOW)
    patient = await clinic.patient(birth_date=born)
    await clinic.seen(patient, at=seen)
    erasure = await clinic.erased(patient)
    kept = {each.basis: each.until for each in erasure.kept}
    assert kept.get(Basis.CARE) == until


async def test_what_was_kept_goes_when_its_time_is_over(clinic: Clinic) -> None:
    patient = await clinic.patient()
    await clinic.seen(patient)
    erasure = await clinic.erased(patient)
    due = min(each.until for each in erasure.kept)
    left = [job["due_at"] for job in (await clinic.all("jobs")).values() if job["kind"] == ERASE_JOB]
    assert f"{due:%Y-%m-%dT%H:%M:%S}" in {each[:19] for each in left}
    between = await clinic.worked(patient, due)
    assert {each.basis for each in between.kept} == {Basis.CARE}
    last = await clinic.worked(patient, years_after(NOW, 10))
    assert (last.stage, last.kept) == (Stage.DONE, [])
    assert {each.basis for each in last.gone} == {Basis.CONTACT, Basis.CONSENT, Basis.CARE}  # the trail is a chain
    assert await clinic.patients.held(patient.id) is None
    assert await clinic.worked(patient, years_after(NOW, 11)) == last


async def test_nobody_acts_for_them_any_more(clinic: Clinic) -> None:
    patient = await clinic.patient()
    user = await clinic.user("mum")
    await clinic.relations.add(acting("front-desk"), patient.id, user, Kind.CARER, [Scope.RECORD], NOW)
    await clinic.seen(patient)
    await clinic.erased(patient)
    assert await not_ended(clinic.store, patient.id, NOW) == []


async def test_nobody_sees_it_in_an_emergency_any_more(clinic: Clinic) -> None:
    patient = await clinic.patient()
    await clinic.seen(patient)
    emergencies, thing = Emergencies(clinic.store), patients.thing(patient)
    clinician = Person(UserId("usr-1"), SessionId("ses-1"), Standing(), True, NOW, role="clinician")
    taken = await emergencies.take(clinician, thing, "she cannot speak for herself", NOW, "https://x")
    later = NOW + timedelta(minutes=5)
    await clinic.erased(patient, later)
    held = await emergencies.held(taken.id)
    assert held is not None
    assert held.value.ends_at == later
    assert not [each for each in await grants.of_user(clinic.store, UserId("usr-1"), later) if each.holds(later)]
    with pytest.raises(WrongState, match="closed"):
        await emergencies.take(clinician, thing, "she cannot speak for herself", later, "https://x")


async def test_records_that_were_merged_go_along(clinic: Clinic) -> None:
    patient, other = await clinic.patient(), await clinic.patient(given="Annabel", number="B-2")
    await clinic.merges.merge(acting("front-desk"), patient.id, other.id, NOW)
    with pytest.raises(WrongState, match="merged"):
        await clinic.erasures.order(ADMIN, other.id, NOW.date(), NOW)
    erasure = await clinic.erased(patient)
    assert erasure.merged == [other.id]
    assert await clinic.patients.held(other.id) is None
    assert await clinic.found(number="B-2") == []


@pytest.mark.parametrize("is_carried_out", [False, True])
async def test_no_undone_merge_opens_a_record_again(clinic: Clinic, is_carried_out: bool) -> None:
    patient, other = await clinic.patient(), await clinic.patient(given="Annabel", number="B-2")
    await clinic.merges.merge(acting("front-desk"), patient.id, other.id, NOW)
    await clinic.seen(patient)
    await clinic.erasures.order(ADMIN, patient.id, NOW.date(), NOW)
    if is_carried_out:
        await clinic.worked(patient)
    with pytest.raises(WrongState, match="closed"):
        await clinic.merges.unmerge(acting("front-desk"), patient.id, other.id, NOW)
    assert (await clinic.patients.get(other.id)).state is not State.ACTIVE


# --- the certificate ----------------------------------------------------------------------------------------------


async def test_the_certificate_says_what_went_and_is_signed(clinic: Clinic) -> None:
    patient = await clinic.patient()
    await clinic.seen(patient)
    erasure = await clinic.erased(patient)
    assert erasure.certificate is not None
    assert holds(KEY, erasure.certificate)
    said = msgspec.json.decode(erasure.certificate.statement, type=Statement)
    assert (said.patient, said.clinic, said.key_backups_until) == (patient.id, HERE, NOW + KEY_BACKUPS)
    assert {each.basis: each.destroyed_at for each in said.gone} == {Basis.CONTACT: NOW, Basis.CONSENT: NOW}
    assert "patients.email" in next(each.fields for each in said.gone if each.basis is Basis.CONTACT)
    assert "patients.given" in next(each.fields for each in said.kept if each.basis is Basis.CARE)
    forged = msgspec.structs.replace(
        erasure.certificate, statement=erasure.certificate.statement.replace("care", "cure")
    )
    assert not holds(KEY, forged)


# --- what is refused ----------------------------------------------------------------------------------------------


async def test_there_is_one_erasure_of_a_patient(clinic: Clinic) -> None:
    patient = await clinic.patient()
    results = await asyncio.gather(
        *(clinic.erasures.order(ADMIN, patient.id, NOW.date(), NOW) for _ in range(5)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in results) == ["Held", *["WrongState"] * 4]


@pytest.mark.parametrize(
    ("asked_on", "expected", "error"),
    [
        (NOW.date() + timedelta(days=2), None, BadInput),
        (NOW.date() - timedelta(days=400), None, BadInput),
        (NOW.date(), 7, Changed),
    ],
)
async def test_what_is_refused_changes_nothing(
    clinic: Clinic, asked_on: date, expected: int | None, error: type[DomainError]
) -> None:
    patient = await clinic.patient()
    with pytest.raises(error):
        await clinic.erasures.order(ADMIN, patient.id, asked_on, NOW, expected)
    assert await clinic.patients.get(patient.id) == patient
    with pytest.raises(NotFound):
        await clinic.erasures.order(ADMIN, PatientId("pat-none"), NOW.date(), NOW)


# --- cut off at any step ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_written", [False, True])
@pytest.mark.parametrize("step", range(1, 4))
async def test_whatever_it_was_cut_off_at_the_job_does_the_rest(clinic: Clinic, step: int, is_written: bool) -> None:
    patient = await clinic.patient()
    user = await clinic.user("mum")
    await clinic.relations.add(acting("front-desk"), patient.id, user, Kind.CARER, [Scope.RECORD], NOW)
    other = await clinic.patient(given="Annabel", number="B-2")
    await clinic.merges.merge(acting("front-desk"), patient.id, other.id, NOW)
    await clinic.erasures.order(ADMIN, patient.id, NOW.date(), NOW)
    clinic.breaking.left, clinic.breaking.is_written = step, is_written
    with pytest.raises((Unavailable, Conflict)):
        await clinic.worked(patient)
    erasure = await clinic.worked(patient)
    assert erasure.certificate is not None
    assert {each.basis for each in erasure.gone} == {Basis.CONTACT, Basis.CONSENT, Basis.CARE}
    assert await clinic.patients.held(patient.id) is await clinic.patients.held(other.id) is None
    assert await not_ended(clinic.store, patient.id, NOW) == []
    assert await clinic.found(number="B-2") == []
