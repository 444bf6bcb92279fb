"""Who saw what: the acts of a user, a session or an address in a clinic, and the patients and visits that they touched.

It is asked when something has gone wrong, by somebody in a hurry, and answers with ids: whom to write to is then looked
up in the register. Refused attempts are listed and counted apart, since they showed nothing.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address

from medinova_rt import audit
from medinova_rt.audit import Record
from medinova_rt.errors import BadInput
from medinova_rt.ids import ClinicId
from medinova_rt.ports import MAX_PAGE, Store, encode_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """All that is said has to fit; `end` is not within. An `address` is compared as an address, not as text."""

    clinic: ClinicId
    start: datetime
    end: datetime
    user: str | None = None  # or a service account, or a seat: whoever acted
    session: str | None = None
    address: str | None = None
    patient: str | None = None

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise BadInput("the time to report on ends before it begins")
        if self.address is not None and _address(self.address) is None:
            raise BadInput("that is no IP address")

    def fits(self, record: Record) -> bool:
        return (
            self.user in (None, record.actor)
            and self.session in (None, record.session)
            and self.patient in (None, record.patient)
            and (self.address is None or _address(self.address) == _address(record.address))
        )


@dataclass(slots=True)
class Touched:
    """A patient or a visit: how often it was acted upon, and from when to when."""

    id: str
    first: datetime
    last: datetime
    count: int = 0
    denied: int = 0

    def add(self, record: Record) -> None:
        self.first, self.last = min(self.first, record.at), max(self.last, record.at)
        if record.outcome == "denied":
            self.denied += 1
        else:
            self.count += 1


@dataclass(slots=True)
class Summary:
    records: int = 0
    patients: dict[str, Touched] = field(default_factory=dict)
    visits: dict[str, Touched] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        self.records += 1
        for found, about in ((self.patients, record.patient), (self.visits, record.visit)):
            if about is not None:
                found.setdefault(about, Touched(about, record.at, record.at)).add(record)

    @property
    def affected(self) -> int:
        """Patients of whom something was really seen or changed."""
        return sum(each.count > 0 for each in self.patients.values())


async def acts(store: Store, question: Question) -> AsyncIterator[Record]:
    """Oldest first; read by pages, however many there are."""
    cursor = None
    start, end = encode_instant(question.start), encode_instant(question.end)
    while True:
        page = await store.find(
            audit.BY_CLINIC, (question.clinic,), at_least=start, below=end, limit=MAX_PAGE, cursor=cursor
        )
        for row in page.rows:
            record = audit.read(row)
            if question.fits(record):
                yield record
        cursor = page.cursor
        if cursor is None:
            return


def _address(text: str | None) -> object:
    try:
        found = ip_address(text or "")
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
