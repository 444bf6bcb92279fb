from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from medinova_rt.errors import Conflict
from medinova_rt.ids import ClinicId, PatientId
from medinova_rt.lookups import MAX_READS, PAGE, Kind, Lookups, SecretIndex, Term
from medinova_rt.ports import MAX_TRANSACT_WRITES, Store
from tests.medinova_rt.ward import HERE, THERE, Ward, make_store

BORN: Term = (Kind.BIRTH_DATE, "1990-05-17")
MAR: Term = (Kind.NAME, "mar")
ONE: Term = (Kind.NUMBER, "1")


@pytest.fixture(params=["local", "sqlite"])
async def ward(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ward]:
    store = make_store(request.param, tmp_path)
    await store.open()  # type: ignore[attr-defined]
    yield Ward(store)
    await store.close()  # type: ignore[attr-defined]


def pat(number: int) -> PatientId:
    return PatientId(f"pat-{number:05}")


async def add(store: Store, lookups: Lookups, patients: range, *terms: Term, clinic: ClinicId = HERE) -> None:
    writes = [write for each in patients for write in await lookups.adding(clinic, pat(each), terms)]
    for start in range(0, len(writes), MAX_TRANSACT_WRITES):
        await store.transact(writes[start : start + MAX_TRANSACT_WRITES])


async def walk(lookups: Lookups, *terms: Term, limit: int = 10) -> list[PatientId]:
    found, place = await lookups.common(HERE, terms, "", limit)
    while place is not None:
        more, place = await lookups.common(HERE, terms, place, limit)
        found += more
    return found


async def test_what_all_terms_lead_to_by_pages(ward: Ward) -> None:
    await add(ward.store, ward.lookups, range(0, 60, 2), MAR)
    await add(ward.store, ward.lookups, range(0, 60, 3), BORN)
    expected = [pat(each) for each in range(0, 60, 6)]
    for limit in (1, 3, 10, 50):
        assert await walk(ward.lookups, MAR, BORN, limit=limit) == expected
    first, place = await ward.lookups.common(HERE, [MAR, BORN], "", 10)
    assert (first, place) == (expected, None)


async def test_a_rare_term_is_not_slowed_by_a_frequent_one(ward: Ward) -> None:
    await add(ward.store, ward.lookups, range(10 * PAGE), MAR)
    await add(ward.store, ward.lookups, range(5, 10 * PAGE, 4 * PAGE), BORN)
    assert await ward.lookups.common(HERE, [MAR, BORN], "", 10) == ([pat(5), pat(405), pat(805)], None)


async def test_a_search_ends_with_a_place_to_go_on(ward: Ward) -> None:
    await add(ward.store, ward.lookups, range(0, 40 * PAGE, 2), MAR)
    await add(ward.store, ward.lookups, range(1, 40 * PAGE, 2), BORN)
    found, place = await ward.lookups.common(HERE, [MAR, BORN], "", 10)
    assert found == []
    assert place is not None
    assert place > pat(MAX_READS // 2 * PAGE - 1)
    assert await walk(ward.lookups, MAR, BORN) == []


async def test_another_clinic_is_never_reached(ward: Ward) -> None:
    await add(ward.store, ward.lookups, range(1), MAR, ONE, clinic=THERE)
    assert await ward.lookups.common(HERE, [MAR], "", 10) == ([], None)
    assert await ward.lookups.of_number(HERE, "1") is None
    assert await ward.lookups.index_key(HERE, *MAR) != await ward.lookups.index_key(THERE, *MAR)


async def test_a_number_has_one_patient(ward: Ward) -> None:
    await add(ward.store, ward.lookups, range(1), ONE)
    with pytest.raises(Conflict):
        await add(ward.store, ward.lookups, range(1, 2), ONE)
    assert await ward.lookups.removing(HERE, pat(1), [ONE]) == []
    await ward.store.transact(await ward.lookups.removing(HERE, pat(0), [ONE, MAR]))
    await add(ward.store, ward.lookups, range(1, 2), ONE)
    assert await ward.lookups.of_number(HERE, "1") == pat(1)


async def test_only_one_of_two_has_the_turn(ward: Ward) -> None:
    for _ in range(2):
        one, other = await ward.lookups.turn(HERE, BORN), await ward.lookups.turn(HERE, BORN)
        await ward.store.transact([one])
        with pytest.raises(Conflict):
            await ward.store.transact([other])


async def test_a_key_tells_nothing_without_the_secret(ward: Ward) -> None:
    await add(ward.store, ward.lookups, range(1), BORN)
    assert "1990" not in str(await ward.all("lookups"))
    other = Lookups(ward.store, SecretIndex(b"j" * 32))
    assert await other.index_key(HERE, *BORN) != await ward.lookups.index_key(HERE, *BORN)
    with pytest.raises(ValueError, match="shorter than 32"):
        SecretIndex(b"short")
