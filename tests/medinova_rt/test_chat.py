import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from medinova_rt import audit, chat, documents
from medinova_rt.adapters.local import MemoryStore
from medinova_rt.chat import Chat, Tally
from medinova_rt.errors import LimitReached
from medinova_rt.ids import ClinicId, LinkId, SeatId, VisitId
from medinova_rt.ports import Replace
from medinova_rt.principals import Role, SeatHolder

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
VISIT = VisitId("vis-1")


def holder(seat: str, visit: VisitId = VISIT) -> SeatHolder:
    return SeatHolder(ClinicId("cli-1"), visit, SeatId(seat), Role.PATIENT, LinkId("lnk-1"))


ANN, BO = holder("sea-ann"), holder("sea-bo")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore((*chat.FINDS, *audit.FINDS))


@pytest.fixture
def talk(store: MemoryStore) -> Chat:
    return Chat(store)


async def fill(store: MemoryStore, lines: int) -> None:
    stored = await store.get(chat.TALLIES, VISIT)
    assert stored is not None
    tally = documents.encode(Tally(clinic=ANN.clinic, lines=lines))
    await store.transact([Replace(chat.TALLIES, VISIT, tally, stored.token)])


async def test_a_line_is_as_it_was_said(talk: Chat) -> None:
    line = await talk.say(ANN, "k1", "Grüezi 👋", NOW)
    assert (line.visit, line.seat, line.number, line.key, line.text, line.said_at) == (
        VISIT,
        ANN.seat,
        0,
        "k1",
        "Grüezi 👋",
        NOW,
    )
    assert await talk.lines(VISIT) == [line]


async def test_a_repeat_is_not_said_twice_and_the_first_text_stays(store: MemoryStore, talk: Chat) -> None:
    first = await talk.say(ANN, "k", "one", NOW)
    again = await talk.say(ANN, "k", "two", NOW + timedelta(seconds=1))
    assert again == first
    assert await talk.lines(VISIT) == [first]
    assert len(await audit.trail(store, VISIT)) == 1


@pytest.mark.parametrize("other", [(BO, "k"), (ANN, "k2"), (holder("sea-ann", VisitId("vis-2")), "k")])
async def test_another_seat_key_or_visit_is_another_line(talk: Chat, other: tuple[SeatHolder, str]) -> None:
    first = await talk.say(ANN, "k", "one", NOW)
    who, key = other
    assert (await talk.say(who, key, "two", NOW)).id != first.id


async def test_lines_come_in_the_order_they_were_said(talk: Chat) -> None:
    for n in range(5):
        await talk.say((ANN, BO)[n % 2], f"k{n}", f"text {n}", NOW - timedelta(seconds=n))
    assert [line.text for line in await talk.lines(VISIT)] == [f"text {n}" for n in range(5)]


async def test_everyone_may_write_at_the_same_moment(talk: Chat) -> None:
    seats = [holder(f"sea-{n}") for n in range(8)]
    said = await asyncio.gather(*(talk.say(seat, "k", "now", NOW) for seat in seats))
    assert sorted(line.number for line in said) == list(range(8))
    assert [line.number for line in await talk.lines(VISIT)] == list(range(8))


async def test_a_repeat_at_the_same_moment_is_one_line(talk: Chat) -> None:
    said = await asyncio.gather(*(talk.say(ANN, "k", "now", NOW) for _ in range(5)))
    assert len({line.id for line in said}) == 1
    assert await talk.lines(VISIT) == said[:1]


@pytest.mark.parametrize(
    ("limit", "expected"), [(1, range(209, 210)), (3, range(207, 210)), (200, range(10, 210)), (999, range(10, 210))]
)
async def test_the_latest_are_shown_up_to_200(talk: Chat, limit: int, expected: range) -> None:
    for n in range(210):
        await talk.say(ANN, f"k{n}", "text", NOW)
    assert [line.number for line in await talk.lines(VISIT, limit)] == list(expected)


async def test_a_visit_nobody_wrote_in_has_no_lines(talk: Chat) -> None:
    assert await talk.lines(VISIT) == []


async def test_the_last_line_is_the_five_thousandth(store: MemoryStore, talk: Chat) -> None:
    await talk.say(ANN, "first", "text", NOW)
    await fill(store, chat.MAX_LINES - 1)
    last = await talk.say(ANN, "last", "text", NOW)
    with pytest.raises(LimitReached):
        await talk.say(ANN, "one more", "text", NOW)
    assert await talk.say(ANN, "last", "text", NOW) == last  # a repeat is answered even then
