"""Relations: who is a patient, and who acts for one: parent, guardian, carer, with scope, start and end.

A relation is a grant (`grants.Grant`) under an id derived from user and patient; once ended it may be given again.
To give one also writes the patient's document, unchanged but with a new version. So those who give relations to one
patient at the same instant take turns, and the bounds hold: one for each user, one `self` for each patient,
`MAX_RELATIONS` in all; and none is given to a record that is being merged. Those of one user at one clinic take turns,
too.

A child's parents and guardians stop when the child comes of age by the clinic's rule. `until` keeps the end that was
asked for, so that a corrected birth date brings the right end back, but never what somebody has ended.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from medinova_rt import access, audit, changes, documents, grants, jobs, patients, turns
from medinova_rt.changes import ATTEMPTS, Held
from medinova_rt.clinics import ADULTHOOD_JOB, Clinic, Clinics
from medinova_rt.errors import BadInput, Conflict, Forbidden, LimitReached, NotFound, WrongState
from medinova_rt.grants import FOREVER, RELATIONS, Grant, Kind, Scope
from medinova_rt.ids import ClinicId, GrantId, PatientId, UserId, derived_id
from medinova_rt.jobs import Job
from medinova_rt.patients import Patient
from medinova_rt.ports import MAX_PAGE, Find, Insert, Replace, Store, Write, encode_instant
from medinova_rt.principals import Person, Principal, System
from medinova_rt.rights import Action
from medinova_rt.users import Users

NOT_ENDED = Find(grants.COLLECTION, equal=("patient",), ordered_by="ends_at")
FINDS: tuple[Find, ...] = (NOT_ENDED,)

OF_CHILDREN = frozenset({Kind.PARENT, Kind.GUARDIAN})
MAX_RELATIONS = 20  # of a patient, not ended
MAX_PATIENTS = 50  # of a user at one clinic: none takes the room that others need
MAX_CLINICS = 7  # where a user acts for somebody; what is beyond `grants.MAX_GRANTS` would not be seen
CHUNK = 50  # grants looked at by one job


def relation_id(user: UserId, patient: PatientId) -> GrantId:
    return GrantId(derived_id("gra", user, patient))


def comes_of_age(patient: Patient, clinic: Clinic) -> datetime:
    """The beginning of the birthday, where the clinic is; of a 29th of February the 1st of March in other years."""
    born, year = patient.birth_date, patient.birth_date.year + clinic.adult_age
    try:
        day = born.replace(year=year)
    except ValueError:
        day = born.replace(year=year, month=3, day=1)
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(clinic.zone))


def end_of(kind: Kind, until: datetime, starts_at: datetime, adulthood: datetime) -> datetime:
    """When a relation ends; to be an adult's guardian has an end only if one was asked for."""
    ends_by_age = kind is Kind.PARENT or (kind is Kind.GUARDIAN and starts_at < adulthood)
    return min(until, adulthood) if ends_by_age else until


async def not_ended(store: Store, patient: PatientId, now: datetime) -> list[Grant]:
    """The patient's relations that hold or have yet to start."""
    after = encode_instant(now + timedelta(microseconds=1))
    page = await store.find(NOT_ENDED, (patient,), at_least=after, limit=MAX_PAGE)
    return [each for each in map(grants.read, page.rows) if each.kind in RELATIONS]


class Relations:
    """The use cases. `principal` is whom the audit record names."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._clinics = Clinics(store)
        self._users = Users(store)

    async def giving(
        self,
        patient: PatientId,
        user: UserId,
        kind: Kind,
        scope: Sequence[Scope],
        now: datetime,
        *,
        starts_at: datetime | None = None,
        ends_at: datetime = FOREVER,
        invited_at: datetime | None = None,
    ) -> list[Write]:
        """Return what makes the relation, to put into the transact of an invitation's acceptance; read and transact
        anew on Conflict. The user may be made in the same transact. The audit record is the caller's.

        Raises NotFound, BadInput, LimitReached; WrongState also where it was ended after `invited_at`: a second letter
        does not undo that.
        """
        made, writes = await self._giving(patient, user, kind, scope, now, starts_at, ends_at)
        before = await self.held(patient, made.id)
        if before and invited_at and before.value.ends_at > invited_at:
            raise WrongState("this relation was ended after the invitation; invite them anew")
        return writes

    async def check(
        self,
        patient: PatientId,
        kind: Kind,
        scope: Sequence[Scope],
        now: datetime,
        starts_at: datetime | None,
        ends_at: datetime,
    ) -> None:
        """Raise what `giving` would, whoever the user is: for an invitation, before it is sent."""
        await self._giving(patient, UserId("usr-nobody"), kind, scope, now, starts_at, ends_at)

    async def add(
        self,
        principal: Principal,
        patient: PatientId,
        user: UserId,
        kind: Kind,
        scope: Sequence[Scope],
        now: datetime,
        *,
        starts_at: datetime | None = None,
        ends_at: datetime = FOREVER,
    ) -> Held[Grant]:
        """Give the relation to a user that there is; raises as `giving`, Conflict, and Forbidden for whoever would give
        it to themselves: it would outlast their work here, and the trail would call them a patient."""
        if isinstance(principal, Person) and principal.user == user:
            raise Forbidden("somebody else at the clinic has to give you a relation to a patient")
        try:
            await self._users.get(user)
        except NotFound:
            raise BadInput("there is no such user", "/user") from None
        for _ in range(ATTEMPTS):
            made, writes = await self._giving(patient, user, kind, scope, now, starts_at, ends_at)
            try:
                await self._store.transact([*writes, _record(principal, Action.RELATION_ADD, made, now)])
            except Conflict:
                continue
            return await self._there(patient, made.id)
        raise Conflict("others are changing this patient's relations; try again")

    async def knows(self, clinic: ClinicId, user: UserId, now: datetime) -> bool:
        """Whether the user works at the clinic or acts for one of its patients."""
        return any(grant.clinic == clinic for grant in await grants.of_user(self._store, user, now))

    async def _giving(
        self,
        id: PatientId,
        user: UserId,
        kind: Kind,
        scope: Sequence[Scope],
        now: datetime,
        starts_at: datetime | None,
        ends_at: datetime,
    ) -> tuple[Grant, list[Write]]:
        held = await changes.held(self._store, patients.COLLECTION, id, patients.read)
        if held is None:
            raise NotFound("there is no such patient")
        patients.must_be_active(held.value)
        made = _made(held.value, await self._clinics.get(held.value.clinic), user, kind, scope, now, starts_at, ends_at)
        turn = await turns.turn(self._store, made.clinic, turns.place(grants.COLLECTION, user, made.clinic))
        await self._check_bounds(made, now)
        before = await self._store.get(grants.COLLECTION, made.id)
        giving: Write = Insert(grants.COLLECTION, made.id, documents.encode(made))
        if before is not None:
            giving = Replace(grants.COLLECTION, made.id, documents.encode(made), before.token)
        return made, [giving, held.replacing(patients.COLLECTION, id, held.value), turn]

    async def _check_bounds(self, made: Grant, now: datetime) -> None:
        assert made.patient is not None
        present = await not_ended(self._store, made.patient, now)
        if any(each.user == made.user for each in present):
            raise WrongState("they have a relation to the patient already; end that first")
        if made.kind is Kind.SELF and any(each.kind is Kind.SELF for each in present):
            raise WrongState("the patient has a login already; end that relation first")
        if len(present) >= MAX_RELATIONS:
            raise LimitReached(f"a patient has at most {MAX_RELATIONS} relations")
        theirs = [each for each in await grants.of_user(self._store, made.user, now) if each.kind in RELATIONS]
        if sum(each.clinic == made.clinic for each in theirs) >= MAX_PATIENTS:
            raise LimitReached(f"a user acts for at most {MAX_PATIENTS} patients of a clinic")
        if len({each.clinic for each in theirs} | {made.clinic}) > MAX_CLINICS:
            raise LimitReached(f"a user acts for patients of at most {MAX_CLINICS} clinics")

    async def of_patient(self, principal: Principal, patient: Patient, now: datetime) -> list[Grant]:
        """Those that have not ended, for somebody to see, which leaves word of it first."""
        await self._store.transact([patients.record(principal, Action.RELATION_LIST, patient, now)])
        return await not_ended(self._store, patient.id, now)

    async def held(self, patient: PatientId, id: GrantId) -> Held[Grant] | None:
        """The patient's relation of that id, ended or not, with its version; leaves no record."""
        found = await changes.held(self._store, grants.COLLECTION, id, grants.read)
        if found is None or found.value.patient != patient or found.value.kind not in RELATIONS:
            return None
        return found

    async def read(self, principal: Principal, patient: PatientId, id: GrantId, now: datetime) -> Held[Grant]:
        """Raises NotFound."""
        found = await self._there(patient, id)
        await self._store.transact([_record(principal, Action.RELATION_LIST, found.value, now)])
        return found

    async def end(
        self, principal: Principal, patient: PatientId, id: GrantId, now: datetime, expected: int | None = None
    ) -> Held[Grant]:
        """End it now; again is fine. A patient may end what others are to them, not their own login: raises Forbidden,
        NotFound, Changed, Conflict."""

        def decide(before: Grant) -> tuple[Grant, list[Write]]:
            if before.patient != patient or before.kind not in RELATIONS:
                raise NotFound("there is no such relation")
            if before.kind is Kind.SELF and principal.kind == "patient":
                raise Forbidden("ask the clinic to end your own login")
            record = [_record(principal, Action.RELATION_END, before, now)]
            if before.ends_at <= now:
                return before, list(record)
            return replace(before, ends_at=now, until=now), list(record)

        return await changes.change(self._store, grants.COLLECTION, id, grants.read, decide, expected)

    async def _there(self, patient: PatientId, id: GrantId) -> Held[Grant]:
        found = await self.held(patient, id)
        if found is None:
            raise NotFound("there is no such relation")
        return found

    # --- coming of age ---

    async def bring_to_age(self, job: Job, now: datetime) -> None:
        """What the job `adulthood` does, for one patient (`about.patient`) or the clinic's, some at a time."""
        clinic = await self._clinics.get(job.clinic)
        if patient := job.about.get("patient"):
            cursor = None
            while True:
                page = await self._store.find(grants.BY_PATIENT, (patient,), limit=CHUNK, cursor=cursor)
                await self._end_in_time(clinic, [grants.read(row) for row in page.rows], now)
                if (cursor := page.cursor) is None:
                    return
        kind = Kind(job.about.get("of", Kind.PARENT))
        page = await self._store.find(grants.BY_CLINIC, (clinic.id, kind), limit=CHUNK, cursor=job.about.get("cursor"))
        await self._end_in_time(clinic, [grants.read(row) for row in page.rows], now)
        if page.cursor is not None:
            await self._go_on(clinic.id, now, of=kind, cursor=page.cursor)
        elif kind is Kind.PARENT:
            await self._go_on(clinic.id, now, of=Kind.GUARDIAN)

    async def _go_on(self, clinic: ClinicId, now: datetime, **about: str) -> None:
        await self._store.transact([jobs.job(ADULTHOOD_JOB, now, now, clinic=clinic, **about)])

    async def _end_in_time(self, clinic: Clinic, known: Sequence[Grant], now: datetime) -> None:
        for each in known:
            if each.kind in OF_CHILDREN and each.patient is not None:
                held = await changes.held(self._store, patients.COLLECTION, each.patient, patients.read)
                if held is not None:
                    await self._set_end(held.value, comes_of_age(held.value, clinic), each.id, now)

    async def _set_end(self, patient: Patient, adulthood: datetime, id: GrantId, now: datetime) -> None:
        system = access.require(System(), Action.RELATION_END, patients.thing(patient), now)

        def decide(before: Grant) -> tuple[Grant, list[Write]]:
            ends_at = end_of(before.kind, before.until, before.starts_at, adulthood)
            if before.patient != patient.id or ends_at == before.ends_at:
                return before, []
            return replace(before, ends_at=ends_at), [_record(system, Action.RELATION_END, before, now)]

        await changes.change(self._store, grants.COLLECTION, id, grants.read, decide)


def _made(
    patient: Patient,
    clinic: Clinic,
    user: UserId,
    kind: Kind,
    scope: Sequence[Scope],
    now: datetime,
    starts_at: datetime | None,
    until: datetime,
) -> Grant:
    if kind not in RELATIONS:
        raise BadInput("that is no relation to a patient", "/kind")
    if not scope and kind is not Kind.SELF:
        raise BadInput("say what the relation covers", "/scope")
    starts_at, adulthood = max(starts_at or now, now), comes_of_age(patient, clinic)
    if kind is Kind.PARENT and adulthood <= starts_at:
        raise BadInput("the patient is of age by then; make it a carer or a guardian", "/kind")
    if until <= starts_at:
        raise BadInput("a relation ends after it starts", "/ends_at")
    return Grant(
        id=relation_id(user, patient.id),
        clinic=patient.clinic,
        user=user,
        kind=kind,
        patient=patient.id,
        scope=list(Scope) if kind is Kind.SELF else list(dict.fromkeys(scope)),
        created_at=now,
        starts_at=starts_at,
        ends_at=end_of(kind, until, starts_at, adulthood),
        until=until,
    )


def _record(principal: Principal, action: Action, grant: Grant, now: datetime) -> Insert:
    return audit.record(
        principal, action, now, clinic=grant.clinic, patient=grant.patient, user=grant.user, about=grant.id
    )
