"""Letters to people: left in the transact of the change that gives rise to them, written and sent by a job.

    await store.transact([..., *mail.letter("password-changed", user.email, user.language, now,
                                            clinic=PLATFORM, at=mail.moment(now, user.zone), link=link)])

Until it is sent, a letter is a document with the address, the template's name and what is filled in; then it is gone.
A letter carries a clinic's name, a code, a link or a time, never anything about a patient. It is tried for a day: what
is refused for good, or still waits then, is dropped, and its job rests among the dead.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from medinova_rt import documents, jobs
from medinova_rt.errors import Conflict, Unavailable
from medinova_rt.ids import ClinicId, MailId, new_id
from medinova_rt.jobs import MAX_ATTEMPTS, Job
from medinova_rt.logs import Log
from medinova_rt.phi import Basis, Open, Private, Sealing
from medinova_rt.ports import (
    MAX_TRANSACT_WRITES,
    Delete,
    Find,
    Insert,
    Letter,
    Notifier,
    Store,
    Stored,
    Write,
    encode_instant,
)
from medinova_rt.texts import text

COLLECTION = "mails"
SCHEMA = 1
BY_AGE = Find(COLLECTION, ordered_by="created_at")
FINDS: tuple[Find, ...] = (BY_AGE,)

MAIL_JOB = "mail"
LIFE = timedelta(hours=24)  # of a letter that cannot be sent
AGAIN = timedelta(minutes=30)  # between the rounds of attempts that a job has
MAX_VALUE = 1000  # characters of one value; the rest is cut off, since some are what browsers say of themselves

COUNTS = ("sent", "failed", "dead")

log = Log(__name__)

Template = Literal[
    "sign-in-code",
    "link-code",
    "invitation",
    "patient-invitation",
    "new-device",
    "emergency-access",
    "password-changed",
    "factor-changed",
    "email-changed",
    "email-confirm",
    "account-disabled",
    "account-enabled",
    "factors-reset",
    "password-reset",
]

# what each is filled in with; the catalogues use exactly these
PARAMETERS: dict[Template, frozenset[str]] = {
    "sign-in-code": frozenset({"code", "link"}),
    "link-code": frozenset({"code"}),
    "invitation": frozenset({"clinic_name", "link"}),
    "patient-invitation": frozenset({"clinic_name", "link"}),
    "new-device": frozenset({"device", "at", "link"}),
    "emergency-access": frozenset({"clinic_name", "at", "link"}),
    "password-changed": frozenset({"at", "link"}),
    "factor-changed": frozenset({"at", "link"}),
    "email-changed": frozenset({"at"}),
    "email-confirm": frozenset({"link"}),
    "account-disabled": frozenset({"at"}),
    "account-enabled": frozenset({"at"}),
    "factors-reset": frozenset({"at"}),
    "password-reset": frozenset({"at"}),
}


class Draft(Struct, frozen=True, kw_only=True):
    """A letter that is not sent yet."""

    id: Open[MailId]
    clinic: Open[ClinicId]
    schema: Open[int] = SCHEMA
    template: Open[Template]
    language: Open[str]
    to: Private[str]
    parameters: Private[dict[str, str]]  # among them codes and links that sign somebody in
    created_at: Open[datetime]


SEALINGS: tuple[Sealing, ...] = (Sealing(COLLECTION, Draft, basis=Basis.CONTACT),)


def letter(
    template: Template, to: str, language: str, now: datetime, *, clinic: ClinicId, **parameters: str
) -> list[Write]:
    """Return the letter and the job that sends it, to put into the transact of the change.

    `clinic` is whose it is (PLATFORM: nobody's), `parameters` are those of `PARAMETERS`. Raises RuntimeError where they
    are not, and ValueError for an address that is none: callers have checked it.
    """
    if parameters.keys() != PARAMETERS[template]:
        raise RuntimeError(f"{template} is filled in with {', '.join(sorted(PARAMETERS[template]))}")
    draft = Draft(
        id=MailId(new_id("mai", now)),
        clinic=clinic,
        template=template,
        language=language,
        to=to,
        parameters={name: _one_line(value) for name, value in parameters.items()},
        created_at=now,
    )
    write(draft)  # what cannot be written fails here, at its cause
    sending = jobs.job(MAIL_JOB, now, now, clinic=clinic, mail=draft.id)
    return [Insert(COLLECTION, draft.id, documents.encode(draft)), sending]


def moment(at: datetime, zone: str = "UTC") -> str:
    """Return an instant as a letter says it, in any language: `2026-11-24 11:00 (Europe/Madrid)`."""
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})"


def write(draft: Draft) -> Letter:
    """Return the letter in its language."""
    return Letter(
        id=draft.id,
        to=draft.to,
        subject=text(f"{draft.template}.subject", draft.language, **draft.parameters),
        text=text(f"{draft.template}.text", draft.language, **draft.parameters).strip() + "\n",
        written_at=draft.created_at,
    )


def _one_line(value: str) -> str:
    """Return the value without line ends and other control characters, so that nothing in it starts a new line."""
    plain = "".join(each if each.isprintable() else " " for each in value)
    return " ".join(plain.split())[:MAX_VALUE]


class Mail:
    """Sends what was left."""

    def __init__(self, store: Store, notifier: Notifier) -> None:
        self._store = store
        self._notifier = notifier
        self._counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))

    def counters(self) -> Mapping[str, int]:
        """Totals since start by `COUNTS`; `failed` are attempts, `dead` letters."""
        return dict(self._counts)

    async def deliver(self, job: Job, now: datetime) -> None:
        """Send the letter of a job and drop it. Gone already is fine; a crash in between sends it twice under one id.

        Raises Unavailable: `permanent` when the letter is dropped unsent.
        """
        stored = await self._store.get(COLLECTION, job.about["mail"])
        if stored is None:
            return
        draft = documents.decode(Draft, stored.document, SCHEMA, {})
        try:
            if now >= draft.created_at + LIFE:
                raise Unavailable("the letter could not be sent within its time", permanent=True)
            await self._notifier.send(write(draft))
        except Unavailable as error:
            await self._unsent(error, job, stored, now)
        else:
            self._counts["sent"] += 1
            await self._drop([stored])

    async def _unsent(self, error: Unavailable, job: Job, stored: Stored, now: datetime) -> None:
        if error.permanent:
            self._counts["dead"] += 1
            await self._drop([stored])
            raise error
        self._counts["failed"] += 1
        if job.attempts < MAX_ATTEMPTS:
            raise error
        # a server that is out for an hour outlasts one job's attempts; the letter's own age ends this
        follow_up = jobs.job(MAIL_JOB, now + AGAIN, now, clinic=job.clinic, mail=stored.id)
        await self._store.transact([follow_up])

    async def _drop(self, letters: list[Stored]) -> None:
        try:
            await self._store.transact([Delete(COLLECTION, each.id, each.token) for each in letters])
        except Conflict:
            pass  # another runner dropped one of them

    async def sweep(self, now: datetime) -> bool:
        """Drop letters of more than a day whose jobs are gone, as when their runners died of something else."""
        below = encode_instant(now - LIFE - AGAIN)
        page = await self._store.find(BY_AGE, below=below, limit=MAX_TRANSACT_WRITES)
        if page.rows:
            log.warning("letters were left over", count=len(page.rows))
            self._counts["dead"] += len(page.rows)
            await self._drop(page.rows)
        return page.cursor is not None
