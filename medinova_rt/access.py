"""Who may do what to which: one table, everyone denied by default.

Each transport has one dispatch point. Its route or message names an `Action`, the path and the loaded visit make a
`Thing`, and `guard` is asked there, once, before the handler runs; so no handler can forget it. What the domain checks
itself is state (is the visit over?), never permission.

A refusal says no more than the caller may know:

| the caller                                    | raises           |
| is a stranger, and the act is not for anyone  | NotAuthenticated |
| belongs to the visit or clinic, lacks a right | Forbidden        |
| belongs elsewhere, or there is no such thing  | NotFound         |
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from medinova_rt import audit
from medinova_rt.errors import Forbidden, NotAuthenticated, NotFound
from medinova_rt.ids import ClinicId, LinkId, SeatId, VisitId
from medinova_rt.ports import Store


class Role(StrEnum):
    """What somebody is in a visit."""

    CLINICIAN = "clinician"
    PATIENT = "patient"
    CARER = "carer"
    INTERPRETER = "interpreter"


# --- who ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Service:
    """A clinic's own system, by its service key."""

    clinic: ClinicId
    address: str | None = field(default=None, compare=False)

    @property
    def kind(self) -> str:
        return "service"

    @property
    def id(self) -> str:
        return self.clinic


@dataclass(frozen=True, slots=True)
class SeatHolder:
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
class System:
    """This program itself, doing what is due."""

    address: None = None

    @property
    def kind(self) -> str:
        return "system"

    @property
    def id(self) -> str:
        return "system"


@dataclass(frozen=True, slots=True)
class Stranger:
    """No credential, or none that holds."""

    address: str | None = field(default=None, compare=False)

    @property
    def kind(self) -> str:
        return "stranger"

    @property
    def id(self) -> str:
        return ""


Principal = Service | SeatHolder | System | Stranger


# --- to what ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Thing:
    """What is acted upon. No `clinic`: it belongs to nobody (a page), or there is no such thing (a visit not found)."""

    clinic: ClinicId | None = None
    visit: VisitId | None = None
    seat: SeatId | None = None


NOWHERE = Thing()


class Relation(StrEnum):
    OWN = "own"  # the caller's own seat
    VISIT = "same visit"
    CLINIC = "same clinic"
    OTHER = "other"


def relation(principal: Principal, thing: Thing) -> Relation:
    """The closest one that holds. A seat holder is nothing to the clinic's other visits."""
    match principal:
        case Service(clinic=clinic) if thing.clinic == clinic:
            return Relation.CLINIC
        case System() if thing.clinic is not None:
            return Relation.CLINIC
        case SeatHolder(visit=visit, seat=seat, clinic=clinic) if (thing.clinic, thing.visit) == (clinic, visit):
            return Relation.OWN if thing.seat == seat else Relation.VISIT
        case _:
            return Relation.OTHER


# --- what ---------------------------------------------------------------------------------------------------------


class Action(StrEnum):
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
    PAGE_READ = "page.read"
    HEALTH_READ = "health.read"
    METRICS_READ = "metrics.read"


Grants = frozenset[tuple[str, Relation]]  # of `principal.kind` and its relation to the thing

ANYONE: Grants = frozenset((kind, at) for kind in ("stranger", "service", "system", *Role) for at in Relation)
SERVICE: Grants = frozenset({("service", Relation.CLINIC)})
SYSTEM: Grants = frozenset({("system", Relation.CLINIC)})
CLINICIAN: Grants = frozenset({("clinician", Relation.OWN), ("clinician", Relation.VISIT)})
HOLDER: Grants = frozenset((role.value, Relation.OWN) for role in Role)

TABLE: dict[Action, Grants] = {
    Action.VISIT_CREATE: SERVICE,
    Action.VISIT_READ: SERVICE,
    Action.VISIT_END: SERVICE | CLINICIAN,
    Action.VISIT_EXPIRE: SYSTEM,
    Action.SEAT_ADD: SERVICE,
    Action.LINK_ADD: SERVICE,
    Action.LINK_REVOKE: SERVICE,
    Action.LINK_EXCHANGE: ANYONE,  # the token in the body is the credential
    Action.SEAT_READ: HOLDER,
    Action.SEAT_STATUS: HOLDER,
    Action.SEAT_ADMIT: CLINICIAN,
    Action.VISIT_JOIN: HOLDER,
    Action.VISIT_LEAVE: HOLDER,
    Action.MEDIA_OFFER: HOLDER,
    Action.CHAT_SAY: HOLDER,
    Action.SOCKET_PONG: HOLDER,
    Action.PAGE_READ: ANYONE,
    Action.HEALTH_READ: ANYONE,
    Action.METRICS_READ: SERVICE,
}


def may(principal: Principal, action: Action, thing: Thing) -> bool:
    return (principal.kind, relation(principal, thing)) in TABLE.get(action, frozenset())


def require(principal: Principal, action: Action, thing: Thing) -> None:
    """Return if it may be done; else raise what the module's table says."""
    if may(principal, action, thing):
        return
    if isinstance(principal, Stranger):
        raise NotAuthenticated("sign in or open your link first")
    if relation(principal, thing) is Relation.OTHER:
        raise NotFound("there is no such thing here")
    raise Forbidden("you may not do this")


async def guard(store: Store, principal: Principal, action: Action, thing: Thing, now: datetime) -> None:
    """`require`, and leave an audit record (in the caller's clinic) where a known caller is refused."""
    try:
        require(principal, action, thing)
    except (Forbidden, NotFound):
        if isinstance(principal, Service | SeatHolder):
            denied = audit.record(
                principal,
                action,
                now,
                clinic=principal.clinic,
                visit=thing.visit,
                seat=thing.seat,
                outcome="denied",
            )
            await store.transact([denied])
        raise
