"""Who calls: a clinic's system, somebody in a visit, a signed-in user, this program itself, or nobody known."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from medinova_rt.grants import Standing
from medinova_rt.ids import AccountId, ClinicId, GrantId, LinkId, SeatId, SessionId, UserId, VisitId


class Role(StrEnum):
    """What somebody is in a visit."""

    CLINICIAN = "clinician"
    PATIENT = "patient"
    CARER = "carer"
    INTERPRETER = "interpreter"


class ServiceScope(StrEnum):
    """What a clinic's system may be let do, in SMART's words."""

    VISITS = "system/Encounter.cruds"
    PATIENTS_READ = "system/Patient.rs"
    PATIENTS = "system/Patient.cruds"


class _NoUser:
    """What an audit record says of a caller who is no signed-in user."""

    __slots__ = ()

    @property
    def session(self) -> SessionId | None:
        return None

    @property
    def grant(self) -> GrantId | None:
        return None


@dataclass(frozen=True, slots=True)
class Service(_NoUser):
    """A clinic's own system: by the server's service key, or by an account of its own."""

    clinic: ClinicId
    address: str | None = field(default=None, compare=False)
    account: AccountId | None = None
    scopes: frozenset[ServiceScope] = frozenset(ServiceScope)

    @property
    def kind(self) -> str:
        return "service"

    @property
    def id(self) -> str:
        return self.account or self.clinic


@dataclass(frozen=True, slots=True)
class SeatHolder(_NoUser):
    """Somebody in a visit, by a join link; made by `entrance.holder`, which checks that the link still stands."""

    clinic: ClinicId
    visit: VisitId
    seat: SeatId
    role: Role
    link: LinkId
    address: str | None = field(default=None, compare=False)

    @property
    def kind(self) -> str:
        return self.role.value

    @property
    def id(self) -> str:
        return self.seat


@dataclass(frozen=True, slots=True)
class Person:
    """A signed-in user, as their session and grants stood when they were read.

    `strong`: a second factor was proven, the last time at `second_at`. Staff roles whose clinic asks for one count only
    then, and so does operating the platform; `weak` holds the clinics that don't ask. `role` and `grant` say by what
    right the user acts, once `guard` has found it.
    """

    user: UserId
    session: SessionId
    standing: Standing
    strong: bool
    authenticated_at: datetime
    weak: frozenset[ClinicId] = frozenset()
    address: str | None = field(default=None, compare=False)
    role: str = "user"
    grant: GrantId | None = None
    second_at: datetime | None = None

    @property
    def kind(self) -> str:
        return self.role

    @property
    def id(self) -> str:
        return self.user

    def counts(self, clinic: ClinicId) -> bool:
        """Whether the user's roles at that clinic are in force in this session."""
        return self.strong or clinic in self.weak


@dataclass(frozen=True, slots=True)
class Half:
    """Somebody whose first factor held and whose second is still asked for."""

    user: UserId
    session: SessionId
    address: str | None = field(default=None, compare=False)
    grant: None = None

    @property
    def kind(self) -> str:
        return "half"

    @property
    def id(self) -> str:
        return self.user


@dataclass(frozen=True, slots=True)
class System(_NoUser):
    """This program itself, doing what is due."""

    address: None = None

    @property
    def kind(self) -> str:
        return "system"

    @property
    def id(self) -> str:
        return "system"


@dataclass(frozen=True, slots=True)
class Stranger(_NoUser):
    """No credential, or none that holds."""

    address: str | None = field(default=None, compare=False)

    @property
    def kind(self) -> str:
        return "stranger"

    @property
    def id(self) -> str:
        return ""


Principal = Service | SeatHolder | Person | Half | System | Stranger
