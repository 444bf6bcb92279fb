import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from medinova_rt import audit, changes, jobs, visits
from medinova_rt.access import Thing
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.errors import BadInput, Conflict, DomainError, LimitReached, NotFound, WrongState
from medinova_rt.ids import ClinicId, LinkId, SeatId, VisitId
from medinova_rt.names import MAX_NAME
from medinova_rt.ports import Token, Write
from medinova_rt.principals import Role, SeatHolder, Service, System
from medinova_rt.rights import Action
from medinova_rt.visits import (
    DEFAULT_LIFE,
    MAX_LINKS,
    MAX_SEATS,
    OVER,
    TRANSITIONS,
    Event,
    State,
    Visit,
    Visits,
    step,
    thing,
)

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
CLINIC = ClinicId("cli-1")
SERVICE = Service(CLINIC, "192.0.2.1")
PAIR = [(Role.CLINICIAN, "Dr Grey"), (Role.PATIENT, "Ann Example")]
NOBODY = VisitId("vis-none")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore((*visits.FINDS, *audit.FINDS, *jobs.FINDS))


@pytest.fixture
def held(store: MemoryStore) -> Visits:
    return Visits(store)


@pytest.fixture
async def visit(held: Visits) -> Visit:
    return await held.create(SERVICE, PAIR, NOW)


def holder(visit: Visit, index: int) -> SeatHolder:
    seat = visit.seats[index]
    return SeatHolder(visit.clinic, visit.id, seat.id, seat.role, seat.links[0].id)


# --- the table ----------------------------------------------------------------------------------------------------


def plain(state: State) -> Visit:
    return Visit(id=VisitId("vis-1"), clinic=CLINIC, state=state, created_at=NOW, expires_at=LATER, seats=[])


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("state", State)
def test_a_step_follows_the_table_or_is_refused(state: State, event: Event) -> None:
    if (state, event) in TRANSITIONS:
        after = step(plain(state), event, LATER)
        assert after.state is TRANSITIONS[state, event]
        assert (after.ended_at == LATER) == (after.state in OVER)
    else:
        with pytest.raises(WrongState):
            step(plain(state), event, LATER)


@pytest.mark.parametrize("state", OVER)
def test_what_is_over_stays_over(state: State) -> None:
    assert not [event for at, event in TRANSITIONS if at is state]


@given(st.lists(st.sampled_from(list(Event))))
def test_a_visit_starts_once_and_ends_once(events: list[Event]) -> None:
    visit, states = plain(State.WAITING), [State.WAITING]
    for seconds, event in enumerate(events):
        try:
            visit = step(visit, event, NOW + timedelta(seconds=seconds))
        except WrongState:
            continue
        states.append(visit.state)
    assert (visit.started_at is not None) == (State.LIVE in states)
    assert (visit.ended_at is not None) == (visit.state in OVER)
    assert [state for state in states[:-1] if state in OVER] == []


# --- creating -----------------------------------------------------------------------------------------------------


async def test_a_new_visit_waits_with_a_link_for_every_seat(held: Visits, visit: Visit) -> None:
    assert visit == await held.find(visit.id)
    assert (visit.clinic, visit.state, visit.created_at, visit.expires_at) == (
        CLINIC,
        State.WAITING,
        NOW,
        NOW + DEFAULT_LIFE,
    )
    assert [(seat.role, seat.name, seat.admitted) for seat in visit.seats] == [
        (Role.CLINICIAN, "Dr Grey", True),
        (Role.PATIENT, "Ann Example", False),
    ]
    links = [link for seat in visit.seats for link in seat.links]
    assert [(link.expires_at, link.revoked) for link in links] == [(visit.expires_at, False)] * 2
    assert len({link.id for link in links}) == 2


async def test_a_new_visit_leaves_the_job_that_ends_it(store: MemoryStore) -> None:
    woken: list[str] = []
    visit = await Visits(store, lambda: woken.append("woken")).create(SERVICE, PAIR, NOW, timedelta(hours=1))
    ((job, _),) = await jobs.Jobs(store, lambda: NOW).take(NOW + timedelta(hours=1), 10)
    assert (job.kind, job.about, woken) == ("visit-expire", {"visit": visit.id}, ["woken"])


NO_SEATS: list[tuple[Role, str]] = []


@pytest.mark.parametrize(
    ("seats", "life", "error", "pointer"),
    [
        (NO_SEATS, DEFAULT_LIFE, BadInput, "/seats"),
        (PAIR * 5, DEFAULT_LIFE, LimitReached, None),
        (PAIR, timedelta(seconds=59), BadInput, "/expires_in_s"),
        (PAIR, timedelta(days=32), BadInput, "/expires_in_s"),
        ([*PAIR, (Role.CARER, "")], DEFAULT_LIFE, BadInput, "/seats/2/name"),
        ([*PAIR, (Role.CARER, "  ")], DEFAULT_LIFE, BadInput, "/seats/2/name"),
        ([*PAIR, (Role.CARER, "x" * (MAX_NAME + 1))], DEFAULT_LIFE, BadInput, "/seats/2/name"),
        ([*PAIR, (Role.CARER, "a\nb")], DEFAULT_LIFE, BadInput, "/seats/2/name"),
        ([*PAIR, (Role.CARER, "a\u202eb")], DEFAULT_LIFE, BadInput, "/seats/2/name"),
    ],
)
async def test_what_makes_no_visit_is_refused(
    held: Visits, seats: list[tuple[Role, str]], life: timedelta, error: type[DomainError], pointer: str | None
) -> None:
    with pytest.raises(error) as raised:
        await held.create(SERVICE, seats, NOW, life)
    assert getattr(raised.value, "pointer", None) == pointer
    assert not any(name in str(raised.value) for _, name in seats if name.strip())


NAMES = ["Ann", "Nguyễn Thị Ánh", "O’Brien-Łoś", "ක්‍ෂේමා", "می‌نا", "Dr.\u00a0Grey", "李小龍", "مريم"]


@pytest.mark.parametrize("name", NAMES)
async def test_people_are_called_as_they_are_called(held: Visits, name: str) -> None:
    visit = await held.create(SERVICE, [(Role.PATIENT, name)], NOW)
    found = await held.find(visit.id)
    assert found is not None
    assert found.seats[0].name == name


# --- changing -----------------------------------------------------------------------------------------------------


async def test_admitting_lets_in_and_starts(held: Visits, visit: Visit) -> None:
    clinician, patient = holder(visit, 0), visit.seats[1].id
    live = await held.admit(clinician, visit.id, patient, LATER)
    assert (live.state, live.seat(patient).admitted, live.started_at) == (State.LIVE, True, LATER)
    again = await held.admit(clinician, visit.id, patient, LATER + timedelta(minutes=1))
    assert again == live == await held.find(visit.id)


async def test_a_second_guest_is_let_into_a_live_visit(held: Visits, visit: Visit) -> None:
    clinician = holder(visit, 0)
    await held.admit(clinician, visit.id, visit.seats[1].id, LATER)
    _, carer = await held.add_seat(SERVICE, visit.id, Role.CARER, "Bo", LATER)
    assert not carer.admitted
    both = await held.admit(clinician, visit.id, carer.id, LATER + timedelta(minutes=1))
    assert ([seat.admitted for seat in both.seats], both.started_at) == ([True, True, True], LATER)


async def test_ending_ends_once(held: Visits, visit: Visit) -> None:
    ended = (await held.end(SERVICE, visit.id, LATER)).value
    assert (ended.state, ended.ended_at) == (State.ENDED, LATER)
    with pytest.raises(WrongState):
        await held.end(SERVICE, visit.id, LATER)
    assert await held.find(visit.id) == ended


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], State.MISSED),
        ([Event.ADMIT], State.ENDED),
        ([Event.END], State.ENDED),
        ([Event.ADMIT, Event.END], State.ENDED),
    ],
)
async def test_expiring_ends_what_has_not_ended(
    store: MemoryStore, held: Visits, visit: Visit, before: list[Event], after: State
) -> None:
    if Event.ADMIT in before:
        await held.admit(holder(visit, 0), visit.id, visit.seats[1].id, NOW)
    if Event.END in before:
        await held.end(SERVICE, visit.id, NOW)
    for _ in range(2):  # the job may run twice
        assert (await held.expire(visit.id, visit.expires_at)).state is after
    ends = [each.action for each in await audit.trail(store, visit.id) if each.action in ("visit.end", "visit.expire")]
    assert ends == ["visit.end" if Event.END in before else "visit.expire"]


async def test_seats_are_added_up_to_eight(held: Visits, visit: Visit) -> None:
    for count in range(3, MAX_SEATS + 1):
        grown, seat = await held.add_seat(SERVICE, visit.id, Role.INTERPRETER, f" n{count} ", LATER)
        assert (len(grown.seats), grown.seats[-1], seat.name, len(seat.links)) == (count, seat, f"n{count}", 1)
        assert seat.links[0].expires_at == visit.expires_at
    with pytest.raises(LimitReached):
        await held.add_seat(SERVICE, visit.id, Role.CARER, "one more", LATER)


async def test_links_are_added_up_to_eight_and_revoked_ones_make_room(held: Visits, visit: Visit) -> None:
    seat = visit.seats[1].id
    for count in range(2, MAX_LINKS + 1):
        grown, link = await held.add_link(SERVICE, visit.id, seat, LATER)
        assert (len(grown.seat(seat).links), grown.seat(seat).links[-1]) == (count, link)
    with pytest.raises(LimitReached):
        await held.add_link(SERVICE, visit.id, seat, LATER)
    await held.revoke_link(SERVICE, visit.id, visit.seats[1].links[0].id, LATER)
    grown, link = await held.add_link(SERVICE, visit.id, seat, LATER)
    assert (len(grown.seat(seat).links), grown.seat(seat).links[-1].id) == (MAX_LINKS, link.id)
    assert [each.revoked for each in grown.seat(seat).links] == [False] * MAX_LINKS


async def test_revoking_marks_one_link_and_is_idempotent(held: Visits, visit: Visit) -> None:
    await held.add_link(SERVICE, visit.id, visit.seats[1].id, NOW)
    for _ in range(2):
        after = await held.revoke_link(SERVICE, visit.id, visit.seats[1].links[0].id, LATER)
        assert [[link.revoked for link in seat.links] for seat in after.seats] == [[False], [True, False]]


Call = Callable[[Visits, Visit], Awaitable[object]]
UNKNOWN = SeatId("sea-none")
CALLS: dict[str, Call] = {
    "add_seat": lambda held, visit: held.add_seat(SERVICE, visit.id, Role.CARER, "Bo", LATER),
    "add_link": lambda held, visit: held.add_link(SERVICE, visit.id, visit.seats[1].id, LATER),
    "revoke_link": lambda held, visit: held.revoke_link(SERVICE, visit.id, visit.seats[1].links[0].id, LATER),
    "admit": lambda held, visit: held.admit(holder(visit, 0), visit.id, visit.seats[1].id, LATER),
    "end": lambda held, visit: held.end(SERVICE, visit.id, LATER),
    "read": lambda held, visit: held.read(SERVICE, visit.id, LATER),
    "expire": lambda held, visit: held.expire(visit.id, LATER),
    "say": lambda held, visit: held.say(replace_visit(holder(visit, 0), visit.id), "k", "text", LATER),
    "read_seat": lambda held, visit: held.read_seat(replace_visit(holder(visit, 1), visit.id), LATER),
}


def replace_visit(held: SeatHolder, visit: VisitId) -> SeatHolder:
    return SeatHolder(held.clinic, visit, held.seat, held.role, held.link)


@pytest.mark.parametrize("name", CALLS)
async def test_what_is_not_there_is_not_found(held: Visits, visit: Visit, name: str) -> None:
    with pytest.raises(NotFound):
        await CALLS[name](held, replace(visit, id=NOBODY))


@pytest.mark.parametrize("call", ["add_seat", "add_link", "admit", "end", "say"])
async def test_a_visit_that_is_over_does_not_change(held: Visits, visit: Visit, call: str) -> None:
    await held.end(SERVICE, visit.id, NOW)
    with pytest.raises(WrongState):
        await CALLS[call](held, visit)


@pytest.mark.parametrize(
    "call",
    [
        lambda held, visit: held.add_link(SERVICE, visit.id, UNKNOWN, LATER),
        lambda held, visit: held.admit(holder(visit, 0), visit.id, UNKNOWN, LATER),
        lambda held, visit: held.revoke_link(SERVICE, visit.id, LinkId("lnk-none"), LATER),
    ],
)
async def test_a_part_that_is_not_there_is_not_found(held: Visits, visit: Visit, call: Call) -> None:
    with pytest.raises(NotFound):
        await call(held, visit)


# --- racing -------------------------------------------------------------------------------------------------------


async def test_changes_at_one_moment_all_count(held: Visits, visit: Visit) -> None:
    await asyncio.gather(
        held.add_seat(SERVICE, visit.id, Role.CARER, "Bo", LATER),
        held.add_seat(SERVICE, visit.id, Role.INTERPRETER, "Cy", LATER),
        held.admit(holder(visit, 0), visit.id, visit.seats[1].id, LATER),
        held.revoke_link(SERVICE, visit.id, visit.seats[0].links[0].id, LATER),
    )
    after = await held.find(visit.id)
    assert after is not None
    assert sorted(seat.name for seat in after.seats) == ["Ann Example", "Bo", "Cy", "Dr Grey"]
    assert (after.state, after.seats[1].admitted, after.seats[0].links[0].revoked) == (State.LIVE, True, True)


async def test_of_admit_and_end_at_one_moment_the_table_decides(held: Visits, visit: Visit) -> None:
    await asyncio.gather(
        held.end(SERVICE, visit.id, LATER),
        held.admit(holder(visit, 0), visit.id, visit.seats[1].id, LATER),
        return_exceptions=True,
    )
    after = await held.find(visit.id)
    assert after is not None
    assert after.state is State.ENDED


async def test_whoever_always_loses_is_told_after_a_bounded_number_of_tries() -> None:
    class Contested(MemoryStore):
        tries = 0

        async def transact(self, writes: Sequence[Write]) -> list[Token]:
            if self.tries < 0:
                return await super().transact(writes)
            self.tries += 1
            raise Conflict("somebody else changed it first")

    store = Contested((*visits.FINDS, *audit.FINDS))
    held = Visits(store)
    store.tries = -1
    visit = await held.create(SERVICE, PAIR, NOW)
    store.tries = 0
    with pytest.raises(Conflict, match="others are changing"):
        await held.end(SERVICE, visit.id, LATER)
    assert store.tries == changes.ATTEMPTS


# --- records ------------------------------------------------------------------------------------------------------


async def test_each_act_leaves_a_record(store: MemoryStore, held: Visits, visit: Visit) -> None:
    clinician, patient = holder(visit, 0), holder(visit, 1)
    _, carer = await held.add_seat(SERVICE, visit.id, Role.CARER, "Bo", NOW + timedelta(seconds=1))
    _, link = await held.add_link(SERVICE, visit.id, carer.id, NOW + timedelta(seconds=2))
    await held.revoke_link(SERVICE, visit.id, link.id, NOW + timedelta(seconds=3))
    await held.read(SERVICE, visit.id, NOW + timedelta(seconds=4))
    await held.read_seat(patient, NOW + timedelta(seconds=5))
    await held.note(patient, Action.VISIT_JOIN, visit.id, NOW + timedelta(seconds=6))
    await held.admit(clinician, visit.id, patient.seat, NOW + timedelta(seconds=7))
    await held.say(patient, "k", "private words", NOW + timedelta(seconds=8))
    await held.expire(visit.id, NOW + timedelta(seconds=9))
    trail = [
        (each.actor_kind, each.actor, each.action, each.seat, each.link) for each in await audit.trail(store, visit.id)
    ]
    assert trail == [
        ("service", CLINIC, "visit.create", None, None),
        ("service", CLINIC, "seat.add", carer.id, None),
        ("service", CLINIC, "link.add", carer.id, link.id),
        ("service", CLINIC, "link.revoke", carer.id, link.id),
        ("service", CLINIC, "visit.read", None, None),
        ("patient", patient.seat, "seat.read", patient.seat, None),
        ("patient", patient.seat, "visit.join", patient.seat, None),
        ("clinician", clinician.seat, "seat.admit", patient.seat, None),
        ("patient", patient.seat, "chat.say", patient.seat, None),
        ("system", System().id, "visit.expire", None, None),
    ]


async def test_records_hold_no_patient_data(store: MemoryStore, held: Visits, visit: Visit) -> None:
    await held.say(holder(visit, 0), "k", "private words", LATER)
    page = await store.find(audit.BY_VISIT, (visit.id,))
    for secret in ("Ann", "Grey", "private words"):
        assert secret not in repr([row.document for row in page.rows])


async def test_what_was_refused_leaves_no_record_of_having_been_done(store: MemoryStore, held: Visits) -> None:
    visit = await held.create(SERVICE, PAIR, NOW)
    await held.end(SERVICE, visit.id, LATER)
    with pytest.raises(WrongState):
        await held.end(SERVICE, visit.id, LATER)
    assert [each.action for each in await audit.trail(store, visit.id)] == ["visit.create", "visit.end"]


# --- chat, as the visit allows it ---------------------------------------------------------------------------------


async def test_nobody_writes_before_being_let_in(held: Visits, visit: Visit) -> None:
    clinician, patient = holder(visit, 0), holder(visit, 1)
    with pytest.raises(WrongState, match="let in"):
        await held.say(patient, "k", "hello?", LATER)
    await held.admit(clinician, visit.id, patient.seat, LATER)
    line = await held.say(patient, "k", "hello!", LATER)
    assert [each.text for each in await held.chat_lines(visit.id)] == [line.text] == ["hello!"]


@pytest.mark.parametrize("seat", [None, SeatId("sea-1")])
def test_a_thing_is_what_guard_is_asked_about(seat: SeatId | None) -> None:
    assert thing(None, seat) == Thing()
    assert thing(plain(State.LIVE), seat) == Thing(CLINIC, VisitId("vis-1"), seat, "visit")
