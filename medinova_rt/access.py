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

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from medinova_rt import audit
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import Forbidden, NotAuthenticated, NotFound, ProveAgain
from medinova_rt.grants import Grant, Kind
from medinova_rt.ids import ClinicId, PatientId, SeatId, UserId, VisitId
from medinova_rt.ports import Insert, Store
from medinova_rt.principals import Half, Person, Principal, SeatHolder, Service, Stranger, System
from medinova_rt.rights import FRESH, KEY_ONLY, RELATION_SCOPES, SEEN_BY, SERVICE_SCOPES, TABLE, Action, Relation

PROOF_LIFE = timedelta(minutes=10)  # how long a proof of identity counts as fresh


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
        if action in KEY_ONLY:
            return principal.account is None
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
        if action in FRESH and not is_fresh(principal.authenticated_at, now):
            raise ProveAgain("show again that it is you")
        return replace(principal, role=found[0], grant=found[2].id if found[2] else None)
    return principal


def is_fresh(proven_at: datetime | None, now: datetime) -> bool:
    return proven_at is not None and now - proven_at <= PROOF_LIFE


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
