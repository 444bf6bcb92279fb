"""Who saw a patient's record: the audit trail as the patient may read it, names in place of ids.

Names come from today's accounts, since a record holds none. A user is named where they acted as one of the clinic's
people or for the patient; of somebody from elsewhere, who was refused, the patient learns that and when, not who: the
clinic's administrators find it out by the id in the trail.
"""

from dataclasses import dataclass
from datetime import datetime

from medinova_rt import audit, emergency
from medinova_rt.access import Thing
from medinova_rt.audit import Outcome, Record
from medinova_rt.ids import ClinicId, UserId
from medinova_rt.ports import Store
from medinova_rt.principals import Principal
from medinova_rt.rights import Action
from medinova_rt.users import Users


@dataclass(frozen=True, slots=True)
class Access:
    at: datetime
    role: str  # by which it was done, in the words of audit.Record
    name: str | None  # None: not a user of the clinic, see `role`
    action: str
    outcome: Outcome
    is_emergency: bool


class Accesses:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def of_patient(
        self, principal: Principal, patient: Thing, now: datetime, limit: int, cursor: str | None
    ) -> tuple[list[Access], str | None]:
        """The newest first. To look is an access too, and shows from the next time on. Raises BadInput."""
        assert patient.clinic is not None
        assert patient.patient is not None
        page = await self._store.find(audit.BY_PATIENT, (patient.patient,), limit=limit, cursor=cursor)
        found = [audit.read(row) for row in page.rows]
        records = [each for each in found if each.action != Action.ME_READ]  # their own name, on each page they open
        named = {UserId(each.actor) for each in records if each.session and each.clinic == patient.clinic}
        names = {user: await self._name(user) for user in named}
        looked = audit.record(principal, Action.PATIENT_ACCESSES, now, clinic=patient.clinic, patient=patient.patient)
        await self._store.transact([looked])
        return [_access(each, names.get(UserId(each.actor))) for each in records], page.cursor

    async def of_clinic(
        self, principal: Principal, clinic: ClinicId, now: datetime, limit: int, cursor: str | None
    ) -> tuple[list[Record], str | None]:
        """All records of a clinic, the newest first. Raises BadInput."""
        page = await self._store.find(audit.LATEST, (clinic,), limit=limit, cursor=cursor)
        await self._store.transact([audit.record(principal, Action.AUDIT_READ, now, clinic=clinic)])
        return [audit.read(row) for row in page.rows], page.cursor

    async def _name(self, user: UserId) -> str | None:
        held = await Users(self._store).held(user)
        return None if held is None else held.value.name


def _access(record: Record, name: str | None) -> Access:
    by_grant = record.patient and record.grant == emergency.grant_id(UserId(record.actor), record.patient)
    is_emergency = bool(by_grant) or record.action == Action.EMERGENCY_TAKE
    return Access(record.at, record.actor_kind, name, record.action, record.outcome, is_emergency)
