from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medinova_rt import audit
from medinova_rt.access import Thing, claims, guard, may, require
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.clinics import PLATFORM
from medinova_rt.errors import DomainError, Forbidden, NotAuthenticated, NotFound
from medinova_rt.grants import Grant, Kind, Scope, StaffRole, standing
from medinova_rt.ids import ClinicId, GrantId, LinkId, PatientId, SeatId, SessionId, UserId, VisitId
from medinova_rt.principals import Person, Principal, Role, SeatHolder, Service, Stranger, System
from medinova_rt.rights import ANYONE, SEEN_BY, TABLE, Action, Relation

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
HERE, THERE = ClinicId("cli-here"), ClinicId("cli-there")
VISIT, OTHER = VisitId("vis-1"), VisitId("vis-2")
MINE, THEIRS = SeatId("sea-mine"), SeatId("sea-theirs")


def holder(role: Role) -> SeatHolder:
    return SeatHolder(HERE, VISIT, MINE, role, LinkId("lnk-1"), "192.0.2.1")


CLINICIAN, PATIENT = holder(Role.CLINICIAN), holder(Role.PATIENT)
SERVICE = Service(HERE, "192.0.2.2")

CLINIC_THING = Thing(HERE, kind="clinic")
VISIT_THING = Thing(HERE, VISIT, kind="visit")
OWN_SEAT = Thing(HERE, VISIT, MINE, "visit")
OTHER_SEAT = Thing(HERE, VISIT, THEIRS, "visit")
OTHER_VISIT = Thing(HERE, OTHER, MINE, "visit")
FOREIGN = Thing(THERE, VISIT, MINE, "visit")
NOTHING = Thing()


@pytest.mark.parametrize(
    ("principal", "thing", "expected"),
    [
        (SERVICE, CLINIC_THING, Relation.CLINIC),
        (SERVICE, OWN_SEAT, Relation.CLINIC),
        (SERVICE, FOREIGN, Relation.OTHER),
        (SERVICE, NOTHING, Relation.OTHER),
        (PATIENT, OWN_SEAT, Relation.SEAT),
        (PATIENT, OTHER_SEAT, Relation.VISIT),
        (PATIENT, VISIT_THING, Relation.VISIT),
        (PATIENT, OTHER_VISIT, Relation.OTHER),
        (PATIENT, CLINIC_THING, Relation.OTHER),
        (PATIENT, FOREIGN, Relation.OTHER),
        (PATIENT, NOTHING, Relation.OTHER),
        (System(), VISIT_THING, Relation.CLINIC),
        (System(), NOTHING, Relation.OTHER),
        (Stranger(), OWN_SEAT, Relation.OTHER),
        (Stranger(), NOTHING, Relation.OTHER),
    ],
)
def test_how_a_caller_stands_to_a_thing(principal: Principal, thing: Thing, expected: Relation) -> None:
    assert next(claims(principal, thing))[1] is expected


YES = None
RULINGS: list[tuple[Principal, Action, Thing, type[DomainError] | None]] = [
    (SERVICE, Action.VISIT_CREATE, CLINIC_THING, YES),
    (SERVICE, Action.VISIT_CREATE, Thing(THERE), NotFound),
    (SERVICE, Action.VISIT_READ, VISIT_THING, YES),
    (SERVICE, Action.VISIT_READ, FOREIGN, NotFound),
    (SERVICE, Action.VISIT_READ, NOTHING, NotFound),
    (SERVICE, Action.SEAT_ADD, VISIT_THING, YES),
    (SERVICE, Action.LINK_ADD, OWN_SEAT, YES),
    (SERVICE, Action.LINK_REVOKE, VISIT_THING, YES),
    (SERVICE, Action.VISIT_END, VISIT_THING, YES),
    (SERVICE, Action.VISIT_EXPIRE, VISIT_THING, Forbidden),
    (SERVICE, Action.SEAT_ADMIT, OTHER_SEAT, Forbidden),
    (SERVICE, Action.VISIT_JOIN, OWN_SEAT, Forbidden),
    (SERVICE, Action.SEAT_READ, OWN_SEAT, Forbidden),
    (SERVICE, Action.CHAT_SAY, OWN_SEAT, Forbidden),
    (CLINICIAN, Action.SEAT_ADMIT, OTHER_SEAT, YES),
    (CLINICIAN, Action.SEAT_ADMIT, VISIT_THING, YES),
    (CLINICIAN, Action.SEAT_ADMIT, OTHER_VISIT, NotFound),
    (CLINICIAN, Action.VISIT_END, VISIT_THING, YES),
    (CLINICIAN, Action.VISIT_END, OWN_SEAT, YES),
    (CLINICIAN, Action.VISIT_END, OTHER_VISIT, NotFound),
    (CLINICIAN, Action.VISIT_READ, VISIT_THING, Forbidden),
    (CLINICIAN, Action.LINK_REVOKE, VISIT_THING, Forbidden),
    (CLINICIAN, Action.VISIT_CREATE, CLINIC_THING, NotFound),
    (PATIENT, Action.SEAT_ADMIT, OWN_SEAT, Forbidden),
    (PATIENT, Action.VISIT_END, VISIT_THING, Forbidden),
    (PATIENT, Action.VISIT_JOIN, OWN_SEAT, YES),
    (PATIENT, Action.VISIT_JOIN, OTHER_SEAT, Forbidden),
    (PATIENT, Action.SEAT_READ, OTHER_SEAT, Forbidden),
    (PATIENT, Action.SEAT_READ, OTHER_VISIT, NotFound),
    (PATIENT, Action.SEAT_READ, NOTHING, NotFound),
    (PATIENT, Action.CHAT_SAY, OWN_SEAT, YES),
    (PATIENT, Action.MEDIA_OFFER, OWN_SEAT, YES),
    (PATIENT, Action.SEAT_STATUS, OWN_SEAT, YES),
    (PATIENT, Action.VISIT_LEAVE, OWN_SEAT, YES),
    (PATIENT, Action.SOCKET_PONG, OWN_SEAT, YES),
    (Stranger(), Action.LINK_EXCHANGE, NOTHING, YES),
    (Stranger(), Action.PAGE_READ, NOTHING, YES),
    (Stranger(), Action.HEALTH_READ, NOTHING, YES),
    (Stranger(), Action.VISIT_READ, VISIT_THING, NotAuthenticated),
    (Stranger(), Action.VISIT_READ, NOTHING, NotAuthenticated),
    (Stranger(), Action.VISIT_CREATE, CLINIC_THING, NotAuthenticated),
    (Stranger(), Action.VISIT_JOIN, OWN_SEAT, NotAuthenticated),
    (System(), Action.VISIT_EXPIRE, VISIT_THING, YES),
    (System(), Action.VISIT_READ, VISIT_THING, Forbidden),
]


@pytest.mark.parametrize(("principal", "action", "thing", "ruling"), RULINGS, ids=str)
def test_rulings(principal: Principal, action: Action, thing: Thing, ruling: type[DomainError] | None) -> None:
    if ruling is None:
        assert require(principal, action, thing, NOW) == principal
    else:
        with pytest.raises(ruling) as raised:
            require(principal, action, thing, NOW)
        assert raised.type is ruling


@pytest.mark.parametrize("action", Action)
def test_every_action_has_a_row(action: Action) -> None:
    assert TABLE[action]


@pytest.mark.parametrize("action", Action)
def test_a_stranger_may_only_what_anyone_may(action: Action) -> None:
    assert may(Stranger(), action, OWN_SEAT) == (TABLE[action] is ANYONE)


def test_what_has_no_row_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(TABLE, Action.VISIT_READ)
    assert not may(SERVICE, Action.VISIT_READ, VISIT_THING)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_nobody_acts_in_another_visit(action: Action, role: Role) -> None:
    assert may(holder(role), action, OTHER_VISIT) == (TABLE[action] is ANYONE)


# --- clinics are apart --------------------------------------------------------------------------------------------

USER, A_PATIENT = UserId("usr-1"), PatientId("pat-1")
ROLES_OF_STAFF = st.sets(st.sampled_from(StaffRole), min_size=1)


def grant(kind: Kind, clinic: ClinicId, **more: Any) -> Grant:
    begun = NOW - timedelta(hours=1)
    made = GrantId(f"gra-{kind}-{clinic}")
    return Grant(id=made, clinic=clinic, user=USER, kind=kind, created_at=begun, starts_at=begun, **more)


HELD_HERE = st.one_of(
    st.builds(lambda roles: grant(Kind.MEMBER, HERE, roles=sorted(roles)), ROLES_OF_STAFF),
    st.builds(
        lambda kind, scope: grant(kind, HERE, patient=A_PATIENT, scope=sorted(scope)),
        st.sampled_from([Kind.SELF, Kind.PARENT, Kind.CARER, Kind.EMERGENCY]),
        st.sets(st.sampled_from(Scope)),
    ),
    st.just(grant(Kind.OPERATOR, PLATFORM)),
)
THINGS_HERE = st.builds(
    Thing,
    clinic=st.just(HERE),
    kind=st.sampled_from(["", *SEEN_BY]),
    visit=st.sampled_from([None, VISIT]),
    patient=st.sampled_from([None, A_PATIENT, PatientId("pat-2")]),
    treating=st.sampled_from([frozenset(), frozenset({USER})]),
    user=st.sampled_from([None, USER, UserId("usr-2")]),
)


@given(st.lists(HELD_HERE, max_size=4), ROLES_OF_STAFF, st.sampled_from(Action), THINGS_HERE, st.booleans())
def test_a_membership_elsewhere_changes_no_answer_here(
    held: list[Grant], roles: set[StaffRole], action: Action, thing: Thing, strong: bool
) -> None:
    elsewhere = [
        grant(Kind.MEMBER, THERE, roles=sorted(roles)),
        grant(Kind.PARENT, THERE, patient=PatientId("pat-there"), scope=list(Scope)),
        grant(Kind.EMERGENCY, THERE, patient=PatientId("pat-there")),
    ]

    def answer(grants: list[Grant]) -> str:
        person = Person(USER, SessionId("ses-1"), standing(grants, NOW), strong, NOW, frozenset({THERE}))
        try:
            acting = require(person, action, thing, NOW)
        except DomainError as refusal:
            return refusal.code
        return f"{acting.kind} {acting.grant}"

    assert answer([*held, *elsewhere]) == answer(held)


# --- guard --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("principal", "thing", "recorded"),
    [
        (SERVICE, VISIT_THING, [("service", "cli-here", "denied", "192.0.2.2")]),
        (PATIENT, VISIT_THING, [("patient", "sea-mine", "denied", "192.0.2.1")]),
        (PATIENT, Thing(THERE, VISIT), [("patient", "sea-mine", "denied", "192.0.2.1")]),
        (CLINICIAN, VISIT_THING, []),
        (Stranger("192.0.2.3"), VISIT_THING, []),
    ],
)
async def test_a_known_caller_who_is_refused_leaves_a_record(
    principal: Principal, thing: Thing, recorded: list[tuple[str, ...]]
) -> None:
    store = MemoryStore(audit.FINDS)
    action = Action.SEAT_ADMIT
    try:
        await guard(store, principal, action, thing, NOW)
        assert may(principal, action, thing)
    except (Forbidden, NotFound, NotAuthenticated):
        assert not may(principal, action, thing)
    trail = await audit.trail(store, VISIT)
    assert [(each.actor_kind, each.actor, each.outcome, each.address) for each in trail] == recorded
    assert all((each.clinic, each.action) == (HERE, "seat.admit") for each in trail)


def test_the_address_does_not_make_another_principal() -> None:
    assert Service(HERE, "192.0.2.1") == Service(HERE, "192.0.2.2")


@pytest.mark.parametrize("principal", [SERVICE, CLINICIAN, System(), Stranger()])
def test_a_refusal_tells_nothing(principal: Principal) -> None:
    with pytest.raises(DomainError) as raised:
        require(principal, Action.VISIT_LEAVE, FOREIGN, NOW)
    assert not any(word in str(raised.value) for word in (HERE, THERE, VISIT, MINE))
