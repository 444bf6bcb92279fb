"""signaling/presence.py: who sees whom, and that each change is told once to each who may know."""

from datetime import UTC, datetime
from itertools import combinations, product

import pytest

from medinova_rt.ids import LinkId, SeatId
from medinova_rt.principals import Role
from medinova_rt.visits import Link, Seat
from signaling.messages import Participant
from signaling.presence import Presence

C, P, I, K = (SeatId(name) for name in ("sea-c", "sea-p", "sea-i", "sea-k"))  # noqa: E741
ROLES = {C: Role.CLINICIAN, P: Role.PATIENT, I: Role.INTERPRETER, K: Role.CARER}
LINK = Link(id=LinkId("lnk-1"), expires_at=datetime(2027, 1, 1, tzinfo=UTC))


def seat(named: SeatId, admitted: bool = False) -> Seat:
    return Seat(id=named, role=ROLES[named], name=ROLES[named].title(), admitted=admitted, links=[LINK])


def make(*admitted: SeatId) -> Presence:
    presence = Presence()
    presence.learn(seat(each, admitted=each in admitted) for each in ROLES)
    return presence


def seen(presence: Presence, viewer: SeatId) -> dict[SeatId, str]:
    return {each.seat: each.phase for each in presence.snapshot(viewer)}


@pytest.mark.parametrize(
    ("viewer", "admitted", "sees"),
    [
        (C, [], {C, P, I, K}),
        (P, [], {C, P}),
        (I, [P], {C, I}),
        (P, [P], {C, P}),
        (P, [P, I], {C, P, I}),
        (K, [P, I], {C, K}),
        (C, [P, I, K], {C, P, I, K}),
    ],
)
def test_who_sees_whom(viewer: SeatId, admitted: list[SeatId], sees: set[SeatId]) -> None:
    assert set(seen(make(*admitted), viewer)) == sees


SETS = [set(some) for count in range(len(ROLES) + 1) for some in combinations(ROLES, count)]


@pytest.mark.parametrize("some", SETS)
def test_seeing_is_mutual_and_only_widens(some: set[SeatId]) -> None:
    before = make(*some)
    for more in SETS:
        after = make(*some, *more)
        for one, other in product(ROLES, ROLES):
            assert before.may_see(one, other) == before.may_see(other, one)
            assert after.may_see(one, other) or not before.may_see(one, other)


def test_phases() -> None:
    presence = make(P)
    for here in (C, P, I):
        presence.appear(here)
    assert seen(presence, C) == {C: "present", P: "present", I: "waiting", K: "away"}
    presence.vanish(P)
    assert seen(presence, C)[P] == "away"


def test_a_change_is_told_once_to_those_who_may_know() -> None:
    presence = make(P)
    for here in (C, P, I):
        presence.appear(here)
        presence.snapshot(here)
    presence.changes()
    presence.show(P, camera=True, network="fair")
    told = presence.changes()
    assert [viewer for viewer, _ in told] == [C, P]
    assert {participant.camera for _, participant in told} == {True}
    assert presence.changes() == []


def test_being_let_in_shows_both_sides_to_each_other() -> None:
    presence = make(P)
    for here in (C, P, I):
        presence.appear(here)
        presence.snapshot(here)
    presence.changes()
    presence.learn([seat(I, admitted=True)])
    told = {(viewer, participant.seat, participant.phase) for viewer, participant in presence.changes()}
    assert told == {(C, I, "present"), (P, I, "present"), (I, I, "present"), (I, P, "present")}


def test_a_new_seat_is_shown_and_an_old_document_takes_nothing_back() -> None:
    presence = Presence()
    presence.learn([seat(C), seat(P, admitted=True)])
    presence.appear(P)
    presence.snapshot(C)
    presence.learn([seat(C), seat(P), seat(I)])
    assert [participant.seat for _, participant in presence.changes()] == [I]
    assert presence.admitted(P)


def test_coming_and_going_forgets_what_was_on() -> None:
    presence = make(P)
    presence.appear(P)
    presence.show(P, microphone=True, camera=True, screen=True, interrupted=True, network="poor")
    presence.vanish(P)
    presence.appear(P)
    [mine] = [each for each in presence.snapshot(P) if each.seat == P]
    assert mine == Participant(seat=P, role=Role.PATIENT, name="Patient", phase="present")


def test_whoever_was_forgotten_is_told_nothing() -> None:
    presence = make(P)
    presence.snapshot(C)
    presence.forget(C)
    presence.appear(P)
    assert presence.changes() == []
