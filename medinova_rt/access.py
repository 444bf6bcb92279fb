"""Who may do what to which: one table, everyone denied by default.

Each transport has one dispatch point. Its route or message names an `Action`, the path and the loaded object make a
`Thing`, and `guard` is asked there, once, before the handler runs; so no handler can forget it. What the domain checks
itself is state (is the visit over?), never permission.

A caller makes claims: each is a role and how that role stands to the thing. An action is allowed by the first claim, in
the order of `claims`, that has a row for it. A refusal says no more than the caller may know:

| the caller                                          | raises           |
| is a stranger, and the act is not for anyone        | NotAuthenticated |
| may know of the thing (`SEEN_BY`), lacks the right  | Forbidden        |
| has the right, but proved long ago that it is them  | ProveAgain       |
| may not know of it, or there is no such thing       | NotFound         |
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from medinova_rt import audit
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import Forbidden, NotAuthenticated, NotFound, ProveAgain
from medinova_rt.grants import Grant, Kind, Scope, StaffRole, Standing
from medinova_rt.ids import AccountId, ClinicId, GrantId, LinkId, PatientId, SeatId, SessionId, UserId, VisitId
from medinova_rt.ports import Insert, Store

PROOF_LIFE = timedelta(minutes=10)  # how long a proof of identity counts as fresh


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


# --- who ----------------------------------------------------------------------------------------------------------


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

    `strong`: a second factor was proven. Staff roles whose clinic asks for one count only then, and so does operating
    the platform; `weak` holds the clinics that don't ask. `role` and `grant` say by what right the user acts, once
    `guard` has found it.
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


# --- to what ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Thing:
    """What is acted upon. No `kind`: it belongs to nobody (a page), or there is no such thing (a visit not found).

    `version` is that of the document behind it, where one may be changed.
    """

    clinic: ClinicId | None = None
    visit: VisitId | None = None
    seat: SeatId | None = None
    kind: str = ""
    patient: PatientId | None = None
    treating: frozenset[UserId] = frozenset()  # the patient
    user: UserId | None = None  # whose own it is
    about: str | None = None  # the id of what has no field here
    version: int | None = None


NOWHERE = Thing()


class Relation(StrEnum):
    SEAT = "own seat"
    VISIT = "same visit"
    OWN = "own"  # the user's own account, or the record of the patient that the user is
    ACTING = "acting for"  # the patient, by a relation
    TREATING = "treating"  # the patient
    EMERGENCY = "emergency"  # access to the patient's record, for an hour
    CLINIC = "same clinic"
    OTHER = "other clinic"


Claim = tuple[str, Relation, Grant | None]  # role, how it stands to the thing, and what gives that role


def claims(principal: Principal, thing: Thing) -> Iterator[Claim]:
    """What the principal may call upon before this thing, the nearest first; OTHER where nothing is nearer."""
    match principal:
        case Person():
            yield from _claims_of_user(principal, thing)
        case Half() if thing.user == principal.user:
            yield "half", Relation.OWN, None
        case Service(clinic=clinic) if thing.clinic == clinic:
            yield "service", Relation.CLINIC, None
        case System() if thing.clinic is not None:
            yield "system", Relation.CLINIC, None
        case SeatHolder(visit=visit, seat=seat, clinic=clinic) if (thing.clinic, thing.visit) == (clinic, visit):
            yield principal.kind, Relation.SEAT if thing.seat == seat else Relation.VISIT, None
        case _:
            yield principal.kind, Relation.OTHER, None


def _claims_of_user(person: Person, thing: Thing) -> Iterator[Claim]:
    standing = person.standing
    if thing.user == person.user:
        yield "user", Relation.OWN, None
    if thing.patient is not None and (relation := standing.patients.get(thing.patient)):
        yield "patient", Relation.OWN if relation.kind is Kind.SELF else Relation.ACTING, relation
    if thing.clinic is not None and (member := standing.members.get(thing.clinic)) and person.counts(thing.clinic):
        if person.user in thing.treating:
            yield from ((role.value, Relation.TREATING, member) for role in member.roles)
        if thing.patient is not None and (emergency := standing.emergencies.get(thing.patient)):
            yield from ((role.value, Relation.EMERGENCY, emergency) for role in member.roles)
        yield from ((role.value, Relation.CLINIC, member) for role in member.roles)
    if standing.operator and person.counts(PLATFORM):
        if thing.clinic is not None:
            yield "operator", Relation.CLINIC, standing.operator
        yield "operator", Relation.OTHER, standing.operator
    yield "user", Relation.OTHER, None


# --- what ---------------------------------------------------------------------------------------------------------


class Action(StrEnum):
    VISIT_SEE = "visit.see"
    VISIT_CREATE = "visit.create"
    VISIT_READ = "visit.read"
    VISIT_END = "visit.end"
    VISIT_EXPIRE = "visit.expire"
    SEAT_ADD = "seat.add"
    LINK_ADD = "link.add"
    LINK_REVOKE = "link.revoke"
    LINK_EXCHANGE = "link.exchange"
    SEAT_READ = "seat.read"
    SEAT_STATUS = "seat.status"
    SEAT_ADMIT = "seat.admit"
    VISIT_JOIN = "visit.join"
    VISIT_LEAVE = "visit.leave"
    MEDIA_OFFER = "media.offer"
    CHAT_SAY = "chat.say"
    SOCKET_PONG = "socket.pong"

    SIGN_IN = "sign-in"
    SECOND_FACTOR = "second-factor"
    SIGN_OUT = "sign-out"
    ME_SEE = "me.see"
    ME_READ = "me.read"
    ME_CHANGE = "me.change"
    ME_PROVE = "me.prove"
    PASSWORD_CHANGE = "password.change"  # noqa: S105
    FACTOR_LIST = "factor.list"
    FACTOR_CHANGE = "factor.change"
    SESSION_LIST = "session.list"
    SESSION_REVOKE = "session.revoke"
    TOKEN_ISSUE = "token.issue"  # noqa: S105
    TOKEN_GRANT = "token.grant"  # noqa: S105
    KEYS_READ = "keys.read"

    CLINIC_CREATE = "clinic.create"
    CLINIC_LIST = "clinic.list"
    CLINIC_READ = "clinic.read"
    CLINIC_CHANGE = "clinic.change"
    MEMBER_LIST = "member.list"
    MEMBER_READ = "member.read"
    MEMBER_CHANGE = "member.change"
    INVITATION_LIST = "invitation.list"
    INVITATION_ADD = "invitation.add"
    INVITATION_WITHDRAW = "invitation.withdraw"
    INVITATION_ACCEPT = "invitation.accept"
    ACCOUNT_LIST = "account.list"
    ACCOUNT_CHANGE = "account.change"

    PATIENT_SEE = "patient.see"
    PATIENT_FIND = "patient.find"
    PATIENT_CREATE = "patient.create"
    PATIENT_READ = "patient.read"
    PATIENT_CHANGE = "patient.change"
    PATIENT_MERGE = "patient.merge"
    PATIENT_TREAT = "patient.treat"
    PATIENT_ACCESSES = "patient.accesses"
    RELATION_LIST = "relation.list"
    RELATION_ADD = "relation.add"
    RELATION_END = "relation.end"
    EMERGENCY_TAKE = "emergency.take"
    EMERGENCY_LIST = "emergency.list"
    EMERGENCY_END = "emergency.end"

    OUTBOX_READ = "outbox.read"
    PAGE_READ = "page.read"
    HEALTH_READ = "health.read"
    METRICS_READ = "metrics.read"


Grants = frozenset[tuple[str, Relation]]  # of a role and how it stands to the thing


def _at(relation: Relation, *roles: str) -> Grants:
    return frozenset((role, relation) for role in roles)


ROLES = tuple(
    dict.fromkeys(("stranger", "half", "user", "patient", "operator", "service", "system", *Role, *StaffRole))
)
ANYONE: Grants = frozenset((role, at) for role in ROLES for at in Relation)

SERVICE = _at(Relation.CLINIC, "service")
SYSTEM = _at(Relation.CLINIC, "system")
HOLDER = _at(Relation.SEAT, *Role)
IN_VISIT = HOLDER | _at(Relation.VISIT, *Role)
LEADING = _at(Relation.SEAT, Role.CLINICIAN) | _at(Relation.VISIT, Role.CLINICIAN)  # the visit
USER = _at(Relation.OWN, "user")
HALF = _at(Relation.OWN, "half")
OPERATOR = _at(Relation.OTHER, "operator")
OPERATOR_OF_ANY = _at(Relation.CLINIC, "operator")  # clinic that there is

DESK = _at(Relation.CLINIC, StaffRole.FRONT_DESK)
BILLING = _at(Relation.CLINIC, StaffRole.BILLING)
ADMIN = _at(Relation.CLINIC, StaffRole.ADMINISTRATOR)
CLINICIAN = _at(Relation.CLINIC, StaffRole.CLINICIAN)
STAFF = _at(Relation.CLINIC, *StaffRole)
TREATING = _at(Relation.TREATING, StaffRole.CLINICIAN) | _at(Relation.EMERGENCY, StaffRole.CLINICIAN)
PATIENT = _at(Relation.OWN, "patient")
ACTING = _at(Relation.ACTING, "patient")

TABLE: dict[Action, Grants] = {
    Action.VISIT_SEE: SERVICE | SYSTEM | IN_VISIT | DESK,
    Action.VISIT_CREATE: SERVICE,
    Action.VISIT_READ: SERVICE | DESK,
    Action.VISIT_END: SERVICE | LEADING | DESK,
    Action.VISIT_EXPIRE: SYSTEM,
    Action.SEAT_ADD: SERVICE | DESK,
    Action.LINK_ADD: SERVICE | DESK,
    Action.LINK_REVOKE: SERVICE | DESK,
    Action.LINK_EXCHANGE: ANYONE,  # the token in the body is the credential
    Action.SEAT_READ: HOLDER,
    Action.SEAT_STATUS: HOLDER,
    Action.SEAT_ADMIT: LEADING,
    Action.VISIT_JOIN: HOLDER,
    Action.VISIT_LEAVE: HOLDER,
    Action.MEDIA_OFFER: HOLDER,
    Action.CHAT_SAY: HOLDER,
    Action.SOCKET_PONG: HOLDER,
    Action.SIGN_IN: ANYONE,  # as above: what is in the body
    Action.SECOND_FACTOR: HALF,
    Action.SIGN_OUT: USER | HALF,
    Action.ME_SEE: USER | HALF,
    Action.ME_READ: USER,
    Action.ME_CHANGE: USER,
    Action.ME_PROVE: USER,
    Action.PASSWORD_CHANGE: USER,
    Action.FACTOR_LIST: USER,
    Action.FACTOR_CHANGE: USER,
    Action.SESSION_LIST: USER,
    Action.SESSION_REVOKE: USER,
    Action.TOKEN_ISSUE: USER,
    Action.TOKEN_GRANT: ANYONE,  # as above: the assertion in the body
    Action.KEYS_READ: ANYONE,
    Action.CLINIC_CREATE: OPERATOR,
    Action.CLINIC_LIST: USER,
    Action.CLINIC_READ: STAFF | SERVICE | OPERATOR_OF_ANY,
    Action.CLINIC_CHANGE: ADMIN,
    Action.MEMBER_LIST: STAFF - _at(Relation.CLINIC, StaffRole.INTERPRETER),
    Action.MEMBER_READ: STAFF - _at(Relation.CLINIC, StaffRole.INTERPRETER),
    Action.MEMBER_CHANGE: ADMIN,
    Action.INVITATION_LIST: ADMIN,
    Action.INVITATION_ADD: ADMIN,
    Action.INVITATION_WITHDRAW: ADMIN,
    Action.INVITATION_ACCEPT: ANYONE,  # as above: the token in the body
    Action.ACCOUNT_LIST: ADMIN,
    Action.ACCOUNT_CHANGE: ADMIN,
    Action.PATIENT_SEE: SERVICE | CLINICIAN | TREATING | DESK | BILLING | ADMIN | PATIENT | ACTING,
    Action.PATIENT_FIND: SERVICE | CLINICIAN | DESK | BILLING | ADMIN,
    Action.PATIENT_CREATE: SERVICE | CLINICIAN | DESK,
    Action.PATIENT_READ: SERVICE | TREATING | DESK | BILLING | ADMIN | PATIENT | ACTING,
    Action.PATIENT_CHANGE: SERVICE | TREATING | DESK | PATIENT | ACTING,
    Action.PATIENT_MERGE: DESK | ADMIN,
    Action.PATIENT_TREAT: DESK | ADMIN,
    Action.PATIENT_ACCESSES: ADMIN | PATIENT | ACTING,
    Action.RELATION_LIST: TREATING | DESK | ADMIN | PATIENT,
    Action.RELATION_ADD: DESK | ADMIN,
    Action.RELATION_END: SYSTEM | DESK | ADMIN | PATIENT,
    Action.EMERGENCY_TAKE: CLINICIAN,
    Action.EMERGENCY_LIST: ADMIN,
    Action.EMERGENCY_END: ADMIN,
    Action.OUTBOX_READ: OPERATOR,
    Action.PAGE_READ: ANYONE,
    Action.HEALTH_READ: ANYONE,
    Action.METRICS_READ: SERVICE | OPERATOR,
}

SEEN_BY: Mapping[str, Action] = {  # the action that means: may know that there is such a thing
    "visit": Action.VISIT_SEE,
    "clinic": Action.CLINIC_READ,
    "member": Action.MEMBER_READ,
    "invitation": Action.INVITATION_LIST,
    "account": Action.ACCOUNT_LIST,
    "patient": Action.PATIENT_SEE,
    "relation": Action.RELATION_LIST,
    "emergency": Action.EMERGENCY_LIST,
    "user": Action.ME_SEE,
    "session": Action.SESSION_LIST,
    "factor": Action.FACTOR_LIST,
}

FRESH = frozenset(
    {
        Action.PASSWORD_CHANGE,
        Action.FACTOR_CHANGE,
        Action.CLINIC_CHANGE,  # whether its roles need a second factor
        Action.MEMBER_CHANGE,
        Action.INVITATION_ADD,  # makes members, too
        Action.ACCOUNT_CHANGE,
    }
)

SERVICE_SCOPES: Mapping[Action, frozenset[ServiceScope]] = {  # any one of them; an action without a row needs none
    **dict.fromkeys(
        (
            Action.VISIT_CREATE,
            Action.VISIT_READ,
            Action.VISIT_END,
            Action.SEAT_ADD,
            Action.LINK_ADD,
            Action.LINK_REVOKE,
        ),
        frozenset({ServiceScope.VISITS}),
    ),
    **dict.fromkeys(
        (Action.PATIENT_SEE, Action.PATIENT_FIND, Action.PATIENT_READ),
        frozenset({ServiceScope.PATIENTS_READ, ServiceScope.PATIENTS}),
    ),
    **dict.fromkeys((Action.PATIENT_CREATE, Action.PATIENT_CHANGE), frozenset({ServiceScope.PATIENTS})),
}
RELATION_SCOPES: Mapping[Action, Scope] = {  # of who acts for a patient; an action without a row needs none
    Action.PATIENT_READ: Scope.RECORD,
    Action.PATIENT_CHANGE: Scope.RECORD,
    Action.PATIENT_ACCESSES: Scope.RECORD,
}


def ground(principal: Principal, action: Action, thing: Thing) -> Claim | None:
    """The claim by which it may be done; None if there is none."""
    rows = TABLE.get(action, frozenset())
    for claim in claims(principal, thing):
        if claim[:2] in rows and _covers(principal, action, claim):
            return claim
    return None


def _covers(principal: Principal, action: Action, claim: Claim) -> bool:
    _, relation, grant = claim
    if isinstance(principal, Service):
        needed = SERVICE_SCOPES.get(action)
        return needed is None or not needed.isdisjoint(principal.scopes)
    if relation is Relation.ACTING:
        scope = RELATION_SCOPES.get(action)
        return scope is None or (grant is not None and scope in grant.scope)
    return True


def may(principal: Principal, action: Action, thing: Thing) -> bool:
    return ground(principal, action, thing) is not None


def require(principal: Principal, action: Action, thing: Thing, now: datetime) -> Principal:
    """Return the principal, a user with the role by which they act; else raise what the module's table says."""
    found = ground(principal, action, thing)
    if found is None:
        raise _refusal(principal, thing)
    if isinstance(principal, Person):
        if action in FRESH and now - principal.authenticated_at > PROOF_LIFE:
            raise ProveAgain("show again that it is you")
        return replace(principal, role=found[0], grant=found[2].id if found[2] else None)
    return principal


def _refusal(principal: Principal, thing: Thing) -> Exception:
    if isinstance(principal, Stranger):
        return NotAuthenticated("sign in or open your link first")
    seen_by = SEEN_BY.get(thing.kind)
    if seen_by is not None and may(principal, seen_by, thing):
        return Forbidden("you may not do this")
    return NotFound("there is no such thing here")


async def guard(store: Store, principal: Principal, action: Action, thing: Thing, now: datetime) -> Principal:
    """`require`, and leave an audit record where a known caller is refused."""
    try:
        return require(principal, action, thing, now)
    except (Forbidden, NotFound) as refusal:
        if not isinstance(principal, Stranger | System | Half) and not isinstance(refusal, ProveAgain):
            await store.transact([_denied(principal, action, thing, now)])
        raise


def _denied(principal: Service | SeatHolder | Person, action: Action, thing: Thing, now: datetime) -> Insert:
    """The record goes to the caller's clinic; of a user, to the thing's clinic only if they belong there."""
    if isinstance(principal, Person):
        at_home = thing.clinic is not None and thing.clinic in principal.standing.members
        clinic = thing.clinic if at_home and thing.clinic is not None else PLATFORM
    else:
        clinic = principal.clinic
    return audit.record(
        principal,
        action,
        now,
        clinic=clinic,
        visit=thing.visit,
        seat=thing.seat,
        patient=thing.patient,
        user=thing.user,
        about=thing.about,
        outcome="denied",
    )
