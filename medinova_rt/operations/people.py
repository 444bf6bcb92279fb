"""What `medinova user …` and `medinova clinic …` do on a data folder, beside a running server or before its start.

Each returns the lines to print. A password is mailed to nobody: whoever runs the server hands it over. That there is
a new one is told by the server when it runs, as is whoever was kept out or lost a second factor.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from medinova_rt import clinics, users
from medinova_rt.clinics import PLATFORM, Clinics
from medinova_rt.grants import Kind, StaffRole, of_user
from medinova_rt.ids import ClinicId
from medinova_rt.ports import Identity, Store
from medinova_rt.principals import System
from medinova_rt.staffing import Staffing
from medinova_rt.texts import LANGUAGES
from medinova_rt.users import User
from medinova_rt.zones import DEFAULT_ZONE

PAGE = 200
MADE_BYTES = 12  # of a password made up here: 96 bits


@dataclass(frozen=True, slots=True)
class Office:
    store: Store
    identity: Identity
    now: datetime

    @property
    def staffing(self) -> Staffing:
        return Staffing(self.store, self.identity)


async def add_user(
    office: Office, email: str, name: str, clinic: str | None, roles: Sequence[StaffRole], *, operator: bool
) -> list[str]:
    """Who is new has the clinic's language and zone until they choose others.

    Raises NotFound, BadInput, LimitReached.
    """
    where = await Clinics(office.store).get(ClinicId(clinic)) if clinic else None
    password = secrets.token_urlsafe(MADE_BYTES)
    language, zone = (where.language, where.zone) if where else (LANGUAGES[0], DEFAULT_ZONE)
    user, is_new = await office.staffing.user(email, name, password, office.now, language, zone)
    if where:
        await office.staffing.member(where.id, user.id, roles, office.now)
    if operator:
        await office.staffing.operator(user.id, office.now)
    told = f"password   {password}" if is_new else "password   as before: this address had an account already"
    return [f"user       {user.id}", f"e-mail     {user.email}", told]


async def list_users(office: Office) -> list[str]:
    lines, cursor = [], None
    while True:
        page = await office.store.find(users.BY_AGE, (PLATFORM,), limit=PAGE, cursor=cursor)
        lines += [await _line(office, users.read(row)) for row in page.rows]
        cursor = page.cursor
        if cursor is None:
            return lines


async def _line(office: Office, user: User) -> str:
    held = [each for each in await of_user(office.store, user.id, office.now) if each.holds(office.now)]
    what = [f"{each.clinic}: {', '.join(each.roles)}" for each in held if each.kind is Kind.MEMBER]
    what += ["operator" for each in held if each.kind is Kind.OPERATOR]
    return "  ".join((user.id, user.email, "disabled" if user.disabled else "; ".join(what) or "-"))


async def set_password(office: Office, email: str, password: str | None) -> list[str]:
    """None: one is made up. Raises NotFound, BadInput."""
    given = password or secrets.token_urlsafe(MADE_BYTES)
    user = await office.staffing.set_password(email, given, office.now)
    return [f"e-mail     {user.email}", "password   set" if password else f"password   {given}"]


async def disable(office: Office, email: str) -> list[str]:
    """Raises NotFound, BadInput."""
    user = await office.staffing.disable(email, office.now)
    return [f"e-mail     {user.email}", "sign-in    no more; every session has ended"]


async def enable(office: Office, email: str) -> list[str]:
    """Raises NotFound, BadInput."""
    return [f"e-mail     {(await office.staffing.enable(email, office.now)).email}", "sign-in    as before"]


async def end_operator(office: Office, email: str) -> list[str]:
    """Raises NotFound, BadInput."""
    return [f"e-mail     {(await office.staffing.end_operator(email, office.now)).email}", "operator   no more"]


async def reset_factors(office: Office, email: str) -> list[str]:
    """Raises NotFound, BadInput."""
    user = await office.staffing.reset_factors(email, office.now)
    return [f"e-mail     {user.email}", "factors    none but the password or mail; every session has ended"]


async def add_clinic(office: Office, name: str, zone: str, language: str) -> list[str]:
    """Raises BadInput."""
    settings = clinics.Settings(name=name, zone=zone, language=language)
    made, writes = clinics.new_clinic(System(), settings, office.now)
    await office.store.transact(writes)
    return [f"clinic     {made.id}", f"name       {made.name}"]


async def list_clinics(office: Office) -> list[str]:
    lines, cursor = [], None
    while True:
        found, cursor = await Clinics(office.store).listed(PAGE, cursor)
        lines += [f"{each.id}  {each.name}" for each in found]
        if cursor is None:
            return lines
