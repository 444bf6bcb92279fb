"""Erasure of a patient (GDPR, Art. 17): what goes, goes by the destruction of its key; what stays is used by nobody.

To order one closes the record at once: it is found no more, nothing changes it, nobody treats or acts for the patient.
What follows is a job, each of whose steps may be taken again: relations end, open invitations are withdrawn, the keys
of what the law does not keep are destroyed, and with that, whatever was sealed under them in the store, its replica and
its backups. Then there is a certificate, signed: what went and when, what is kept, by which law and until when, and
when the last backup of a destroyed key is gone. When the time of what was kept is over, the same job does the rest.

There is one erasure of a patient; of a record that others were merged into, it is all of theirs.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from medinova_rt import access, audit, changes, documents, invited, jobs, patients, relations, retention
from medinova_rt.access import Thing
from medinova_rt.attested import Attested, attest
from medinova_rt.changes import ATTEMPTS, Held
from medinova_rt.clinics import Clinics
from medinova_rt.emergency import Emergencies
from medinova_rt.errors import BadInput, Changed, Conflict, NotFound, WrongState
from medinova_rt.ids import ClinicId, ErasureId, PatientId, derived_id
from medinova_rt.jobs import Job
from medinova_rt.lookups import Lookups
from medinova_rt.patients import Patient, State
from medinova_rt.phi import Basis, Open
from medinova_rt.ports import Find, Insert, Store, Stored, Write
from medinova_rt.principals import Principal, System
from medinova_rt.relations import Relations
from medinova_rt.rights import Action
from medinova_rt.signing import SigningKey
from medinova_rt.vault import Vault

COLLECTION = "erasures"
SCHEMA = 1
BY_CLINIC = Find(COLLECTION, equal=("clinic",), ordered_by="ordered_at", descending=True)
FINDS: tuple[Find, ...] = (BY_CLINIC,)

ERASE_JOB = "erase"
KEY_BACKUPS = timedelta(days=30)  # as long as a backup of the key store lives
LONGEST_ASKED = timedelta(days=366)

LAWS: Mapping[Basis, str] = {
    Basis.CARE: "GDPR Art. 17(3)(c) with Art. 9(2)(h): the record of care",
    Basis.SECURITY: "HIPAA 45 CFR 164.316(b)(2): who saw the record",
}


class Stage(StrEnum):
    UNDER_WAY = "under-way"
    KEPT = "kept"  # what need not be kept is gone
    DONE = "done"


class Gone(Struct, frozen=True, kw_only=True):
    basis: Open[Basis]
    fields: Open[list[str]]  # collection.field
    destroyed_at: Open[datetime]


class Kept(Struct, frozen=True, kw_only=True):
    basis: Open[Basis]
    fields: Open[list[str]]
    law: Open[str]
    until: Open[datetime]


class Erasure(Struct, frozen=True, kw_only=True):
    id: Open[ErasureId]
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    patient: Open[PatientId]
    merged: Open[list[PatientId]]  # into that one
    asked_on: Open[date]  # by the patient; they have an answer within a month
    ordered_at: Open[datetime]
    stage: Open[Stage] = Stage.UNDER_WAY
    gone: Open[list[Gone]] = []
    kept: Open[list[Kept]]
    key_backups_until: Open[datetime | None] = None
    certificate: Open[Attested | None] = None  # of `Statement`


class Statement(Struct, frozen=True, kw_only=True):
    """What the certificate says."""

    erasure: Open[ErasureId]
    clinic: Open[ClinicId]
    patient: Open[PatientId]
    merged: Open[list[PatientId]]
    asked_on: Open[date]
    ordered_at: Open[datetime]
    made_at: Open[datetime]
    gone: Open[list[Gone]]
    kept: Open[list[Kept]]
    key_backups_until: Open[datetime]


def erasure_id(patient: PatientId) -> ErasureId:
    return ErasureId(derived_id("era", patient))


def read(stored: Stored) -> Erasure:
    return documents.decode(Erasure, stored.document, SCHEMA, {})


def thing(erasure: Erasure, version: int | None = None) -> Thing:
    """What `access.guard` is asked about."""
    return Thing(erasure.clinic, kind="erasure", about=erasure.id, version=version)


class Erasures:
    """The use cases. `principal` is whom the audit record names."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        lookups: Lookups,
        key: SigningKey,
        fields: Mapping[Basis, Sequence[str]],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """`fields`: what of a patient's is kept on which basis, for the certificate."""
        self._store = store
        self._vault = vault
        self._lookups = lookups
        self._key = key
        self._fields = fields
        self._wake = wake
        self._clinics = Clinics(store)
        self._relations = Relations(store)
        self._emergencies = Emergencies(store)

    async def order(
        self, principal: Principal, id: PatientId, asked_on: date, now: datetime, expected: int | None = None
    ) -> Held[Erasure]:
        """Close the record and leave the job. Raises NotFound, BadInput, WrongState, Changed, Conflict."""
        if not (now - LONGEST_ASKED).date() <= asked_on <= (now + timedelta(days=1)).date():
            raise BadInput("a day of the last year", "/asked_on")
        for _ in range(ATTEMPTS):
            held = await changes.held(self._store, patients.COLLECTION, id, patients.read)
            if held is None:
                raise NotFound("there is no such patient")
            if expected is not None and held.version != expected:
                raise Changed("it was changed since you read it; read it again")
            made = await self._drafted(held.value, asked_on, now)
            try:
                token, *_ = await self._store.transact(
                    [
                        Insert(COLLECTION, made.id, documents.encode(made)),
                        *await self._closing(held, _without_contact(held.value)),
                        jobs.job(ERASE_JOB, now, now, clinic=made.clinic, erasure=made.id),
                        patients.record(principal, Action.PATIENT_ERASE, held.value, now, about=made.id),
                    ]
                )
            except Conflict:
                continue
            self._wake()
            return Held(made, 1, token)
        raise Conflict("others are changing this patient; try again")

    async def held(self, id: ErasureId) -> Held[Erasure] | None:
        return await changes.held(self._store, COLLECTION, id, read)

    async def read(self, principal: Principal, id: ErasureId, now: datetime) -> Held[Erasure]:
        """Raises NotFound."""
        found = await self.held(id)
        if found is None:
            raise NotFound("there is no such erasure")
        await self._store.transact([_record(principal, Action.ERASURE_READ, found.value, now)])
        return found

    async def of_clinic(
        self, principal: Principal, clinic: ClinicId, now: datetime, limit: int, cursor: str | None
    ) -> tuple[list[Erasure], str | None]:
        """The latest first. Raises BadInput."""
        page = await self._store.find(BY_CLINIC, (clinic,), limit=limit, cursor=cursor)
        await self._store.transact([audit.record(principal, Action.ERASURE_READ, now, clinic=clinic)])
        return [read(row) for row in page.rows], page.cursor

    async def _drafted(self, patient: Patient, asked_on: date, now: datetime) -> Erasure:
        match patient.state:
            case State.MERGED:
                raise WrongState("this record was merged into another, which is the one to erase")
            case State.CLOSED:
                raise WrongState("this patient's erasure was ordered already")
            case State.ACTIVE:
                pass
        clinic = await self._clinics.get(patient.clinic)
        kept = await retention.kept_until(self._store, patient, clinic, now)
        return Erasure(
            id=erasure_id(patient.id),
            clinic=patient.clinic,
            patient=patient.id,
            merged=list(patient.absorbed),
            asked_on=asked_on,
            ordered_at=now,
            kept=[self._kept(basis, until) for basis, until in kept.items()],
        )

    def _kept(self, basis: Basis, until: datetime) -> Kept:
        return Kept(basis=basis, fields=list(self._fields.get(basis, ())), law=LAWS[basis], until=until)

    async def _closing(self, held: Held[Patient], after: Patient) -> list[Write]:
        """What closes a record; it is found by nothing afterwards."""
        removed = await self._lookups.removing(after.clinic, after.id, patients.terms(held.value))
        return [held.replacing(patients.COLLECTION, after.id, after), *removed]

    # --- the job ---

    async def carry_out(self, job: Job, now: datetime) -> None:
        """What the job `erase` does; done again, it does what is left."""
        held = await self.held(ErasureId(job.about["erasure"]))
        if held is None:
            return
        erasure = held.value
        if erasure.stage is not Stage.UNDER_WAY and all(each.until > now for each in erasure.kept):
            return  # that has been done
        system = access.require(
            System(), Action.PATIENT_ERASE, Thing(erasure.clinic, kind="patient", patient=erasure.patient), now
        )
        everybody = (erasure.patient, *erasure.merged)
        for each in everybody:
            await self._part(system, erasure.clinic, each, now)
        kept = {each.basis for each in erasure.kept if each.until > now}
        going = [*retention.ALWAYS_GOES, *(basis for basis in retention.GOES_IN_TIME if basis not in kept)]
        gone = [await self._destroyed(erasure, basis, everybody, now) for basis in going]
        await self._certify(system, erasure.id, gone, now)

    async def _part(self, system: Principal, clinic: ClinicId, patient: PatientId, now: datetime) -> None:
        """Let nobody act for the patient, and nobody find a record that was merged."""
        for grant in await relations.not_ended(self._store, patient, now):
            await self._relations.end(system, patient, grant.id, now)
        for emergency_ in await self._emergencies.of_patient(patient, now):
            await self._emergencies.end(system, emergency_, now)
        for invitation in await invited.open_of(self._store, clinic, "patient", now):
            if invitation.value.patient == patient:
                await self._store.transact(invited.withdrawal(system, invitation, now))
        held = await changes.held(self._store, patients.COLLECTION, patient, patients.read)
        if held is not None and held.value.state is not State.CLOSED:
            await self._store.transact(await self._closing(held, _without_contact(held.value)))

    async def _destroyed(self, erasure: Erasure, basis: Basis, everybody: Sequence[PatientId], now: datetime) -> Gone:
        instants = [await self._vault.destroy(erasure.clinic, each, basis, now) for each in everybody]
        return Gone(basis=basis, fields=list(self._fields.get(basis, ())), destroyed_at=max(instants))

    async def _certify(self, system: Principal, id: ErasureId, gone: Sequence[Gone], now: datetime) -> None:
        def decide(before: Erasure) -> tuple[Erasure, list[Write]]:
            have = {each.basis for each in gone}
            kept = [each for each in before.kept if each.basis not in have and each.until > now]
            backups = max(each.destroyed_at for each in gone) + KEY_BACKUPS
            after = replace(
                before,
                stage=Stage.KEPT if kept else Stage.DONE,
                gone=list(gone),
                kept=kept,
                key_backups_until=backups,
                certificate=attest(self._key, _statement(before, gone, kept, backups, now)),
            )
            along: list[Write] = [_record(system, Action.PATIENT_ERASE, before, now)]
            if kept:
                until = min(each.until for each in kept)
                along.append(jobs.job(ERASE_JOB, until, now, clinic=before.clinic, erasure=before.id))
            return after, along

        await changes.change(self._store, COLLECTION, id, read, decide)


def _without_contact(patient: Patient) -> Patient:
    """Closed, as what is kept reads once the key of how to reach somebody is gone."""
    return replace(
        patient,
        state=State.CLOSED,
        treating=[],
        **patients.CONTACT,
    )


def _statement(
    erasure: Erasure, gone: Sequence[Gone], kept: Sequence[Kept], backups: datetime, now: datetime
) -> Statement:
    return Statement(
        erasure=erasure.id,
        clinic=erasure.clinic,
        patient=erasure.patient,
        merged=erasure.merged,
        asked_on=erasure.asked_on,
        ordered_at=erasure.ordered_at,
        made_at=now,
        gone=list(gone),
        kept=list(kept),
        key_backups_until=backups,
    )


def _record(principal: Principal, action: Action, erasure: Erasure, now: datetime) -> Insert:
    return audit.record(principal, action, now, clinic=erasure.clinic, patient=erasure.patient, about=erasure.id)
