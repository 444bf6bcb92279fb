"""Emergency access: a clinician who does not treat a patient of their clinic has the record all the same, for an hour.

Two documents. The right is a grant, under an id derived from user and patient: there is one for each pair, and taken
again it is written over. Who took it, when and why is an `Emergency`, which stays, since somebody will ask in a year.

Taken again while it holds, the hour begins anew, as another emergency with a reason of its own: the one before ends
there. Each time the clinic's administrators are written to, without a word of whom it was about.
"""

import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from medinova_rt import audit, changes, clinics, documents, grants, mail, patients, turns, users
from medinova_rt.access import Thing
from medinova_rt.changes import Held
from medinova_rt.clinics import PLATFORM, Clinic
from medinova_rt.errors import Changed, Conflict, LimitReached, NotFound, WrongState
from medinova_rt.grants import Grant, Kind, StaffRole
from medinova_rt.ids import ClinicId, EmergencyId, GrantId, PatientId, UserId, derived_id, new_id
from medinova_rt.patients import State
from medinova_rt.phi import Open, Private, Sealing
from medinova_rt.ports import MAX_PAGE, MAX_TRANSACT_WRITES, Find, Insert, Store, Stored, Write, encode_instant
from medinova_rt.principals import Person, Principal
from medinova_rt.rights import Action
from medinova_rt.users import User

COLLECTION = "emergencies"
SCHEMA = 1
BY_CLINIC = Find(COLLECTION, equal=("clinic",), ordered_by="taken_at", descending=True)
BY_PATIENT = Find(COLLECTION, equal=("patient",), ordered_by="taken_at")
FINDS: tuple[Find, ...] = (BY_CLINIC, BY_PATIENT)

LIFE = timedelta(hours=1)
SHORTEST_REASON, LONGEST_REASON = 10, 500  # characters
MAX_AT_ONCE = 20  # of one user; whoever needs more is not in an emergency
ATTEMPTS = 8


class Emergency(Struct, frozen=True, kw_only=True):
    id: Open[EmergencyId]
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    user: Open[UserId]
    patient: Open[PatientId]
    reason: Private[str]
    taken_at: Open[datetime]
    ends_at: Open[datetime]


SEALINGS: tuple[Sealing, ...] = (Sealing(COLLECTION, Emergency, subject="patient"),)


def grant_id(user: UserId, patient: PatientId) -> GrantId:
    return GrantId(derived_id("gra", "emergency", user, patient))


def thing(emergency: Emergency, version: int) -> Thing:
    return Thing(emergency.clinic, kind="emergency", about=emergency.id, version=version)


class Emergencies:
    """The use cases. `person` is who acts, as `access.guard` returned them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def take(self, person: Person, patient: Thing, reason: str, now: datetime, link: str) -> Emergency:
        """Give the hour; `link` is where administrators are told to look.

        Raises WrongState for whoever treats the patient and for a closed record, LimitReached, Conflict.
        """
        assert patient.clinic is not None
        assert patient.patient is not None
        if person.user in patient.treating:
            raise WrongState("you treat this patient: the record is open to you as it is")
        held = await changes.held(self._store, patients.COLLECTION, patient.patient, patients.read)
        if held is not None and held.value.state is State.CLOSED:
            raise WrongState("this record is closed: its patient asked to be erased")
        taken = Emergency(
            id=EmergencyId(new_id("eme", now)),
            clinic=patient.clinic,
            user=person.user,
            patient=patient.patient,
            reason=reason,
            taken_at=now,
            ends_at=now + LIFE,
        )
        told = await self._letters(taken.clinic, now, link)
        for _ in range(ATTEMPTS):
            writes = [*await self._rights(taken, now), Insert(COLLECTION, taken.id, documents.encode(taken))]
            writes.append(_record(person, Action.EMERGENCY_TAKE, taken, now))
            room = MAX_TRANSACT_WRITES - len(writes)
            try:
                await self._store.transact([*writes, *told[:room]])
            except Conflict:
                continue
            for start in range(room, len(told), MAX_TRANSACT_WRITES):  # of more administrators than one transact holds
                await self._store.transact(told[start : start + MAX_TRANSACT_WRITES])
            return taken
        raise Conflict("others are changing this; try again")

    async def end(self, principal: Principal, id: EmergencyId, now: datetime, expected: int | None = None) -> None:
        """End it at once; that it is over already changes nothing. Raises NotFound, Changed, Conflict."""
        for _ in range(ATTEMPTS):
            before = await self.held(id)
            if before is None:
                raise NotFound("there is no such thing here")
            if expected not in (None, before.version):
                raise Changed("it was changed since you read it; read it again")
            if now >= before.value.ends_at:
                return
            ended = replace(before.value, ends_at=now)
            record = _record(principal, Action.EMERGENCY_END, ended, now)
            writes: list[Write] = [before.replacing(COLLECTION, id, ended), record]
            right = await self._right(ended)
            if right is not None and right.value.emergency == id:
                writes.append(right.replacing(grants.COLLECTION, right.value.id, replace(right.value, ends_at=now)))
            with contextlib.suppress(Conflict):
                await self._store.transact(writes)
                return
        raise Conflict("others are changing this; try again")

    async def of_clinic(
        self, person: Person, clinic: ClinicId, now: datetime, limit: int, cursor: str | None
    ) -> tuple[list[Held[Emergency]], str | None]:
        """The newest first. Raises BadInput for a cursor that is none."""
        page = await self._store.find(BY_CLINIC, (clinic,), limit=limit, cursor=cursor)
        await self._store.transact([audit.record(person, Action.EMERGENCY_LIST, now, clinic=clinic)])
        return [Held(read(row), row.version, row.token) for row in page.rows], page.cursor

    async def of_patient(self, patient: PatientId, now: datetime) -> list[EmergencyId]:
        """Those that hold; leaves no record."""
        after = encode_instant(now - LIFE)
        page = await self._store.find(BY_PATIENT, (patient,), at_least=after, limit=MAX_PAGE)
        return [each.id for each in map(read, page.rows) if each.ends_at > now]

    async def held(self, id: EmergencyId) -> Held[Emergency] | None:
        return await changes.held(self._store, COLLECTION, id, read)

    async def _rights(self, taken: Emergency, now: datetime) -> list[Write]:
        """What gives the right, and ends the emergency before if it still holds."""
        grant = Grant(
            id=grant_id(taken.user, taken.patient),
            clinic=taken.clinic,
            user=taken.user,
            kind=Kind.EMERGENCY,
            patient=taken.patient,
            emergency=taken.id,
            created_at=now,
            starts_at=now,
            ends_at=taken.ends_at,
        )
        turn = await turns.turn(self._store, PLATFORM, turns.place(COLLECTION, taken.user))
        others = [each for each in await grants.of_user(self._store, taken.user, now) if each.kind is Kind.EMERGENCY]
        if sum(each.id != grant.id for each in others) >= MAX_AT_ONCE:
            raise LimitReached(f"nobody has emergency access to more than {MAX_AT_ONCE} patients at once")
        right = await self._right(taken)
        if right is None:
            return [Insert(grants.COLLECTION, grant.id, documents.encode(grant)), turn]
        writes: list[Write] = [right.replacing(grants.COLLECTION, grant.id, grant), turn]
        before = await self.held(right.value.emergency) if right.value.emergency else None
        if before is not None and now < before.value.ends_at:
            writes.append(before.replacing(COLLECTION, before.value.id, replace(before.value, ends_at=now)))
        return writes

    async def _right(self, emergency: Emergency) -> Held[Grant] | None:
        right = grant_id(emergency.user, emergency.patient)
        return await changes.held(self._store, grants.COLLECTION, right, grants.read)

    async def _letters(self, id: ClinicId, now: datetime, link: str) -> Sequence[Write]:
        """To every administrator of the clinic."""
        clinic = await clinics.Clinics(self._store).get(id)
        told = [await self._letter(clinic, user, now, link) for user in await self._administrators(id, now)]
        return [write for writes in told for write in writes]

    async def _letter(self, clinic: Clinic, user: UserId, now: datetime, link: str) -> Sequence[Write]:
        held = await users.Users(self._store).held(user)
        if held is None or held.value.disabled:
            return []
        to: User = held.value
        at = mail.moment(now, to.zone)
        return mail.letter(
            "emergency-access", to.email, to.language, now, clinic=clinic.id, clinic_name=clinic.name, at=at, link=link
        )

    async def _administrators(self, clinic: ClinicId, now: datetime) -> list[UserId]:
        found: list[UserId] = []
        cursor: str | None = None
        while True:
            page = await self._store.find(grants.BY_CLINIC, (clinic, Kind.MEMBER), limit=MAX_PAGE, cursor=cursor)
            members = [grants.read(row) for row in page.rows]
            found += [each.user for each in members if each.holds(now) and StaffRole.ADMINISTRATOR in each.roles]
            if (cursor := page.cursor) is None:
                return found


def read(stored: Stored) -> Emergency:
    return documents.decode(Emergency, stored.document, SCHEMA, {})


def _record(principal: Principal, action: Action, emergency: Emergency, now: datetime) -> Insert:
    return audit.record(
        principal,
        action,
        now,
        clinic=emergency.clinic,
        patient=emergency.patient,
        user=emergency.user,
        about=emergency.id,
    )
