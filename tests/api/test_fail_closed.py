"""What cannot be put on record is not shown (ASVS 16.5): each route that reads of a patient or a visit, as everybody,
over a store that takes no audit record. Whoever would have been shown something is told to come again."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from api.route import Route
from api.routes import ROUTES
from medinova_rt import audit
from medinova_rt.assembly import CABINET
from medinova_rt.errors import Unavailable
from medinova_rt.ports import Token, Write
from tests.api.town import Town, town

pytestmark = pytest.mark.asyncio(loop_scope="module")

ABOUT_PEOPLE = {"patient", "visit", "relation", "emergency"}  # things in a path
LISTS = {"readAudit", "listEmergencies", "searchPatients", "findDuplicates", "readMe"}
BODIES: dict[str, Any] = {
    "searchPatients": {"name": "Pat-Here"},
    "findDuplicates": {"name": "Pat Pat-Here", "birth_date": "1980-01-02"},
}


def reads(route: Route) -> bool:
    return route.operation in LISTS or (route.is_api and route.is_safe and bool(ABOUT_PEOPLE & set(route.parameters)))


READS = [route for route in ROUTES if reads(route)]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def built(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(Path(tmp_path_factory.mktemp("town"))) as made:
        yield made


@pytest.fixture
def refusing(built: Town, monkeypatch: pytest.MonkeyPatch) -> Town:
    documents = built.app[CABINET].documents
    through = documents.transact

    async def transact(writes: Sequence[Write]) -> list[Token]:
        if any(write.collection == audit.COLLECTION for write in writes):
            raise Unavailable("the store takes no audit record")
        return await through(writes)

    monkeypatch.setattr(documents, "transact", transact)
    return built


async def answers(built: Town, route: Route) -> dict[str, tuple[int, bytes]]:
    path = route.template.format(**{name: built.ids[name] for name in route.parameters})
    body = BODIES.get(route.operation)
    found = {}
    for who in built.people:
        answer = await built.ask(who, route.method, path, **({"json": body} if body else {}))
        found[who] = answer.status, answer.body
    return found


async def test_there_are_such_routes() -> None:
    assert {"readPatient", "readVisit", "readSeat", "listAccesses", "listRelations"} <= {
        each.operation for each in READS
    }


@pytest.mark.parametrize("route", READS, ids=lambda route: route.operation)
async def test_without_a_record_nothing_is_shown(refusing: Town, route: Route) -> None:
    found = await answers(refusing, route)
    shown = {who for who, (status, _) in found.items() if status < 300}
    assert shown - (NOBODYS if route.operation == "readMe" else set()) == set()
    assert [who for who, (status, _) in found.items() if status == 503]
    assert not [body for status, body in found.values() if status >= 300 and b"Pat-Here" in body]


# who acts for nobody: their own page shows nobody else's name
NOBODYS = {"treating", "emergency", "clinician", "front-desk", "billing", "administrator", "interpreter", "user"}
NOBODYS |= {"once-parent", "weak", "operator", *(f"there/{who}" for who in NOBODYS - {"emergency"})}


@pytest.mark.parametrize("route", READS, ids=lambda route: route.operation)
async def test_with_one_somebody_is_shown_it(built: Town, route: Route) -> None:
    assert [who for who, (status, _) in (await answers(built, route)).items() if status == 200]
