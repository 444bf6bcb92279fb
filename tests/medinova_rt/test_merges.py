import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from medinova_rt.errors import Changed, DomainError, LimitReached, NotFound, WrongState
from medinova_rt.grants import Grant, Kind, Scope
from medinova_rt.ids import PatientId, UserId
from medinova_rt.merges import MAX_ABSORBED
from medinova_rt.patients import MAX_IDENTIFIERS, MAX_TREATING, Identifier, Patient, State
from medinova_rt.relations import MAX_RELATIONS, not_ended
from medinova_rt.rights import Action
from tests.medinova_rt.ward import NOW, SERVICE, THERE, Ward, acting, make_store

DESK = acting("front-desk")


@asynccontextmanager
async def opened(kind: str, folder: Path) -> AsyncIterator[Ward]:
    store = make_store(kind, folder)
    await store.open()  # type: ignore[attr-defined]
    ward = Ward(store)
    await ward.open()
    yield ward
    await store.close()  # type: ignore[attr-defined]


@pytest.fixture(params=["local", "sqlite"])
async def ward(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ward]:
    async with opened(request.param, tmp_path) as ward:
        yield ward


@pytest.fixture
async def pair(ward: Ward) -> tuple[Patient, Patient]:
    return await ward.patient(), await ward.patient()


async def give(ward: Ward, patient: Patient, user: UserId, kind: Kind = Kind.CARER) -> Grant:
    return (await ward.relations.add(DESK, patient.id, user, kind, [Scope.RECORD], NOW)).value


async def treated(ward: Ward, patient: Patient, *users: str) -> None:
    def decide(before: Patient) -> Patient:
        return replace(before, treating=[UserId(each) for each in users])

    await ward.patients.changing(SERVICE, Action.PATIENT_TREAT, patient.id, decide, NOW)


async def users_of(ward: Ward, patient: Patient) -> set[UserId]:
    return {each.user for each in await not_ended(ward.store, patient.id, NOW)}


async def test_the_survivor_gains_and_the_other_is_closed(ward: Ward, pair: tuple[Patient, Patient]) -> None:
    one, other = pair
    user = await ward.user("carer")
    made = await give(ward, other, user)
    card = Identifier(system="urn:x", value="1")
    await ward.patients.change(DESK, other.id, {"identifiers": [card]}, NOW)
    await treated(ward, one, "usr-a")
    await treated(ward, other, "usr-a", "usr-b")
    before = await ward.held(one.id)
    after = await ward.merges.merge(DESK, one.id, other.id, NOW, before.version)
    assert after == await ward.held(one.id)
    assert after.value == replace(
        before.value, absorbed=[other.id], treating=[UserId("usr-a"), UserId("usr-b")], identifiers=[card]
    )
    closed = (await ward.held(other.id)).value
    assert (closed.state, closed.merged_into, closed.treating) == (State.MERGED, one.id, ["usr-a", "usr-b"])
    assert await not_ended(ward.store, one.id, NOW) == [replace(made, patient=one.id)]
    assert ("patient.merge", other.id) in await ward.trail(one.id)
    assert ("patient.merge", one.id) in await ward.trail(other.id)


async def test_a_user_of_both_keeps_both(ward: Ward, pair: tuple[Patient, Patient]) -> None:
    one, other = pair
    user = await ward.user("carer")
    made = [await give(ward, each, user) for each in pair]
    await ward.merges.merge(DESK, one.id, other.id, NOW)
    assert await not_ended(ward.store, one.id, NOW) == [made[0]]
    assert await not_ended(ward.store, other.id, NOW) == [made[1]]


async def test_a_login_moves_along_and_there_is_one(ward: Ward, pair: tuple[Patient, Patient]) -> None:
    one, other = pair
    anna, ben = await ward.user("anna"), await ward.user("ben")
    mine = await give(ward, one, anna, Kind.SELF)
    await give(ward, other, ben, Kind.SELF)
    with pytest.raises(WrongState, match="login"):
        await ward.merges.merge(DESK, one.id, other.id, NOW)
    await ward.relations.end(DESK, one.id, mine.id, NOW)
    await ward.merges.merge(DESK, one.id, other.id, NOW)
    assert await users_of(ward, one) == {ben}


Refusal = tuple[Callable[[Ward, Patient, Patient, Patient], Any], type[DomainError]]


async def _itself(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    await ward.merges.merge(DESK, one.id, one.id, NOW)


async def _nobody(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    await ward.merges.merge(DESK, one.id, PatientId("pat-none"), NOW)


async def _another_clinic(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    await ward.merges.merge(DESK, one.id, (await ward.patient(THERE)).id, NOW)


async def _twice(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    await ward.merges.merge(DESK, one.id, other.id, NOW)
    await ward.merges.merge(DESK, one.id, other.id, NOW)


async def _into_another(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    await ward.merges.merge(DESK, one.id, other.id, NOW)
    await ward.merges.merge(DESK, third.id, other.id, NOW)


async def _circle(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    await ward.merges.merge(DESK, one.id, other.id, NOW)
    await ward.merges.merge(DESK, other.id, one.id, NOW)


async def _chain_up(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    await ward.merges.merge(DESK, one.id, other.id, NOW)
    await ward.merges.merge(DESK, third.id, one.id, NOW)


async def _chain_down(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    await ward.merges.merge(DESK, one.id, other.id, NOW)
    await ward.merges.merge(DESK, other.id, third.id, NOW)


async def _stale(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    await ward.merges.merge(DESK, one.id, other.id, NOW, expected=7)


async def _not_merged(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    await ward.merges.unmerge(DESK, one.id, other.id, NOW)


async def _merged_elsewhere(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    await ward.merges.merge(DESK, third.id, other.id, NOW)
    await ward.merges.unmerge(DESK, one.id, other.id, NOW)


async def _parted_twice(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    await ward.merges.merge(DESK, one.id, other.id, NOW)
    await ward.merges.unmerge(DESK, one.id, other.id, NOW)
    await ward.merges.unmerge(DESK, one.id, other.id, NOW)


async def _change_of_the_merged(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    await ward.merges.merge(DESK, one.id, other.id, NOW)
    await ward.patients.change(DESK, other.id, {"language": "es"}, NOW)


async def _relation_to_the_merged(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    await ward.merges.merge(DESK, one.id, other.id, NOW)
    await give(ward, other, await ward.user("late"))


async def _too_many_treat(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    await treated(ward, one, *(f"usr-{n}" for n in range(MAX_TREATING)))
    await treated(ward, other, "usr-more")
    await ward.merges.merge(DESK, one.id, other.id, NOW)


async def _too_many_identifiers(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    for patient, count in ((one, MAX_IDENTIFIERS), (other, 1)):
        cards = [Identifier(system=f"urn:{patient.number}", value=f"{n}") for n in range(count)]
        await ward.patients.change(DESK, patient.id, {"identifiers": cards}, NOW)
    await ward.merges.merge(DESK, one.id, other.id, NOW)


async def _too_many_relations(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    for n in range(MAX_RELATIONS + 1):
        await give(ward, one if n else other, await ward.user(f"user-{n}"))
    await ward.merges.merge(DESK, one.id, other.id, NOW)


async def _too_many_merged(ward: Ward, one: Patient, other: Patient, third: Patient) -> None:
    for _ in range(MAX_ABSORBED + 1):
        await ward.merges.merge(DESK, one.id, (await ward.patient()).id, NOW)


@pytest.mark.parametrize(
    ("act", "refusal"),
    [
        (_itself, WrongState),
        (_nobody, NotFound),
        (_another_clinic, NotFound),
        (_twice, WrongState),
        (_into_another, WrongState),
        (_circle, WrongState),
        (_chain_up, WrongState),
        (_chain_down, WrongState),
        (_stale, Changed),
        (_not_merged, WrongState),
        (_merged_elsewhere, WrongState),
        (_parted_twice, WrongState),
        (_change_of_the_merged, WrongState),
        (_relation_to_the_merged, WrongState),
        (_too_many_treat, LimitReached),
        (_too_many_identifiers, LimitReached),
        (_too_many_relations, LimitReached),
        (_too_many_merged, LimitReached),
    ],
)
async def test_what_is_refused(ward: Ward, act: Any, refusal: type[DomainError]) -> None:
    one, other, third = await ward.patient(), await ward.patient(), await ward.patient()
    with pytest.raises(refusal):
        await act(ward, one, other, third)


async def test_what_the_survivor_was_changed_in_stays(ward: Ward, pair: tuple[Patient, Patient]) -> None:
    one, other = pair
    user, late = await ward.user("carer"), await ward.user("late")
    moved = await give(ward, other, user)
    await treated(ward, other, "usr-b")
    await ward.merges.merge(DESK, one.id, other.id, NOW)
    await ward.patients.change(DESK, one.id, {"family": "Newname", "email": "new@example.org"}, NOW)
    await ward.relations.end(DESK, one.id, moved.id, NOW)
    stays = await give(ward, one, late)
    before = (await ward.held(other.id)).value
    after = (await ward.merges.unmerge(DESK, one.id, other.id, NOW)).value
    assert (after.family, after.email, after.treating, after.absorbed) == ("Newname", "new@example.org", [], [])
    assert (await ward.held(other.id)).value == replace(before, state=State.ACTIVE, merged_into=None)
    assert await not_ended(ward.store, one.id, NOW) == [stays]
    assert await not_ended(ward.store, other.id, NOW) == []  # what somebody ended is not brought back
    assert (await ward.relations.read(DESK, other.id, moved.id, NOW)).value.ends_at == NOW


async def test_what_was_parted_can_be_merged_again_either_way(ward: Ward, pair: tuple[Patient, Patient]) -> None:
    one, other = pair
    user = await ward.user("carer")
    await give(ward, other, user)
    for survivor, closed in ((one, other), (other, one), (one, other)):
        await ward.merges.merge(DESK, survivor.id, closed.id, NOW)
        assert await users_of(ward, survivor) == {user}
        await ward.merges.unmerge(DESK, survivor.id, closed.id, NOW)
        assert await users_of(ward, other) == {user}


async def test_of_those_who_merge_the_same_at_once_one_does(ward: Ward) -> None:
    one, other, third = await ward.patient(), await ward.patient(), await ward.patient()
    done = await asyncio.gather(
        ward.merges.merge(DESK, one.id, other.id, NOW),
        ward.merges.merge(DESK, third.id, other.id, NOW),
        ward.merges.merge(DESK, other.id, one.id, NOW),
        return_exceptions=True,
    )
    assert sum(not isinstance(each, Exception) for each in done) == 1
    assert all(isinstance(each, WrongState) for each in done if isinstance(each, Exception))


# --- undone, it is as it was --------------------------------------------------------------------------------------

USERS = [f"usr-{letter}" for letter in "abcd"]
CARDS = [Identifier(system=f"urn:{letter}", value="1") for letter in "abcd"]
treating = st.lists(st.sampled_from(USERS), unique=True)
cards = st.lists(st.sampled_from(CARDS), unique_by=lambda card: card.system, max_size=3)
kinds = st.lists(st.sampled_from([None, Kind.SELF, Kind.PARENT, Kind.CARER]), min_size=3, max_size=3)
records = st.tuples(treating, cards, kinds, st.booleans())


async def _furnish(ward: Ward, users: list[UserId], record: Any) -> Patient:
    treating, cards, kinds, ends = record
    present = list(await ward.all("patients"))
    patient = await ward.patient(despite=present, birth_date=date(2015, 1 + len(present), 2), identifiers=cards)
    await treated(ward, patient, *treating)
    for user, kind in zip(users, kinds, strict=True):
        if kind and not (kind is Kind.SELF and kinds.index(Kind.SELF) != users.index(user)):
            made = await give(ward, patient, user, kind)
            if ends:
                await ward.relations.end(DESK, patient.id, made.id, NOW)
    return patient


async def _state(ward: Ward) -> Any:
    return [await ward.all(each) for each in ("patients", "lookups", "grants")]


@pytest.mark.parametrize("kind", ["local", "sqlite"])
@settings(max_examples=25)
@given(one=records, other=records)
async def test_a_merge_undone_leaves_everything_as_it_was(kind: str, one: Any, other: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with opened(kind, Path(folder)) as ward:
            users = [await ward.user(f"user-{n}") for n in range(3)]
            here, there = await _furnish(ward, users, one), await _furnish(ward, users, other)
            before = await _state(ward)
            try:
                await ward.merges.merge(DESK, here.id, there.id, NOW)
            except WrongState as refusal:
                assert "login" in str(refusal)  # noqa: PT017
            else:
                assert await _state(ward) != before
                await ward.merges.unmerge(DESK, here.id, there.id, NOW)
            assert await _state(ward) == before
