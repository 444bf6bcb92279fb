"""Relations: who is a patient, and who acts for one: parent, guardian, carer, with scope, start and end.

A relation is a grant (`grants.Grant`) under an id derived from user and patient, so that there is one for each pair;
once ended it may be given again. Whose login a patient's own is, the patient's document says (`Patient.login`), so
that there is one at most. A child's parents and guardians stop when the child comes of age by the clinic's rule.
"""

from collections.abc import Sequence
from datetime import datetime

from medinova_rt.grants import FOREVER, Kind, Scope
from medinova_rt.ids import PatientId, UserId
from medinova_rt.ports import Store, Write


class Relations:
    """The use cases. `principal` is whom the audit record names."""

    def __init__(self, store: Store) -> None:
        self._store = store

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
    ) -> list[Write]:
        """Return what makes the relation, to put into the transact of an invitation's acceptance; read and transact
        anew on Conflict. The audit record is the caller's.

        Raises NotFound, BadInput, WrongState, LimitReached.
        """
        raise NotImplementedError
